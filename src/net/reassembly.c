#include "net/reassembly.h"

#include <glib.h>
#include <string.h>

#include "net/pool.h"

static uint32_t end_of(const struct reassembly_range *range)
{
	return range->seq + range->bytes.len;
}

static void remove_range(struct reassembly *early, unsigned at)
{
	early->count--;
	memmove(&early->range[at], &early->range[at + 1],
		(early->count - at) * sizeof(early->range[0]));
	if (early->latest >= at && early->latest > 0)
		early->latest--;
}

/* Make room for a range in front of the one at @at. */
static bool insert_range(struct reassembly *early, unsigned at, uint32_t seq)
{
	if (early->count == REASSEMBLY_RANGES)
		return false;
	memmove(&early->range[at + 1], &early->range[at],
		(early->count - at) * sizeof(early->range[0]));
	if (early->latest >= at && early->count > 0)
		early->latest++;
	early->count++;
	early->range[at] = (struct reassembly_range){ .seq = seq };
	return true;
}

/* Add bytes that lie between the range before @at, which may end where they begin, and the one at
 * @at. False: no room for all of them.
 */
static bool add_between(struct reassembly *early, struct pool *pool, unsigned at, uint32_t seq,
			const uint8_t *bytes, uint32_t len)
{
	bool extends = at > 0 && end_of(&early->range[at - 1]) == seq;
	unsigned into = extends ? at - 1 : at;
	uint32_t taken;

	if (!extends && !insert_range(early, at, seq))
		return false;
	taken = bytequeue_append(&early->range[into].bytes, pool, bytes, len);
	if (early->range[into].bytes.len == 0) {
		remove_range(early, into);
		return false;
	}
	early->latest = into;
	if (taken == len && into + 1 < early->count &&
	    early->range[into + 1].seq == end_of(&early->range[into])) {
		bytequeue_join(&early->range[into].bytes, pool, &early->range[into + 1].bytes);
		remove_range(early, into + 1);
		early->latest = into;
	}
	return taken == len;
}

void reassembly_add(struct reassembly *early, struct pool *pool, uint32_t seq, const uint8_t *bytes,
		    uint32_t len)
{
	unsigned at = 0;

	while (len > 0) {
		uint32_t here = len;

		while (at < early->count && !seq_before(seq, end_of(&early->range[at])))
			at++;
		if (at < early->count && !seq_before(seq, early->range[at].seq)) {
			/* The front is there already. */
			here = MIN(len, end_of(&early->range[at]) - seq);
			early->latest = at;
		} else {
			if (at < early->count && seq_before(early->range[at].seq, seq + len))
				here = early->range[at].seq - seq;
			if (!add_between(early, pool, at, seq, bytes, here))
				return;
			at = 0; /* ranges may have become one */
		}
		seq += here;
		bytes += here;
		len -= here;
	}
}

uint32_t reassembly_take(struct reassembly *early, struct pool *pool, uint32_t next,
			 struct bytequeue *queue)
{
	uint32_t taken = 0;

	while (early->count > 0 && !seq_before(next, early->range[0].seq)) {
		struct reassembly_range *first = &early->range[0];
		uint32_t old = MIN(next - first->seq, first->bytes.len);

		bytequeue_drop(&first->bytes, pool, old);
		next += first->bytes.len;
		taken += first->bytes.len;
		bytequeue_join(queue, pool, &first->bytes);
		remove_range(early, 0);
	}
	return taken;
}

unsigned reassembly_blocks(const struct reassembly *early, struct tcpseg_sack *ret, unsigned max)
{
	unsigned count = MIN(early->count, max);

	for (unsigned i = 0; i < count; i++) {
		/* The others from the last one on down: they are the news. */
		unsigned at = (early->latest + early->count - i) % early->count;

		ret[i].left = early->range[at].seq;
		ret[i].right = end_of(&early->range[at]);
	}
	return count;
}

void reassembly_clear(struct reassembly *early, struct pool *pool)
{
	for (unsigned i = 0; i < early->count; i++)
		bytequeue_drop(&early->range[i].bytes, pool, early->range[i].bytes.len);
	*early = (struct reassembly){ 0 };
}
