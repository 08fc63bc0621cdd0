/* Any frame that passes as TCP comes apart inside its bytes or is refused, and what came apart and
 * is put together again comes apart the same.
 */
#include <glib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "wire/tcpseg.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool same_address(const struct ip *a, const struct ip *b)
{
	return a->family == b->family &&
	       memcmp(a->v6.b, b->v6.b, a->family == IP_V4 ? sizeof(a->v4) : sizeof(a->v6)) == 0;
}

static bool same(const struct tcpseg *a, const struct tcpseg *b)
{
	return same_address(&a->src, &b->src) && same_address(&a->dst, &b->dst) &&
	       a->sport == b->sport && a->dport == b->dport && a->seq == b->seq &&
	       a->ack == b->ack && a->flags == b->flags && a->window == b->window &&
	       a->mss == b->mss && a->wscale == b->wscale &&
	       a->sack_permitted == b->sack_permitted && a->sack_count == b->sack_count &&
	       memcmp(a->sacks, b->sacks, a->sack_count * sizeof(a->sacks[0])) == 0 &&
	       a->len == b->len && memcmp(a->payload, b->payload, a->len) == 0;
}

static void rebuild(const struct tcpseg *seg, size_t whole)
{
	static const struct mac mac = { { 2, 0, 0, 0, 0, 1 } };
	g_autofree uint8_t *out = g_malloc(TCPSEG_HEADER_MAX + seg->len);
	struct frame frame;
	struct tcpseg again;
	size_t header;

	header = tcpseg_build(seg, &mac, &mac, false, out);
	if (header > TCPSEG_HEADER_MAX || header + seg->len > whole)
		abort();
	memcpy(out + header, seg->payload, seg->len);
	if (frame_parse(out, header + seg->len, &frame) != FRAME_OK ||
	    frame.transport != tcpseg_transport_offset(seg) || !tcpseg_checksum_ok(out, &frame))
		abort();
	if (!tcpseg_parse(out, &frame, &again) || !same(seg, &again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct frame frame;
	struct tcpseg seg;

	if (frame_parse(bytes, len, &frame) != FRAME_OK || frame.kind == FRAME_ARP ||
	    frame.fragment)
		return 0;
	if (frame.len > len || frame.transport + frame.transport_len != frame.len)
		abort();
	if (frame.proto != IPPROTO_TCP)
		return 0;
	tcpseg_checksum_ok(bytes, &frame);
	if (!tcpseg_parse(bytes, &frame, &seg))
		return 0;
	if (seg.payload + seg.len != bytes + frame.len || seg.sack_count > TCPSEG_SACKS_MAX)
		abort();
	rebuild(&seg, frame.len);
	return 0;
}
