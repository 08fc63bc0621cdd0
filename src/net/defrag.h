/* net/defrag.h - fragments put together before anybody behind the gate sees them.
 *
 * In order only, as every kernel of today sends them and a TAP keeps them: a fragment that is not
 * the next one of its packet is refused, so that there is no list to get wrong, and one that
 * overlaps takes its packet with it (RFC 5722). Holds a fixed number of packets; the one that was
 * begun first makes room.
 * Sources: RFC 791 section 3.2, RFC 8200 section 4.5.
 */
#ifndef NET_DEFRAG_H
#define NET_DEFRAG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/frame.h"

#define DEFRAG_PACKETS 16
#define DEFRAG_AGE_MAX_MS 30000 /* RFC 791 has 15 s, RFC 8200 60 s, Linux both this and that */

/* What the fragments of a packet have in common. */
struct defrag_key {
	struct ip src, dst;
	uint32_t id;
	uint8_t proto; /* of IPv4; 0 over IPv6, where it does not count */
};

struct defrag_packet {
	uint8_t *frame; /* owned, of FRAME_MAX bytes; NULL: none */
	struct defrag_key key;
	size_t header; /* bytes up to the payload */
	size_t len;    /* bytes so far */
	uint64_t number;
	int64_t begun_ms;
};

/* Empty when zeroed. */
struct defrag {
	struct defrag_packet packets[DEFRAG_PACKETS];
	unsigned held;	     /* packets that are there */
	uint64_t begun;	     /* packets */
	uint64_t incomplete; /* packets that were begun and given up */
};

/* Frees what is held. */
void defrag_done(struct defrag *defrag);

/* Give up what was begun more than DEFRAG_AGE_MAX_MS ago. Costs nothing while nothing is held. */
void defrag_expire(struct defrag *defrag, int64_t now_ms);

/* A frame that frame_parse() passed as a fragment. 0: it is kept until the next one comes. Else the
 * length of the frame that it has completed, in *ret, which is the caller's to g_free(): without
 * a fragment header, and otherwise with the headers of the first one. Not looked at beyond that:
 * it may be no frame, or a fragment once more. -EINVAL if it fits no packet, or its header checksum is
 * wrong; -ENOENT if it is not the next one of a packet that was begun.
 */
ssize_t defrag_input(struct defrag *defrag, const uint8_t *bytes, const struct frame *frame,
		     int64_t now_ms, uint8_t **ret);

#endif
