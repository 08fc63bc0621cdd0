/* net/guestsock: the test is the broker. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fdpass.h"
#include "base/loop.h"
#include "net/guestsock.h"

#define OUTCOMES_MAX 80

struct world {
	struct loop *loop;
	struct guestsock *guestsock;
	int sock;   /* ours, which it borrows */
	int broker; /* the far end */
	int errors[OUTCOMES_MAX];
	unsigned outcomes, wanted;
};

static void setup(struct world *w)
{
	int pair[2];

	*w = (struct world){ .loop = loop_new() };
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
	w->sock = pair[0];
	w->broker = pair[1];
	g_assert_cmpint(guestsock_new(w->loop, w->sock, &w->guestsock), ==, 0);
}

static void teardown(struct world *w)
{
	guestsock_free(w->guestsock);
	loop_free(w->loop);
	fd_close(&w->sock);
	fd_close(&w->broker);
}

static void done(int fd, int error, void *data)
{
	struct world *w = data;

	g_assert_cmpuint(w->outcomes, <, OUTCOMES_MAX);
	g_assert_true(fd >= 0 ? error == 0 : error < 0);
	w->errors[w->outcomes++] = error;
	if (fd >= 0)
		close(fd);
	if (w->outcomes == w->wanted)
		loop_stop(w->loop, 0);
}

static int ask(struct world *w, struct guestsock_ask **ret)
{
	return guestsock_ask(w->guestsock, AF_INET, SOCK_STREAM, done, w, ret);
}

static void run_until(struct world *w, unsigned outcomes)
{
	w->wanted = outcomes;
	g_assert_cmpint(loop_run(w->loop), ==, 0);
	g_assert_cmpuint(w->outcomes, ==, outcomes);
}

/* Take a request, and answer it: with a descriptor, or an error. */
static void answer(struct world *w, int error)
{
	const struct guestsock_reply reply = { .error = error };
	struct guestsock_request request;
	int fd = -EBADF;

	g_assert_cmpint(fdpass_recv(w->broker, &request, sizeof(request), &fd), ==, 0);
	g_assert_cmpint(fd, <, 0);
	g_assert_cmpint(request.family, ==, AF_INET);
	g_assert_cmpint(request.type, ==, SOCK_STREAM);
	g_assert_cmpint(fdpass_send(w->broker, &reply, sizeof(reply),
				    error < 0 ? -EBADF : STDERR_FILENO),
			==, 0);
}

static void test_replies(void)
{
	struct guestsock_ask *asks[3];
	struct world w;

	setup(&w);
	for (int i = 0; i < 3; i++)
		g_assert_cmpint(ask(&w, &asks[i]), ==, 0);
	guestsock_cancel(asks[1]);
	answer(&w, 0);
	answer(&w, -EACCES); /* nobody hears of it */
	answer(&w, -EAFNOSUPPORT);
	run_until(&w, 2);
	g_assert_cmpint(w.errors[0], ==, 0);
	g_assert_cmpint(w.errors[1], ==, -EAFNOSUPPORT);
	teardown(&w);
}

static void test_limit(void)
{
	struct guestsock_ask *unused;
	unsigned asked = 0;
	struct world w;

	setup(&w);
	for (; guestsock_room(w.guestsock) > 0; asked++)
		g_assert_cmpint(ask(&w, &unused), ==, 0);
	g_assert_cmpint(ask(&w, &unused), ==, -EAGAIN);
	for (unsigned i = 0; i < asked; i++)
		answer(&w, 0);
	run_until(&w, asked);
	g_assert_cmpuint(guestsock_room(w.guestsock), ==, asked);
	teardown(&w);
}

static void test_gone(void)
{
	struct guestsock_ask *unused;
	struct world w;

	setup(&w);
	g_assert_cmpint(ask(&w, &unused), ==, 0);
	g_assert_cmpint(ask(&w, &unused), ==, 0);
	fd_close(&w.broker);
	run_until(&w, 2);
	g_assert_cmpint(w.errors[0], ==, -EPIPE);
	g_assert_cmpint(w.errors[1], ==, -EPIPE);
	g_assert_cmpint(ask(&w, &unused), ==, -EPIPE);
	teardown(&w);
}

static void stop(void *data)
{
	loop_stop(data, 0);
}

/* A reply that nobody has asked for is of no broker of ours. */
static void test_strange_reply(void)
{
	const struct guestsock_reply reply = { 0 };
	struct guestsock_ask *unused;
	struct world w;

	setup(&w);
	loop_add_turn_end(w.loop, stop, w.loop);
	g_assert_cmpint(fdpass_send(w.broker, &reply, sizeof(reply), STDERR_FILENO), ==, 0);
	g_assert_cmpint(loop_run(w.loop), ==, 0);
	g_assert_cmpint(ask(&w, &unused), ==, -EPIPE);
	teardown(&w);
}

/* The descriptor does not fit into our table: that one fails, and no other. */
static void test_no_descriptors(void)
{
	struct rlimit before, none;
	struct guestsock_ask *unused;
	struct world w;

	setup(&w);
	g_assert_cmpint(ask(&w, &unused), ==, 0);
	g_assert_cmpint(ask(&w, &unused), ==, 0);
	answer(&w, 0);
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
	none = before;
	none.rlim_cur = 3;
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
	run_until(&w, 1);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
	g_assert_cmpint(w.errors[0], ==, -EMFILE);
	answer(&w, 0);
	run_until(&w, 2);
	g_assert_cmpint(w.errors[1], ==, 0);
	teardown(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/guestsock/replies", test_replies);
	g_test_add_func("/guestsock/limit", test_limit);
	g_test_add_func("/guestsock/gone", test_gone);
	g_test_add_func("/guestsock/strange-reply", test_strange_reply);
	g_test_add_func("/guestsock/no-descriptors", test_no_descriptors);
	return g_test_run();
}
