#include "wire/icmperr.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define ICMP_HEADER 8

/* Types of ICMP, and of ICMPv6. */
enum { UNREACHABLE4 = 3, TIME_EXCEEDED4 = 11 };
enum { UNREACHABLE6 = 1, TOO_BIG6 = 2, TIME_EXCEEDED6 = 3 };

struct kind {
	uint8_t type, code;
};

static const struct {
	struct kind v4, v6;
} kinds[] = {
	[ICMPERR_NET] = { { UNREACHABLE4, 0 }, { UNREACHABLE6, 0 } },
	[ICMPERR_HOST] = { { UNREACHABLE4, 1 }, { UNREACHABLE6, 3 } },
	[ICMPERR_PROHIBITED] = { { UNREACHABLE4, 13 }, { UNREACHABLE6, 1 } },
	[ICMPERR_PROTOCOL] = { { UNREACHABLE4, 2 }, { UNREACHABLE6, 3 } },
	[ICMPERR_HOST_UNKNOWN] = { { UNREACHABLE4, 7 }, { UNREACHABLE6, 3 } },
	[ICMPERR_HOST_ISOLATED] = { { UNREACHABLE4, 8 }, { UNREACHABLE6, 3 } },
	[ICMPERR_PORT] = { { UNREACHABLE4, 3 }, { UNREACHABLE6, 4 } },
	[ICMPERR_TOO_BIG] = { { UNREACHABLE4, 4 }, { TOO_BIG6, 0 } },
	[ICMPERR_TTL] = { { TIME_EXCEEDED4, 0 }, { TIME_EXCEEDED6, 0 } },
	[ICMPERR_REASSEMBLY] = { { TIME_EXCEEDED4, 1 }, { TIME_EXCEEDED6, 1 } },
};
static_assert(sizeof(kinds) / sizeof(kinds[0]) == ICMPERR_RAW, "all but the one that has its own");

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

/* Type, code and the second word; the checksum is to come. */
static void put_icmp(uint8_t *p, const struct icmperr *error, bool v6)
{
	struct kind kind = { error->type, error->code };
	uint32_t info = error->info;

	if (error->reason != ICMPERR_RAW) {
		kind = v6 ? kinds[error->reason].v6 : kinds[error->reason].v4;
		if (error->reason != ICMPERR_TOO_BIG)
			info = 0;
		else if (!v6 && info > UINT16_MAX) /* the upper half is none of it (RFC 1191) */
			info = UINT16_MAX;
	}
	p[0] = kind.type;
	p[1] = kind.code;
	put16(p + 2, 0);
	put32(p + 4, info);
}

enum icmperr_reason icmperr_reason(int error)
{
	static const struct {
		int error;
		enum icmperr_reason reason;
	} reasons[] = {
		{ ENETUNREACH, ICMPERR_NET },	     { EACCES, ICMPERR_PROHIBITED },
		{ EPERM, ICMPERR_PROHIBITED },	     { ENOPROTOOPT, ICMPERR_PROTOCOL },
		{ EHOSTDOWN, ICMPERR_HOST_UNKNOWN }, { ENONET, ICMPERR_HOST_ISOLATED },
		{ ECONNREFUSED, ICMPERR_PORT },	     { EMSGSIZE, ICMPERR_TOO_BIG },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (error == reasons[i].error)
			return reasons[i].reason;
	}
	return ICMPERR_HOST;
}

size_t icmperr_build(const struct icmperr *error, uint8_t out[ICMPERR_MAX])
{
	const struct ip *router = &error->router, *src = &error->src, *dst = &error->dst;
	const bool v6 = src->family == IP_V6;
	const size_t header = v6 ? IP6_HEADER : IP4_HEADER;
	const size_t quoted_len = error->transport_len < ICMPERR_QUOTED ? error->transport_len :
									  ICMPERR_QUOTED;
	const size_t icmp_len = ICMP_HEADER + header + quoted_len;
	uint8_t *icmp = out + header, *quoted = icmp + ICMP_HEADER;
	uint64_t sum = 0;

	put_icmp(icmp, error, v6);
	if (v6) {
		put_ip6(out, router, src, IPPROTO_ICMPV6, icmp_len);
		quoted += put_ip6(quoted, src, dst, error->proto, error->packet_transport_len);
		sum = checksum_add_pseudo(0, router, src, IPPROTO_ICMPV6, (uint32_t)icmp_len);
	} else {
		put_ip4(out, router, src, IPPROTO_ICMP, icmp_len);
		quoted += put_ip4(quoted, src, dst, error->proto, error->packet_transport_len);
	}
	memcpy(quoted, error->transport, quoted_len);
	checksum_store(icmp + 2, checksum_add(sum, icmp, icmp_len));
	return header + icmp_len;
}
