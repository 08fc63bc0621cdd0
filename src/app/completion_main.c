#include "app/completion_main.h"

#include <glib.h>

#include "app/cli_compat.h"
#include "app/cli_own.h"
#include "app/completion.h"
#include "base/log.h"

int completion_main(int argc, char **argv)
{
	static const enum command commands[] = { COMMAND_RUN, COMMAND_ATTACH, COMMAND_EXEC,
						 COMMAND_TAP, COMMAND_CTL,    COMMAND_CHECK };
	struct completion lines[1 + G_N_ELEMENTS(commands)] = { { .table = compat_opts } };

	for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
		lines[1 + i] = (struct completion){ own_word(commands[i]), own_opts, commands[i] };
	if (argc != 3 || completion_print(lines, G_N_ELEMENTS(lines), "gate4netns", "slirp4netns",
					  argv[2]) < 0) {
		log_line("usage: gate4netns completion bash|zsh|fish");
		return 1;
	}
	return 0;
}
