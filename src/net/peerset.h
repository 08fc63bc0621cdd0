/* net/peerset.h - to whom a UDP binding has sent: who may answer (RFC 4787 section 5).
 *
 * Most bindings talk to one peer, which is in the set itself and costs no allocation. The others
 * have a hash table that grows, and once it is full a second one: a table of old and a table of young
 * peers. Whoever is added again is young again; when the young are too many, the old are
 * forgotten and the young become old. So a peer is forgotten only after PEERSET_YOUNG others were
 * sent to since, and nothing has to be kept in order. Answers change nothing.
 *
 * All sets of one owner share a struct peerset_common, which limits what they use together; at that limit
 * peers are forgotten earlier.
 */
#ifndef NET_PEERSET_H
#define NET_PEERSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/siphash.h"

#define PEERSET_YOUNG 1024 /* peers in a table */

struct peer { /* no padding: it is hashed as bytes */
	uint8_t address[16];
	uint16_t port;	 /* 0 where only addresses count */
	uint16_t in_use; /* the set's own: leave it 0 */
};

struct peerset_common {
	struct siphash_key key;
	size_t slots, slots_max; /* of all tables: 20 bytes each */
	uint64_t forgotten;	 /* entries that had to make room, in whatever table */
};

struct peerset_table;

/* Zero-initialise it. */
struct peerset {
	struct peer first;		   /* while there are no tables */
	struct peerset_table *young, *old; /* owned */
};

void peerset_add(struct peerset *set, struct peerset_common *common, const struct peer *peer);
bool peerset_has(const struct peerset *set, const struct peerset_common *common,
		 const struct peer *peer);
/* Peers that are in the set, not counting those without a port. */
size_t peerset_count(const struct peerset *set);
/* The one that there is if peerset_count() says 1. */
const struct peer *peerset_only(const struct peerset *set);
void peerset_clear(struct peerset *set, struct peerset_common *common);

#endif
