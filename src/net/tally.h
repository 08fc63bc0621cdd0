/* net/tally.h - what came of the clients of one forward.
 *
 * The table of forwards, the listeners and each connection hold a reference: it outlives the forward
 * while connections of it go on. Every function takes NULL for "nobody counts".
 */
#ifndef NET_TALLY_H
#define NET_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct tally {
	unsigned refs;
	uint64_t forward_id; /* net/ports.h: of whose clients it is; 0: of nobody's there */
	uint64_t accepted;   /* clients that the host has accepted */
	uint64_t refused;    /* of these, those whom the guest refused or did not answer */
	size_t active;	     /* of these, those whose connection there is */
	uint64_t bytes_to_guest, bytes_from_guest;
};

struct tally *tally_new(uint64_t forward_id); /* with one reference */
struct tally *tally_ref(struct tally *tally);
void tally_unref(struct tally *tally);

/* A connection begins and takes a reference, which it gives back in the end. */
struct tally *tally_begin(struct tally *tally);
void tally_end(struct tally *tally);

static inline uint64_t tally_forward(const struct tally *tally)
{
	return tally ? tally->forward_id : 0;
}

static inline void tally_refuse(struct tally *tally)
{
	if (tally)
		tally->refused++;
}

static inline void tally_to_guest(struct tally *tally, uint64_t bytes)
{
	if (tally)
		tally->bytes_to_guest += bytes;
}

static inline void tally_from_guest(struct tally *tally, uint64_t bytes)
{
	if (tally)
		tally->bytes_from_guest += bytes;
}

#endif
