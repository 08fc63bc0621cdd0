/* net/peerset: who is remembered, and for how long. */
#include <glib.h>
#include <string.h>

#include "net/peerset.h"

static struct peerset_common fresh(void)
{
	return (struct peerset_common){ .key = { { 1, 2 } }, .slots_max = 1 << 20 };
}

static struct peer peer(unsigned number)
{
	struct peer p = { .port = (uint16_t)(number % 7 + 1) };

	memcpy(p.address, &number, sizeof(number));
	return p;
}

static void add(struct peerset *set, struct peerset_common *common, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		struct peer p = peer(i);

		peerset_add(set, common, &p);
	}
}

static bool has(struct peerset *set, struct peerset_common *common, unsigned number)
{
	struct peer p = peer(number);

	return peerset_has(set, common, &p);
}

/* How many there are, each once, however often it was added and in whichever table it is. */
static void test_count(void)
{
	struct peerset_common common = fresh();
	struct peerset set = { 0 };
	struct peer without_port = { .address = { 9 } };

	g_assert_cmpuint(peerset_count(&set), ==, 0);
	add(&set, &common, 5, 6);
	add(&set, &common, 5, 6);
	g_assert_cmpuint(peerset_count(&set), ==, 1);
	g_assert_cmpuint(peerset_only(&set)->port, ==, peer(5).port);
	peerset_add(&set, &common, &without_port);
	g_assert_cmpuint(peerset_count(&set), ==, 1);
	g_assert_cmpuint(peerset_only(&set)->port, ==, peer(5).port);
	for (unsigned i = 0; i < PEERSET_YOUNG + 1; i++) {
		add(&set, &common, i, i + 1);
		g_assert_cmpuint(peerset_count(&set), ==, i < 5 ? i + 2 : i + 1);
	}
	add(&set, &common, 0, PEERSET_YOUNG + 1);
	g_assert_cmpuint(peerset_count(&set), ==, PEERSET_YOUNG + 1);
	peerset_clear(&set, &common);
	g_assert_cmpuint(peerset_count(&set), ==, 0);
}

/* The first one costs no table, and the next ones are exact in address and port. */
static void test_few(void)
{
	struct peerset_common common = fresh();
	struct peerset set = { 0 };
	struct peer other = peer(0);

	g_assert_false(has(&set, &common, 0));
	add(&set, &common, 0, 1);
	add(&set, &common, 0, 1);
	g_assert_true(has(&set, &common, 0));
	g_assert_cmpuint(common.slots, ==, 0);
	other.port++;
	g_assert_false(peerset_has(&set, &common, &other));
	other = peer(0);
	other.address[15] = 1;
	g_assert_false(peerset_has(&set, &common, &other));
	add(&set, &common, 1, 100);
	for (unsigned i = 0; i < 100; i++)
		g_assert_true(has(&set, &common, i));
	g_assert_false(has(&set, &common, 100));
	g_assert_cmpuint(common.forgotten, ==, 0);
	peerset_clear(&set, &common);
	g_assert_cmpuint(common.slots, ==, 0);
	g_assert_false(has(&set, &common, 1));
}

/* A peer is remembered while PEERSET_YOUNG others are talked to, and forgotten after twice that. */
static void test_generations(void)
{
	struct peerset_common common = fresh();
	struct peerset set = { 0 };

	add(&set, &common, 0, 2 * PEERSET_YOUNG - 16);
	for (unsigned i = 0; i < PEERSET_YOUNG; i += 64)
		add(&set, &common, i, i + 1); /* is young again */
	for (unsigned i = 0; i < PEERSET_YOUNG; i++)
		g_assert_true(has(&set, &common, i)); /* and this changes nothing */
	add(&set, &common, 2 * PEERSET_YOUNG, 3 * PEERSET_YOUNG - 16);
	for (unsigned i = 0; i < PEERSET_YOUNG; i++)
		g_assert_cmpint(has(&set, &common, i), ==, i % 64 == 0);
	g_assert_cmpuint(common.forgotten, >, 0);
	g_assert_cmpuint(common.slots, <=, PEERSET_YOUNG * 4);
	peerset_clear(&set, &common);
	g_assert_cmpuint(common.slots, ==, 0);
}

/* All sets together stay under their limit, and each remembers the newest. */
static void test_common_limit(void)
{
	struct peerset_common common = fresh();
	struct peerset sets[20] = { 0 };

	common.slots_max = 64;
	for (unsigned i = 0; i < 5000; i++) {
		add(&sets[i % 20], &common, i, i + 1);
		g_assert_true(has(&sets[i % 20], &common, i));
		g_assert_cmpuint(common.slots, <=, 64);
	}
	for (int i = 0; i < 20; i++)
		peerset_clear(&sets[i], &common);
	g_assert_cmpuint(common.slots, ==, 0);
}

/* The same steps beside a plain list of what has to be in it. */
static void test_against_a_list(void)
{
	GRand *random = g_rand_new_with_seed(7);

	for (int round = 0; round < 50; round++) {
		struct peerset_common common = fresh();
		struct peerset set = { 0 };
		bool in[256] = { false };

		for (int step = 0; step < 300; step++) {
			unsigned number = g_rand_int(random) % 256;

			g_assert_cmpint(has(&set, &common, number), ==, in[number]);
			add(&set, &common, number, number + 1);
			in[number] = true;
		}
		peerset_clear(&set, &common);
	}
	g_rand_free(random);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/peerset/count", test_count);
	g_test_add_func("/peerset/few", test_few);
	g_test_add_func("/peerset/generations", test_generations);
	g_test_add_func("/peerset/common-limit", test_common_limit);
	g_test_add_func("/peerset/against-a-list", test_against_a_list);
	return g_test_run();
}
