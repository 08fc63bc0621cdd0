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

enum options_outcome options_parse(const struct opt *table, int argc, char **argv, void *values,
				   int *ret_first_operand)
{
	size_t rows = count_rows(table);
	g_autofree struct option *longs = g_new0(struct option, rows + 1);
	g_autoptr(GString) letters = g_string_new(NULL);
	enum options_outcome outcome = OPTIONS_OK;
	int value;

	for (size_t i = 0; i < rows; i++) {
		const struct opt *opt = &table[i];
		int has_arg = opt->argument ? required_argument : no_argument;

		longs[i] = (struct option){ opt->name, has_arg, NULL, LONG_ONLY + (int)i };
		if (opt->letter) {
			g_string_append_c(letters, opt->letter);
			g_string_append(letters, opt->argument ? ":" : "");
		}
	}
	optind = 0; /* getopt(3): start anew, permutation included */
	while (outcome == OPTIONS_OK &&
	       (value = getopt_long(argc, argv, letters->str, longs, NULL)) != -1) {
		const struct opt *opt = find_row(table, value);

		outcome = opt && value != '?' ? take(opt, optarg, values) : OPTIONS_BAD;
	}
	*ret_first_operand = optind;
	return outcome;
}

void options_print_help(const struct opt *table)
{
	for (const struct opt *opt = table; opt->name; opt++) {
		char letter[] = { '-', opt->letter, ',', ' ', '\0' };
		char left[64];

		if (!opt->help)
			continue;
		snprintf(left, sizeof(left), "%s--%s%s%s", opt->letter ? letter : "", opt->name,
			 opt->argument ? "=" : "", opt->argument ? opt->argument : "");
		printf("%-*s%s%s\n", HELP_COLUMN, left, strlen(left) < HELP_COLUMN ? "" : " ",
		       opt->help);
	}
}
