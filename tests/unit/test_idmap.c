/* os/idmap: maps as texts, in and out. */
#include <glib.h>
#include <string.h>

#include "os/idmap.h"

static const struct {
	const char *text;
	const char *parsed; /* NULL: refused */
} maps[] = {
	{ "         0          0 4294967295\n", "0 0 4294967295\n" },
	{ "         0       1000          1\n         1     100000      65536\n",
	  "0 1000 1\n1 100000 65536\n" },
	{ "0 0 1", "0 0 1\n" },
	{ "", NULL },
	{ "\n", NULL },
	{ "0 0\n", NULL },
	{ "0 0 1 1\n", NULL },
	{ "0 0 0\n", NULL },
	{ "0 0 -1\n", NULL },
	{ "0 0 4294967296\n", NULL },
	{ "a 0 1\n", NULL },
	{ "0 1000 1\nrubbish\n", NULL },
};

static void test_parse(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
		struct idmap map;
		g_autofree char *text = NULL;

		g_assert_cmpint(idmap_parse(maps[i].text, &map), ==, maps[i].parsed != NULL);
		if (!maps[i].parsed)
			continue;
		text = idmap_format(&map);
		g_assert_cmpstr(text, ==, maps[i].parsed);
	}
}

static void test_no_more_than_there_is_room_for(void)
{
	g_autoptr(GString) text = g_string_new(NULL);
	struct idmap map;

	for (unsigned i = 0; i < 2 * IDMAP_RANGES_MAX; i++)
		g_string_append_printf(text, "%u %u 1\n", i, i);
	g_assert_true(idmap_parse(text->str, &map));
	g_assert_cmpuint(map.count, ==, IDMAP_RANGES_MAX);
	idmap_root(7, &map, &map);
	g_assert_cmpuint(map.count, <=, IDMAP_RANGES_MAX);
}

static const struct {
	const char *text;
	const char *root; /* the map of root with these; NULL: none are for us */
} subids[] = {
	{ "me:100000:65536\n", "0 1000 1\n1 100000 65536\n" },
	{ "1000:100000:65536", "0 1000 1\n1 100000 65536\n" },
	{ "you:1:2\nme:100:10\n# a comment\nme:300:5\n", "0 1000 1\n1 100 10\n11 300 5\n" },
	{ "me:100000:4294967295\n", "0 1000 1\n" }, /* there are not so many ids */
	{ "", NULL },
	{ "you:100000:65536\n", NULL },
	{ "meme:100000:65536\nm:1:1\n:1:1\n", NULL },
	{ "me:100000\n", NULL },
	{ "me:100000:0\n", NULL },
	{ "me:x:65536\n", NULL },
	{ "me:100000:65536:1\n", NULL },
};

static void test_subids(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(subids); i++) {
		struct idmap ranges, map;
		g_autofree char *text = NULL;

		g_assert_cmpint(idmap_parse_subids(subids[i].text, "me", 1000, &ranges), ==,
				subids[i].root != NULL);
		if (!subids[i].root)
			continue;
		idmap_root(1000, &ranges, &map);
		text = idmap_format(&map);
		g_assert_cmpstr(text, ==, subids[i].root);
	}
}

static void test_who_has_no_name(void)
{
	struct idmap ranges;

	g_assert_true(idmap_parse_subids("1000:1:2\n", NULL, 1000, &ranges));
	g_assert_false(idmap_parse_subids("me:1:2\n", NULL, 1000, &ranges));
}

static const struct {
	const char *text, *identity, *limits;
} existing[] = {
	{ "0 0 4294967295\n", "0 0 4294967295\n", "0 2147483647" },
	{ "0 1000 1\n1 100000 65536\n", "0 0 1\n1 1 65536\n", "0 65536" },
	{ "0 600000 1\n1 100000 65536\n", "0 0 1\n1 1 65536\n", "1 0" },
	{ "1000 1000 1\n", "1000 1000 1\n", "1000 1000" },
	{ "4294967294 4294967294 1\n", "4294967294 4294967294 1\n", "2147483647 2147483647" },
};

static void test_everybody(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(existing); i++) {
		struct idmap from, map;
		g_autofree char *text = NULL;
		char limits[32];

		g_assert_true(idmap_parse(existing[i].text, &from));
		idmap_identity(&from, &map);
		text = idmap_format(&map);
		g_assert_cmpstr(text, ==, existing[i].identity);
		idmap_outer_limits(&from, limits, sizeof(limits));
		g_assert_cmpstr(limits, ==, existing[i].limits);
	}
}

static void test_root_alone(void)
{
	struct idmap map;
	g_autofree char *text = NULL;

	idmap_root(1000, NULL, &map);
	text = idmap_format(&map);
	g_assert_cmpstr(text, ==, "0 1000 1\n");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/idmap/parse", test_parse);
	g_test_add_func("/idmap/room", test_no_more_than_there_is_room_for);
	g_test_add_func("/idmap/subids", test_subids);
	g_test_add_func("/idmap/no-name", test_who_has_no_name);
	g_test_add_func("/idmap/everybody", test_everybody);
	g_test_add_func("/idmap/root-alone", test_root_alone);
	return g_test_run();
}
