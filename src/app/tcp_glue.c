#include "app/tcp_glue.h"

#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "app/resolver.h"
#include "base/loop.h"
#include "net/neighbour.h"
#include "net/tcp.h"
#include "wire/tcpseg.h"

#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_IP6 0x86dd
#define TCP_CHECKSUM_OFFSET 16 /* in the TCP header */

struct tcp_glue {
	struct tcp *tcp;
	struct loop *loop; /* borrowed */
	struct link *link; /* borrowed */
	struct gate *gate; /* borrowed */
	struct neighbours *neighbours;
	struct resolver resolver;
};

static void send_segment(const struct tcpseg *seg, uint16_t mss, const struct mac *from,
			 const struct mac *to, void *data)
{
	struct tcp_glue *glue = data;
	bool partial = glue->link->vnet_hdr;
	uint8_t headers[TCPSEG_HEADER_MAX];
	size_t len = tcpseg_build(seg, from, to, partial, headers);
	const struct link_offload offload = {
		.csum_start = (uint16_t)tcpseg_transport_offset(seg),
		.csum_offset = TCP_CHECKSUM_OFFSET,
		.gso_size = seg->len > mss ? mss : 0,
		.v6 = seg->src.family == IP_V6,
	};

	link_send_segment(glue->link, headers, len, seg->payload, seg->len,
			  partial ? &offload : NULL);
}

static void send_packet(const uint8_t *packet, size_t len, const struct mac *from,
			const struct mac *to, void *data)
{
	struct tcp_glue *glue = data;
	uint16_t type = htons(packet[0] >> 4 == 6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
	uint8_t frame[FRAME_ETHER_HEADER + 256];

	if (len > sizeof(frame) - FRAME_ETHER_HEADER)
		return;
	memcpy(frame, to->b, sizeof(to->b));
	memcpy(frame + 6, from->b, sizeof(from->b));
	memcpy(frame + 12, &type, sizeof(type));
	memcpy(frame + FRAME_ETHER_HEADER, packet, len);
	link_send(glue->link, frame, FRAME_ETHER_HEADER + len);
}

static bool find_nameserver(enum ip_family family, struct dial_target *ret, void *data)
{
	struct tcp_glue *glue = data;

	return resolver_find(&glue->resolver, family, loop_now_ms(glue->loop), ret);
}

static bool find_neighbour(const struct ip *ip, bool doubt, struct mac *ret, void *data)
{
	struct tcp_glue *glue = data;
	int64_t now_ms = loop_now_ms(glue->loop);

	if (doubt)
		neighbours_ask(glue->neighbours, ip, now_ms);
	return neighbours_find(glue->neighbours, ip, now_ms, ret);
}

static void send_question(const uint8_t *frame, size_t len, void *data)
{
	struct tcp_glue *glue = data;

	link_send(glue->link, frame, len);
}

static void neighbour_learned(const struct ip *ip, const struct mac *mac, void *data)
{
	struct tcp_glue *glue = data;

	tcp_neighbour(glue->tcp, ip, mac);
}

static void take(const uint8_t *frame, size_t len, const struct frame *parsed,
		 const struct link_info *info, void *data)
{
	struct tcp_glue *glue = data;

	(void)len;
	if (info->checksum_valid || tcpseg_checksum_ok(frame, parsed))
		tcp_input(glue->tcp, frame, parsed);
	else
		tcp_count_drop(glue->tcp, TCP_DROP_CHECKSUM);
}

static bool take_too_big(const struct toobig *report, void *data)
{
	struct tcp_glue *glue = data;

	return tcp_too_big(glue->tcp, report);
}

/* The addresses that forwards go to if nothing else is said. */
static void introduce_guest(struct tcp_glue *glue, const struct addrplan *plan,
			    const struct mac *mac)
{
	const struct ip guest4 = { .family = IP_V4, .v4 = plan->guest };
	const struct ip guest6 = { .family = IP_V6, .v6 = ip6_slaac(&plan->prefix6, mac) };

	neighbours_set(glue->neighbours, &guest4, mac);
	neighbours_set(glue->neighbours, &guest6, mac);
}

int tcp_glue_new(struct loop *loop, const struct settings *settings, const struct mac *guest_mac,
		 struct link *link, struct gate *gate, struct tcp_glue **ret)
{
	struct tcp_glue *glue = g_new0(struct tcp_glue, 1);
	const struct tcp_output output = {
		.segment = send_segment,
		.packet = send_packet,
		.large_segments = link->vnet_hdr,
		.data = glue,
		.nameserver = find_nameserver,
		.neighbour = find_neighbour,
	};
	const struct neighbours_output questions = { send_question, neighbour_learned, glue };
	int r = tcp_new(loop, settings, &output, &glue->tcp);

	if (r < 0) {
		g_free(glue);
		return r;
	}
	glue->loop = loop;
	glue->link = link;
	glue->gate = gate;
	glue->neighbours = neighbours_new(&settings->plan, &questions);
	if (guest_mac)
		introduce_guest(glue, &settings->plan, guest_mac);
	gate->tcp = take;
	gate->too_big = take_too_big;
	gate->tcp_data = glue;
	gate->neighbours = glue->neighbours;
	*ret = glue;
	return 0;
}

void tcp_glue_free(struct tcp_glue *glue)
{
	if (!glue)
		return;
	glue->gate->tcp = NULL;
	glue->gate->too_big = NULL;
	glue->gate->neighbours = NULL;
	tcp_free(glue->tcp);
	neighbours_free(glue->neighbours);
	g_free(glue);
}

struct tcp *tcp_glue_tcp(struct tcp_glue *glue)
{
	return glue ? glue->tcp : NULL;
}
