/* base/log: one line each, none that blocks, no flood. */
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Stand a non-blocking pipe of one page in for stderr; returns the reading end. */
static int capture_start(int *saved)
{
	int ends[2];

	g_assert_cmpint(pipe2(ends, O_NONBLOCK), ==, 0);
	*saved = fcntl(STDERR_FILENO, F_DUPFD, 10);
	g_assert_cmpint(dup2(ends[1], STDERR_FILENO), >=, 0);
	close(ends[1]);
	return ends[0];
}

static gchar *capture_end(int fd, int saved)
{
	gchar *text = g_malloc0(1 << 20);
	ssize_t got = read(fd, text, (1 << 20) - 1);

	g_assert_cmpint(dup2(saved, STDERR_FILENO), >=, 0);
	close(saved);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return text;
}

static void test_line(void)
{
	g_autofree gchar *text = NULL, *longest = g_strnfill(3 * LOG_LINE_MAX, 'x');
	int saved, fd = capture_start(&saved);

	errno = ENOENT;
	log_line("%s: %d", "name", 7);
	log_line("%s", longest);
	g_assert_cmpint(errno, ==, ENOENT);
	text = capture_end(fd, saved);
	g_assert_true(g_str_has_prefix(text, "name: 7\nxxx"));
	g_assert_cmpuint(strlen(text), <=, 8 + LOG_LINE_MAX);
	g_assert_true(g_str_has_suffix(text, "x\n"));
}

static void test_limit(void)
{
	g_autofree gchar *text = NULL;
	g_auto(GStrv) lines = NULL;
	struct log_limit limit = { 0 };
	int saved, fd = capture_start(&saved);

	for (int i = 0; i < 1000; i++)
		log_limited(&limit, 5000 + i, "line %d", i);
	log_limited(&limit, 5000 + 61 * 1000, "later");
	text = capture_end(fd, saved);
	lines = g_strsplit(text, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, LOG_BURST + 3);
	g_assert_cmpstr(lines[LOG_BURST], ==, "(990 similar lines held back)");
	g_assert_cmpstr(lines[LOG_BURST + 1], ==, "later");
}

static void test_limit_of_one(void)
{
	g_autofree gchar *text = NULL;
	struct log_limit limit = { .burst = 1 };
	int saved, fd = capture_start(&saved);

	for (int i = 0; i < 130; i++)
		log_limited(&limit, 1000 * i, "second %d", i);
	text = capture_end(fd, saved);
	g_assert_cmpstr(text, ==,
			"second 0\n(59 similar lines held back)\nsecond 60\n"
			"(59 similar lines held back)\nsecond 120\n");
}

/* A pipe that nobody reads fills; the writer goes on, and says later what was lost. */
static void test_full_pipe(void)
{
	g_autofree gchar *text = NULL, *rest = NULL;
	int saved, fd = capture_start(&saved);

	for (int i = 0; i < 100000; i++)
		log_line("line");
	text = g_malloc0(1 << 20);
	g_assert_cmpint(read(fd, text, 1 << 20), >, 0);
	log_line("after");
	rest = capture_end(fd, saved);
	g_assert_true(g_str_has_prefix(rest, "("));
	g_assert_true(g_str_has_suffix(rest, " lines lost: stderr was not writable)\nafter\n"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log/line", test_line);
	g_test_add_func("/log/limit", test_limit);
	g_test_add_func("/log/limit-of-one", test_limit_of_one);
	g_test_add_func("/log/full-pipe", test_full_pipe);
	return g_test_run();
}
