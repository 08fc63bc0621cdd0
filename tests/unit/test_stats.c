/* net/stats: a struct of counters as JSON and as a line; and that every table of the program is one
 * that a caller can rely on.
 */
#include <glib.h>
#include <jansson.h>
#include <string.h>

#include "app/engine.h"
#include "net/stats.h"

struct counters {
	uint32_t small;
	uint64_t large;
	uint64_t colours[3];
	size_t level;
	uint32_t lost;
};

static const char *colour_name(size_t index)
{
	static const char *const names[] = { NULL, "red", "light_blue" };

	return names[index];
}

static const struct stats_row rows[] = {
	{ "small", "", STATS_NUMBER(struct counters, small) },
	{ "large", "", STATS_NUMBER(struct counters, large) },
	{ "colours", "", STATS_ARRAY(struct counters, colours, colour_name), .counts_drops = true },
	{ "level", "", STATS_NUMBER(struct counters, level) },
	{ "lost", "", STATS_NUMBER(struct counters, lost), .counts_drops = true },
	{ 0 },
};

static const struct stats_table table = { "paint", "pots", rows };
static const struct counters filled = { 1, 5000000000, { 7, 2, 3 }, 4, 9 };

static void expect_json(const void *const counters[], size_t count, const char *wanted)
{
	const struct stats_table *const tables[] = { &table, &link_stats_table };
	json_t *object = stats_json(tables, counters, count);
	char *text = json_dumps(object, JSON_COMPACT);

	g_assert_cmpstr(text, ==, wanted);
	free(text);
	json_decref(object);
}

static void test_json(void)
{
	static const struct link_stats link = { 1, 2, 3, 4, 5 };

	expect_json(
		(const void *const[]){ &filled, &link }, 2,
		"{\"paint\":{\"small\":1,\"large\":5000000000,"
		"\"colours\":{\"red\":2,\"light_blue\":3},\"level\":4,\"lost\":9},"
		"\"link\":{\"frames_from_guest\":1,\"bytes_from_guest\":2,"
		"\"frames_to_guest\":3,\"bytes_to_guest\":4,\"no_room\":5,\"drops\":{\"not_ip\":0,\"discovery\":0}}}");
}

static void test_module_that_does_not_run(void)
{
	static const struct link_stats link;

	expect_json(
		(const void *const[]){ NULL, &link }, 2,
		"{\"link\":{\"frames_from_guest\":0,\"bytes_from_guest\":0,"
		"\"frames_to_guest\":0,\"bytes_to_guest\":0,\"no_room\":0,\"drops\":{\"not_ip\":0,\"discovery\":0}}}");
	expect_json((const void *const[]){ NULL, NULL }, 2, "{}");
}

static void test_drops(void)
{
	static const struct counters none = { .small = 1, .level = 1 };
	char text[64];

	g_assert_cmpuint(stats_describe_drops(&table, &filled, text, sizeof(text)), ==, 14);
	g_assert_cmpstr(text, ==, "2 red, 3 light_blue, 9 lost");
	memset(text, 'x', sizeof(text));
	g_assert_cmpuint(stats_describe_drops(&table, &filled, text, 9), ==, 14);
	g_assert_cmpstr(text, ==, "2 red, 3"); /* cut, not overrun */
	g_assert_cmpint(text[9], ==, 'x');
	g_assert_cmpuint(stats_describe_drops(&table, &none, text, sizeof(text)), ==, 0);
	g_assert_cmpstr(text, ==, "");
}

static void expect_name(const char *module, const char *name)
{
	g_test_message("%s: %s", module, name);
	g_assert_true(g_regex_match_simple("^[a-z][a-z0-9]*(_[a-z0-9]+)*$", name, 0, 0));
}

/* Names by the rule and each once, and none missing: only "no fault" (0) has none. */
static void check_row(const char *module, const struct stats_row *row, GHashTable *names)
{
	g_autoptr(GHashTable) elements = g_hash_table_new(g_str_hash, g_str_equal);

	expect_name(module, row->name);
	g_assert_true(g_hash_table_add(names, (gpointer)(uintptr_t)row->name));
	g_assert_true(row->size == 4 || row->size == 8);
	g_assert_cmpuint(strlen(row->help), >, 0);
	g_assert_true(row->element_name || row->count == 1);
	for (size_t i = 0; row->element_name && i < row->count; i++) {
		const char *name = row->element_name(i);

		if (i == 0 && !name)
			continue;
		g_assert_nonnull(name);
		expect_name(row->name, name);
		g_assert_true(g_hash_table_add(elements, (gpointer)(uintptr_t)name));
	}
}

static void test_tables_of_the_program(void)
{
	g_autoptr(GHashTable) modules = g_hash_table_new(g_str_hash, g_str_equal);

	for (int i = 0; i < STATS_MODULES; i++) {
		g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
		const struct stats_table *module = engine_stats_tables[i];
		bool drops = false;

		expect_name("modules", module->module);
		g_assert_true(g_hash_table_add(modules, (gpointer)(uintptr_t)module->module));
		for (const struct stats_row *row = module->rows; row->name; row++) {
			check_row(module->module, row, names);
			drops |= row->counts_drops;
		}
		g_assert_true(drops == (module->dropped != NULL));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stats/json", test_json);
	g_test_add_func("/stats/module-that-does-not-run", test_module_that_does_not_run);
	g_test_add_func("/stats/drops", test_drops);
	g_test_add_func("/stats/tables-of-the-program", test_tables_of_the_program);
	return g_test_run();
}
