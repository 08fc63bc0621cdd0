/* app/completion: a help text comes out of a shell's quotes as it went in. */
#include <errno.h>
#include <glib.h>

#include "app/completion.h"
#include "app/options.h"

static const struct opt table[] = {
	{ 'x', "exit", NULL, OPT_FLAG, .help = "the [guest's]: C:\\" },
	{ 0 },
};

static const struct completion line = { .table = table };

static void expect(const char *shell, const char *pattern)
{
	if (g_test_subprocess()) {
		g_assert_cmpint(completion_print(&line, 1, "prog", "other", shell), ==, 0);
		return;
	}
	g_test_trap_subprocess(NULL, 0, 0);
	g_test_trap_assert_passed();
	g_test_trap_assert_stdout(pattern);
}

static void test_fish(void)
{
	expect("fish", "*complete -c prog -n * -l exit -s x -d 'the [guest\\'s]: C:\\\\'\n*");
}

static void test_zsh(void)
{
	expect("zsh", "*'--exit[the \\[guest'\\''s\\]\\: C\\:\\\\]' \\\n*");
}

static void test_unknown(void)
{
	g_assert_cmpint(completion_print(&line, 1, "prog", "other", "csh"), ==, -EINVAL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/completion/fish", test_fish);
	g_test_add_func("/completion/zsh", test_zsh);
	g_test_add_func("/completion/unknown", test_unknown);
	return g_test_run();
}
