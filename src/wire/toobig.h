/* wire/toobig.h - what a router says when a TCP segment does not fit its next link.
 *
 * Pure. Ports and the sequence number are in host order.
 * Sources: RFC 792 and RFC 1191 section 4 (ICMP type 3 code 4), RFC 4443 section 3.2 (ICMPv6 type 2).
 */
#ifndef WIRE_TOOBIG_H
#define WIRE_TOOBIG_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/frame.h"
#include "wire/inet.h"

#define TOOBIG_MTU_MIN4 68   /* RFC 791: no link takes less */
#define TOOBIG_MTU_MIN6 1280 /* RFC 8200 section 5 */

struct toobig {
	uint32_t mtu;	    /* of the link; at least TOOBIG_MTU_MIN4 or _MIN6 */
	struct ip src, dst; /* of the segment that was too big; of one family */
	uint16_t sport, dport;
	uint32_t seq;
};

/* Take apart a frame that frame_parse() passed. False, with *ret untouched, for all but a whole message
 * of that kind with the right checksum, sent to where the segment came from, about TCP, with a
 * next-hop MTU that a link may have. A router older than RFC 1191 names none: that counts as
 * 576, what every host takes.
 */
bool toobig_parse(const uint8_t *bytes, const struct frame *frame, struct toobig *ret);

#endif
