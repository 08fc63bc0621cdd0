#include "wire/frame.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"

#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP6 0x86dd

#define ARP_LEN 28 /* RFC 826 with Ethernet and IPv4 addresses */
#define IP4_HEADER_MIN 20
#define IP6_HEADER 40
#define IP6_NEXT 6	    /* offset in the IPv6 header */
#define IP6_EXTENSION_MAX 8 /* headers in one packet; no sender needs more */
#define TCP_HEADER_MIN 20
#define UDP_HEADER 8
#define ICMP_HEADER_MIN 4

static const char *const fault_names[] = {
	[FRAME_OK] = NULL,
	[FRAME_TOO_SHORT] = "too_short",
	[FRAME_TOO_LONG] = "too_long",
	[FRAME_BAD_ETHERTYPE] = "unknown_ethertype",
	[FRAME_BAD_ARP] = "bad_arp",
	[FRAME_BAD_IP_HEADER] = "bad_ip_header",
	[FRAME_BAD_IP_LENGTH] = "bad_ip_length",
	[FRAME_BAD_TRANSPORT] = "bad_transport",
};
static_assert(sizeof(fault_names) / sizeof(fault_names[0]) == FRAME_FAULTS, "a name per fault");

const char *frame_fault_name(enum frame_fault fault)
{
	return fault_names[fault];
}

/* What is left of the packet, @len bytes, is the transport header and its payload. */
static enum frame_fault parse_transport(uint8_t proto, const uint8_t *p, size_t len,
					struct frame *frame)
{
	size_t header;

	frame->proto = proto;
	frame->transport = frame->len - len;
	frame->transport_len = len;
	switch (proto) {
	case IPPROTO_TCP:
		if (len < TCP_HEADER_MIN)
			return FRAME_BAD_TRANSPORT;
		header = (size_t)(p[12] >> 4) * 4;
		return header < TCP_HEADER_MIN || header > len ? FRAME_BAD_TRANSPORT : FRAME_OK;
	case IPPROTO_UDP:
		if (len < UDP_HEADER)
			return FRAME_BAD_TRANSPORT;
		header = get16(p + 4);
		return header < UDP_HEADER || header > len ? FRAME_BAD_TRANSPORT : FRAME_OK;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return len < ICMP_HEADER_MIN ? FRAME_BAD_TRANSPORT : FRAME_OK;
	default:
		return FRAME_OK;
	}
}

static enum frame_fault parse_arp(const uint8_t *p, size_t len, struct frame *frame)
{
	static const uint8_t ether_ip4[] = { 0, 1, 0x08, 0x00, 6, 4 };

	if (len < ARP_LEN)
		return FRAME_TOO_SHORT;
	if (memcmp(p, ether_ip4, sizeof(ether_ip4)) != 0)
		return FRAME_BAD_ARP;
	frame->kind = FRAME_ARP;
	frame->len = FRAME_ETHER_HEADER + ARP_LEN;
	frame->src.family = frame->dst.family = IP_V4;
	memcpy(frame->src.v4.b, p + 14, 4);
	memcpy(frame->dst.v4.b, p + 24, 4);
	return FRAME_OK;
}

static enum frame_fault parse_ip4(const uint8_t *p, size_t len, struct frame *frame)
{
	size_t header, total;
	uint16_t fragment;

	if (len < IP4_HEADER_MIN)
		return FRAME_TOO_SHORT;
	header = (size_t)(p[0] & 0x0f) * 4;
	total = get16(p + 2);
	if (p[0] >> 4 != 4 || header < IP4_HEADER_MIN)
		return FRAME_BAD_IP_HEADER;
	if (total < header || total > len)
		return FRAME_BAD_IP_LENGTH;
	fragment = get16(p + 6) & 0x3fff; /* MF and the offset */
	frame->kind = FRAME_IP4;
	frame->len = FRAME_ETHER_HEADER + total;
	frame->proto = p[9];
	frame->fragment = fragment != 0;
	frame->src.family = frame->dst.family = IP_V4;
	memcpy(frame->src.v4.b, p + 12, 4);
	memcpy(frame->dst.v4.b, p + 16, 4);
	if (frame->fragment)
		return FRAME_OK;
	return parse_transport(frame->proto, p + header, total - header, frame);
}

/* Walk the extension headers (RFC 8200 section 4) to the payload. */
static enum frame_fault parse_ip6_payload(uint8_t next, const uint8_t *p, size_t len,
					  struct frame *frame)
{
	size_t next_at = FRAME_ETHER_HEADER + IP6_NEXT;

	for (int i = 0; i < IP6_EXTENSION_MAX; i++) {
		const size_t at = frame->len - len;
		size_t header;

		switch (next) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
			if (len < 8)
				return FRAME_BAD_IP_LENGTH;
			header = (size_t)(p[1] + 1) * 8;
			if (header > len)
				return FRAME_BAD_IP_LENGTH;
			next = p[0];
			next_at = at;
			p += header;
			len -= header;
			break;
		case IPPROTO_FRAGMENT:
			if (len < 8)
				return FRAME_BAD_IP_LENGTH;
			frame->proto = p[0];
			frame->fragment = true;
			frame->fragment_header = at;
			frame->fragment_next = next_at;
			return FRAME_OK;
		default:
			return parse_transport(next, p, len, frame);
		}
	}
	return FRAME_BAD_IP_HEADER;
}

static enum frame_fault parse_ip6(const uint8_t *p, size_t len, struct frame *frame)
{
	size_t payload;

	if (len < IP6_HEADER)
		return FRAME_TOO_SHORT;
	if (p[0] >> 4 != 6)
		return FRAME_BAD_IP_HEADER;
	payload = get16(p + 4);
	if (payload > len - IP6_HEADER)
		return FRAME_BAD_IP_LENGTH;
	frame->kind = FRAME_IP6;
	frame->len = FRAME_ETHER_HEADER + IP6_HEADER + payload;
	frame->src.family = frame->dst.family = IP_V6;
	memcpy(frame->src.v6.b, p + 8, 16);
	memcpy(frame->dst.v6.b, p + 24, 16);
	return parse_ip6_payload(p[6], p + IP6_HEADER, payload, frame);
}

void frame_put_header(uint8_t *out, const struct mac *from, const struct mac *to,
		      enum ip_family family)
{
	memcpy(out, to->b, sizeof(to->b));
	memcpy(out + 6, from->b, sizeof(from->b));
	put16(out + 12, family == IP_V6 ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
}

enum frame_fault frame_parse(const uint8_t *bytes, size_t len, struct frame *ret)
{
	struct frame frame = { 0 };
	enum frame_fault fault;
	const uint8_t *packet = bytes + FRAME_ETHER_HEADER;

	if (len < FRAME_ETHER_HEADER)
		return FRAME_TOO_SHORT;
	if (len > FRAME_MAX)
		return FRAME_TOO_LONG;
	len -= FRAME_ETHER_HEADER;
	switch (get16(bytes + 12)) {
	case ETHERTYPE_ARP:
		fault = parse_arp(packet, len, &frame);
		break;
	case ETHERTYPE_IP4:
		fault = parse_ip4(packet, len, &frame);
		break;
	case ETHERTYPE_IP6:
		fault = parse_ip6(packet, len, &frame);
		break;
	default:
		return FRAME_BAD_ETHERTYPE;
	}
	if (fault == FRAME_OK)
		*ret = frame;
	return fault;
}
