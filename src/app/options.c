#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define HELP_COLUMN 25
#define LONG_ONLY 256 /* getopt value of row 0; above every letter */
#define SWITCH_WORDS "off on"

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

bool options_belongs(const struct opt *opt, unsigned commands)
{
	return commands == 0 || (opt->commands & commands) != 0;
}

const struct opt *options_find(const struct opt *table, unsigned commands, const char *name)
{
	for (; table->name; table++) {
		if (options_belongs(table, commands) && strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

static bool append(struct opt_list *list, const char *text)
{
	if (list->count == OPT_LIST_MAX)
		return false;
	list->items[list->count++] = text;
	return true;
}

/* The place of @word among words with one space between, or -1. */
static int place_among(const char *words, const char *word)
{
	const size_t len = strlen(word);

	for (int place = 0;; place++) {
		size_t word_len = strcspn(words, " ");

		if (word_len == len && memcmp(words, word, len) == 0)
			return place;
		if (words[word_len] == '\0')
			return -1;
		words += word_len + 1;
	}
}

static bool store_choice(const struct opt *opt, const char *text, int *field)
{
	int place = place_among(opt->values, text);

	if (place < 0)
		return false;
	*field = place;
	return true;
}

static bool store_switch(const char *text, bool *field)
{
	int place = text ? place_among(SWITCH_WORDS, text) : 1;

	if (place < 0)
		return false;
	*field = place == 1;
	return true;
}

static bool store(const struct opt *opt, const char *text, void *values)
{
	void *field = (char *)values + opt->into;

	switch (opt->kind) {
	case OPT_FLAG:
		*(bool *)field = true;
		return true;
	case OPT_UNFLAG:
		*(bool *)field = false;
		return true;
	case OPT_SET:
		*(int *)field = opt->min;
		return true;
	case OPT_SWITCH:
		return store_switch(text, field);
	case OPT_CHOICE:
		return store_choice(opt, text, field);
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

/* What getopt_long(3) has found. */
static const struct opt *find_row(const struct opt *table, unsigned command, int value)
{
	if (value >= LONG_ONLY)
		return &table[value - LONG_ONLY];
	while (table->name && (table->letter != value || !options_belongs(table, command)))
		table++;
	return table->name ? table : NULL;
}

/* "one" or "two", ... as the words of a sentence. */
static void quote_words(const char *words, GString *to)
{
	g_auto(GStrv) split = g_strsplit(words, " ", -1);

	for (size_t i = 0; split[i]; i++) {
		if (i > 0)
			g_string_append(to, split[i + 1] ? ", " : " or ");
		g_string_append_printf(to, "\"%s\"", split[i]);
	}
}

/* What is wrong with a value that store() does not take. */
static void complain(const struct opt *opt, const char *text, char *reterr)
{
	const char *place = opt->error ? strstr(opt->error, "%s") : NULL;
	g_autoptr(GString) said = g_string_new(opt->error ? NULL : opt->name);

	if (place)
		g_string_append_printf(said, "%.*s%s%s", (int)(place - opt->error), opt->error,
				       text, place + 2);
	else if (opt->error)
		g_string_append(said, opt->error);
	else if (opt->kind == OPT_NUMBER)
		g_string_append_printf(said, " must be a number from %d to %d, not \"%s\"",
				       opt->min, opt->max, text);
	else if (opt->kind == OPT_LIST)
		g_string_append_printf(said, " can be given %d times, not with \"%s\" too",
				       OPT_LIST_MAX, text);
	else if (opt->kind == OPT_PATH)
		g_string_append_printf(said, "=%s: %s", text, g_strerror(errno));
	else {
		g_string_append(said, " must be ");
		quote_words(opt->kind == OPT_CHOICE ? opt->values : SWITCH_WORDS, said);
		g_string_append_printf(said, ", not \"%s\"", text);
	}
	g_strlcpy(reterr, said->str, OPT_ERROR_MAX);
}

bool options_store(const struct opt *opt, const char *text, void *values,
		   char reterr[OPT_ERROR_MAX])
{
	char why[OPT_ERROR_MAX];

	if (opt->check && !opt->check(text, why)) {
		g_autofree char *said = g_strdup_printf("%s=%s: %s", opt->name, text, why);

		g_strlcpy(reterr, said, OPT_ERROR_MAX);
		return false;
	}
	if (store(opt, text, values))
		return true;
	complain(opt, text, reterr);
	return false;
}

static enum options_outcome take(const struct opt *opt, const char *text, void *values)
{
	char error[OPT_ERROR_MAX];

	if (!options_store(opt, text, values, error)) {
		log_line("%s%s", opt->error ? "" : "--", error);
		return OPTIONS_BAD;
	}
	if (opt->notice)
		puts(opt->notice);
	if (opt->kind == OPT_HELP)
		return OPTIONS_HELP;
	return opt->kind == OPT_VERSION ? OPTIONS_VERSION : OPTIONS_OK;
}

static int has_argument(const struct opt *opt)
{
	if (opt->argument)
		return required_argument;
	return opt->kind == OPT_SWITCH ? optional_argument : no_argument;
}

/* Rows of the table in getopt's terms, with or without the exact ones. */
static struct option *make_longs(const struct opt *table, unsigned command, bool exact)
{
	struct option *longs = g_new0(struct option, count_rows(table) + 1);
	size_t count = 0;

	for (const struct opt *opt = table; opt->name; opt++) {
		if (options_belongs(opt, command) && (exact || !opt->exact))
			longs[count++] = (struct option){ opt->name, has_argument(opt), NULL,
							  LONG_ONLY + (int)(opt - table) };
	}
	return longs;
}

/* With '+' getopt(3) ends at the first operand. */
static GString *make_letters(const struct opt *table, unsigned command)
{
	GString *letters = g_string_new(command != 0 ? "+" : NULL);

	for (const struct opt *opt = table; opt->name; opt++) {
		if (opt->letter && options_belongs(opt, command)) {
			g_string_append_c(letters, opt->letter);
			g_string_append(letters, opt->argument ? ":" : "");
		}
	}
	return letters;
}

/* Whether the word that getopt_long(3) looks at next, the first one from optind on that is no
 * operand, is an exact option.
 */
static bool exact_is_next(const struct opt *table, unsigned command, int argc, char *const *argv)
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
		if (table->exact && options_belongs(table, command) && strlen(table->name) == len &&
		    memcmp(table->name, name, len) == 0)
			return true;
	}
	return false;
}

/* getopt_long(3) takes one long option a call, and any of its names may be cut to what is unambiguous
 * among them all. So it is shown the exact rows only when one of them is what comes.
 */
enum options_outcome options_parse(const struct opt *table, unsigned command, int argc, char **argv,
				   void *values, int *ret_first_operand)
{
	g_autofree struct option *all = make_longs(table, command, true);
	g_autofree struct option *common = make_longs(table, command, false);
	g_autoptr(GString) letters = make_letters(table, command);
	enum options_outcome outcome = OPTIONS_OK;

	optind = 0; /* getopt(3): start anew, permutation included */
	while (outcome == OPTIONS_OK) {
		const struct option *longs = exact_is_next(table, command, argc, argv) ? all :
											 common;
		int value = getopt_long(argc, argv, letters->str, longs, NULL);
		const struct opt *opt = find_row(table, command, value);

		if (value == -1)
			break;
		outcome = opt && value != '?' ? take(opt, optarg, values) : OPTIONS_BAD;
	}
	*ret_first_operand = optind;
	return outcome;
}

/* The words of OPT_CHOICE one by one; NULL past the last. */
static char *nth_word(const char *words, int place)
{
	g_auto(GStrv) split = g_strsplit(words, " ", -1);

	return place >= 0 && (guint)place < g_strv_length(split) ? g_strdup(split[place]) : NULL;
}

/* As the configuration file has it (wire/conf.h). */
static void print_text(const char *name, const char *text)
{
	printf("%s=%s", name, *text == ' ' ? "\\s" : "");
	for (text += *text == ' '; *text; text++)
		printf(*text == '\\' ? "\\\\" : "%c", *text);
	putchar('\n');
}

void options_print_values(const struct opt *opt, const void *values)
{
	const void *field = (const char *)values + opt->into;
	const struct opt_list *list = field;
	const char *text;

	switch (opt->kind) {
	case OPT_FLAG:
	case OPT_SWITCH:
		printf("%s=%s\n", opt->name, *(const bool *)field ? "on" : "off");
		return;
	case OPT_CHOICE: {
		g_autofree char *word = nth_word(opt->values, *(const int *)field);

		printf("%s=%s\n", opt->name, word);
		return;
	}
	case OPT_TEXT:
	case OPT_PATH:
		text = *(const char *const *)field;
		if (text)
			print_text(opt->name, text);
		return;
	case OPT_LIST:
		for (size_t i = 0; i < list->count; i++)
			print_text(opt->name, list->items[i]);
		return;
	case OPT_NUMBER:
		if (*(const int *)field >= opt->min)
			printf("%s=%d\n", opt->name, *(const int *)field);
		return;
	case OPT_UNFLAG:
	case OPT_SET:
	case OPT_HELP:
	case OPT_VERSION:
		return;
	}
}

static bool is_shown(const struct opt *opt, unsigned command, bool exact)
{
	return opt->help && options_belongs(opt, command) && (command != 0 || opt->exact == exact);
}

void options_print_help(const struct opt *table, unsigned command, bool exact)
{
	for (const struct opt *opt = table; opt->name; opt++) {
		char letter[] = { '-', opt->letter, ',', ' ', '\0' };
		char left[64];

		if (!is_shown(opt, command, exact))
			continue;
		snprintf(left, sizeof(left), "%s--%s%s%s", opt->letter ? letter : "", opt->name,
			 opt->argument ? "=" : "", opt->argument ? opt->argument : "");
		printf("%-*s%s%s\n", HELP_COLUMN, left, strlen(left) < HELP_COLUMN ? "" : " ",
		       opt->help);
	}
}
