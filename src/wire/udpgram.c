#include "wire/udpgram.h"

#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define IP4_HEADER 20 /* without options */
#define IP6_HEADER 40
#define IP6_FRAGMENT_HEADER 8
#define UDP_HEADER 8

#define IP4_DF 0x4000
#define IP4_MF 0x2000
#define IP6_MF 0x0001
#define FRAGMENT_UNIT 8 /* bytes; offsets are in these */

/* Where a packet's piece of its datagram is. */
struct piece {
	size_t offset, len;
	bool fragment; /* not all of it */
	bool more;
	uint32_t id;
};

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

static bool is_v4(const struct udpgram *gram)
{
	return gram->src.family == IP_V4;
}

bool udpgram_parse(const uint8_t *bytes, const struct frame *frame, struct udpgram *ret)
{
	const uint8_t *ip = bytes + FRAME_ETHER_HEADER, *udp = bytes + frame->transport;
	const bool v4 = frame->kind == FRAME_IP4;
	const struct udpgram gram = {
		.src = frame->src,
		.dst = frame->dst,
		.sport = get16(udp),
		.dport = get16(udp + 2),
		.ttl = v4 ? ip[8] : ip[7],
		.tos = v4 ? ip[1] : (uint8_t)(get16(ip) >> 4),
		.dont_fragment = !v4 || (get16(ip + 6) & IP4_DF),
		.id = v4 ? get16(ip + 4) : 0,
		.payload = udp + UDP_HEADER,
		.len = (size_t)get16(udp + 4) - UDP_HEADER,
	};

	if (gram.dport == 0)
		return false;
	*ret = gram;
	return true;
}

bool udpgram_checksum_ok(const uint8_t *bytes, const struct frame *frame)
{
	const uint8_t *udp = bytes + frame->transport;
	const uint16_t len = get16(udp + 4);
	uint64_t sum;

	if (get16(udp + UDPGRAM_CHECKSUM_OFFSET) == 0)
		return frame->kind == FRAME_IP4;
	sum = checksum_add_pseudo(0, &frame->src, &frame->dst, IPPROTO_UDP, len);
	return checksum_fold(checksum_add(sum, udp, len)) == 0xffff;
}

static uint8_t *put_ether(uint8_t *p, const struct mac *from, const struct mac *to, bool v4)
{
	p = put_bytes(p, to->b, sizeof(to->b));
	p = put_bytes(p, from->b, sizeof(from->b));
	return put16(p, v4 ? 0x0800 : 0x86dd); /* IEEE 802 EtherTypes */
}

static uint8_t *put_ip4(uint8_t *p, const struct udpgram *gram, const struct piece *piece)
{
	uint8_t *header = p;
	uint16_t field = (uint16_t)(piece->offset / FRAGMENT_UNIT);

	if (piece->more)
		field |= IP4_MF;
	if (gram->dont_fragment && !piece->fragment)
		field |= IP4_DF;
	p = put8(put8(p, 0x45), gram->tos);
	p = put16(p, (uint16_t)(IP4_HEADER + piece->len));
	p = put16(put16(p, (uint16_t)piece->id), field);
	p = put8(put8(p, gram->ttl), IPPROTO_UDP);
	p = put16(p, 0);
	p = put_bytes(p, gram->src.v4.b, sizeof(gram->src.v4.b));
	p = put_bytes(p, gram->dst.v4.b, sizeof(gram->dst.v4.b));
	checksum_store(header + 10, checksum_add(0, header, IP4_HEADER));
	return p;
}

static uint8_t *put_ip6(uint8_t *p, const struct udpgram *gram, const struct piece *piece)
{
	const size_t extension = piece->fragment ? IP6_FRAGMENT_HEADER : 0;

	p = put32(p, 6U << 28 | (uint32_t)gram->tos << 20);
	p = put16(p, (uint16_t)(extension + piece->len));
	p = put8(put8(p, piece->fragment ? IPPROTO_FRAGMENT : IPPROTO_UDP), gram->ttl);
	p = put_bytes(p, gram->src.v6.b, sizeof(gram->src.v6.b));
	p = put_bytes(p, gram->dst.v6.b, sizeof(gram->dst.v6.b));
	if (!piece->fragment)
		return p;
	p = put16(p, IPPROTO_UDP << 8);
	p = put16(p, (uint16_t)(piece->offset | (piece->more ? IP6_MF : 0)));
	return put32(p, piece->id);
}

static uint8_t *put_udp(uint8_t *p, const struct udpgram *gram, uint16_t checksum)
{
	p = put16(put16(p, gram->sport), gram->dport);
	p = put16(p, (uint16_t)(UDP_HEADER + gram->len));
	return put_bytes(p, &checksum, sizeof(checksum));
}

static uint64_t sum_pseudo(const struct udpgram *gram)
{
	return checksum_add_pseudo(0, &gram->src, &gram->dst, IPPROTO_UDP,
				   (uint32_t)(UDP_HEADER + gram->len));
}

static uint16_t complete_checksum(const struct udpgram *gram)
{
	uint8_t header[UDP_HEADER];
	uint64_t sum = sum_pseudo(gram);
	uint16_t folded;

	put_udp(header, gram, 0);
	sum = checksum_add(sum, header, sizeof(header));
	sum = checksum_add(sum, gram->payload, gram->len);
	folded = (uint16_t)~checksum_fold(sum);
	return folded == 0 ? 0xffff : folded; /* 0 says that there is none */
}

size_t udpgram_build(const struct udpgram *gram, const struct mac *from, const struct mac *to,
		     bool partial, uint8_t out[UDPGRAM_HEADER_MAX])
{
	const struct piece whole = { .len = UDP_HEADER + gram->len, .id = gram->id };
	const uint16_t checksum = partial ? checksum_fold(sum_pseudo(gram)) :
					    complete_checksum(gram);
	uint8_t *p = put_ether(out, from, to, is_v4(gram));

	p = is_v4(gram) ? put_ip4(p, gram, &whole) : put_ip6(p, gram, &whole);
	p = put_udp(p, gram, checksum);
	return (size_t)(p - out);
}

size_t udpgram_transport_offset(const struct udpgram *gram)
{
	return FRAME_ETHER_HEADER + (is_v4(gram) ? IP4_HEADER : IP6_HEADER);
}

/* How much of a datagram goes into each packet: all of it, or a number of whole units. */
static size_t room_for(const struct udpgram *gram, size_t mtu)
{
	size_t headers = is_v4(gram) ? IP4_HEADER : IP6_HEADER;

	if (headers + UDP_HEADER + gram->len <= mtu)
		return UDP_HEADER + gram->len;
	if (!is_v4(gram))
		headers += IP6_FRAGMENT_HEADER;
	if (mtu < headers + FRAGMENT_UNIT)
		return FRAGMENT_UNIT;
	return (mtu - headers) / FRAGMENT_UNIT * FRAGMENT_UNIT;
}

void udpgram_fragment_begin(struct udpgram_fragments *it, const struct udpgram *gram, uint16_t mtu,
			    uint32_t id, const struct mac *from, const struct mac *to)
{
	*it = (struct udpgram_fragments){
		.gram = gram,
		.from = *from,
		.to = *to,
		.id = id,
		.room = room_for(gram, mtu),
		.checksum = complete_checksum(gram),
	};
}

size_t udpgram_fragment_next(struct udpgram_fragments *it, uint8_t out[UDPGRAM_FRAGMENT_HEADER_MAX],
			     const uint8_t **ret_payload, size_t *ret_len)
{
	const struct udpgram *gram = it->gram;
	const size_t total = UDP_HEADER + gram->len, left = total - it->done;
	const struct piece piece = {
		.offset = it->done,
		.len = left < it->room ? left : it->room,
		.fragment = total > it->room,
		.more = left > it->room,
		.id = it->id,
	};
	const size_t header = it->done == 0 ? UDP_HEADER : 0; /* of UDP, in the first one */
	uint8_t *p;

	if (left == 0)
		return 0;
	p = put_ether(out, &it->from, &it->to, is_v4(gram));
	p = is_v4(gram) ? put_ip4(p, gram, &piece) : put_ip6(p, gram, &piece);
	if (header != 0)
		p = put_udp(p, gram, it->checksum);
	*ret_payload = gram->payload + piece.offset + header - UDP_HEADER;
	*ret_len = piece.len - header;
	it->done += piece.len;
	return (size_t)(p - out);
}
