/* The slirp4netns dialect: lines are the arguments; settings come out, or a refusal. */
#include <fcntl.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_compat.h"
#include "app/options.h"
#include "app/values.h"
#include "net/settings.h"

#define ARGS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What is printed is for people; here it goes nowhere. */
static void silence(void)
{
	static bool done;
	int null;

	if (done)
		return;
	done = true;
	null = open("/dev/null", O_WRONLY);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	g_autofree char *text = g_strndup((const char *)bytes, len);
	g_auto(GStrv) lines = g_strsplit(text, "\n", ARGS_MAX);
	char *argv[ARGS_MAX + 2] = { (char *)"gate4netns" };
	struct values values;
	struct compat_error error = { .usage = true };
	struct settings settings;
	int argc = 1, first;

	silence();
	compat_defaults(&values);
	for (; lines[argc - 1]; argc++)
		argv[argc] = lines[argc - 1];
	if (options_parse(compat_opts, 0, argc, argv, &values, &first) != OPTIONS_OK)
		return 0;
	if (compat_resolve(&values, argc - first, argv + first, &settings, &error) &&
	    (settings.mtu < 68 || settings.mtu > 65521 || settings.plan.net.prefix > 25))
		abort();
	return 0;
}
