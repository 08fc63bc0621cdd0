/* app/cli_own.h - our own dialect of the command line: a word for the command, then its options.
 *
 * One table for all commands; its rows name those that have them. The configuration file takes the same
 * rows (app/config.h).
 */
#ifndef APP_CLI_OWN_H
#define APP_CLI_OWN_H

#include <stdbool.h>

#include "app/options.h"

struct settings;
struct values;

/* Bits: a row of the table belongs to several. */
enum command {
	COMMAND_RUN = 1,
	COMMAND_ATTACH = 2,
	COMMAND_EXEC = 4,
	COMMAND_TAP = 8,
	COMMAND_CTL = 16,
	COMMAND_CHECK = 32,
};

/* Exit status of run and exec when it is we who failed, as in env(1): CMD may have any below. */
#define OWN_FAILED 125

extern const struct opt own_opts[];

/* Whether a configuration file may have the option: those of run and attach, which read one. */
bool own_option_is_for_files(const struct opt *opt);

/* The word of a command, and what stands behind its options in a line of usage. */
const char *own_word(enum command command);
const char *own_operands(enum command command);

/* Parse the command line of @command, where argv[1] is its word: defaults, then --config's file, then the
 * options. Operands are argv[*ret_first] and what follows; a "--" in front of them is skipped.
 * False: *ret_status is the exit status. --help and --version have been printed (0); what is wrong has been
 * explained on stderr.
 */
bool own_parse(enum command command, int argc, char **argv, struct values *ret, int *ret_first,
	       int *ret_status);

/* What run, attach and tap have in common as settings; --link and --tap-from set the target, otherwise
 * that is left to the command. Texts are borrowed from *@values, and lists are inside it. False: logged.
 */
bool own_settings(const struct values *values, struct settings *ret);

#endif
