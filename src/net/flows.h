/* net/flows.h - the list of all that our own stacks carry: connections, bindings and sessions, each
 * by an id that is never used again, in the order in which they began.
 *
 * A stack embeds a struct flows_entry in what it keeps for a flow, puts it in at its birth and takes
 * it out at its end; what there is to be told of it is asked of the stack only when somebody looks.
 * So a flow that nobody looks at costs a few additions and 16 bytes. Putting in is one store, taking
 * out and finding take a logarithm of the number of flows.
 *
 * Ids grow, and a look that is broken off goes on behind the last id that it has seen, whatever has
 * ended meanwhile.
 */
#ifndef NET_FLOWS_H
#define NET_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"
#include "wire/portspec.h"

struct flows;
struct flows_entry;

/* One end. IP_NONE: there is none, or not one alone, or it has no address. */
struct flows_end {
	struct ip ip;
	uint16_t port;
};

/* What a flow is now. */
struct flows_info {
	enum transport proto;
	const char *state; /* static: its name in counters and on the man page */
	struct flows_end guest;
	struct flows_end peer;	    /* in the guest's words */
	struct flows_end host_peer; /* in the host's, if they are others */
	bool has_peers;		    /* it is a binding, with: */
	size_t peers;		    /* as many that it has sent to, which are remembered */
	int64_t used_ms;	    /* when payload has crossed it last, or it began */
};

struct flows_class {
	void (*describe)(struct flows_entry *entry, struct flows_info *ret);
	/* End it at once; both ends learn of it where the protocol has a word for it. It is taken
	 * out of the list on the way, and gone afterwards.
	 */
	void (*kill)(struct flows_entry *entry);
};

struct flows_entry {
	const struct flows_class *class;
	uint64_t id; /* from 1; set by flows_add() */
	int64_t begun_ms;
	uint64_t bytes_to_host, bytes_to_guest; /* of payload */
	uint64_t forward_id;			/* net/ports.h: that it goes through; 0: none */
	bool inbound;				/* the host's side has begun it */
};

struct flows *flows_new(void);
void flows_free(struct flows *flows); /* NULL is a no-op; all entries have been removed */

/* @entry stays the caller's, in its place until it is removed; all but its id is filled in. @flows
 * may be NULL: then nobody can look.
 */
void flows_add(struct flows *flows, struct flows_entry *entry);
void flows_remove(struct flows *flows, struct flows_entry *entry);

/* NULL: none has this id, or not any more. */
struct flows_entry *flows_find(const struct flows *flows, uint64_t id);
/* The first one whose id is greater, or NULL. Entries that have ended are passed over; they are
 * never more than those that there are, plus a few.
 */
struct flows_entry *flows_next(const struct flows *flows, uint64_t id);

#endif
