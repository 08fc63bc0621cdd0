/* net/sackboard.h - what the far end has beyond a gap, as it says in SACK options (RFC 2018).
 *
 * Pure. Sorted ranges without overlap, above what is acknowledged; at most SACKBOARD_RANGES, the
 * highest of which are forgotten when there are more: what they covered may be sent again.
 */
#ifndef NET_SACKBOARD_H
#define NET_SACKBOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/tcpseg.h"

#define SACKBOARD_RANGES 32

struct sackboard {
	unsigned count;
	struct tcpseg_sack range[SACKBOARD_RANGES];
};

/* Note a block. One that is not inside [una, max], or is empty, is ignored: it is an old one, or
 * tells of a duplicate (RFC 2883), or is a lie.
 */
void sackboard_add(struct sackboard *board, uint32_t una, uint32_t max,
		   const struct tcpseg_sack *block);

/* Everything up to @una is acknowledged. */
void sackboard_advance(struct sackboard *board, uint32_t una);

/* Bytes in all ranges. */
uint32_t sackboard_bytes(const struct sackboard *board);

/* The first gap at or after @from that has something above it. */
bool sackboard_gap(const struct sackboard *board, uint32_t from, struct tcpseg_sack *ret);

#endif
