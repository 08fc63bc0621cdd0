/* app/completion.h - shell completions, written from option tables. */
#ifndef APP_COMPLETION_H
#define APP_COMPLETION_H

#include <stddef.h>

struct opt;

/* A command line that has options of its own. */
struct completion {
	const char *word; /* the first argument that leads there; NULL: none does, or no other one */
	const struct opt *table;
	unsigned command; /* whose rows of the table: as options_parse() has it */
};

/* To stdout: the completion for bash, zsh or fish of @own_name, which knows all of @lines, and of
 * @other_name, which knows the first one only, the one without a word. -EINVAL for another shell.
 */
int completion_print(const struct completion *lines, size_t count, const char *own_name,
		     const char *other_name, const char *shell);

#endif
