/* net/loopback: clients of a forward whose broker is the test, and which gives them sockets of this
 * namespace. What the kernel does behind a broker that is real: tests/netns/test_guest_loopback.py.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/fdpass.h"
#include "base/loop.h"
#include "net/guestsock.h"
#include "net/loopback.h"
#include "net/tally.h"

#define WAIT_MS 20000
#define CLIENTS 3

struct world {
	struct loop *loop;
	struct tally *tally;
	struct loopback *loopback;
	struct loopback_forward *forward;
	struct forward_spec spec;
	int sock, broker; /* the two ends */
	int service;	  /* bound; listening in some tests */
	int clients[CLIENTS];
	struct loop_timer wake;
};

static void woken(void *data)
{
	(void)data;
}

static void stop(void *data)
{
	loop_stop(data, 0);
}

static void turn(struct world *w)
{
	loop_timer_arm(w->loop, &w->wake, loop_now_ms(w->loop) + 1);
	g_assert_cmpint(loop_run(w->loop), ==, 0);
	loop_timer_disarm(w->loop, &w->wake);
}

static struct sockaddr_in at_port(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* A socket with a port of its own; *ret_port is that. */
static int bound_socket(uint16_t *ret_port)
{
	struct sockaddr_in address = at_port(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, len), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &len), ==, 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void setup(struct world *w)
{
	int pair[2];

	*w = (struct world){ .loop = loop_new(), .tally = tally_new(1) };
	w->wake.fn = woken;
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
	w->sock = pair[0];
	w->broker = pair[1];
	g_assert_cmpint(loopback_new(w->loop, w->sock, &w->loopback), ==, 0);
	loop_add_turn_end(w->loop, stop, w->loop); /* behind those that work */
	g_assert_true(ip_parse("127.0.0.1", &w->spec.host_addr));
	w->spec.guest_addr = w->spec.host_addr;
	w->service = bound_socket(&w->spec.guest_port);
	g_assert_cmpint(loopback_forward_listen(w->loopback, &w->spec, w->tally, &w->forward), ==,
			0);
	w->spec.host_port = loopback_forward_port(w->forward);
}

static void connect_clients(struct world *w)
{
	const struct sockaddr_in address = at_port(w->spec.host_port);

	for (int i = 0; i < CLIENTS; i++) {
		w->clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		g_assert_cmpint(connect(w->clients[i], (const struct sockaddr *)&address,
					sizeof(address)),
				==, 0);
	}
	for (int i = 0; i < WAIT_MS && loopback_stats(w->loopback).accepted < CLIENTS; i++)
		turn(w);
	g_assert_cmpuint(loopback_stats(w->loopback).dialing, ==, CLIENTS);
}

/* Take a request, and give it a socket, or an error. */
static void answer(struct world *w, int error)
{
	const struct guestsock_reply reply = { .error = error };
	struct guestsock_request request;
	int unwanted = -EBADF;
	autofd int fd = -EBADF;

	g_assert_cmpint(fdpass_recv(w->broker, &request, sizeof(request), &unwanted), ==, 0);
	if (error == 0)
		fd = socket(request.family, request.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	g_assert_cmpint(fdpass_send(w->broker, &reply, sizeof(reply), fd), ==, 0);
}

static void wait_for_outcomes(struct world *w)
{
	for (int i = 0; i < WAIT_MS && loopback_stats(w->loopback).dialing > 0; i++)
		turn(w);
	g_assert_cmpuint(loopback_stats(w->loopback).dialing, ==, 0);
}

static void expect_reset(int *client)
{
	char byte;

	g_assert_cmpint(recv(*client, &byte, 1, 0), ==, -1);
	g_assert_cmpint(errno, ==, ECONNRESET);
	fd_close(client);
}

static void teardown(struct world *w)
{
	loopback_forward_close(w->forward);
	loopback_free(w->loopback);
	for (int i = 0; i < CLIENTS; i++)
		fd_close(&w->clients[i]);
	fd_close(&w->service);
	fd_close(&w->sock);
	fd_close(&w->broker);
	g_assert_cmpuint(w->tally->active, ==, 0);
	g_assert_cmpuint(w->tally->refs, ==, 1);
	tally_unref(w->tally);
	loop_free(w->loop);
}

static void test_joined(void)
{
	struct world w;

	setup(&w);
	g_assert_cmpint(listen(w.service, CLIENTS), ==, 0);
	connect_clients(&w);
	for (int i = 0; i < CLIENTS; i++)
		answer(&w, 0);
	wait_for_outcomes(&w);
	g_assert_cmpuint(loopback_stats(w.loopback).splice.streams, ==, CLIENTS);
	g_assert_cmpuint(w.tally->active, ==, CLIENTS);
	loopback_forward_close(w.forward); /* they go on */
	w.forward = NULL;
	for (int i = 0; i < CLIENTS; i++) {
		autofd int server = accept(w.service, NULL, NULL);
		char byte;

		g_assert_cmpint(send(server, "x", 1, 0), ==, 1);
		while (recv(w.clients[i], &byte, 1, MSG_DONTWAIT) != 1)
			turn(&w);
	}
	teardown(&w);
}

/* Each for a reason of its own. */
static void test_reset(void)
{
	struct loopback_stats stats;
	struct world w;

	setup(&w);
	connect_clients(&w);
	answer(&w, 0); /* nobody listens there */
	answer(&w, -ENFILE);
	while (loopback_stats(w.loopback).dialing > 1)
		turn(&w);
	fd_close(&w.broker);
	wait_for_outcomes(&w);
	for (int i = 0; i < CLIENTS; i++)
		expect_reset(&w.clients[i]);
	stats = loopback_stats(w.loopback);
	g_assert_cmpuint(stats.refused, ==, 1);
	g_assert_cmpuint(stats.failed, ==, 1);
	g_assert_cmpuint(stats.no_broker, ==, 1);
	g_assert_cmpuint(w.tally->accepted, ==, CLIENTS);
	g_assert_cmpuint(w.tally->refused, ==, CLIENTS);
	teardown(&w);
}

/* What has been accepted goes on, though the port is there no longer. */
static void test_closed_meanwhile(void)
{
	struct world w;

	setup(&w);
	g_assert_cmpint(listen(w.service, CLIENTS), ==, 0);
	connect_clients(&w);
	loopback_forward_close(w.forward);
	w.forward = NULL;
	answer(&w, -EACCES);
	answer(&w, 0);
	answer(&w, 0);
	wait_for_outcomes(&w);
	g_assert_cmpuint(loopback_stats(w.loopback).splice.streams, ==, 2);
	teardown(&w);
}

/* Clients in each state, when their forward is removed with all that came through it. */
static void test_dropped(void)
{
	struct world w;

	setup(&w);
	g_assert_cmpint(listen(w.service, CLIENTS), ==, 0);
	connect_clients(&w);
	answer(&w, 0);
	while (loopback_stats(w.loopback).splice.streams < 1)
		turn(&w);
	answer(&w, 0);
	loopback_drop(w.loopback, w.tally);
	for (int i = 0; i < CLIENTS; i++)
		expect_reset(&w.clients[i]);
	g_assert_cmpuint(w.tally->active, ==, 0);
	g_assert_cmpuint(w.tally->refused, ==, 0); /* not by the guest */
	g_assert_cmpuint(loopback_stats(w.loopback).failed, ==, 0);
	answer(&w, 0); /* for nobody */
	turn(&w);
	teardown(&w);
}

/* The end of everything, with clients in each state. */
static void test_freed_meanwhile(void)
{
	struct world w;

	setup(&w);
	g_assert_cmpint(listen(w.service, CLIENTS), ==, 0);
	connect_clients(&w);
	answer(&w, 0);
	answer(&w, 0);
	turn(&w);
	loopback_forward_close(w.forward);
	loopback_free(w.loopback);
	w.forward = NULL;
	w.loopback = NULL;
	for (int i = 0; i < CLIENTS; i++)
		expect_reset(&w.clients[i]);
	teardown(&w);
}

static void test_meant(void)
{
	static const struct {
		const char *guest;
		bool meant;
	} cases[] = {
		{ "127.0.0.1", true },	 { "127.255.0.9", true },	{ "::1", true },
		{ "10.0.2.100", false }, { "0.0.0.0", false },		{ "::", false },
		{ "fd00::1", false },	 { "::ffff:127.0.0.1", false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ip guest;

		g_assert_true(ip_parse(cases[i].guest, &guest));
		g_assert_cmpint(loopback_is_meant(&guest), ==, cases[i].meant);
	}
}

static void test_udp(void)
{
	struct loopback_forward *none;
	struct world w;

	setup(&w);
	w.spec.proto = TRANSPORT_UDP;
	g_assert_cmpint(loopback_forward_listen(w.loopback, &w.spec, NULL, &none), ==, -EOPNOTSUPP);
	teardown(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/loopback/joined", test_joined);
	g_test_add_func("/loopback/reset", test_reset);
	g_test_add_func("/loopback/closed-meanwhile", test_closed_meanwhile);
	g_test_add_func("/loopback/freed-meanwhile", test_freed_meanwhile);
	g_test_add_func("/loopback/dropped", test_dropped);
	g_test_add_func("/loopback/meant", test_meant);
	g_test_add_func("/loopback/udp", test_udp);
	return g_test_run();
}
