/* net/defrag.h - IPv4 fragments put together before anybody behind the gate sees them.
 *
 * In order only, as every kernel of today sends them and a TAP keeps them: a fragment that is not
 * the next one of its packet is refused, so that none overlaps another and there is no list to
 * get wrong. Holds a fixed number of packets; the one that was begun first makes room. No clock.
 * Source: RFC 791 section 3.2.
 */
#ifndef NET_DEFRAG_H
#define NET_DEFRAG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/frame.h"

#define DEFRAG_PACKETS 16

struct defrag_packet {
	uint8_t *frame; /* owned, of FRAME_MAX bytes; NULL: none */
	size_t header;	/* bytes up to the payload of IP */
	size_t len;	/* bytes so far */
	uint64_t number;
};

/* Empty when zeroed. */
struct defrag {
	struct defrag_packet packets[DEFRAG_PACKETS];
	uint64_t begun; /* packets */
};

/* Frees what is held. */
void defrag_done(struct defrag *defrag);

/* A frame that frame_parse() passed as a fragment over IPv4. 0: it is kept until the next one comes.
 * Else the length of the frame that it has completed, in *ret, which is the caller's to g_free();
 * -EINVAL if it fits no packet, or its header checksum is wrong; -ENOENT if it is not the next one
 * of a packet that was begun.
 */
ssize_t defrag_input(struct defrag *defrag, const uint8_t *bytes, const struct frame *frame,
		     uint8_t **ret);

#endif
