/* app/options.h - options as a table that the parser, the configuration file, --help and the shell
 * completions walk. A dialect is one such table; its rows write into one struct of values.
 *
 * Parsing is getopt_long(3)'s: options may stand behind operands unless they belong to a command,
 * long names may be cut to what is unambiguous unless they are exact, the last of a repeated
 * option counts unless it is a list; its complaints about unknown options go to stderr from there.
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum opt_kind {
	OPT_FLAG,   /* bool: becomes true */
	OPT_UNFLAG, /* bool: becomes false */
	OPT_SET,    /* int: becomes min */
	OPT_SWITCH, /* bool: "on" or "off"; with no argument in its row it may stand alone, for on */
	OPT_CHOICE,  /* int: the place of the word among the row's values */
	OPT_TEXT,    /* const char *: borrowed from argv or the file */
	OPT_PATH,    /* the same, of a file that exists */
	OPT_LIST,    /* struct opt_list: each time one more, borrowed too */
	OPT_NUMBER,  /* int in min..max */
	OPT_HELP,    /* ends the parsing: OPTIONS_HELP */
	OPT_VERSION, /* ends the parsing: OPTIONS_VERSION */
};

#define OPT_LIST_MAX 256
#define OPT_ERROR_MAX 512

struct opt_list {
	const char *items[OPT_LIST_MAX];
	size_t count;
};

/* Whether a value does. False: what is wrong with it, to follow the option and the value. */
typedef bool opt_check_fn(const char *text, char reterr[OPT_ERROR_MAX]);

struct opt {
	char letter;	      /* 0: none */
	const char *name;     /* NULL ends a table */
	const char *argument; /* what --help calls it; NULL: takes none */
	enum opt_kind kind;
	size_t into;	     /* offset of the field in the dialect's struct */
	int min, max;	     /* OPT_NUMBER; OPT_SET: min */
	const char *help;    /* NULL: an old name, not shown */
	const char *error;   /* for a value that does not do, in place of what we would say; may
			      * have one %s for it */
	const char *notice;  /* printed to stdout, line by line, when the option is used */
	const char *values;  /* what completion offers: words, or "@path", or NULL. OPT_CHOICE: all
			      * that there are */
	opt_check_fn *check; /* OPT_TEXT, OPT_LIST; NULL: any text does */
	bool exact;	     /* never abbreviated, and no hindrance to abbreviating others */
	unsigned commands;   /* bits of the commands that have it; 0: the table knows none */
};

enum options_outcome { OPTIONS_OK, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_BAD };

/* Parse into *@values, which holds the defaults. @command, one bit: only its rows count, and options
 * end at the first operand, for what follows may be a command line of its own. 0: all rows, and
 * @argv is permuted so that operands end up behind. *ret_first_operand: where they begin.
 * OPTIONS_BAD: the reason has been printed to stderr.
 */
enum options_outcome options_parse(const struct opt *table, unsigned command, int argc, char **argv,
				   void *values, int *ret_first_operand);

/* Whether one of @commands has the row; 0 stands for all rows. */
bool options_belongs(const struct opt *opt, unsigned commands);

/* The row of this name that one of @commands has (0: any). NULL: there is none. */
const struct opt *options_find(const struct opt *table, unsigned commands, const char *name);

/* Take @text for the option as if it stood on a command line. False: why not, beginning with the
 * option's name, in @reterr.
 */
bool options_store(const struct opt *opt, const char *text, void *values,
		   char reterr[OPT_ERROR_MAX]);

/* Print what options_store() would make these values of: "name=value" lines, one for each item of a
 * list, none for a text that is not set.
 */
void options_print_values(const struct opt *opt, const void *values);

/* One line per option that has a help text, to stdout: of a command; or with @command 0 of the
 * exact ones, or of the others.
 */
void options_print_help(const struct opt *table, unsigned command, bool exact);

/* Decimal digits with leading space and one '+' as strtol(3) takes them. */
bool options_parse_number(const char *text, int min, int max, int *ret);

#endif
