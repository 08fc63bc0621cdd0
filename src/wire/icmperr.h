/* wire/icmperr.h - the ICMP error that tells a TCP connect() why it failed.
 *
 * Pure. Source: RFC 792 and RFC 1122 section 3.2.2.1, RFC 4443 section 3.1; what Linux makes of the
 * codes is in its icmp_err_convert[] and icmpv6_err_convert().
 */
#ifndef WIRE_ICMPERR_H
#define WIRE_ICMPERR_H

#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"

#define ICMPERR_MAX 128

enum icmperr_reason {
	ICMPERR_NET,
	ICMPERR_HOST,
	ICMPERR_PROHIBITED,
	ICMPERR_PROTOCOL,     /* these three for IPv4; IPv6 has no codes for them, */
	ICMPERR_HOST_UNKNOWN, /* and the host is unreachable */
	ICMPERR_HOST_ISOLATED,
};

/* Write a "destination unreachable" from @router about the segment with sequence number @seq that
 * @src:@sport sent to @dst:@dport, IP header on. Returns its length.
 */
size_t icmperr_build(enum icmperr_reason reason, const struct ip *router, const struct ip *src,
		     const struct ip *dst, uint16_t sport, uint16_t dport, uint32_t seq,
		     uint8_t out[ICMPERR_MAX]);

#endif
