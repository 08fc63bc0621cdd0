#include "app/check_main.h"

#include <stdio.h>

#include "app/cli_own.h"
#include "app/options.h"
#include "app/values.h"
#include "base/log.h"
#include "net/settings.h"

/* A row may be there for one command and again for another: the first speaks for both. */
static void print_effect(const struct values *values)
{
	puts("[gate4netns]");
	for (const struct opt *opt = own_opts; opt->name; opt++) {
		if (own_option_is_for_files(opt) && options_find(own_opts, 0, opt->name) == opt)
			options_print_values(opt, values);
	}
}

int check_main(int argc, char **argv)
{
	struct settings settings;
	struct values values;
	int first, status;

	if (!own_parse(COMMAND_CHECK, argc, argv, &values, &first, &status))
		return status;
	if (!values.config || first < argc) {
		log_line("usage: gate4netns check --config=FILE");
		return 1;
	}
	if (!own_settings(&values, &settings))
		return 1;
	print_effect(&values);
	return 0;
}
