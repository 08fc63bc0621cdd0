/* app/options.h - command line options as a table that the parser, --help and the shell
 * completions walk. A dialect is one such table.
 *
 * Parsing is getopt_long(3)'s: options may stand behind operands, long names may be cut to
 * what is unambiguous, the last of a repeated option counts unless it is a list; its complaints
 * about unknown options go to stderr from there.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum opt_kind {
	OPT_FLAG,    /* bool: becomes true */
	OPT_TEXT,    /* const char *: borrowed from argv */
	OPT_PATH,    /* the same, of a file that exists */
	OPT_LIST,    /* struct opt_list: each time one more, borrowed from argv */
	OPT_NUMBER,  /* int in min..max */
	OPT_HELP,    /* ends the parsing: OPTIONS_HELP */
	OPT_VERSION, /* ends the parsing: OPTIONS_VERSION */
};

#define OPT_LIST_MAX 256

struct opt_list {
	const char *items[OPT_LIST_MAX];
	size_t count;
};

struct opt {
	char letter;	      /* 0: none */
	const char *name;     /* NULL ends a table */
	const char *argument; /* what --help calls it; NULL: takes none */
	enum opt_kind kind;
	size_t into;	    /* offset of the field in the dialect's struct */
	int min, max;	    /* OPT_NUMBER */
	const char *help;   /* NULL: an old name, not shown */
	const char *error;  /* for a value that does not do; may have one %s for it */
	const char *notice; /* printed to stdout, line by line, when the option is used */
	const char *values; /* what completion offers: words, or "@path", or NULL */
	bool exact;	    /* never abbreviated, and no hindrance to abbreviating others */
};

enum options_outcome { OPTIONS_OK, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD };

/* Parse into *@values, which holds the defaults. @argv is permuted: operands end up behind
 * *ret_first_operand. OPTIONS_BAD: the reason has been printed to stderr.
 */
enum options_outcome options_parse(const struct opt *table, int argc, char **argv, void *values,
				   int *ret_first_operand);

/* One line per option that has a help text, to stdout: of the exact ones, or of the others. */
void options_print_help(const struct opt *table, bool exact);

/* Decimal digits with leading space and one '+' as strtol(3) takes them. */
bool options_parse_number(const char *text, int min, int max, int *ret);

#endif
