/* net/reassembly.h - what came before its turn: bytes of a stream behind a gap.
 *
 * Sorted ranges without overlap. What is there already stays, and of a segment that overlaps it
 * only the rest is kept: who sends other bytes for the same numbers gains nothing (RFC 9293
 * section 3.10.7.4 leaves it open, and the first has been acknowledged by SACK). Bounded: at most
 * REASSEMBLY_RANGES ranges, in buffers of the pool; what finds no room is not kept, and
 * the sender sends it again. A range that has been reported is never given up (RFC 2018 section 8
 * allows it, and senders suffer).
 */
#ifndef NET_REASSEMBLY_H
#define NET_REASSEMBLY_H

#include <stdbool.h>
#include <stdint.h>

#include "net/bytequeue.h"
#include "wire/tcpseg.h"

#define REASSEMBLY_RANGES 32

struct reassembly_range {
	uint32_t seq; /* of the first byte */
	struct bytequeue bytes;
};

/* Zero-initialised it is empty. */
struct reassembly {
	unsigned count, latest; /* ranges; and the one that was added to last */
	struct reassembly_range range[REASSEMBLY_RANGES];
	bool has_end;
	uint32_t end; /* with has_end: the number of the FIN */
};

/* Keep bytes that begin at @seq, which is ahead of all that has been taken. */
void reassembly_add(struct reassembly *early, struct pool *pool, uint32_t seq, const uint8_t *bytes,
		    uint32_t len);

/* The gap before @next is closed: move the bytes from @next on that are there to the end of *queue.
 * Their count, which may be 0.
 */
uint32_t reassembly_take(struct reassembly *early, struct pool *pool, uint32_t next,
			 struct bytequeue *queue);

/* Blocks for a SACK option, the latest first (RFC 2018 section 4). Their number. */
unsigned reassembly_blocks(const struct reassembly *early, struct tcpseg_sack *ret, unsigned max);

void reassembly_clear(struct reassembly *early, struct pool *pool);

#endif
