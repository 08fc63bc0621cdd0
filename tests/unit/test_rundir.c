/* app/rundir: the default place of API sockets, and who is found there. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/rundir.h"
#include "app/values.h"
#include "base/fd.h"
#include "net/settings.h"

struct world {
	char *place, *folder;
	char path[UNIXSOCK_PATH_MAX];
};

static void start(struct world *w)
{
	w->place = g_dir_make_tmp(NULL, NULL);
	g_assert_nonnull(w->place);
	w->folder = g_build_filename(w->place, "gate4netns", NULL);
	g_setenv("XDG_RUNTIME_DIR", w->place, TRUE);
}

static void finish(struct world *w)
{
	(void)g_rmdir(w->folder);
	g_assert_cmpint(g_rmdir(w->place), ==, 0);
	g_free(w->place);
	g_free(w->folder);
}

static void test_path(void)
{
	g_autofree char *wanted = NULL;
	struct world w;
	struct stat st;

	start(&w);
	g_assert_cmpint(rundir_socket("web", w.path), ==, 0);
	wanted = g_build_filename(w.folder, "web.sock", NULL);
	g_assert_cmpstr(w.path, ==, wanted);
	g_assert_cmpint(lstat(w.folder, &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 07777, ==, 0700);
	g_assert_cmpint(rundir_socket("web", w.path), ==, 0); /* it is there already */
	finish(&w);
}

static void test_bad_names(void)
{
	g_autofree char *name = g_strnfill(UNIXSOCK_PATH_MAX, 'x');
	static const char *const names[] = { "", "a/b", "..", ".", "../x" };
	struct world w;

	start(&w);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		g_assert_cmpint(rundir_socket(names[i], w.path), ==, -EINVAL);
	g_assert_cmpint(rundir_socket(name, w.path), ==, -ENAMETOOLONG);
	finish(&w);
}

/* One that others may enter, a link to one, a file; and no place at all. */
static void test_bad_directory(void)
{
	struct world w;

	start(&w);
	g_assert_cmpint(g_mkdir(w.folder, 0700), ==, 0);
	g_assert_cmpint(g_chmod(w.folder, 0750), ==, 0);
	g_assert_cmpint(rundir_socket("web", w.path), ==, -EPERM);
	g_assert_cmpint(g_rmdir(w.folder), ==, 0);
	g_assert_cmpint(symlink(w.place, w.folder), ==, 0);
	g_assert_cmpint(rundir_socket("web", w.path), ==, -EPERM);
	g_assert_cmpint(unlink(w.folder), ==, 0);
	g_assert_true(g_file_set_contents(w.folder, "", 0, NULL));
	g_assert_cmpint(rundir_socket("web", w.path), ==, -EPERM);
	g_assert_cmpint(unlink(w.folder), ==, 0);
	g_setenv("XDG_RUNTIME_DIR", "/nonexistent/place", TRUE);
	g_assert_cmpint(rundir_socket("web", w.path), ==, -ENOENT);
	finish(&w);
}

static void expect(int wanted, const char *name, const char *wanted_candidates)
{
	g_autoptr(GString) candidates = g_string_new(NULL);
	char path[UNIXSOCK_PATH_MAX];

	g_assert_cmpint(rundir_find(name, path, candidates), ==, wanted);
	g_assert_cmpstr(candidates->str, ==, wanted_candidates);
	if (wanted == 0)
		g_assert_true(unixsock_is_used(path));
}

static void test_find(void)
{
	struct unixsock b, a;
	struct world w;

	start(&w);
	expect(-ENOENT, NULL, "");
	g_assert_cmpint(rundir_socket("b", w.path), ==, 0);
	expect(-ENOENT, NULL, "");
	expect(-ENOENT, "b", "");
	g_assert_cmpint(unixsock_listen(w.path, SOCK_STREAM, 0600, 9, &b), ==, 0);
	expect(0, NULL, "b");
	expect(0, "b", "b");
	expect(-ENOENT, "c", "b");
	expect(-EINVAL, "../gate4netns/b", "b");
	g_assert_cmpint(rundir_socket("a", w.path), ==, 0);
	g_assert_cmpint(unixsock_listen(w.path, SOCK_STREAM, 0600, 9, &a), ==, 0);
	expect(-ENOTUNIQ, NULL, "a, b");
	expect(0, "b", "a, b");
	fd_close(&b.fd); /* killed: its file stays */
	expect(0, NULL, "a");
	fd_close(&a.fd);
	unixsock_unlink(&a);
	unixsock_unlink(&b);
	finish(&w);
}

static void test_choose(void)
{
	g_autofree char *named = NULL, *unnamed = NULL;
	struct values values = { .name = "web" };
	struct settings settings;
	struct world w;

	start(&w);
	named = g_build_filename(w.folder, "web.sock", NULL);
	unnamed = g_strdup_printf("%s/%d.sock", w.folder, (int)getpid());
	rundir_choose(&values, w.path, &settings);
	g_assert_cmpstr(settings.api_path, ==, named);
	values.name = NULL;
	rundir_choose(&values, w.path, &settings);
	g_assert_cmpstr(settings.api_path, ==, unnamed);
	values.api_socket = "/x/y";
	rundir_choose(&values, w.path, &settings);
	g_assert_cmpstr(settings.api_path, ==, "/x/y");
	values.api_socket = API_SOCKET_NONE;
	rundir_choose(&values, w.path, &settings);
	g_assert_null(settings.api_path);
	values.api_socket = NULL;
	g_setenv("XDG_RUNTIME_DIR", "/nonexistent/place", TRUE);
	rundir_choose(&values, w.path, &settings);
	g_assert_null(settings.api_path);
	finish(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/rundir/path", test_path);
	g_test_add_func("/rundir/bad-names", test_bad_names);
	g_test_add_func("/rundir/bad-directory", test_bad_directory);
	g_test_add_func("/rundir/find", test_find);
	g_test_add_func("/rundir/choose", test_choose);
	return g_test_run();
}
