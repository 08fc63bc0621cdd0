/* A buffer is a mapping of its own. From malloc(3) it would stay with the process for good: freed
 * blocks of this size go back only from the top of the heap, and something that lives longer
 * always lies above them (measured: 2000 buffers taken and given back with a small block behind
 * each left the resident set at 127 MiB; as mappings at 2 MiB). A new mapping costs ten times what
 * filling a used buffer does, page faults mostly: that is what the kept ones are for. How
 * many are worth keeping is what was in use lately: those that nobody has needed for a while go.
 */
#include "net/pool.h"

#include <glib.h>
#include <sys/mman.h>

#define KEPT_LEAST 4 /* free buffers that are kept in any case: 256 KiB */

static const struct stats_row rows[] = {
	{ "limit", "Buffers that may be in use at a time", STATS_NUMBER(struct pool_stats, limit) },
	{ "in_use", "Buffers that hold bytes on their way",
	  STATS_NUMBER(struct pool_stats, in_use) },
	{ "kept", "Free buffers kept for the next use", STATS_NUMBER(struct pool_stats, kept) },
	{ "refusals", "Times that a connection got none and had to wait",
	  STATS_NUMBER(struct pool_stats, refusals) },
	{ 0 },
};

const struct stats_table pool_stats_table = { "pool", NULL, rows };

struct pool {
	struct pool_buffer *kept; /* the last one back first: it is still in the cache */
	size_t spare;		  /* the least that was free since the last pool_trim() */
	struct pool_stats stats;
};

struct pool *pool_new(size_t limit)
{
	struct pool *pool = g_new0(struct pool, 1);

	pool->stats.limit = limit;
	return pool;
}

static struct pool_buffer *take_kept(struct pool *pool)
{
	struct pool_buffer *buffer = pool->kept;

	pool->kept = buffer->next;
	pool->stats.kept--;
	pool->spare = MIN(pool->spare, pool->stats.kept);
	return buffer;
}

/* #syscalls:engine mmap mmap2 munmap */
void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	while (pool->kept)
		munmap(take_kept(pool), sizeof(struct pool_buffer));
	g_free(pool);
}

/* The guest decides how many there are, so being out of memory is no reason to end. */
static struct pool_buffer *map_buffer(void)
{
	void *mapping = mmap(NULL, sizeof(struct pool_buffer), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mapping == MAP_FAILED ? NULL : mapping;
}

struct pool_buffer *pool_get(struct pool *pool)
{
	struct pool_buffer *buffer = NULL;

	if (pool->stats.in_use < pool->stats.limit)
		buffer = pool->kept ? take_kept(pool) : map_buffer();
	if (!buffer) {
		pool->stats.refusals++;
		return NULL;
	}
	pool->stats.in_use++;
	buffer->next = NULL;
	buffer->start = 0;
	buffer->end = 0;
	return buffer;
}

void pool_put(struct pool *pool, struct pool_buffer *buffer)
{
	pool->stats.in_use--;
	buffer->next = pool->kept;
	pool->kept = buffer;
	pool->stats.kept++;
}

bool pool_trim(struct pool *pool)
{
	while (pool->spare > 0 && pool->stats.kept > KEPT_LEAST) {
		munmap(take_kept(pool), sizeof(struct pool_buffer));
		pool->spare--;
	}
	pool->spare = pool->stats.kept;
	return pool->stats.kept > KEPT_LEAST;
}

struct pool_stats pool_stats(const struct pool *pool)
{
	return pool->stats;
}
