/* app/table: columns as wide as they have to be, amounts for people, and nothing but text. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/table.h"

static const struct table_column columns[] = {
	{ "NAME", false },
	{ "N", true },
	{ "END", false },
	{ .title = NULL },
};

static char *printed(const struct table *table)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	table_print(table, to);
	fclose(to);
	return text;
}

static void test_columns(void)
{
	struct table *table = table_new(columns);
	char *text = printed(table);

	g_assert_cmpstr(text, ==, "NAME  N  END\n");
	free(text);
	table_add(table, "a");
	table_add_number(table, 12345);
	table_add(table, "x");
	table_add(table, "\xc3\xa4\xc3\xb6\xc3\xbcss");
	table_add_number(table, 1);
	table_add(table, "longer");
	table_add(table, "of a row that is not complete");
	text = printed(table);
	g_assert_cmpstr(text, ==,
			"NAME       N  END\n"
			"a      12345  x\n"
			"\xc3\xa4\xc3\xb6\xc3\xbcss      1  longer\n");
	free(text);
	table_free(table);
	table_free(NULL);
}

static void test_amounts(void)
{
	static const struct {
		uint64_t amount;
		const char *bytes, *duration;
	} cases[] = {
		{ 0, "0", "0s" },
		{ 59, "59", "59s" },
		{ 60, "60", "1m00s" },
		{ 1023, "1023", "17m03s" },
		{ 1024, "1.0K", "17m04s" },
		{ 3600, "3.5K", "1h00m" },
		{ 86399, "84K", "23h59m" },
		{ 86400, "84K", "1d00h" },
		{ 5 << 20, "5.0M", "60d16h" },
		{ (uint64_t)300 << 30, "300G", "3728270d05h" },
		{ UINT64_MAX, "16E", "213503982334601d07h" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		static const struct table_column two[] = { { "B" }, { "D" }, { .title = NULL } };
		struct table *table = table_new(two);
		char *text;

		table_add_bytes(table, cases[i].amount);
		table_add_duration(table, cases[i].amount);
		text = printed(table);
		g_assert_nonnull(g_strstr_len(text, -1, cases[i].bytes));
		g_assert_true(g_str_has_suffix(g_strchomp(text), cases[i].duration));
		free(text);
		table_free(table);
	}
}

static void test_harmless(void)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{ "plain \xc3\xa4", "plain \xc3\xa4" },
		{ "\x1b[2J\a\n\t\x7f", "?[2J????" },
		{ "\xc2\x9bx", "??x" },	     /* CSI of C1 */
		{ "\xe2\x80\xaex", "???x" }, /* turns the direction of writing */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *harmless = table_harmless(cases[i].text);

		g_assert_cmpstr(harmless, ==, cases[i].wanted);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/table/columns", test_columns);
	g_test_add_func("/table/amounts", test_amounts);
	g_test_add_func("/table/harmless", test_harmless);
	return g_test_run();
}
