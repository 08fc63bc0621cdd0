#include "app/options.h"

#include <getopt.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define HELP_COLUMN 25
#define LONG_ONLY 256 /* getopt value of row 0; above every letter */

bool options_parse_number(const char *text, int min, int max, int *ret)
{
	guint64 number;

	text += strspn(text, " \t\n\v\f\r");
	if (*text == '+')
		text++;
	if (!g_ascii_string_to_unsigned(text, 10, (guint64)min, (guint64)max, &number, NULL))
		return false;
	*ret = (int)number;
	return true;
}

static size_t count_rows(const struct opt *table)
{
	size_t count = 0;

	while (table[count].name)
		count++;
	return count;
}

static const struct opt *find_row(const struct opt *table, int value)
{
	if (value >= LONG_ONLY)
		return &table[value - LONG_ONLY];
	while (table->name && table->letter != value)
		table++;
	return table->name ? table : NULL;
}

static bool append(struct opt_list *list, const char *text)
{
	if (list->count == OPT_LIST_MAX)
		return false;
	list->items[list->count++] = text;
	return true;
}

static bool store(const struct opt *opt, const char *text, void *values)
{
	void *field = (char *)values + opt->into;

	switch (opt->kind) {
	case OPT_FLAG:
		*(bool *)field = true;
		return true;
	case OPT_PATH:
		if (access(text, F_OK) != 0)
			return false;
		*(const char **)field = text;
		return true;
	case OPT_TEXT:
		*(const char **)field = text;
		return true;
	case OPT_LIST:
		return append(field, text);
	case OPT_NUMBER:
		return options_parse_number(text, opt->min, opt->max, field);
	case OPT_HELP:
	case OPT_VERSION:
		return true;
	}
	return false;
}

static void complain(const struct opt *opt, const char *text)
{
	const char *place = strstr(opt->error, "%s");

	if (place)
		log_line("%.*s%s%s", (int)(place - opt->error), opt->error, text, place + 2);
	else
		log_line("%s", opt->error);
}

static enum options_outcome take(const struct opt *opt, const char *text, void *values)
{
	if (!store(opt, text, values)) {
		complain(opt, text);
		return OPTIONS_BAD;
	}
	if (opt->notice)
		puts(opt->notice);
	if (opt->kind == OPT_HELP)
		return OPTIONS_HELP;
	return opt->kind == OPT_VERSION ? OPTIONS_VERSION : OPTIONS_OK;
}

/* The table in getopt's terms, with or without the exact rows. */
static struct option *make_longs(const struct opt *table, bool exact)
{
	struct option *longs = g_new0(struct option, count_rows(table) + 1);
	size_t count = 0;

	for (const struct opt *opt = table; opt->name; opt++) {
		int has_arg = opt->argument ? required_argument : no_argument;

		if (exact || !opt->exact)
			longs[count++] = (struct option){ opt->name, has_arg, NULL,
							  LONG_ONLY + (int)(opt - table) };
	}
	return longs;
}

static GString *make_letters(const struct opt *table)
{
	GString *letters = g_string_new(NULL);

	for (const struct opt *opt = table; opt->name; opt++) {
		if (opt->letter) {
			g_string_append_c(letters, opt->letter);
			g_string_append(letters, opt->argument ? ":" : "");
		}
	}
	return letters;
}

/* Whether the word that getopt_long(3) looks at next, the first one from optind on that is no
 * operand, is an exact option.
 */
static bool exact_is_next(const struct opt *table, int argc, char *const *argv)
{
	int i = MAX(optind, 1);
	const char *name;
	size_t len;

	while (i < argc && (argv[i][0] != '-' || argv[i][1] == '\0'))
		i++;
	if (i >= argc || argv[i][1] != '-')
		return false;
	name = argv[i] + 2;
	len = strcspn(name, "=");
	for (; table->name; table++) {
		if (table->exact && strlen(table->name) == len &&
		    memcmp(table->name, name, len) == 0)
			return true;
	}
	return false;
}

/* getopt_long(3) takes one long option a call, and any of its names may be cut to what is unambiguous
 * among them all. So it is shown the exact rows only when one of them is what comes.
 */
enum options_outcome options_parse(const struct opt *table, int argc, char **argv, void *values,
				   int *ret_first_operand)
{
	g_autofree struct option *all = make_longs(table, true);
	g_autofree struct option *common = make_longs(table, false);
	g_autoptr(GString) letters = make_letters(table);
	enum options_outcome outcome = OPTIONS_OK;

	optind = 0; /* getopt(3): start anew, permutation included */
	while (outcome == OPTIONS_OK) {
		const struct option *longs = exact_is_next(table, argc, argv) ? all : common;
		int value = getopt_long(argc, argv, letters->str, longs, NULL);
		const struct opt *opt = find_row(table, value);

		if (value == -1)
			break;
		outcome = opt && value != '?' ? take(opt, optarg, values) : OPTIONS_BAD;
	}
	*ret_first_operand = optind;
	return outcome;
}

void options_print_help(const struct opt *table, bool exact)
{
	for (const struct opt *opt = table; opt->name; opt++) {
		char letter[] = { '-', opt->letter, ',', ' ', '\0' };
		char left[64];

		if (!opt->help || opt->exact != exact)
			continue;
		snprintf(left, sizeof(left), "%s--%s%s%s", opt->letter ? letter : "", opt->name,
			 opt->argument ? "=" : "", opt->argument ? opt->argument : "");
		printf("%-*s%s%s\n", HELP_COLUMN, left, strlen(left) < HELP_COLUMN ? "" : " ",
		       opt->help);
	}
}
