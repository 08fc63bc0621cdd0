#include "app/tcp_glue.h"

#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "net/tcp.h"
#include "wire/tcpseg.h"
#include "wire/tcpsplit.h"

#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_IP6 0x86dd
#define TCP_CHECKSUM_OFFSET 16 /* in the TCP header */

struct tcp_glue {
	struct tcp *tcp;
	struct link *link; /* borrowed */
	struct gate *gate; /* borrowed */
	uint8_t piece[FRAME_MAX];
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

/* A connection of the other stack, which takes what fits the MTU. */
static void pass_pieces(struct tcp_glue *glue, const uint8_t *frame, const struct frame *parsed,
			uint16_t size)
{
	static const struct link_info plain;
	size_t offset = 0, len;

	while ((len = tcpsplit_piece(frame, parsed, size, offset, glue->piece)) > 0) {
		gate_input(glue->gate, glue->piece, len, &plain);
		offset += size;
	}
}

static bool take(uint8_t *frame, size_t len, const struct frame *parsed,
		 const struct link_info *info, void *data)
{
	struct tcp_glue *glue = data;

	(void)len;
	if (!info->checksum_valid && !tcpseg_checksum_ok(frame, parsed)) {
		tcp_count_drop(glue->tcp, TCP_DROP_CHECKSUM);
		return true;
	}
	if (tcp_input(glue->tcp, frame, parsed))
		return true;
	if (info->gso_size == 0)
		return false;
	pass_pieces(glue, frame, parsed, info->gso_size);
	return true;
}

int tcp_glue_new(struct loop *loop, const struct settings *settings, struct link *link,
		 struct gate *gate, struct tcp_glue **ret)
{
	struct tcp_glue *glue = g_new0(struct tcp_glue, 1);
	const struct tcp_output output = {
		.segment = send_segment,
		.packet = send_packet,
		.large_segments = link->vnet_hdr,
		.data = glue,
	};
	int r = tcp_new(loop, settings, &output, &glue->tcp);

	if (r < 0) {
		g_free(glue);
		return r;
	}
	glue->link = link;
	glue->gate = gate;
	gate->tcp = take;
	gate->tcp_data = glue;
	*ret = glue;
	return 0;
}

void tcp_glue_free(struct tcp_glue *glue)
{
	if (!glue)
		return;
	glue->gate->tcp = NULL;
	tcp_free(glue->tcp);
	g_free(glue);
}

const struct tcp *tcp_glue_tcp(const struct tcp_glue *glue)
{
	return glue->tcp;
}
