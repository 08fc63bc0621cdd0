/* gate4netns: picks the dialect of the command line and starts it. */
#include <stdio.h>
#include <string.h>

#include "app/attach_main.h"
#include "app/check_main.h"
#include "app/cli_compat.h"
#include "app/completion_main.h"
#include "app/ctl_main.h"
#include "app/exec_main.h"
#include "app/run_main.h"
#include "app/tap_main.h"
#include "os/proc.h"

#define OWN_NAME "gate4netns"
#define COMPAT_NAME "slirp4netns"

/* Words that stand for a command of our own in place of the first argument. */
static const struct {
	const char *word;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "attach", attach_main }, { "check", check_main }, { "completion", completion_main },
	{ "ctl", ctl_main },	   { "exec", exec_main },   { "run", run_main },
	{ "tap", tap_main },
};

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : OWN_NAME;
	bool called_slirp4netns = strcmp(name, COMPAT_NAME) == 0;

	proc_open_streams();
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* a caller that kills us still has our lines */
	proc_reset_signals();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && !called_slirp4netns; i++) {
		if (argc > 1 && strcmp(argv[1], commands[i].word) == 0)
			return commands[i].run(argc, argv);
	}
	return compat_main(argc, argv, called_slirp4netns);
}
