#include "wire/icmperr.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define ICMP_HEADER 8
#define TCP_QUOTED 8 /* ports and sequence number: what the receiver looks for */

static size_t put_ip4(uint8_t *p, const struct ip *src, const struct ip *dst, uint8_t proto,
		      size_t payload_len)
{
	memset(p, 0, IP4_HEADER);
	p[0] = 0x45;
	put16(p + 2, (uint16_t)(IP4_HEADER + payload_len));
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, src->v4.b, 4);
	memcpy(p + 16, dst->v4.b, 4);
	checksum_store(p + 10, checksum_add(0, p, IP4_HEADER));
	return IP4_HEADER;
}

static size_t put_ip6(uint8_t *p, const struct ip *src, const struct ip *dst, uint8_t proto,
		      size_t payload_len)
{
	memset(p, 0, IP6_HEADER);
	p[0] = 0x60;
	put16(p + 4, (uint16_t)payload_len);
	p[6] = proto;
	p[7] = 64;
	memcpy(p + 8, src->v6.b, 16);
	memcpy(p + 24, dst->v6.b, 16);
	return IP6_HEADER;
}

size_t icmperr_build(enum icmperr_reason reason, const struct ip *router, const struct ip *src,
		     const struct ip *dst, uint16_t sport, uint16_t dport, uint32_t seq,
		     uint8_t out[ICMPERR_MAX])
{
	static const uint8_t code4[] = {
		[ICMPERR_NET] = 0,	[ICMPERR_HOST] = 1,	    [ICMPERR_PROHIBITED] = 13,
		[ICMPERR_PROTOCOL] = 2, [ICMPERR_HOST_UNKNOWN] = 7, [ICMPERR_HOST_ISOLATED] = 8,
	};
	static const uint8_t code6[] = {
		[ICMPERR_NET] = 0,	[ICMPERR_HOST] = 3,	    [ICMPERR_PROHIBITED] = 1,
		[ICMPERR_PROTOCOL] = 3, [ICMPERR_HOST_UNKNOWN] = 3, [ICMPERR_HOST_ISOLATED] = 3,
	};
	bool v6 = src->family == IP_V6;
	size_t header = v6 ? IP6_HEADER : IP4_HEADER;
	size_t icmp_len = ICMP_HEADER + header + TCP_QUOTED;
	uint8_t *icmp = out + header, *quoted = icmp + ICMP_HEADER;
	uint64_t sum = 0;

	memset(icmp, 0, ICMP_HEADER);
	icmp[0] = v6 ? 1 : 3;
	icmp[1] = v6 ? code6[reason] : code4[reason];
	if (v6) {
		put_ip6(out, router, src, IPPROTO_ICMPV6, icmp_len);
		quoted += put_ip6(quoted, src, dst, IPPROTO_TCP, IP4_HEADER);
		sum = checksum_add_pseudo(0, router, src, IPPROTO_ICMPV6, (uint32_t)icmp_len);
	} else {
		put_ip4(out, router, src, IPPROTO_ICMP, icmp_len);
		quoted += put_ip4(quoted, src, dst, IPPROTO_TCP, IP4_HEADER);
	}
	put16(quoted, sport);
	put16(quoted + 2, dport);
	put32(quoted + 4, seq);
	checksum_store(icmp + 2, checksum_add(sum, icmp, icmp_len));
	return header + icmp_len;
}
