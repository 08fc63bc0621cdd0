/* net/pool: the limit, what is kept and what goes back to the system. */
#include <glib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "net/pool.h"

#define KEPT_LEAST 4
#define MANY 40

static void assert_stats(const struct pool *pool, size_t in_use, size_t kept, uint64_t refusals)
{
	struct pool_stats stats = pool_stats(pool);

	g_assert_cmpuint(stats.in_use, ==, in_use);
	g_assert_cmpuint(stats.kept, ==, kept);
	g_assert_cmpuint(stats.refusals, ==, refusals);
}

static void test_limit(void)
{
	struct pool *pool = pool_new(2);
	struct pool_buffer *a = pool_get(pool), *b = pool_get(pool);

	g_assert_cmpuint(pool_stats(pool).limit, ==, 2);
	g_assert_nonnull(a);
	g_assert_nonnull(b);
	g_assert_true(a != b);
	g_assert_null(pool_get(pool));
	assert_stats(pool, 2, 0, 1);
	pool_put(pool, a);
	assert_stats(pool, 1, 1, 1);
	a = pool_get(pool); /* a kept one counts as any other */
	g_assert_nonnull(a);
	g_assert_null(pool_get(pool));
	assert_stats(pool, 2, 0, 2);
	pool_put(pool, a);
	pool_put(pool, b);
	assert_stats(pool, 0, 2, 2);
	pool_free(pool);
}

static void test_nothing(void)
{
	struct pool *pool = pool_new(0);

	g_assert_null(pool_get(pool));
	assert_stats(pool, 0, 0, 1);
	pool_free(pool);
	pool_free(NULL);
}

/* A buffer comes back empty, and not cleared. */
static void test_reuse(void)
{
	struct pool *pool = pool_new(1);
	struct pool_buffer *buffer = pool_get(pool);

	buffer->next = buffer;
	buffer->start = 1;
	buffer->end = POOL_BUFFER_SIZE;
	memset(buffer->data, 'x', POOL_BUFFER_SIZE);
	pool_put(pool, buffer);
	g_assert_true(pool_get(pool) == buffer);
	g_assert_null(buffer->next);
	g_assert_cmpuint(buffer->start, ==, 0);
	g_assert_cmpuint(buffer->end, ==, 0);
	g_assert_cmpuint(buffer->data[0], ==, 'x');
	g_assert_cmpuint(buffer->data[POOL_BUFFER_SIZE - 1], ==, 'x');
	pool_put(pool, buffer);
	pool_free(pool);
}

static bool is_mapped(const struct pool_buffer *buffer)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	unsigned char resident;

	return mincore((void *)((uintptr_t)buffer / page * page), 1, &resident) == 0;
}

static void test_kept(void)
{
	struct pool *pool = pool_new(MANY);
	struct pool_buffer *buffers[MANY];

	for (size_t i = 0; i < MANY; i++) {
		buffers[i] = pool_get(pool);
		memset(buffers[i]->data, (int)i, POOL_BUFFER_SIZE);
	}
	assert_stats(pool, MANY, 0, 0);
	for (size_t i = 0; i < MANY; i++) {
		for (size_t byte = 0; byte < POOL_BUFFER_SIZE; byte += 997)
			g_assert_cmpuint(buffers[i]->data[byte], ==, i);
		pool_put(pool, buffers[i]);
	}
	assert_stats(pool, 0, MANY, 0);
	g_assert_true(pool_trim(pool)); /* all of them were in use since the last time */
	assert_stats(pool, 0, MANY, 0);
	g_assert_true(pool_get(pool) == buffers[MANY - 1]); /* the last one back */
	g_assert_true(pool_get(pool) == buffers[MANY - 2]);
	g_assert_true(is_mapped(buffers[0]));
	pool_put(pool, buffers[MANY - 2]);
	pool_put(pool, buffers[MANY - 1]);
	g_assert_false(pool_trim(pool)); /* two were needed, and are among those that stay */
	assert_stats(pool, 0, KEPT_LEAST, 0);
	for (size_t i = 0; i < MANY; i++)
		g_assert_cmpint(is_mapped(buffers[i]), ==, i < KEPT_LEAST);
	pool_free(pool);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pool/limit", test_limit);
	g_test_add_func("/pool/nothing", test_nothing);
	g_test_add_func("/pool/reuse", test_reuse);
	g_test_add_func("/pool/kept", test_kept);
	return g_test_run();
}
