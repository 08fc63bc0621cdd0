/* net/dial: over the loopback interface, where connect(2) has its outcome at once, but it is told
 * from the loop.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/loop.h"
#include "net/dial.h"

#define NOBODY 0 /* a port on which nobody listens: connect(2) takes it as any other */

/* One dial and what came of it. */
struct attempt {
	struct loop *loop;
	struct dial *dial;
	struct attempt *other; /* cancelled from the callback of this one */
	unsigned calls;
	int fd, error;
	bool stays; /* the loop goes on */
};

static void on_done(int fd, int error, void *data)
{
	struct attempt *attempt = data;

	g_assert_cmpuint(attempt->calls++, ==, 0);
	g_assert_nonnull(attempt->dial); /* dial_start() has returned */
	attempt->dial = NULL;
	attempt->fd = fd;
	attempt->error = error;
	if (attempt->other) {
		dial_cancel(attempt->other->dial);
		attempt->other->dial = NULL;
		attempt->other->other = NULL;
	}
	if (!attempt->stays)
		loop_stop(attempt->loop, 0);
}

static void start(struct attempt *attempt, struct loop *loop, const struct dial_target *target)
{
	*attempt = (struct attempt){ .loop = loop, .fd = -EBADF };
	attempt->dial = dial_start(loop, target, on_done, attempt);
	g_assert_nonnull(attempt->dial);
	g_assert_cmpuint(attempt->calls, ==, 0);
}

static struct dial_target target_to(const char *ip, uint16_t port)
{
	struct dial_target target = { .port = port };

	g_assert_true(ip_parse(ip, &target.ip));
	return target;
}

/* Dial and wait: the descriptor, or -errno. */
static int dial_and_wait(const struct dial_target *target)
{
	struct loop *loop = loop_new();
	struct attempt attempt;

	start(&attempt, loop, target);
	g_assert_cmpint(loop_run(loop), ==, 0);
	loop_free(loop);
	g_assert_cmpuint(attempt.calls, ==, 1);
	g_assert_cmpint(attempt.fd >= 0, ==, attempt.error == 0);
	return attempt.error < 0 ? attempt.error : attempt.fd;
}

/* A listening socket on @ip, or -errno; its port into @ret_target. */
static int listen_on(const char *ip, struct dial_target *ret_target)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	bool is_v4 = inet_pton(AF_INET, ip, &v4.sin_addr) == 1;
	struct sockaddr *address = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t len = is_v4 ? sizeof(v4) : sizeof(v6);
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_true(is_v4 || inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1);
	if (fd < 0 || bind(fd, address, len) < 0) {
		int error = -errno;

		fd_close(&fd);
		return error;
	}
	g_assert_cmpint(listen(fd, 16), ==, 0);
	g_assert_cmpint(getsockname(fd, address, &len), ==, 0);
	*ret_target = target_to(ip, ntohs(is_v4 ? v4.sin_port : v6.sin6_port));
	return fd;
}

static void assert_connected(int fd, int listener)
{
	autofd int peer = accept(listener, NULL, NULL);
	int nodelay = 0;
	socklen_t len = sizeof(nodelay);
	char byte = 0;

	g_assert_cmpint(peer, >=, 0);
	g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	g_assert_cmpint(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), ==, 0);
	g_assert_true(nodelay);
	g_assert_cmpint(write(fd, "x", 1), ==, 1);
	g_assert_cmpint(read(peer, &byte, 1), ==, 1);
	g_assert_cmpint(byte, ==, 'x');
}

static void test_success(void)
{
	struct dial_target target;
	autofd int listener = listen_on("127.0.0.1", &target);
	autofd int fd = dial_and_wait(&target);

	g_assert_cmpint(fd, >=, 0);
	assert_connected(fd, listener);
}

/* With a socket that was made elsewhere, or could not be. */
static void test_socket_of_another(void)
{
	struct dial_target target;
	autofd int listener = listen_on("127.0.0.1", &target);
	struct attempt attempt = { .loop = loop_new(), .fd = -EBADF };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	attempt.dial = dial_start_on(attempt.loop, fd, &target, on_done, &attempt);
	g_assert_cmpint(loop_run(attempt.loop), ==, 0);
	g_assert_cmpint(attempt.fd, ==, fd);
	assert_connected(fd, listener);
	fd_close(&attempt.fd);
	attempt.calls = 0;
	attempt.dial = dial_start_on(attempt.loop, -EACCES, &target, on_done, &attempt);
	g_assert_cmpuint(attempt.calls, ==, 0);
	g_assert_cmpint(loop_run(attempt.loop), ==, 0);
	g_assert_cmpint(attempt.error, ==, -EACCES);
	loop_free(attempt.loop);
}

static void test_success_v6(void)
{
	struct dial_target target;
	autofd int listener = listen_on("::1", &target);
	autofd int fd = -EBADF;

	if (listener < 0) {
		g_test_skip("no IPv6 on the loopback interface");
		return;
	}
	target.from = target.ip;
	fd = dial_and_wait(&target);
	g_assert_cmpint(fd, >=, 0);
	assert_connected(fd, listener);
}

static void test_from(void)
{
	struct dial_target target;
	autofd int listener = listen_on("127.0.0.1", &target);
	autofd int fd = -EBADF;
	struct sockaddr_in own;
	socklen_t len = sizeof(own);
	char text[IP_TEXT_MAX];

	g_assert_true(ip_parse("127.1.2.3", &target.from));
	fd = dial_and_wait(&target);
	g_assert_cmpint(fd, >=, 0);
	assert_connected(fd, listener);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&own, &len), ==, 0);
	g_assert_cmpstr(inet_ntop(AF_INET, &own.sin_addr, text, sizeof(text)), ==, "127.1.2.3");
}

/* The watch on the descriptor has ended with the dial: its new owner can have its own. */
static void on_readable(uint32_t events, void *data)
{
	(void)events;
	loop_stop(data, 5);
}

static void test_handed_over(void)
{
	struct loop *loop = loop_new();
	struct loop_source *source;
	struct dial_target target;
	autofd int listener = listen_on("127.0.0.1", &target);
	struct attempt attempt;
	struct loop *second = loop_new();

	g_assert_cmpint(listener, >=, 0);
	start(&attempt, loop, &target);
	g_assert_cmpint(loop_run(loop), ==, 0);
	g_assert_cmpint(loop_add(loop, attempt.fd, 0, on_readable, loop, &source), ==, 0);
	loop_remove(source);
	g_assert_cmpint(loop_add(second, attempt.fd, EPOLLOUT, on_readable, second, &source), ==,
			0);
	g_assert_cmpint(loop_run(second), ==, 5);
	loop_free(loop);
	loop_free(second);
	fd_close(&attempt.fd);
}

static void test_refused(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	autofd int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct dial_target target;

	/* Bound and not listening: nobody else gets the port meanwhile. */
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g_assert_cmpint(bind(taken, (struct sockaddr *)&address, len), ==, 0);
	g_assert_cmpint(getsockname(taken, (struct sockaddr *)&address, &len), ==, 0);
	target = target_to("127.0.0.1", ntohs(address.sin_port));
	g_assert_cmpint(dial_and_wait(&target), ==, -ECONNREFUSED);
	target = target_to("127.0.0.1", NOBODY);
	g_assert_cmpint(dial_and_wait(&target), ==, -ECONNREFUSED);
}

/* What fails in connect(2), bind(2) or before; none of it sends anything. */
static void test_failed_at_once(void)
{
	struct dial_target target = target_to("224.0.0.1", 80);

	g_assert_cmpint(dial_and_wait(&target), ==, -ENETUNREACH);
	target = target_to("127.0.0.1", 80);
	g_assert_true(ip_parse("192.0.2.1", &target.from));
	g_assert_cmpint(dial_and_wait(&target), ==, -EADDRNOTAVAIL);
	g_assert_true(ip_parse("::1", &target.from));
	g_assert_cmpint(dial_and_wait(&target), ==, -EAFNOSUPPORT);
	target = (struct dial_target){ .port = 80 };
	g_assert_cmpint(dial_and_wait(&target), ==, -EAFNOSUPPORT);
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	g_assert_nonnull(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Ends the loop in a turn of its own, after whatever is still to come. */
struct later {
	struct loop *loop;
	struct loop_timer timer;
	struct attempt *cancel;
	unsigned turns;
};

static void on_later(void *data)
{
	struct later *later = data;

	if (later->cancel) {
		dial_cancel(later->cancel->dial);
		later->cancel = NULL;
	}
	if (++later->turns == 3)
		loop_stop(later->loop, 9);
	else
		loop_timer_arm(later->loop, &later->timer, loop_now_ms(later->loop) + 1);
}

static void start_later(struct later *later, struct loop *loop, struct attempt *cancel)
{
	*later = (struct later){ .loop = loop, .cancel = cancel };
	later->timer.fn = on_later;
	later->timer.data = later;
	loop_timer_arm(loop, &later->timer, loop_now_ms(loop));
}

/* Before the loop runs, and from a timer of the turn in which the outcome is there. */
static void test_cancel(void)
{
	struct dial_target target, none = { .port = 1 };
	autofd int listener = listen_on("127.0.0.1", &target);

	g_assert_cmpint(listener, >=, 0);
	dial_cancel(NULL);
	for (int i = 0; i < 4; i++) {
		unsigned fds = count_fds();
		struct loop *loop = loop_new();
		struct attempt attempt;
		struct later later;
		bool in_turn = i & 1;

		start_later(&later, loop, in_turn ? &attempt : NULL);
		start(&attempt, loop, i & 2 ? &none : &target);
		if (!in_turn)
			dial_cancel(attempt.dial);
		g_assert_cmpint(loop_run(loop), ==, 9);
		g_assert_cmpuint(attempt.calls, ==, 0);
		loop_free(loop);
		g_assert_cmpuint(count_fds(), ==, fds);
	}
}

/* Two have their outcome in the same turn; the first cancels the second. */
static void test_cancel_in_callback(void)
{
	struct dial_target target, none = { .port = 1 };
	autofd int listener = listen_on("127.0.0.1", &target);

	g_assert_cmpint(listener, >=, 0);
	for (int i = 0; i < 4; i++) {
		unsigned fds = count_fds();
		struct loop *loop = loop_new();
		struct attempt a, b;
		struct later later;

		start(&a, loop, i & 1 ? &none : &target);
		start(&b, loop, i & 2 ? &none : &target);
		a.other = &b;
		b.other = &a;
		a.stays = b.stays = true;
		start_later(&later, loop, NULL);
		g_assert_cmpint(loop_run(loop), ==, 9);
		g_assert_cmpuint(a.calls + b.calls, ==, 1);
		g_assert_null(a.dial);
		g_assert_null(b.dial);
		fd_close(&a.fd);
		fd_close(&b.fd);
		loop_free(loop);
		g_assert_cmpuint(count_fds(), ==, fds);
	}
}

/* The next one is started where the last one failed. */
static void dial_again(int fd, int error, void *data)
{
	struct attempt *attempt = data;
	struct dial_target none = { .port = 1 };

	g_assert_cmpint(fd, <, 0);
	g_assert_cmpint(error, ==, -EAFNOSUPPORT);
	if (++attempt->calls == 3)
		loop_stop(attempt->loop, 0);
	else
		attempt->dial = dial_start(attempt->loop, &none, dial_again, attempt);
}

static void test_start_in_callback(void)
{
	struct loop *loop = loop_new();
	struct attempt attempt = { .loop = loop };
	struct dial_target none = { .port = 1 };

	attempt.dial = dial_start(loop, &none, dial_again, &attempt);
	g_assert_cmpint(loop_run(loop), ==, 0);
	g_assert_cmpuint(attempt.calls, ==, 3);
	loop_free(loop);
}

/* In a child of its own, for the limit is lowered. */
static void test_no_descriptors(void)
{
	struct dial_target target;
	struct attempt attempt;
	struct rlimit limit;
	struct loop *loop;
	int listener, fd;

	if (!g_test_subprocess()) {
		g_test_trap_subprocess(NULL, 0, 0);
		g_test_trap_assert_passed();
		return;
	}
	listener = listen_on("127.0.0.1", &target);
	loop = loop_new();
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
	fd = fcntl(listener, F_DUPFD_CLOEXEC, 0); /* the lowest free one */
	limit.rlim_cur = (rlim_t)fd;
	fd_close(&fd);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
	start(&attempt, loop, &target);
	g_assert_cmpint(loop_run(loop), ==, 0);
	g_assert_cmpint(attempt.error, ==, -EMFILE);
	g_assert_cmpint(attempt.fd, <, 0);
	loop_free(loop);
	fd_close(&listener);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dial/success", test_success);
	g_test_add_func("/dial/socket-of-another", test_socket_of_another);
	g_test_add_func("/dial/success-v6", test_success_v6);
	g_test_add_func("/dial/from", test_from);
	g_test_add_func("/dial/handed-over", test_handed_over);
	g_test_add_func("/dial/refused", test_refused);
	g_test_add_func("/dial/failed-at-once", test_failed_at_once);
	g_test_add_func("/dial/cancel", test_cancel);
	g_test_add_func("/dial/cancel-in-callback", test_cancel_in_callback);
	g_test_add_func("/dial/start-in-callback", test_start_in_callback);
	g_test_add_func("/dial/no-descriptors", test_no_descriptors);
	return g_test_run();
}
