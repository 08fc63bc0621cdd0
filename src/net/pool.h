/* net/pool.h - buffers of one size with a limit over all of them.
 *
 * A flow that has bytes waiting holds buffers, an idle one none. Free buffers are kept for the next
 * use; pool_trim() gives back those that were not needed.
 */
#ifndef NET_POOL_H
#define NET_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/stats.h"

#define POOL_BUFFER_SIZE 65536 /* bytes of data in one buffer */

struct pool;

/* A buffer; links are the holder's to use. */
struct pool_buffer {
	struct pool_buffer *next;
	uint32_t start, end; /* the bytes in use are data[start .. end) */
	uint8_t data[POOL_BUFFER_SIZE];
};

struct pool *pool_new(size_t limit); /* in buffers */
void pool_free(struct pool *pool);   /* NULL is a no-op; all buffers are back */

/* An empty buffer, its data as the last holder left it; or NULL at the limit or without memory,
 * which is counted.
 */
struct pool_buffer *pool_get(struct pool *pool);
void pool_put(struct pool *pool, struct pool_buffer *buffer);

/* Give the system what has been free ever since the last call, but for a few. To be called now and
 * then, a second apart or so, for as long as it returns true.
 */
bool pool_trim(struct pool *pool);

struct pool_stats {
	size_t limit, in_use, kept; /* buffers */
	uint64_t refusals;	    /* pool_get() that returned NULL */
};

extern const struct stats_table pool_stats_table; /* of struct pool_stats */
struct pool_stats pool_stats(const struct pool *pool);

#endif
