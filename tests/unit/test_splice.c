/* net/splice: two pairs of connected sockets with a stream between them; the test is both peers.
 * splice(2) goes through here, for one socket that always has more to read and to take.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/splice.h"

#define WAIT_MS 20000

static int endless_fd = -1; /* never empty, never full */
static unsigned endless_calls;

ssize_t __real_splice(int in, off64_t *in_off, int out, off64_t *out_off, size_t len,
		      unsigned flags);
ssize_t __wrap_splice(int in, off64_t *in_off, int out, off64_t *out_off, size_t len,
		      unsigned flags);

ssize_t __wrap_splice(int in, off64_t *in_off, int out, off64_t *out_off, size_t len,
		      unsigned flags)
{
	if (endless_fd < 0 || (in != endless_fd && endless_calls % 2 == 0))
		return __real_splice(in, in_off, out, out_off, len, flags);
	endless_calls++;
	return (ssize_t)len;
}

struct world {
	struct loop *loop;
	struct splice *splice;
	int client, service; /* the far ends of the stream */
	struct loop_timer wake;
};

/* A connection over the loopback interface, or a pair of AF_UNIX sockets. */
static void connect_pair(bool unix_pair, int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int listener;

	if (unix_pair) {
		g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
		return;
	}
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	g_assert_cmpint(bind(listener, (struct sockaddr *)&address, len), ==, 0);
	g_assert_cmpint(listen(listener, 1), ==, 0);
	g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &len), ==, 0);
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	g_assert_cmpint(connect(pair[0], (struct sockaddr *)&address, len), ==, 0);
	pair[1] = accept(listener, NULL, NULL);
	g_assert_cmpint(pair[1], >=, 0);
	close(listener);
}

static void set_nonblocking(int fd)
{
	g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
}

static void woken(void *data)
{
	(void)data;
}

static void turn_over(void *data)
{
	loop_stop(data, 0);
}

/* @ret: the stream's own ends, for who wants to look at them. */
static void join(struct world *w, bool unix_pair, int ret[2])
{
	int first[2], second[2];

	connect_pair(unix_pair, first);
	connect_pair(unix_pair, second);
	for (int i = 0; i < 2; i++) {
		set_nonblocking(first[i]);
		set_nonblocking(second[i]);
	}
	w->client = first[0];
	w->service = second[1];
	ret[0] = first[1];
	ret[1] = second[0];
	g_assert_cmpint(splice_join(w->splice, first[1], second[0], NULL), ==, 0);
}

static void setup(struct world *w, bool unix_pair)
{
	int own[2];

	*w = (struct world){ .loop = loop_new() };
	w->splice = splice_new(w->loop);
	loop_add_turn_end(w->loop, turn_over, w->loop);
	w->wake.fn = woken;
	join(w, unix_pair, own);
}

static void teardown(struct world *w)
{
	splice_free(w->splice);
	loop_free(w->loop);
	close(w->client);
	close(w->service);
}

/* Stopped at the end of it: a loop that stops earlier loses events that are told once. */
static void turn(struct world *w)
{
	loop_timer_arm(w->loop, &w->wake, loop_now_ms(w->loop) + 1);
	g_assert_cmpint(loop_run(w->loop), ==, 0);
	loop_timer_disarm(w->loop, &w->wake);
}

/* recv(2), while the stream works. */
static ssize_t receive(struct world *w, int fd, void *bytes, size_t size)
{
	const gint64 end = g_get_monotonic_time() + WAIT_MS * 1000;
	ssize_t got;

	while ((got = recv(fd, bytes, size, 0)) < 0 && errno == EAGAIN) {
		g_assert_cmpint(g_get_monotonic_time(), <, end);
		turn(w);
	}
	return got;
}

/* The next bytes to arrive are these. */
static void expect(struct world *w, int fd, const char *text)
{
	char got[64];
	size_t len = 0;

	while (len < strlen(text)) {
		ssize_t more = receive(w, fd, got + len, strlen(text) - len);

		g_assert_cmpint(more, >, 0);
		len += (size_t)more;
	}
	g_assert_true(memcmp(got, text, len) == 0);
}

static void say(int fd, const char *text)
{
	g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (ssize_t)strlen(text));
}

static void reset(int *fd)
{
	splice_reset(fd);
	g_assert_cmpint(*fd, <, 0);
}

static void test_bytes(gconstpointer unix_pair)
{
	struct world w;

	setup(&w, GPOINTER_TO_INT(unix_pair));
	for (int i = 0; i < 3; i++) {
		say(w.client, "question");
		expect(&w, w.service, "question");
		say(w.service, "answer");
		expect(&w, w.client, "answer");
	}
	g_assert_cmpuint(splice_stats(w.splice).bytes_to[0], ==, 3 * strlen("question"));
	g_assert_cmpuint(splice_stats(w.splice).bytes_to[1], ==, 3 * strlen("answer"));
	g_assert_cmpuint(splice_stats(w.splice).no_pipe, ==, 0);
	teardown(&w);
}

/* One side shuts its half down; the other goes on as long as it likes. */
static void half_close(struct world *w, int first, int second)
{
	char byte;

	say(first, "last words");
	g_assert_cmpint(shutdown(first, SHUT_WR), ==, 0);
	expect(w, second, "last words");
	g_assert_cmpint(receive(w, second, &byte, 1), ==, 0);
	for (int i = 0; i < 3; i++) {
		say(second, "still here");
		expect(w, first, "still here");
	}
	g_assert_cmpuint(splice_stats(w->splice).streams, ==, 1);
	g_assert_cmpint(shutdown(second, SHUT_WR), ==, 0);
	g_assert_cmpint(receive(w, first, &byte, 1), ==, 0);
	turn(w);
	g_assert_cmpuint(splice_stats(w->splice).streams, ==, 0);
	g_assert_cmpuint(splice_stats(w->splice).ended, ==, 1);
	g_assert_cmpuint(splice_stats(w->splice).reset, ==, 0);
}

static void test_half_close(gconstpointer unix_pair)
{
	struct world w;

	setup(&w, GPOINTER_TO_INT(unix_pair));
	half_close(&w, w.client, w.service);
	teardown(&w);
	setup(&w, GPOINTER_TO_INT(unix_pair));
	half_close(&w, w.service, w.client);
	teardown(&w);
}

/* What came before a reset is still delivered, as far as it fits. */
static void expect_reset(struct world *w, int *first, int second)
{
	char byte;

	say(*first, "last words");
	expect(w, second, "last words");
	reset(first);
	g_assert_cmpint(receive(w, second, &byte, 1), ==, -1);
	g_assert_cmpint(errno, ==, ECONNRESET);
	g_assert_cmpuint(splice_stats(w->splice).reset, ==, 1);
	g_assert_cmpuint(splice_stats(w->splice).streams, ==, 0);
}

static void test_reset(void)
{
	struct world w;

	setup(&w, false);
	expect_reset(&w, &w.client, w.service);
	teardown(&w);
	setup(&w, false);
	expect_reset(&w, &w.service, w.client);
	teardown(&w);
}

static size_t fill(struct world *w, int fd)
{
	static char block[1 << 16];
	size_t total = 0;
	ssize_t sent;

	for (unsigned misses = 0; misses < 10;) {
		sent = send(fd, block, sizeof(block), MSG_NOSIGNAL);
		if (sent > 0) {
			total += (size_t)sent;
			misses = 0;
			continue;
		}
		g_assert_cmpint(errno, ==, EAGAIN);
		misses++;
		turn(w);
	}
	return total;
}

/* A side that takes nothing hears of the other's reset all the same. */
static void test_reset_of_a_stuck_stream(void)
{
	struct world w;

	setup(&w, false);
	g_assert_cmpuint(fill(&w, w.client), >, 0);
	g_assert_cmpuint(splice_stats(w.splice).streams, ==, 1);
	reset(&w.client);
	for (int i = 0; i < 100 && splice_stats(w.splice).streams > 0; i++)
		turn(&w);
	g_assert_cmpuint(splice_stats(w.splice).streams, ==, 0);
	g_assert_cmpuint(splice_stats(w.splice).reset, ==, 1);
	teardown(&w);
}

/* Its end, behind all the bytes that wait, and the direction back open meanwhile. */
static void test_stuck_stream_goes_on(void)
{
	struct world w;
	size_t sent, got = 0;
	ssize_t more;
	static char block[1 << 16];

	setup(&w, false);
	sent = fill(&w, w.client);
	g_assert_cmpint(shutdown(w.client, SHUT_WR), ==, 0);
	say(w.service, "wait");
	expect(&w, w.client, "wait");
	while ((more = receive(&w, w.service, block, sizeof(block))) > 0)
		got += (size_t)more;
	g_assert_cmpint(more, ==, 0);
	g_assert_cmpuint(got, ==, sent);
	teardown(&w);
}

/* One with endless bytes leaves a turn to others after its share of it. */
static void test_share_of_a_turn(void)
{
	struct world w;
	int own[2], client, service;

	setup(&w, false);
	client = w.client;
	service = w.service;
	join(&w, false, own);
	turn(&w);
	say(client, "me too");
	say(w.client, "more"); /* wakes it */
	endless_fd = own[0];
	endless_calls = 0;
	for (int i = 0; i < 1000 && splice_stats(w.splice).bytes_to[0] < strlen("me too"); i++)
		turn(&w);
	endless_fd = -1;
	g_assert_cmpuint(endless_calls, >, 0);
	w.service = service;
	expect(&w, service, "me too");
	close(client);
	teardown(&w);
}

/* Without a descriptor for a pipe everything still arrives. */
static void test_no_pipe(gconstpointer unix_pair)
{
	struct rlimit before, none;
	struct world w;

	setup(&w, GPOINTER_TO_INT(unix_pair));
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
	none = before;
	none.rlim_cur = 3;
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
	half_close(&w, w.client, w.service);
	g_assert_cmpuint(splice_stats(w.splice).no_pipe, >, 0);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
	teardown(&w);
}

/* Streams that are stuck do not take all descriptors for pipes. */
static void test_few_pipes(void)
{
	struct rlimit before, few;
	struct world w;
	int own[2], client, service;

	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
	few = before;
	few.rlim_cur = 32; /* one pipe */
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
	setup(&w, false);
	g_assert_cmpuint(fill(&w, w.client), >, 0);
	g_assert_cmpuint(splice_stats(w.splice).no_pipe, ==, 0);
	client = w.client;
	service = w.service;
	join(&w, false, own);
	say(w.client, "copied");
	expect(&w, w.service, "copied");
	g_assert_cmpuint(splice_stats(w.splice).no_pipe, >, 0);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
	close(client);
	close(service);
	teardown(&w);
}

/* It arrives in its place, and does not stop what follows. */
static void test_urgent(void)
{
	struct world w;

	setup(&w, false);
	say(w.client, "one");
	expect(&w, w.service, "one");
	g_assert_cmpint(send(w.client, "!", 1, MSG_OOB), ==, 1);
	say(w.client, "two");
	expect(&w, w.service, "!two");
	say(w.client, "three");
	expect(&w, w.service, "three");
	teardown(&w);
}

/* Of both sides: one that has gone without a word does not keep its stream for ever. */
static void test_keepalive(void)
{
	struct world w = { .loop = loop_new() };
	int own[2];

	w.splice = splice_new(w.loop);
	join(&w, false, own);
	for (int i = 0; i < 2; i++) {
		int on = 0;
		socklen_t len = sizeof(on);

		g_assert_cmpint(getsockopt(own[i], SOL_SOCKET, SO_KEEPALIVE, &on, &len), ==, 0);
		g_assert_cmpint(on, ==, 1);
	}
	teardown(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* as the program has it: os/proc.h */
	for (int unix_pair = 0; unix_pair < 2; unix_pair++) {
		const gconstpointer data = GINT_TO_POINTER(unix_pair);

		g_test_add_data_func(unix_pair ? "/splice/unix/bytes" : "/splice/bytes", data,
				     test_bytes);
		g_test_add_data_func(unix_pair ? "/splice/unix/half-close" : "/splice/half-close",
				     data, test_half_close);
		g_test_add_data_func(unix_pair ? "/splice/unix/no-pipe" : "/splice/no-pipe", data,
				     test_no_pipe);
	}
	g_test_add_func("/splice/reset", test_reset);
	g_test_add_func("/splice/reset-of-a-stuck-stream", test_reset_of_a_stuck_stream);
	g_test_add_func("/splice/stuck-stream-goes-on", test_stuck_stream_goes_on);
	g_test_add_func("/splice/share-of-a-turn", test_share_of_a_turn);
	g_test_add_func("/splice/few-pipes", test_few_pipes);
	g_test_add_func("/splice/urgent", test_urgent);
	g_test_add_func("/splice/keepalive", test_keepalive);
	return g_test_run();
}
