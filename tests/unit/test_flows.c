/* net/flows: ids that are never used again, and a look that goes on behind what has ended. */
#include <glib.h>

#include "net/flows.h"

#define MANY 5000

static void expect_order(const struct flows *flows, uint64_t first, uint64_t last, uint64_t step)
{
	uint64_t id = 0;

	for (uint64_t wanted = first; wanted <= last; wanted += step) {
		const struct flows_entry *entry = flows_next(flows, id);

		g_assert_nonnull(entry);
		id = entry->id;
		g_assert_cmpuint(id, ==, wanted);
	}
	g_assert_null(flows_next(flows, id));
}

static void test_none(void)
{
	struct flows *flows = flows_new();
	struct flows_entry entry = { 0 };

	g_assert_null(flows_next(flows, 0));
	g_assert_null(flows_next(flows, UINT64_MAX));
	g_assert_null(flows_find(flows, 0));
	g_assert_null(flows_find(flows, 1));
	flows_add(NULL, &entry); /* nobody can look */
	flows_remove(NULL, &entry);
	flows_free(flows);
	flows_free(NULL);
}

static void test_ids(void)
{
	struct flows *flows = flows_new();
	struct flows_entry a = { 0 }, b = { 0 };

	flows_add(flows, &a);
	g_assert_cmpuint(a.id, ==, 1);
	g_assert_true(flows_find(flows, 1) == &a);
	flows_remove(flows, &a);
	g_assert_null(flows_find(flows, 1));
	flows_add(flows, &b);
	flows_add(flows, &a);
	g_assert_cmpuint(b.id, ==, 2);
	g_assert_cmpuint(a.id, ==, 3);
	expect_order(flows, 2, 3, 1);
	flows_remove(flows, &a);
	flows_remove(flows, &b);
	flows_free(flows);
}

/* Most end, in an order that has nothing to do with their birth. */
static void test_many(void)
{
	struct flows_entry *entries = g_new0(struct flows_entry, MANY);
	struct flows *flows = flows_new();

	for (int i = 0; i < MANY; i++)
		flows_add(flows, &entries[i]);
	expect_order(flows, 1, MANY, 1);
	for (int i = 0; i < MANY; i++) {
		struct flows_entry *entry = &entries[(i * 7919) % MANY];

		if (entry->id % 100 != 0)
			flows_remove(flows, entry);
	}
	expect_order(flows, 100, MANY, 100);
	g_assert_null(flows_find(flows, 101));
	g_assert_true(flows_find(flows, 200) == &entries[199]);
	g_assert_true(flows_next(flows, 101) == &entries[199]); /* 101 has ended meanwhile */
	g_assert_true(flows_next(flows, 200) == &entries[299]);
	for (int i = 99; i < MANY; i += 100)
		flows_remove(flows, &entries[i]);
	g_assert_null(flows_next(flows, 0));
	flows_add(flows, &entries[0]);
	g_assert_cmpuint(entries[0].id, ==, MANY + 1);
	flows_remove(flows, &entries[0]);
	flows_free(flows);
	g_free(entries);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/flows/none", test_none);
	g_test_add_func("/flows/ids", test_ids);
	g_test_add_func("/flows/many", test_many);
	return g_test_run();
}
