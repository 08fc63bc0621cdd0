/* net/bytequeue: against an array of bytes, call by call, and at the pool's limit. */
#include <glib.h>
#include <string.h>

#include "net/bytequeue.h"
#include "net/pool.h"

#define PARTS_MAX 24
#define BLOCK_MAX (3 * POOL_BUFFER_SIZE)

static uint8_t noise[BLOCK_MAX + 4096];

static void fill_noise(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)g_rand_int(rand);
}

static size_t buffers_of(const struct bytequeue *queue)
{
	const struct pool_buffer *last = NULL;
	size_t count = 0;

	for (const struct pool_buffer *at = queue->first; at; at = at->next) {
		g_assert_cmpuint(at->start, <, at->end); /* none is empty */
		last = at;
		count++;
	}
	g_assert_true(queue->last == last);
	return count;
}

/* All bytes, asked for from each buffer's first to its last. */
static void assert_bytes(const struct bytequeue *queue, const uint8_t *bytes, size_t len)
{
	uint32_t here = 1;

	g_assert_cmpuint(queue->len, ==, len);
	for (size_t at = 0; at < len; at += here) {
		const uint8_t *piece;

		here = UINT32_MAX;
		piece = bytequeue_at(queue, (uint32_t)at, &here);
		g_assert_nonnull(piece);
		g_assert_cmpuint(here, >, 0);
		g_assert_cmpuint(at + here, <=, len);
		g_assert_true(memcmp(piece, bytes + at, here) == 0);
	}
	here = 1;
	g_assert_null(bytequeue_at(queue, (uint32_t)len, &here));
	g_assert_cmpuint(here, ==, 1);
}

static void assert_gathers(const struct bytequeue *queue, const uint8_t *bytes, size_t max)
{
	struct iovec parts[PARTS_MAX];
	size_t count = bytequeue_gather(queue, parts, max);

	g_assert_cmpuint(count, ==, MIN(max, buffers_of(queue)));
	for (size_t i = 0; i < count; i++) {
		g_assert_true(memcmp(parts[i].iov_base, bytes, parts[i].iov_len) == 0);
		bytes += parts[i].iov_len;
	}
}

/* ---- one thing at a time ---- */

static void test_empty(void)
{
	struct pool *pool = pool_new(4);
	struct bytequeue queue = { 0 }, other = { 0 };
	struct iovec part;

	assert_bytes(&queue, noise, 0);
	g_assert_cmpuint(bytequeue_gather(&queue, &part, 1), ==, 0);
	g_assert_cmpuint(bytequeue_append(&queue, pool, noise, 0), ==, 0);
	bytequeue_drop(&queue, pool, 0);
	bytequeue_join(&queue, pool, &other);
	g_assert_null(queue.first);
	g_assert_cmpuint(pool_stats(pool).in_use, ==, 0);
	pool_free(pool);
}

static void test_pool_is_empty(void)
{
	struct pool *pool = pool_new(2);
	struct bytequeue queue = { 0 }, other = { 0 };
	struct bytequeue_room room;
	struct iovec parts[PARTS_MAX];

	g_assert_cmpuint(bytequeue_append(&queue, pool, noise, BLOCK_MAX), ==,
			 2 * POOL_BUFFER_SIZE);
	assert_bytes(&queue, noise, 2 * POOL_BUFFER_SIZE);
	g_assert_cmpuint(bytequeue_append(&queue, pool, noise, 1), ==, 0);
	g_assert_cmpuint(bytequeue_append(&other, pool, noise, 1), ==, 0);
	g_assert_null(other.first);
	g_assert_cmpuint(bytequeue_offer(&queue, pool, 1, 1, parts, PARTS_MAX, &room), ==, 0);
	bytequeue_accept(&queue, pool, &room, parts, 0);
	assert_bytes(&queue, noise, 2 * POOL_BUFFER_SIZE);
	bytequeue_drop(&queue, pool, POOL_BUFFER_SIZE);
	g_assert_cmpuint(bytequeue_append(&queue, pool, noise, 1), ==, 1);
	bytequeue_drop(&queue, pool, POOL_BUFFER_SIZE + 1);
	g_assert_null(queue.first);
	g_assert_null(queue.last);
	g_assert_cmpuint(pool_stats(pool).in_use, ==, 0);
	pool_free(pool);
}

/* What is at the front of a queue is copied into room that the other has left, if all of that
 * buffer goes there.
 */
static void test_join(void)
{
	static const struct {
		uint32_t first, second;
		size_t buffers;
	} cases[] = {
		{ 10, 10, 1 },
		{ 10, POOL_BUFFER_SIZE - 10, 1 },
		{ 10, POOL_BUFFER_SIZE - 9, 2 },
		{ POOL_BUFFER_SIZE, 1, 2 },
		{ POOL_BUFFER_SIZE + 5, 7, 2 },
		{ 5, POOL_BUFFER_SIZE + 5, 3 },
		{ 0, 5, 1 },
		{ 5, 0, 1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct pool *pool = pool_new(4);
		struct bytequeue queue = { 0 }, tail = { 0 };
		uint32_t len = cases[i].first + cases[i].second;

		bytequeue_append(&queue, pool, noise, cases[i].first);
		bytequeue_append(&tail, pool, noise + cases[i].first, cases[i].second);
		bytequeue_join(&queue, pool, &tail);
		g_assert_null(tail.first);
		g_assert_null(tail.last);
		g_assert_cmpuint(tail.len, ==, 0);
		assert_bytes(&queue, noise, len);
		g_assert_cmpuint(buffers_of(&queue), ==, cases[i].buffers);
		g_assert_cmpuint(pool_stats(pool).in_use, ==, cases[i].buffers);
		bytequeue_drop(&queue, pool, len);
		g_assert_cmpuint(pool_stats(pool).in_use, ==, 0);
		pool_free(pool);
	}
}

/* Parts of a size, and the room in the last buffer first where it is worth it. */
static void test_offer(void)
{
	static const struct {
		uint32_t before, len, piece;
		size_t max, count;
		uint32_t first, last; /* lengths of these parts */
	} cases[] = {
		{ 0, 1, 1000, 4, 1, 1, 1 },
		{ 0, 2500, 1000, 4, 3, 1000, 500 },
		{ 0, 2500, 1000, 2, 2, 1000, 1000 },
		{ 0, 5 * POOL_BUFFER_SIZE, UINT32_MAX, 2, 2, POOL_BUFFER_SIZE, POOL_BUFFER_SIZE },
		{ 100, 2500, 1000, 4, 3, 1000, 500 },
		{ 100, 2500, 1000, 1, 1, 1000, 1000 },
		{ POOL_BUFFER_SIZE - 2048, 5000, 5000, 4, 2, 2048, 2952 },
		{ POOL_BUFFER_SIZE - 2047, 5000, 5000, 4, 1, 5000, 5000 }, /* too little room */
		{ POOL_BUFFER_SIZE - 10, 10, 5000, 4, 1, 10, 10 },	   /* but enough for all */
		{ POOL_BUFFER_SIZE, 10, 5000, 4, 1, 10, 10 },
		{ 0, 5000, 1000, PARTS_MAX, 4, 1000, 1000 }, /* all that the pool has */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct pool *pool = pool_new(4);
		struct bytequeue queue = { 0 };
		struct bytequeue_room room;
		struct iovec parts[PARTS_MAX];
		size_t count;

		bytequeue_append(&queue, pool, noise, cases[i].before);
		count = bytequeue_offer(&queue, pool, cases[i].len, cases[i].piece, parts,
					cases[i].max, &room);
		g_assert_cmpuint(count, ==, cases[i].count);
		g_assert_cmpuint(parts[0].iov_len, ==, cases[i].first);
		g_assert_cmpuint(parts[count - 1].iov_len, ==, cases[i].last);
		bytequeue_accept(&queue, pool, &room, parts, 0);
		assert_bytes(&queue, noise, cases[i].before);
		bytequeue_drop(&queue, pool, cases[i].before);
		g_assert_cmpuint(pool_stats(pool).in_use, ==, 0);
		pool_free(pool);
	}
}

/* ---- anything, beside an array ---- */

struct pair {
	struct bytequeue queue;
	GByteArray *model;
};

static const uint8_t *random_bytes(GRand *rand, uint32_t *len)
{
	static const uint32_t most[] = { 2, 100, 5000, POOL_BUFFER_SIZE, BLOCK_MAX };

	*len = (uint32_t)g_rand_int_range(rand, 0, (gint32)most[g_rand_int_range(rand, 0, 5)]);
	return noise + g_rand_int_range(rand, 0, 4096);
}

static void append(struct pair *pair, struct pool *pool, GRand *rand)
{
	uint32_t len, taken;
	const uint8_t *bytes = random_bytes(rand, &len);
	struct pool_stats before = pool_stats(pool);

	taken = bytequeue_append(&pair->queue, pool, bytes, len);
	g_assert_cmpuint(taken, <=, len);
	g_assert_cmpint(taken<len, ==, pool_stats(pool).refusals> before.refusals);
	g_byte_array_append(pair->model, bytes, taken);
}

static void drop(struct pair *pair, struct pool *pool, GRand *rand)
{
	uint32_t len;

	random_bytes(rand, &len);
	len = g_rand_int_range(rand, 0, 4) == 0 ? pair->queue.len : MIN(len, pair->queue.len);
	bytequeue_drop(&pair->queue, pool, len);
	if (len > 0)
		g_byte_array_remove_range(pair->model, 0, len);
}

/* Read into what is offered, all of it or less. */
static void read_into(struct pair *pair, struct pool *pool, GRand *rand)
{
	struct bytequeue_room room;
	struct iovec parts[PARTS_MAX];
	uint32_t len, offered = 0, got;
	const uint8_t *bytes = random_bytes(rand, &len);
	uint32_t piece = (uint32_t)g_rand_int_range(rand, 1, 70000);
	size_t max = (size_t)g_rand_int_range(rand, 1, PARTS_MAX), count;

	len = MAX(len, 1);
	count = bytequeue_offer(&pair->queue, pool, len, piece, parts, max, &room);
	g_assert_cmpuint(count, <=, max);
	for (size_t i = 0; i < count; i++) {
		g_assert_cmpuint(parts[i].iov_len, >, 0);
		g_assert_cmpuint(parts[i].iov_len, <=, piece);
		memcpy(parts[i].iov_base, bytes + offered, parts[i].iov_len);
		offered += (uint32_t)parts[i].iov_len;
	}
	g_assert_cmpuint(offered, <=, len);
	if (offered < len && count < max)
		g_assert_cmpuint(pool_stats(pool).in_use, ==, pool_stats(pool).limit);
	got = g_rand_boolean(rand) ? offered :
				     (uint32_t)g_rand_int_range(rand, 0, (gint32)offered + 1);
	bytequeue_accept(&pair->queue, pool, &room, parts, got);
	g_byte_array_append(pair->model, bytes, got);
	g_assert_null(room.fresh);
}

static void join(struct pair *pair, struct pair *other, struct pool *pool)
{
	bytequeue_join(&pair->queue, pool, &other->queue);
	g_byte_array_append(pair->model, other->model->data, other->model->len);
	g_byte_array_set_size(other->model, 0);
}

static void step(struct pair pairs[2], struct pool *pool, GRand *rand)
{
	struct pair *pair = &pairs[g_rand_int_range(rand, 0, 2)];

	switch (g_rand_int_range(rand, 0, 8)) {
	case 0:
	case 1:
		append(pair, pool, rand);
		break;
	case 2:
	case 3:
		read_into(pair, pool, rand);
		break;
	case 4:
		join(pair, pair == pairs ? pairs + 1 : pairs, pool);
		break;
	default:
		drop(pair, pool, rand);
	}
}

static void test_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(2);
	struct pool *pool = pool_new(12);
	struct pair pairs[2] = { { .model = g_byte_array_new() }, { .model = g_byte_array_new() } };

	for (int i = 0; i < 5000; i++) {
		size_t buffers = 0;

		step(pairs, pool, rand);
		for (int k = 0; k < 2; k++) {
			assert_bytes(&pairs[k].queue, pairs[k].model->data, pairs[k].model->len);
			assert_gathers(&pairs[k].queue, pairs[k].model->data,
				       (size_t)g_rand_int_range(rand, 0, PARTS_MAX));
			buffers += buffers_of(&pairs[k].queue);
		}
		g_assert_cmpuint(pool_stats(pool).in_use, ==, buffers);
	}
	g_assert_cmpuint(pool_stats(pool).refusals, >, 0); /* the limit was met */
	for (int k = 0; k < 2; k++) {
		bytequeue_drop(&pairs[k].queue, pool, pairs[k].queue.len);
		g_byte_array_free(pairs[k].model, TRUE);
	}
	g_assert_cmpuint(pool_stats(pool).in_use, ==, 0);
	pool_free(pool);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	fill_noise();
	g_test_add_func("/bytequeue/empty", test_empty);
	g_test_add_func("/bytequeue/pool-is-empty", test_pool_is_empty);
	g_test_add_func("/bytequeue/join", test_join);
	g_test_add_func("/bytequeue/offer", test_offer);
	g_test_add_func("/bytequeue/random", test_random);
	return g_test_run();
}
