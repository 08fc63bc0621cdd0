/* os/unixsock: who may connect, what is replaced, and what is removed. */
#include <glib.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "os/unixsock.h"

struct world {
	char *folder, *path;
};

static void start(struct world *w)
{
	w->folder = g_dir_make_tmp(NULL, NULL);
	g_assert_nonnull(w->folder);
	w->path = g_build_filename(w->folder, "x.sock", NULL);
}

static void finish(struct world *w)
{
	g_remove(w->path);
	g_assert_cmpint(g_rmdir(w->folder), ==, 0);
	g_free(w->folder);
	g_free(w->path);
}

static void listen_at(const struct world *w, mode_t mode, struct unixsock *ret)
{
	g_assert_cmpint(unixsock_listen(w->path, SOCK_STREAM, mode, 1, ret), ==, 0);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	g_assert_cmpint(lstat(path, &st), ==, 0);
	return st.st_mode & 07777;
}

static void test_mode(void)
{
	const mode_t before = umask(0);
	struct unixsock sock;
	struct world w;

	start(&w);
	listen_at(&w, UNIXSOCK_MODE_PRIVATE, &sock);
	g_assert_cmpuint(mode_of(w.path), ==, 0600);
	fd_close(&sock.fd);
	listen_at(&w, UNIXSOCK_MODE_UMASK, &sock);
	g_assert_cmpuint(mode_of(w.path), ==, 0777);
	fd_close(&sock.fd);
	umask(027);
	listen_at(&w, UNIXSOCK_MODE_UMASK, &sock);
	g_assert_cmpuint(mode_of(w.path), ==, 0750);
	fd_close(&sock.fd);
	umask(before);
	finish(&w);
}

static void test_is_used(void)
{
	struct unixsock sock;
	struct world w;

	start(&w);
	g_assert_false(unixsock_is_used(w.path));
	listen_at(&w, UNIXSOCK_MODE_PRIVATE, &sock);
	g_assert_true(unixsock_is_used(w.path));
	fd_close(&sock.fd);
	g_assert_false(unixsock_is_used(w.path)); /* the file is left */
	listen_at(&w, UNIXSOCK_MODE_PRIVATE, &sock);
	g_assert_true(unixsock_is_used(w.path));
	fd_close(&sock.fd);
	finish(&w);
}

/* A file of another kind is kept, and so is the socket of somebody who came later. */
static void test_others_are_kept(void)
{
	struct unixsock sock, other;
	struct world w;

	start(&w);
	g_assert_true(g_file_set_contents(w.path, "x", 1, NULL));
	g_assert_cmpint(unixsock_listen(w.path, SOCK_STREAM, UNIXSOCK_MODE_PRIVATE, 1, &sock), ==,
			-EADDRINUSE);
	g_assert_true(g_file_test(w.path, G_FILE_TEST_IS_REGULAR));
	g_assert_cmpint(g_remove(w.path), ==, 0);
	listen_at(&w, UNIXSOCK_MODE_PRIVATE, &sock);
	listen_at(&w, UNIXSOCK_MODE_PRIVATE, &other);
	unixsock_unlink(&sock);
	g_assert_true(unixsock_is_used(w.path));
	unixsock_unlink(&other);
	g_assert_false(g_file_test(w.path, G_FILE_TEST_EXISTS));
	fd_close(&sock.fd);
	fd_close(&other.fd);
	finish(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/unixsock/mode", test_mode);
	g_test_add_func("/unixsock/is-used", test_is_used);
	g_test_add_func("/unixsock/others-are-kept", test_others_are_kept);
	return g_test_run();
}
