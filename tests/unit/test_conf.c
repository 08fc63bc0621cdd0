/* wire/conf: what a configuration file says, line by line, and which line is wrong. */
#include <glib.h>
#include <string.h>

#include "wire/conf.h"

struct expected {
	const char *text;
	const char *
		said; /* "line group key=value" for each pair, then "line: error" if there is one */
};

static char *read_all(const char *text)
{
	g_autofree char *copy = g_strdup(text);
	GString *said = g_string_new(NULL);
	struct conf_item item;
	struct conf conf;

	conf_begin(&conf, copy, strlen(copy));
	for (;;) {
		switch (conf_next(&conf, &item)) {
		case CONF_END:
			return g_string_free(said, FALSE);
		case CONF_BAD:
			g_string_append_printf(said, "%u: %s", conf.line, item.error);
			return g_string_free(said, FALSE);
		case CONF_PAIR:
			g_string_append_printf(said, "%u %s %s=%s;", conf.line, conf.group,
					       item.key, item.value);
		}
	}
}

static void check(const struct expected *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		g_autofree char *said = read_all(cases[i].text);

		g_test_message("%s", cases[i].text);
		g_assert_cmpstr(said, ==, cases[i].said);
	}
}

static void test_pairs(void)
{
	static const struct expected cases[] = {
		{ "", "" },
		{ "\n\n# only\n", "" },
		{ "[a]", "" },
		{ "[a]\nk=v", "2 a k=v;" },
		{ "[a]\nk=v\n", "2 a k=v;" },
		{ "[a]\r\nk=v\r\n", "2 a k=v;" },
		{ "  [a]  \n\t k \t= v w \t\n", "2 a k=v w;" },
		{ "[a]\nk=1\nk=2\n[b]\nk=3", "2 a k=1;3 a k=2;5 b k=3;" },
		{ "[a b]\nk=", "2 a b k=;" },
		{ "[a]\nk=a=b#c\n", "2 a k=a=b#c;" },
		{ "[a]\nk=\\sx\\ty\\\\z\\s", "2 a k= x\ty\\z ;" },
		{ "[a]\nk=1\\n2\\r", "2 a k=1\n2\r;" },
	};

	check(cases, G_N_ELEMENTS(cases));
}

static void test_errors(void)
{
	static const char group[] = "1: not a [group]";
	static const char key[] = "2: a key is made of letters, digits and '-'";
	static const char escape[] = "2: '\\' in a value stands before one of s, t, n, r and \\";
	static const struct expected cases[] = {
		{ "[", group },
		{ "[]", group },
		{ "[a", group },
		{ "[a]b", group },
		{ "[[a]]", group },
		{ "[a]]", group },
		{ "k=v", "1: a key before the first [group]" },
		{ "[a]\nk", "2: neither a [group], key=value nor a # comment" },
		{ "[a]\n=v", key },
		{ "[a]\na b=v", key },
		{ "[a]\nk[de]=v", key },
		{ "[a]\nk=\\", escape },
		{ "[a]\nk=\\x", escape },
		{ "[a]\nk=v\n\n\nbad\nk=w",
		  "2 a k=v;5: neither a [group], key=value nor a # comment" },
	};

	check(cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/conf/pairs", test_pairs);
	g_test_add_func("/conf/errors", test_errors);
	return g_test_run();
}
