/* net/reassembly: against an owner for each byte, around the circle of sequence numbers; what comes
 * first stays; what there is no room for.
 */
#include <glib.h>
#include <string.h>

#include "net/pool.h"
#include "net/reassembly.h"
#include "range_cases.h"

#define SPAN 600 /* bytes of the stream that a random test looks at */
#define LENGTH_MAX 40
#define NOBODY 0

/* The byte at a position, of which each copy of the stream has another. */
static uint8_t byte_of(uint32_t position, unsigned copy)
{
	return (uint8_t)(position * 31 + copy * 101);
}

static void add(struct reassembly *early, struct pool *pool, uint32_t seq, uint32_t len,
		unsigned copy)
{
	g_autofree uint8_t *bytes = g_malloc(len); /* just so long: a sanitizer looks behind it */

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = byte_of(seq + i, copy);
	reassembly_add(early, pool, seq, bytes, len);
}

static uint8_t byte_at(const struct bytequeue *queue, uint32_t at)
{
	uint32_t len = 1;
	const uint8_t *byte = bytequeue_at(queue, at, &len);

	g_assert_nonnull(byte);
	return *byte;
}

static uint32_t right_of(const struct reassembly_range *range)
{
	return range->seq + range->bytes.len;
}

/* The ranges as pairs of numbers, the bytes in them of copy 1. */
static void assert_ranges(const struct reassembly *early, unsigned count,
			  const struct tcpseg_sack *ranges)
{
	g_assert_cmpuint(early->count, ==, count);
	for (unsigned i = 0; i < count; i++) {
		const struct reassembly_range *range = &early->range[i];

		g_assert_cmpuint(range->seq, ==, ranges[i].left);
		g_assert_cmpuint(right_of(range), ==, ranges[i].right);
		for (uint32_t at = 0; at < range->bytes.len; at++)
			g_assert_cmpuint(byte_at(&range->bytes, at), ==,
					 byte_of(range->seq + at, 1));
	}
}

static void assert_nothing(struct reassembly *early, struct pool *pool)
{
	reassembly_clear(early, pool);
	g_assert_cmpuint(early->count, ==, 0);
	g_assert_false(early->has_end);
	g_assert_cmpuint(pool_stats(pool).in_use, ==, 0);
	pool_free(pool);
}

/* Beside, behind, in front of, between, inside of and over what is there. */
static void test_overlaps(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(range_cases); i++) {
		struct pool *pool = pool_new(10);
		struct reassembly early = { 0 };

		add(&early, pool, 60, 10, 1);
		add(&early, pool, 20, 10, 1);
		add(&early, pool, 40, 10, 1);
		add(&early, pool, range_cases[i].left, range_cases[i].right - range_cases[i].left,
		    1);
		assert_ranges(&early, range_cases[i].count, range_cases[i].ranges);
		assert_nothing(&early, pool);
	}
}

static void test_first_stays(void)
{
	struct pool *pool = pool_new(10);
	struct reassembly early = { 0 };
	struct bytequeue queue = { 0 };

	add(&early, pool, 10, 10, 1);
	add(&early, pool, 5, 20, 2);
	g_assert_cmpuint(reassembly_take(&early, pool, 5, &queue), ==, 20);
	for (uint32_t i = 0; i < 20; i++)
		g_assert_cmpuint(byte_at(&queue, i), ==, byte_of(5 + i, i >= 5 && i < 15 ? 1 : 2));
	bytequeue_drop(&queue, pool, queue.len);
	assert_nothing(&early, pool);
}

/* Only what follows without a gap, and of a range that begins before it only the rest. */
static void test_take(void)
{
	struct pool *pool = pool_new(10);
	struct reassembly early = { 0 };
	struct bytequeue queue = { 0 };

	g_assert_cmpuint(reassembly_take(&early, pool, 10, &queue), ==, 0);
	add(&early, pool, 20, 10, 1);
	add(&early, pool, 40, 10, 1);
	add(&early, pool, 60, 10, 1);
	g_assert_cmpuint(reassembly_take(&early, pool, 19, &queue), ==, 0);
	g_assert_cmpuint(early.count, ==, 3);
	g_assert_cmpuint(reassembly_take(&early, pool, 20, &queue), ==, 10);
	g_assert_cmpuint(early.count, ==, 2);
	g_assert_cmpuint(reassembly_take(&early, pool, 43, &queue), ==, 7);
	g_assert_cmpuint(queue.len, ==, 17);
	for (uint32_t i = 0; i < 17; i++)
		g_assert_cmpuint(byte_at(&queue, i), ==, byte_of(i < 10 ? 20 + i : 33 + i, 1));
	g_assert_cmpuint(reassembly_take(&early, pool, 70, &queue), ==, 0); /* all of it is old */
	g_assert_cmpuint(early.count, ==, 0);
	bytequeue_drop(&queue, pool, queue.len);
	assert_nothing(&early, pool);
}

static void assert_blocks(const struct reassembly *early, unsigned count, const uint32_t *lefts)
{
	struct tcpseg_sack blocks[TCPSEG_SACKS_MAX];

	g_assert_cmpuint(reassembly_blocks(early, blocks, 3), ==, count);
	for (unsigned i = 0; i < count; i++)
		g_assert_cmpuint(blocks[i].left, ==, lefts[i]);
}

/* The range that was added to last comes first: also when it was there already, and when others go. */
static void test_blocks(void)
{
	struct pool *pool = pool_new(4);
	struct reassembly early = { 0 };
	struct bytequeue queue = { 0 };

	assert_blocks(&early, 0, NULL);
	add(&early, pool, 40, 10, 1);
	assert_blocks(&early, 1, (uint32_t[]){ 40 });
	add(&early, pool, 60, 10, 1);
	assert_blocks(&early, 2, (uint32_t[]){ 60, 40 });
	add(&early, pool, 20, 10, 1);
	assert_blocks(&early, 3, (uint32_t[]){ 20, 60, 40 });
	add(&early, pool, 42, 2, 1);
	assert_blocks(&early, 3, (uint32_t[]){ 40, 20, 60 });
	add(&early, pool, 80, 10, 1); /* the pool's last buffer */
	assert_blocks(&early, 3, (uint32_t[]){ 80, 60, 40 });
	add(&early, pool, 52, 2, 1); /* not kept */
	assert_blocks(&early, 3, (uint32_t[]){ 80, 60, 40 });
	add(&early, pool, 70, 10, 1); /* two become one */
	assert_blocks(&early, 3, (uint32_t[]){ 60, 40, 20 });
	g_assert_cmpuint(reassembly_take(&early, pool, 20, &queue), ==, 10);
	assert_blocks(&early, 2, (uint32_t[]){ 60, 40 });
	add(&early, pool, 49, 1, 1);
	assert_blocks(&early, 2, (uint32_t[]){ 40, 60 });
	g_assert_cmpuint(reassembly_take(&early, pool, 40, &queue), ==, 10);
	assert_blocks(&early, 1, (uint32_t[]){ 60 });
	bytequeue_drop(&queue, pool, queue.len);
	assert_nothing(&early, pool);
}

/* A full one takes what touches a range from behind, and nothing else. */
static void test_range_limit(void)
{
	struct pool *pool = pool_new(REASSEMBLY_RANGES * 2);
	struct reassembly early = { 0 };
	const uint32_t top = REASSEMBLY_RANGES * 10;

	for (uint32_t i = 1; i <= REASSEMBLY_RANGES; i++)
		add(&early, pool, i * 10, 5, 1);
	g_assert_cmpuint(early.count, ==, REASSEMBLY_RANGES);
	add(&early, pool, top + 7, 2, 1);
	add(&early, pool, 1, 2, 1);
	add(&early, pool, 17, 3, 1);
	g_assert_cmpuint(early.count, ==, REASSEMBLY_RANGES);
	g_assert_cmpuint(pool_stats(pool).in_use, ==, REASSEMBLY_RANGES);
	g_assert_cmpuint(early.range[0].seq, ==, 10);
	g_assert_cmpuint(right_of(&early.range[0]), ==, 15);
	g_assert_cmpuint(early.latest, ==, REASSEMBLY_RANGES - 1);
	add(&early, pool, 15, 2, 1);
	g_assert_cmpuint(right_of(&early.range[0]), ==, 17);
	add(&early, pool, top + 5, 1, 1);
	g_assert_cmpuint(right_of(&early.range[REASSEMBLY_RANGES - 1]), ==, top + 6);
	add(&early, pool, 17, 3, 1); /* closes a gap */
	g_assert_cmpuint(early.count, ==, REASSEMBLY_RANGES - 1);
	g_assert_cmpuint(right_of(&early.range[0]), ==, 25);
	assert_nothing(&early, pool);
}

/* What the pool has no room for is not kept; what is in front of that is. */
static void test_pool_is_empty(void)
{
	struct pool *pool = pool_new(2);
	struct reassembly early = { 0 };

	add(&early, pool, 100, 3 * POOL_BUFFER_SIZE, 1);
	assert_ranges(&early, 1, (struct tcpseg_sack[]){ { 100, 100 + 2 * POOL_BUFFER_SIZE } });
	add(&early, pool, 50, 10, 1);
	add(&early, pool, 100 + 2 * POOL_BUFFER_SIZE, 10, 1); /* behind a full buffer */
	assert_ranges(&early, 1, (struct tcpseg_sack[]){ { 100, 100 + 2 * POOL_BUFFER_SIZE } });
	reassembly_clear(&early, pool);
	add(&early, pool, 100, 10, 1);
	add(&early, pool, 200000, 10, 1);
	add(&early, pool, 110, 199890, 1); /* as much as fits behind the first */
	assert_ranges(&early, 2,
		      (struct tcpseg_sack[]){ { 100, 100 + POOL_BUFFER_SIZE },
					      { 200000, 200010 } });
	add(&early, pool, 90, 20, 1); /* the rest of which would be there */
	assert_ranges(&early, 2,
		      (struct tcpseg_sack[]){ { 100, 100 + POOL_BUFFER_SIZE },
					      { 200000, 200010 } });
	assert_nothing(&early, pool);
}

/* Single bytes with gaps, then the gaps: what was kept apart does not go on filling a buffer each. */
static void test_small_segments(void)
{
	struct pool *pool = pool_new(1024);
	struct reassembly early = { 0 };
	struct bytequeue queue = { 0 };
	const uint32_t len = 20000;

	for (uint32_t seq = 1; seq < len; seq += 2) {
		add(&early, pool, seq, 1, 1);
		if (early.count < REASSEMBLY_RANGES)
			continue;
		for (uint32_t gap = right_of(&early.range[0]); gap < seq; gap += 2)
			add(&early, pool, gap, 1, 1);
		g_assert_cmpuint(early.count, ==, 1);
		g_assert_cmpuint(pool_stats(pool).in_use, ==, 1);
	}

	g_assert_cmpuint(reassembly_take(&early, pool, 1, &queue), >, len / 2);
	for (uint32_t i = 0; i < queue.len; i++)
		g_assert_cmpuint(byte_at(&queue, i), ==, byte_of(1 + i, 1));
	bytequeue_drop(&queue, pool, queue.len);
	assert_nothing(&early, pool);
}

/* ---- anything, beside an owner for each byte ---- */

struct model {
	uint32_t base;	     /* the number of the first byte */
	uint32_t next;	     /* as an index: all before it has been taken */
	unsigned copy[SPAN]; /* that owns the byte, or NOBODY */
};

/* Each byte that is there is that of the first who sent it; @all: and each that was sent is. */
static void assert_same(const struct reassembly *early, struct model *model, bool all)
{
	unsigned have[SPAN] = { 0 };
	uint32_t end = 0;

	g_assert_cmpuint(early->count, <=, REASSEMBLY_RANGES);
	for (unsigned i = 0; i < early->count; i++) {
		const struct reassembly_range *range = &early->range[i];
		uint32_t at = range->seq - model->base;

		g_assert_true(i == 0 ? at > model->next : at > end); /* they do not touch */
		end = at + range->bytes.len;
		g_assert_cmpuint(end, >, at);
		g_assert_cmpuint(end, <=, SPAN);
		for (; at < end; at++) {
			g_assert_cmpuint(model->copy[at], !=, NOBODY);
			g_assert_cmpuint(byte_at(&range->bytes, at - (range->seq - model->base)),
					 ==, byte_of(model->base + at, model->copy[at]));
			have[at] = model->copy[at];
		}
	}
	if (all)
		g_assert_true(memcmp(have + model->next, model->copy + model->next,
				     (SPAN - model->next) * sizeof(have[0])) == 0);
	memcpy(model->copy, have, sizeof(have));
}

static void send_early(struct model *model, struct reassembly *early, struct pool *pool,
		       GRand *rand, unsigned copy)
{
	uint32_t at = (uint32_t)g_rand_int_range(rand, (gint32)model->next + 1, SPAN);
	uint32_t len = (uint32_t)g_rand_int_range(rand, 0, LENGTH_MAX);

	len = MIN(len, SPAN - at);
	add(early, pool, model->base + at, len, copy);
	for (; len > 0; at++, len--) {
		if (model->copy[at] == NOBODY)
			model->copy[at] = copy;
	}
}

/* Bytes come in order, and free what waits behind them. */
static void close_gap(struct model *model, struct reassembly *early, struct pool *pool, GRand *rand)
{
	struct bytequeue queue = { 0 };
	uint32_t taken;

	model->next += (uint32_t)g_rand_int_range(rand, 0, LENGTH_MAX);
	model->next = MIN(model->next, SPAN);
	taken = reassembly_take(early, pool, model->base + model->next, &queue);
	g_assert_cmpuint(queue.len, ==, taken);
	for (uint32_t i = 0; i < taken; i++, model->next++)
		g_assert_cmpuint(byte_at(&queue, i), ==,
				 byte_of(model->base + model->next, model->copy[model->next]));
	if (model->next < SPAN)
		g_assert_cmpuint(model->copy[model->next], ==, NOBODY);
	bytequeue_drop(&queue, pool, queue.len);
}

static void assert_blocks_are_ranges(const struct reassembly *early)
{
	struct tcpseg_sack blocks[TCPSEG_SACKS_MAX];
	unsigned count = reassembly_blocks(early, blocks, TCPSEG_SACKS_MAX);

	g_assert_cmpuint(count, ==, MIN(early->count, TCPSEG_SACKS_MAX));
	for (unsigned i = 0; i < count; i++) {
		unsigned found = 0;

		for (unsigned k = 0; k < early->count; k++)
			found += early->range[k].seq == blocks[i].left &&
				 right_of(&early->range[k]) == blocks[i].right;
		g_assert_cmpuint(found, ==, 1);
		for (unsigned k = 0; k < i; k++)
			g_assert_cmpuint(blocks[k].left, !=, blocks[i].left);
	}
}

static void play(GRand *rand, uint32_t base, size_t buffers)
{
	struct pool *pool = pool_new(buffers);
	struct reassembly early = { 0 };
	struct model model = { .base = base };
	unsigned steps = 0;

	while (model.next < SPAN - 1) {
		if (g_rand_int_range(rand, 0, 6) == 0)
			close_gap(&model, &early, pool, rand);
		else
			send_early(&model, &early, pool, rand, ++steps);
		if (model.next < SPAN)
			assert_same(&early, &model, pool_stats(pool).refusals == 0);
		assert_blocks_are_ranges(&early);
	}
	assert_nothing(&early, pool);
}

static void test_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(4);

	for (int i = 0; i < 100; i++) {
		size_t buffers = i % 2 == 0 ? SPAN : (size_t)g_rand_int_range(rand, 1, 6);

		play(rand, g_rand_int(rand), buffers);
		play(rand, (uint32_t)-g_rand_int_range(rand, 0, SPAN), buffers); /* across 0 */
		play(rand, 0x80000000u - (uint32_t)g_rand_int_range(rand, 0, SPAN), buffers);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/reassembly/overlaps", test_overlaps);
	g_test_add_func("/reassembly/first-stays", test_first_stays);
	g_test_add_func("/reassembly/take", test_take);
	g_test_add_func("/reassembly/blocks", test_blocks);
	g_test_add_func("/reassembly/range-limit", test_range_limit);
	g_test_add_func("/reassembly/pool-is-empty", test_pool_is_empty);
	g_test_add_func("/reassembly/small-segments", test_small_segments);
	g_test_add_func("/reassembly/random", test_random);
	return g_test_run();
}
