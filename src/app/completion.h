/* app/completion.h - shell completions, written from an option table. */
#ifndef APP_COMPLETION_H
#define APP_COMPLETION_H

struct opt;

/* To stdout: the completion of the commands @names (separated by spaces) for bash, zsh or fish.
 * -EINVAL for another shell.
 */
int completion_print(const struct opt *table, const char *names, const char *shell);

#endif
