#include "app/stacks.h"

#include <glib.h>
#include <string.h>

#include "app/resolver.h"
#include "base/loop.h"
#include "net/flows.h"
#include "net/neighbour.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "wire/tcpseg.h"

#define TCP_CHECKSUM_OFFSET 16 /* in the TCP header */

struct stacks {
	struct tcp *tcp; /* NULL: libslirp's */
	struct udp *udp; /* the same */
	struct flows *flows;
	struct loop *loop; /* borrowed */
	struct link *link; /* borrowed */
	struct gate *gate; /* borrowed */
	struct neighbours *neighbours;
	struct resolver resolver;
};

static void send_segment(const struct tcpseg *seg, uint16_t mss, const struct mac *from,
			 const struct mac *to, void *data)
{
	struct stacks *stacks = data;
	bool partial = stacks->link->vnet_hdr;
	uint8_t headers[TCPSEG_HEADER_MAX];
	size_t len = tcpseg_build(seg, from, to, partial, headers);
	const struct link_offload offload = {
		.csum_start = (uint16_t)tcpseg_transport_offset(seg),
		.csum_offset = TCP_CHECKSUM_OFFSET,
		.gso_size = seg->len > mss ? mss : 0,
		.v6 = seg->src.family == IP_V6,
	};

	link_send_segment(stacks->link, headers, len, seg->payload, seg->len,
			  partial ? &offload : NULL);
}

static void send_packet(const uint8_t *packet, size_t len, const struct mac *from,
			const struct mac *to, void *data)
{
	struct stacks *stacks = data;
	uint8_t frame[FRAME_ETHER_HEADER + 256];

	if (len > sizeof(frame) - FRAME_ETHER_HEADER)
		return;
	frame_put_header(frame, from, to, packet[0] >> 4 == 6 ? IP_V6 : IP_V4);
	memcpy(frame + FRAME_ETHER_HEADER, packet, len);
	link_send(stacks->link, frame, FRAME_ETHER_HEADER + len);
}

static bool find_nameserver(enum ip_family family, struct dial_target *ret, void *data)
{
	struct stacks *stacks = data;

	return resolver_find(&stacks->resolver, family, loop_now_ms(stacks->loop), ret);
}

static bool find_neighbour(const struct ip *ip, bool doubt, struct mac *ret, void *data)
{
	struct stacks *stacks = data;
	int64_t now_ms = loop_now_ms(stacks->loop);

	if (doubt)
		neighbours_ask(stacks->neighbours, ip, now_ms);
	return neighbours_find(stacks->neighbours, ip, now_ms, ret);
}

static void send_question(const uint8_t *frame, size_t len, void *data)
{
	struct stacks *stacks = data;

	link_send(stacks->link, frame, len);
}

static void neighbour_learned(const struct ip *ip, const struct mac *mac, void *data)
{
	struct stacks *stacks = data;

	if (stacks->tcp)
		tcp_neighbour(stacks->tcp, ip, mac);
	if (stacks->udp)
		udp_neighbour(stacks->udp, ip, mac);
}

static void take_tcp(const uint8_t *frame, size_t len, const struct frame *parsed,
		     const struct link_info *info, void *data)
{
	struct stacks *stacks = data;

	(void)len;
	if (info->checksum_valid || tcpseg_checksum_ok(frame, parsed))
		tcp_input(stacks->tcp, frame, parsed);
	else
		tcp_count_drop(stacks->tcp, TCP_DROP_CHECKSUM);
}

static bool take_too_big(const struct toobig *report, void *data)
{
	struct stacks *stacks = data;

	return tcp_too_big(stacks->tcp, report);
}

static bool send_frame(const uint8_t *headers, size_t header_len, const uint8_t *payload,
		       size_t len, const struct link_offload *offload, void *data)
{
	struct stacks *stacks = data;

	return link_send_segment(stacks->link, headers, header_len, payload, len, offload);
}

static void take_udp(const uint8_t *frame, size_t len, const struct frame *parsed,
		     const struct link_info *info, void *data)
{
	struct stacks *stacks = data;

	(void)len;
	udp_input(stacks->udp, frame, parsed, info);
}

/* The addresses that forwards go to if nothing else is said. */
static void introduce_guest(struct stacks *stacks, const struct settings *settings,
			    const struct mac *mac)
{
	const struct ip guest4 = { .family = IP_V4, .v4 = settings->plan.guest };
	const struct ip guest6 = settings_guest6(settings, mac);

	neighbours_set(stacks->neighbours, &guest4, mac);
	neighbours_set(stacks->neighbours, &guest6, mac);
}

static int start_tcp(struct stacks *stacks, const struct settings *settings)
{
	const struct tcp_output output = {
		.segment = send_segment,
		.packet = send_packet,
		.large_segments = stacks->link->vnet_hdr,
		.data = stacks,
		.nameserver = find_nameserver,
		.neighbour = find_neighbour,
		.flows = stacks->flows,
	};
	int r = tcp_new(stacks->loop, settings, &output, &stacks->tcp);

	if (r < 0)
		return r;
	stacks->gate->tcp = take_tcp;
	stacks->gate->too_big = take_too_big;
	stacks->gate->tcp_data = stacks;
	return 0;
}

static int start_udp(struct stacks *stacks, const struct settings *settings)
{
	const struct udp_output output = {
		.frame = send_frame,
		.partial_checksums = stacks->link->vnet_hdr,
		.large_datagrams = stacks->link->uso,
		.data = stacks,
		.nameserver = find_nameserver,
		.neighbour = find_neighbour,
		.flows = stacks->flows,
	};
	int r = udp_new(stacks->loop, settings, &output, &stacks->udp);

	if (r < 0)
		return r;
	stacks->gate->udp = take_udp;
	stacks->gate->udp_data = stacks;
	return 0;
}

int stacks_new(struct loop *loop, const struct settings *settings, const struct mac *guest_mac,
	       struct link *link, struct gate *gate, struct stacks **ret)
{
	struct stacks *stacks = g_new0(struct stacks, 1);
	const struct neighbours_output questions = { send_question, neighbour_learned, stacks };
	int r = 0;

	stacks->loop = loop;
	stacks->link = link;
	stacks->gate = gate;
	stacks->flows = flows_new();
	stacks->neighbours = neighbours_new(&settings->plan, &questions);
	if (guest_mac)
		introduce_guest(stacks, settings, guest_mac);
	gate->neighbours = stacks->neighbours;
	if (settings->native_tcp)
		r = start_tcp(stacks, settings);
	if (r == 0 && settings->native_udp)
		r = start_udp(stacks, settings);
	if (r < 0) {
		stacks_free(stacks);
		return r;
	}
	*ret = stacks;
	return 0;
}

void stacks_free(struct stacks *stacks)
{
	if (!stacks)
		return;
	stacks->gate->tcp = NULL;
	stacks->gate->too_big = NULL;
	stacks->gate->udp = NULL;
	stacks->gate->neighbours = NULL;
	tcp_free(stacks->tcp);
	udp_free(stacks->udp);
	flows_free(stacks->flows);
	neighbours_free(stacks->neighbours);
	g_free(stacks);
}

struct tcp *stacks_tcp(struct stacks *stacks)
{
	return stacks ? stacks->tcp : NULL;
}

struct udp *stacks_udp(struct stacks *stacks)
{
	return stacks ? stacks->udp : NULL;
}

struct flows *stacks_flows(struct stacks *stacks)
{
	return stacks->flows;
}
