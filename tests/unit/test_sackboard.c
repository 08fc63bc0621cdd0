/* net/sackboard: against a bit for each byte, around the circle of sequence numbers. */
#include <glib.h>
#include <string.h>

#include "net/sackboard.h"
#include "range_cases.h"

#define SPAN 400 /* bytes of the stream that a random test looks at */

static struct tcpseg_sack block(uint32_t left, uint32_t right)
{
	return (struct tcpseg_sack){ left, right };
}

static void add(struct sackboard *board, uint32_t una, uint32_t max, uint32_t left, uint32_t right)
{
	struct tcpseg_sack one = block(left, right);

	sackboard_add(board, una, max, &one);
}

static void assert_ranges(const struct sackboard *board, unsigned count,
			  const struct tcpseg_sack *ranges)
{
	uint32_t bytes = 0;

	g_assert_cmpuint(board->count, ==, count);
	for (unsigned i = 0; i < count; i++) {
		g_assert_cmpuint(board->range[i].left, ==, ranges[i].left);
		g_assert_cmpuint(board->range[i].right, ==, ranges[i].right);
		bytes += ranges[i].right - ranges[i].left;
	}
	g_assert_cmpuint(sackboard_bytes(board), ==, bytes);
}

/* Ranges that touch or overlap become one, whichever way they lie. */
static void test_merge(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(range_cases); i++) {
		struct sackboard board = { 0 };

		add(&board, 0, 100, 60, 70);
		add(&board, 0, 100, 20, 30);
		add(&board, 0, 100, 40, 50);
		add(&board, 0, 100, range_cases[i].left, range_cases[i].right);
		assert_ranges(&board, range_cases[i].count, range_cases[i].ranges);
	}
}

/* Blocks that are not inside of what was sent, from everywhere on the circle. */
static void test_ignored(void)
{
	static const struct tcpseg_sack lies[] = {
		{ 50, 50 },		    /* empty */
		{ 50, 40 },		    /* the wrong way round */
		{ 0, 50 },		    /* begins in what is acknowledged (RFC 2883) */
		{ 0, 10 },		    /* all of it is */
		{ 50, 111 },		    /* ends in what was not sent */
		{ 200, 300 },		    /* all of it was not */
		{ 50, 0x80000032 },	    /* half of the circle */
		{ 0x40000000, 0xa0000000 }, /* each end is less than a half away from the other */
		{ 0x7fffffff, 0x80000070 },
		{ 111, 0x8000006e },
		{ 0xfffffff0, 50 },
		{ 0xfffffff0, 0xfffffff8 },
		{ 0, 0xffffffff },
	};

	for (uint64_t base = 0; base <= UINT32_MAX; base += 0x0fffffff) {
		struct sackboard board = { 0 };
		const uint32_t at = (uint32_t)base;

		for (size_t i = 0; i < G_N_ELEMENTS(lies); i++) {
			add(&board, at + 10, at + 110, at + lies[i].left, at + lies[i].right);
			g_assert_cmpuint(board.count, ==, 0);
		}
		add(&board, at + 10, at + 110, at + 10, at + 110); /* just so */
		g_assert_cmpuint(sackboard_bytes(&board), ==, 100);
	}
}

/* A board that is full forgets what is highest. */
static void test_full(void)
{
	const uint32_t top = SACKBOARD_RANGES * 10;
	struct sackboard board = { 0 };
	struct tcpseg_sack ranges[SACKBOARD_RANGES];

	for (uint32_t i = 0; i < SACKBOARD_RANGES; i++) {
		ranges[i] = block(i * 10 + 10, i * 10 + 15);
		sackboard_add(&board, 0, UINT16_MAX, &ranges[i]);
	}
	assert_ranges(&board, SACKBOARD_RANGES, ranges);
	add(&board, 0, UINT16_MAX, top + 20, top + 30); /* the highest itself */
	assert_ranges(&board, SACKBOARD_RANGES, ranges);
	add(&board, 0, UINT16_MAX, 1, 2);
	memmove(ranges + 1, ranges, sizeof(ranges) - sizeof(ranges[0]));
	ranges[0] = block(1, 2);
	assert_ranges(&board, SACKBOARD_RANGES, ranges);
	add(&board, 0, UINT16_MAX, 14, 21); /* one that touches others finds room */
	g_assert_cmpuint(board.count, ==, SACKBOARD_RANGES - 1);
	g_assert_cmpuint(board.range[1].left, ==, 10);
	g_assert_cmpuint(board.range[1].right, ==, 25);
}

static void test_advance(void)
{
	struct sackboard board = { 0 };

	sackboard_advance(&board, 5);
	g_assert_cmpuint(board.count, ==, 0);
	add(&board, 0, 100, 10, 20);
	add(&board, 0, 100, 30, 40);
	add(&board, 0, 100, 50, 60);
	sackboard_advance(&board, 10);
	assert_ranges(&board, 3, (struct tcpseg_sack[]){ { 10, 20 }, { 30, 40 }, { 50, 60 } });
	sackboard_advance(&board, 20);
	assert_ranges(&board, 2, (struct tcpseg_sack[]){ { 30, 40 }, { 50, 60 } });
	sackboard_advance(&board, 35);
	assert_ranges(&board, 2, (struct tcpseg_sack[]){ { 35, 40 }, { 50, 60 } });
	sackboard_advance(&board, 45);
	assert_ranges(&board, 1, (struct tcpseg_sack[]){ { 50, 60 } });
	sackboard_advance(&board, 100);
	g_assert_cmpuint(board.count, ==, 0);
}

static void test_gap(void)
{
	static const struct {
		uint32_t from;
		bool found;
		struct tcpseg_sack gap;
	} cases[] = {
		{ 0, true, { 0, 10 } },	  { 9, true, { 9, 10 } },   { 10, true, { 20, 30 } },
		{ 15, true, { 20, 30 } }, { 20, true, { 20, 30 } }, { 25, true, { 25, 30 } },
		{ 30, false, { 1, 2 } },  { 39, false, { 1, 2 } },  { 40, false, { 1, 2 } },
		{ 50, false, { 1, 2 } },
	};
	struct sackboard board = { 0 };
	struct tcpseg_sack gap = { 1, 2 };

	g_assert_false(sackboard_gap(&board, 0, &gap));
	add(&board, 0, 100, 10, 20);
	add(&board, 0, 100, 30, 40);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		gap = block(1, 2);
		g_assert_cmpint(sackboard_gap(&board, cases[i].from, &gap), ==, cases[i].found);
		g_assert_cmpuint(gap.left, ==, cases[i].gap.left);
		g_assert_cmpuint(gap.right, ==, cases[i].gap.right);
	}
}

/* ---- anything, beside a bit for each byte ---- */

struct model {
	uint32_t base; /* the number of the first byte */
	uint32_t una;  /* as an index */
	bool has[SPAN];
};

static void assert_same(const struct sackboard *board, const struct model *model)
{
	uint32_t at = model->una, bytes = 0;
	struct tcpseg_sack gap;

	for (unsigned i = 0; i < board->count; i++) {
		uint32_t left = board->range[i].left - model->base;
		uint32_t right = board->range[i].right - model->base;

		g_assert_cmpuint(left, <, right);
		g_assert_cmpuint(right, <=, SPAN);
		g_assert_true(i == 0 ? left >= at : left > at); /* they do not touch */
		for (; at < left; at++)
			g_assert_false(model->has[at]);
		for (; at < right; at++, bytes++)
			g_assert_true(model->has[at]);
	}
	for (; at < SPAN; at++)
		g_assert_false(model->has[at]);
	g_assert_cmpuint(sackboard_bytes(board), ==, bytes);
	for (uint32_t from = model->una; from < SPAN; from++) {
		uint32_t left = from, right;

		while (left < SPAN && model->has[left])
			left++;
		for (right = left; right < SPAN && !model->has[right];)
			right++;
		g_assert_cmpint(sackboard_gap(board, model->base + from, &gap), ==, right < SPAN);
		if (right < SPAN) {
			g_assert_cmpuint(gap.left, ==, model->base + left);
			g_assert_cmpuint(gap.right, ==, model->base + right);
		}
	}
}

static void play(GRand *rand, uint32_t base)
{
	struct sackboard board = { 0 };
	struct model model = { .base = base };

	while (model.una < SPAN) {
		uint32_t left = (uint32_t)g_rand_int_range(rand, 0, SPAN);
		uint32_t len = (uint32_t)g_rand_int_range(rand, 0, 20);

		add(&board, base + model.una, base + SPAN, base + left, base + left + len);
		if (left >= model.una && left + len <= SPAN) {
			for (uint32_t i = left; i < left + len; i++)
				model.has[i] = true;
		}
		if (g_rand_int_range(rand, 0, 4) == 0) {
			model.una += (uint32_t)g_rand_int_range(rand, 0, 12);
			sackboard_advance(&board, base + model.una);
		}
		if (model.una < SPAN)
			assert_same(&board, &model);
		g_assert_cmpuint(board.count, <, SACKBOARD_RANGES); /* or the model would differ */
	}
	g_assert_cmpuint(board.count, ==, 0);
}

static void test_random(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(3);

	for (int i = 0; i < 20; i++) {
		play(rand, g_rand_int(rand));
		play(rand, (uint32_t)-g_rand_int_range(rand, 0, SPAN)); /* across 0 */
		play(rand, 0x80000000u - (uint32_t)g_rand_int_range(rand, 0, SPAN));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/sackboard/merge", test_merge);
	g_test_add_func("/sackboard/ignored", test_ignored);
	g_test_add_func("/sackboard/full", test_full);
	g_test_add_func("/sackboard/advance", test_advance);
	g_test_add_func("/sackboard/gap", test_gap);
	g_test_add_func("/sackboard/random", test_random);
	return g_test_run();
}
