/* wire/icmperr.h - the ICMP error that tells a program of the guest what became of what it sent.
 *
 * Pure. Source: RFC 792 and RFC 1122 section 3.2.2.1, RFC 1191 section 4 (the MTU), RFC 4443
 * section 3; what Linux makes of the codes is in its icmp_err_convert[] and icmpv6_err_convert().
 */
#ifndef WIRE_ICMPERR_H
#define WIRE_ICMPERR_H

#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"

#define ICMPERR_QUOTED_MIN 8 /* bytes behind the IP header: what the receiver looks for (RFC 792) */
#define ICMPERR_QUOTED 128   /* more of them are not quoted */
#define ICMPERR_MAX (40 + 8 + 40 + ICMPERR_QUOTED)

enum icmperr_reason {
	ICMPERR_NET,
	ICMPERR_HOST,
	ICMPERR_PROHIBITED,
	ICMPERR_PROTOCOL,     /* these three for IPv4; IPv6 has no codes for them, */
	ICMPERR_HOST_UNKNOWN, /* and the host is unreachable */
	ICMPERR_HOST_ISOLATED,
	ICMPERR_PORT,
	ICMPERR_TOO_BIG,
	ICMPERR_TTL,
	ICMPERR_REASSEMBLY,
	ICMPERR_RAW, /* type and code as the network had them */
	ICMPERR_REASONS
};

struct icmperr {
	enum icmperr_reason reason;
	uint8_t type, code;	     /* ICMPERR_RAW only, of the family of the packet */
	uint32_t info;		     /* TOO_BIG: the MTU; RAW: the second word of the ICMP header */
	struct ip router;	     /* whose word it is; all three are of one family */
	struct ip src, dst;	     /* of the packet that it is about: it is sent to src */
	uint8_t proto;		     /* of that packet */
	const uint8_t *transport;    /* borrowed: what followed its IP header, from the beginning */
	size_t transport_len;	     /* bytes there; at least ICMPERR_QUOTED_MIN */
	size_t packet_transport_len; /* bytes that followed the IP header in the packet itself */
};

/* What sending or connecting has failed with (a positive errno), in ICMP's words; for what has none:
 * the host was not reached.
 */
enum icmperr_reason icmperr_reason(int error);

/* Write the error, IP header on. Returns its length. */
size_t icmperr_build(const struct icmperr *error, uint8_t out[ICMPERR_MAX]);

#endif
