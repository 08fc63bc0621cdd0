/* app/cli_compat.h - the slirp4netns dialect of the command line.
 *
 * Spoken when the program is called slirp4netns, and by gate4netns with no subcommand word.
 * Messages, their streams and the exit status are the reference's, but for numbers that do not
 * fit, incomplete MACs, unknown namespace types and MTUs below 68, which are refused. Options that
 * the reference does not have are exact rows: what it takes for an abbreviation stays one. For callers
 * whose arguments are fixed, GATE4NETNS_CONFIG in the environment names a configuration file (app/config.h), and
 * GATE4NETNS_TCP and GATE4NETNS_UDP a stack; each counts less than what comes after it, and options most.
 */
#ifndef APP_CLI_COMPAT_H
#define APP_CLI_COMPAT_H

#include <stdbool.h>

#include "app/options.h"

struct settings;
struct values;

extern const struct opt compat_opts[];

/* What holds unless an option, or the environment, says otherwise. */
void compat_defaults(struct values *ret);

#define COMPAT_ERROR_MAX 512

/* A bad command line: a text for people, empty where the usage says it all. */
struct compat_error {
	char text[COMPAT_ERROR_MAX];
	bool usage; /* print the usage too */
};

/* Check the values and the operands together; resolve addresses and interfaces in the caller's
 * network namespace. Texts in *ret are borrowed from argv, and lists from @values. False: *reterr.
 */
bool compat_resolve(const struct values *values, int operand_count, char **operands,
		    struct settings *ret, struct compat_error *reterr);

/* The whole dialect: parse, check, run. The exit status. */
int compat_main(int argc, char **argv, bool called_slirp4netns);

#endif
