#include "wire/tcpseg.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define IP4_HEADER 20 /* without options */
#define IP6_HEADER 40
#define TCP_HEADER 20 /* without options */
#define TCP_OPTIONS_MAX 40
#define IP4_DF 0x4000
#define TTL 64 /* RFC 1700: the default for one that is sent */

#define FLAGS (TCPSEG_FIN | TCPSEG_SYN | TCPSEG_RST | TCPSEG_PSH | TCPSEG_ACK | TCPSEG_URG)

/* Kinds of options and their lengths with these two bytes. */
enum { KIND_EOL, KIND_NOP, KIND_MSS, KIND_WSCALE, KIND_SACK_PERMITTED, KIND_SACK };
#define LEN_MSS 4
#define LEN_WSCALE 3
#define LEN_SACK_PERMITTED 2
#define LEN_SACK_BLOCK 8

static_assert(FRAME_ETHER_HEADER + IP6_HEADER + TCP_HEADER + TCP_OPTIONS_MAX <= TCPSEG_HEADER_MAX,
	      "the largest header fits");
static_assert(4 + TCPSEG_SACKS_MAX * LEN_SACK_BLOCK <= TCP_OPTIONS_MAX, "so do all SACK blocks");

static uint8_t *put8(uint8_t *p, uint8_t value)
{
	*p = value;
	return p + 1;
}

static uint8_t *put_bytes(uint8_t *p, const void *bytes, size_t len)
{
	memcpy(p, bytes, len);
	return p + len;
}

/* Several of these options in one segment are not forbidden, and 40 bytes hold no more than four
 * blocks however they are cut up.
 */
static bool parse_sack(const uint8_t *p, size_t len, struct tcpseg *seg)
{
	if (len == 0 || len % LEN_SACK_BLOCK != 0)
		return false;
	if (seg->flags & TCPSEG_SYN) /* acknowledges nothing that could have holes */
		return true;
	for (; len > 0; p += LEN_SACK_BLOCK, len -= LEN_SACK_BLOCK) {
		seg->sacks[seg->sack_count].left = get32(p);
		seg->sacks[seg->sack_count].right = get32(p + 4);
		seg->sack_count++;
	}
	return true;
}

/* One option: @p is behind its kind and length, @len the bytes of it that are left. */
static bool parse_option(uint8_t kind, const uint8_t *p, size_t len, struct tcpseg *seg)
{
	bool syn = seg->flags & TCPSEG_SYN;

	switch (kind) {
	case KIND_MSS:
		if (len != LEN_MSS - 2)
			return false;
		if (syn)
			seg->mss = get16(p);
		return true;
	case KIND_WSCALE:
		if (len != LEN_WSCALE - 2)
			return false;
		if (syn) /* RFC 7323 section 2.2: elsewhere it must be ignored */
			seg->wscale = *p > TCPSEG_WSCALE_MAX ? TCPSEG_WSCALE_MAX : *p;
		return true;
	case KIND_SACK_PERMITTED:
		if (len != LEN_SACK_PERMITTED - 2)
			return false;
		if (syn)
			seg->sack_permitted = true;
		return true;
	case KIND_SACK:
		return parse_sack(p, len, seg);
	default:
		return true;
	}
}

static bool parse_options(const uint8_t *p, size_t len, struct tcpseg *seg)
{
	while (len > 0 && *p != KIND_EOL) {
		size_t option;

		if (*p == KIND_NOP) {
			p++;
			len--;
			continue;
		}
		if (len < 2)
			return false;
		option = p[1];
		if (option < 2 || option > len || !parse_option(p[0], p + 2, option - 2, seg))
			return false;
		p += option;
		len -= option;
	}
	return true;
}

bool tcpseg_parse(const uint8_t *bytes, const struct frame *frame, struct tcpseg *ret)
{
	const uint8_t *tcp = bytes + frame->transport;
	size_t header = (size_t)(tcp[12] >> 4) * 4;
	struct tcpseg seg = {
		.src = frame->src,
		.dst = frame->dst,
		.sport = get16(tcp),
		.dport = get16(tcp + 2),
		.seq = get32(tcp + 4),
		.ack = get32(tcp + 8),
		.flags = tcp[13] & FLAGS,
		.window = get16(tcp + 14),
		.wscale = TCPSEG_WSCALE_NONE,
		.payload = tcp + header,
		.len = frame->transport_len - header,
	};

	if (!parse_options(tcp + TCP_HEADER, header - TCP_HEADER, &seg))
		return false;
	*ret = seg;
	return true;
}

bool tcpseg_checksum_ok(const uint8_t *bytes, const struct frame *frame)
{
	uint64_t sum = checksum_add_pseudo(0, &frame->src, &frame->dst, IPPROTO_TCP,
					   (uint32_t)frame->transport_len);

	sum = checksum_add(sum, bytes + frame->transport, frame->transport_len);
	return checksum_fold(sum) == 0xffff;
}

static size_t options_len(const struct tcpseg *seg)
{
	if (seg->flags & TCPSEG_SYN)
		return (seg->mss != 0 ? 4U : 0) + (seg->sack_permitted ? 4U : 0) +
		       (seg->wscale != TCPSEG_WSCALE_NONE ? 4U : 0);
	return seg->sack_count > 0 ? 4 + seg->sack_count * LEN_SACK_BLOCK : 0;
}

/* Each one is padded in front to a multiple of four bytes, as other stacks do it. */
static uint8_t *put_options(uint8_t *p, const struct tcpseg *seg)
{
	if (!(seg->flags & TCPSEG_SYN)) {
		if (seg->sack_count > 0) {
			p = put16(p, KIND_NOP << 8 | KIND_NOP);
			p = put8(p, KIND_SACK);
			p = put8(p, (uint8_t)(2 + seg->sack_count * LEN_SACK_BLOCK));
		}
		for (unsigned i = 0; i < seg->sack_count; i++)
			p = put32(put32(p, seg->sacks[i].left), seg->sacks[i].right);
		return p;
	}
	if (seg->mss != 0) {
		p = put16(p, KIND_MSS << 8 | LEN_MSS);
		p = put16(p, seg->mss);
	}
	if (seg->sack_permitted) {
		p = put16(p, KIND_NOP << 8 | KIND_NOP);
		p = put16(p, KIND_SACK_PERMITTED << 8 | LEN_SACK_PERMITTED);
	}
	if (seg->wscale != TCPSEG_WSCALE_NONE) {
		p = put16(p, KIND_NOP << 8 | KIND_WSCALE);
		p = put16(p, (uint16_t)(LEN_WSCALE << 8 | seg->wscale));
	}
	return p;
}

/* The IPv4 header; @len is that of what follows it. Its identification is 0: RFC 6864 section 4.1
 * lets it be anything with DF, and a kernel that cuts a large segment counts up from it.
 */
static uint8_t *put_ip4(uint8_t *p, const struct tcpseg *seg, size_t len)
{
	uint8_t *header = p;
	uint16_t sum;

	p = put16(p, 0x4500);
	p = put16(p, (uint16_t)(IP4_HEADER + len));
	p = put32(p, IP4_DF);
	p = put16(p, TTL << 8 | IPPROTO_TCP);
	p = put16(p, 0);
	p = put_bytes(p, seg->src.v4.b, sizeof(seg->src.v4.b));
	p = put_bytes(p, seg->dst.v4.b, sizeof(seg->dst.v4.b));
	sum = (uint16_t)~checksum_fold(checksum_add(0, header, IP4_HEADER));
	memcpy(header + 10, &sum, sizeof(sum));
	return p;
}

static uint8_t *put_ip6(uint8_t *p, const struct tcpseg *seg, size_t len)
{
	p = put32(p, 6U << 28);
	p = put16(p, (uint16_t)len);
	p = put16(p, IPPROTO_TCP << 8 | TTL);
	p = put_bytes(p, seg->src.v6.b, sizeof(seg->src.v6.b));
	return put_bytes(p, seg->dst.v6.b, sizeof(seg->dst.v6.b));
}

/* The TCP header but for its checksum. */
static uint8_t *put_tcp(uint8_t *p, const struct tcpseg *seg, size_t header)
{
	p = put16(put16(p, seg->sport), seg->dport);
	p = put32(put32(p, seg->seq), seg->ack);
	p = put8(p, (uint8_t)(header / 4 << 4));
	p = put8(p, seg->flags);
	p = put16(p, seg->window);
	p = put32(p, 0); /* checksum and urgent pointer */
	return put_options(p, seg);
}

size_t tcpseg_build(const struct tcpseg *seg, const struct mac *eth_src, const struct mac *eth_dst,
		    bool partial, uint8_t *out)
{
	size_t header = TCP_HEADER + options_len(seg);
	size_t len = header + seg->len; /* of the IP packet's payload */
	bool v4 = seg->src.family == IP_V4;
	uint8_t *p = out, *tcp;
	uint64_t sum = checksum_add_pseudo(0, &seg->src, &seg->dst, IPPROTO_TCP, (uint32_t)len);
	uint16_t folded;

	p = put_bytes(p, eth_dst->b, sizeof(eth_dst->b));
	p = put_bytes(p, eth_src->b, sizeof(eth_src->b));
	p = put16(p, v4 ? 0x0800 : 0x86dd); /* IEEE 802 EtherTypes */
	tcp = v4 ? put_ip4(p, seg, len) : put_ip6(p, seg, len);
	p = put_tcp(tcp, seg, header);
	if (!partial) {
		sum = checksum_add(sum, tcp, header);
		sum = checksum_add(sum, seg->payload, seg->len);
	}
	folded = checksum_fold(sum);
	if (!partial)
		folded = (uint16_t)~folded;
	memcpy(tcp + 16, &folded, sizeof(folded));
	return (size_t)(p - out);
}

size_t tcpseg_transport_offset(const struct tcpseg *seg)
{
	return FRAME_ETHER_HEADER + (seg->src.family == IP_V4 ? IP4_HEADER : IP6_HEADER);
}
