#include "wire/toobig.h"

#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define ICMP_HEADER 8
#define IP4_HEADER_MIN 20
#define IP6_HEADER 40
#define TCP_QUOTED 8 /* ports and sequence number: all that has to be there (RFC 792) */
#define MTU_UNSAID4 576

/* The next-hop MTU, or 0: it is no such message. */
static uint32_t read_mtu4(const uint8_t *icmp)
{
	uint32_t mtu = get16(icmp + 6);

	if (icmp[0] != 3 || icmp[1] != 4)
		return 0;
	if (mtu == 0)
		return MTU_UNSAID4;
	return mtu < TOOBIG_MTU_MIN4 ? 0 : mtu;
}

/* RFC 8201 section 4: one that names less than every link takes is not believed. */
static uint32_t read_mtu6(const uint8_t *icmp)
{
	uint32_t mtu = get32(icmp + 4);

	return icmp[0] != 2 || mtu < TOOBIG_MTU_MIN6 ? 0 : mtu;
}

/* The addresses in a quoted IPv4 header. The offset of the TCP header behind it, or 0. */
static size_t read_quote4(const uint8_t *p, size_t len, struct toobig *report)
{
	size_t header;

	if (len < IP4_HEADER_MIN || p[0] >> 4 != 4 || p[9] != IPPROTO_TCP)
		return 0;
	header = (size_t)(p[0] & 0x0f) * 4;
	if (header < IP4_HEADER_MIN || (get16(p + 6) & 0x3fff) != 0) /* a fragment */
		return 0;
	report->src.family = report->dst.family = IP_V4;
	memcpy(report->src.v4.b, p + 12, 4);
	memcpy(report->dst.v4.b, p + 16, 4);
	return header;
}

static size_t read_quote6(const uint8_t *p, size_t len, struct toobig *report)
{
	if (len < IP6_HEADER || p[0] >> 4 != 6 || p[6] != IPPROTO_TCP)
		return 0;
	report->src.family = report->dst.family = IP_V6;
	memcpy(report->src.v6.b, p + 8, 16);
	memcpy(report->dst.v6.b, p + 24, 16);
	return IP6_HEADER;
}

static bool checksum_is_right(const uint8_t *icmp, const struct frame *frame)
{
	uint64_t sum = 0;

	if (frame->kind == FRAME_IP6)
		sum = checksum_add_pseudo(0, &frame->src, &frame->dst, frame->proto,
					  (uint32_t)frame->transport_len);
	return checksum_fold(checksum_add(sum, icmp, frame->transport_len)) == 0xffff;
}

bool toobig_parse(const uint8_t *bytes, const struct frame *frame, struct toobig *ret)
{
	const bool v6 = frame->kind == FRAME_IP6;
	const uint8_t *icmp = bytes + frame->transport, *quote = icmp + ICMP_HEADER;
	struct toobig report = { 0 };
	size_t header, len;

	if (frame->kind == FRAME_ARP || frame->transport_len < ICMP_HEADER ||
	    frame->proto != (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	report.mtu = v6 ? read_mtu6(icmp) : read_mtu4(icmp);
	if (report.mtu == 0)
		return false;
	len = frame->transport_len - ICMP_HEADER;
	header = v6 ? read_quote6(quote, len, &report) : read_quote4(quote, len, &report);
	if (header == 0 || header + TCP_QUOTED > len || !ip_equal(&report.src, &frame->dst) ||
	    !checksum_is_right(icmp, frame))
		return false;
	report.sport = get16(quote + header);
	report.dport = get16(quote + header + 2);
	report.seq = get32(quote + header + 4);
	*ret = report;
	return true;
}
