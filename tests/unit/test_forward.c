/* net/forward: a listener with real clients; the guest is what our TCP sends to it. */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/forward.h"
#include "net/tally.h"
#include "net/tcp.h"

#define CLIENTS_MAX 400
#define WAITING_MAX 256 /* of one place in the guest: net/tcp_open.c */

struct world {
	struct loop *loop;
	struct settings settings;
	struct tcp *tcp;
	struct tally *tally;
	struct forward_context context;
	struct forward *forward;
	struct forward_spec spec;
	struct tcpseg syns[CLIENTS_MAX]; /* the first of each connection */
	unsigned count, wanted;
	int clients[CLIENTS_MAX], client_count;
	struct loop_timer give_up;
};

static void take_segment(const struct tcpseg *seg, uint16_t mss, const struct mac *from,
			 const struct mac *to, void *data)
{
	struct world *w = data;

	(void)mss;
	(void)from;
	(void)to;
	for (unsigned i = 0; i < w->count; i++) {
		if (w->syns[i].sport == seg->sport)
			return; /* again */
	}
	g_assert_cmpuint(w->count, <, CLIENTS_MAX);
	w->syns[w->count++] = *seg;
	if (w->count == w->wanted)
		loop_stop(w->loop, 0);
}

static bool find_neighbour(const struct ip *ip, bool doubt, struct mac *ret, void *data)
{
	(void)ip;
	(void)doubt;
	(void)data;
	*ret = (struct mac){ { 2, 0, 0, 0, 0, 1 } };
	return true;
}

static void give_up(void *data)
{
	struct world *w = data;

	loop_stop(w->loop, 1);
}

/* Whether that many connections in all reach the guest within the time. */
static bool reach_guest(struct world *w, unsigned count, int64_t ms)
{
	w->wanted = count;
	if (w->count >= count)
		return true;
	loop_timer_arm(w->loop, &w->give_up, loop_now_ms(w->loop) + ms);
	return loop_run(w->loop) == 0;
}

static socklen_t address_of(const struct world *w, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(w->spec.host_port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(w->spec.host_port) };

	*ret = (struct sockaddr_storage){ 0 };
	memcpy(&v4.sin_addr, w->spec.host_addr.v4.b, 4);
	memcpy(&v6.sin6_addr, w->spec.host_addr.v6.b, 16);
	if (w->spec.host_addr.family == IP_V6)
		memcpy(ret, &v6, sizeof(v6));
	else
		memcpy(ret, &v4, sizeof(v4));
	return w->spec.host_addr.family == IP_V6 ? sizeof(v6) : sizeof(v4);
}

/* A port that is free just now. */
static uint16_t free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, len), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &len), ==, 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void start(struct world *w, const char *host, const char *guest)
{
	const struct tcp_output output = {
		.segment = take_segment,
		.neighbour = find_neighbour,
		.data = w,
	};
	char error[ADDRPLAN_ERROR_MAX];

	*w = (struct world){ .give_up = { .fn = give_up, .data = w } };
	w->loop = loop_new();
	w->settings.mtu = 1500;
	w->settings.tcp_flows = 100000;
	g_assert_true(addrplan_parse("10.0.2.0/24", &w->settings.plan, error));
	g_assert_cmpint(tcp_new(w->loop, &w->settings, &output, &w->tcp), ==, 0);
	w->tally = tally_new(1);
	w->context = (struct forward_context){ w->loop, w->tcp, &w->settings, w->tally };
	g_assert_true(ip_parse(host, &w->spec.host_addr));
	g_assert_true(ip_parse(guest, &w->spec.guest_addr));
	w->spec.guest_port = 80;
	for (int r = -EADDRINUSE; r == -EADDRINUSE;) {
		w->spec.host_port = free_port();
		r = forward_listen(&w->context, &w->spec, &w->forward);
		g_assert_true(r == 0 || r == -EADDRINUSE);
	}
}

static void finish(struct world *w)
{
	forward_close(w->forward);
	tcp_free(w->tcp);
	g_assert_cmpuint(w->tally->active, ==, 0);
	g_assert_cmpuint(w->tally->refs, ==, 1);
	tally_unref(w->tally);
	loop_timer_disarm(w->loop, &w->give_up);
	loop_free(w->loop);
	while (w->client_count > 0)
		close(w->clients[--w->client_count]);
}

/* The kernel answers for the listener. Returns the client's port. */
static uint16_t connect_client(struct world *w)
{
	struct sockaddr_storage address;
	socklen_t len = address_of(w, &address);
	int fd = socket(address.ss_family, SOCK_STREAM, 0);
	struct sockaddr_in6 own = { 0 }; /* its port stands where that of sockaddr_in does */

	g_assert_cmpint(connect(fd, (struct sockaddr *)&address, len), ==, 0);
	len = sizeof(own);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&own, &len), ==, 0);
	w->clients[w->client_count++] = fd;
	return ntohs(own.sin6_port);
}

static void test_client_reaches_guest(void)
{
	struct world w;
	uint16_t port;

	start(&w, "127.0.0.1", "10.0.2.50");
	port = connect_client(&w);
	g_assert_true(reach_guest(&w, 1, 10 * 1000));
	g_assert_cmpint(w.syns[0].flags, ==, TCPSEG_SYN);
	g_assert_cmpuint(w.syns[0].sport, ==, port);
	g_assert_cmpuint(w.syns[0].dport, ==, 80);
	g_assert_true(ip_equal(&w.syns[0].dst, &w.spec.guest_addr));
	finish(&w);
}

static void test_client_reaches_guest6(void)
{
	struct world w;
	uint16_t port;

	start(&w, "::1", "fd00::100");
	port = connect_client(&w);
	g_assert_true(reach_guest(&w, 1, 10 * 1000));
	g_assert_cmpuint(w.syns[0].sport, ==, port);
	g_assert_cmpmem(w.syns[0].src.v6.b, 16, w.settings.plan.gateway6.b, 16);
	g_assert_true(ip_equal(&w.syns[0].dst, &w.spec.guest_addr));
	finish(&w);
}

static void test_unspecified_guest(void)
{
	struct world w;

	start(&w, "127.0.0.1", "0.0.0.0");
	connect_client(&w);
	g_assert_true(reach_guest(&w, 1, 10 * 1000));
	g_assert_cmpmem(w.syns[0].dst.v4.b, 4, w.settings.plan.dhcp_begin.b, 4);
	finish(&w);
}

static void test_port_in_use(void)
{
	struct world w;
	struct forward *second = NULL;
	struct forward_spec both;

	start(&w, "0.0.0.0", "10.0.2.100");
	g_assert_cmpint(forward_listen(&w.context, &w.spec, &second), ==, -EADDRINUSE);
	g_assert_null(second);
	both = w.spec; /* of the other family it is free */
	g_assert_true(ip_parse("::", &both.host_addr));
	g_assert_true(ip_parse("fd00::100", &both.guest_addr));
	g_assert_cmpint(forward_listen(&w.context, &both, &second), ==, 0);
	forward_close(second);
	finish(&w);
}

static void test_closed(void)
{
	struct world w;
	struct sockaddr_storage address;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	start(&w, "127.0.0.1", "10.0.2.100");
	connect_client(&w);
	g_assert_true(reach_guest(&w, 1, 10 * 1000));
	forward_close(w.forward);
	w.forward = NULL;
	len = address_of(&w, &address);
	g_assert_cmpint(connect(fd, (struct sockaddr *)&address, len), <, 0);
	g_assert_cmpint(errno, ==, ECONNREFUSED);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 1); /* what was accepted goes on */
	g_assert_cmpuint(w.tally->active, ==, 1);
	close(fd);
	finish(&w);
}

/* The guest's answer to the SYN of a client: nobody listens. */
static void refuse(struct world *w, const struct tcpseg *syn)
{
	static const struct mac mac;
	const struct tcpseg reset = {
		.src = syn->dst,
		.dst = syn->src,
		.sport = syn->dport,
		.dport = syn->sport,
		.ack = syn->seq + 1,
		.flags = TCPSEG_RST | TCPSEG_ACK,
		.wscale = TCPSEG_WSCALE_NONE,
	};
	uint8_t bytes[TCPSEG_HEADER_MAX];
	struct frame frame;
	size_t len = tcpseg_build(&reset, &mac, &mac, false, bytes);

	g_assert_cmpint(frame_parse(bytes, len, &frame), ==, FRAME_OK);
	tcp_input(w->tcp, bytes, &frame);
}

/* No more come within 300 ms, and the process sleeps: nobody is woken for those that wait. */
static void expect_quiet(struct world *w)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	g_assert_false(reach_guest(w, w->count + 1, 300));
	getrusage(RUSAGE_SELF, &after);
	timersub(&after.ru_utime, &before.ru_utime, &after.ru_utime);
	timersub(&after.ru_stime, &before.ru_stime, &after.ru_stime);
	timeradd(&after.ru_utime, &after.ru_stime, &after.ru_utime);
	g_assert_cmpint(after.ru_utime.tv_sec * 1000 + after.ru_utime.tv_usec / 1000, <, 100);
}

/* A guest that does not answer has so many on their way to it; the others wait in the backlog, and
 * come when there is room.
 */
static void test_silent_guest(void)
{
	struct world w;

	start(&w, "127.0.0.1", "10.0.2.100");
	for (int i = 0; i < WAITING_MAX + 10; i++) {
		connect_client(&w);
		if (i < WAITING_MAX)
			g_assert_true(reach_guest(&w, (unsigned)i + 1, 10 * 1000));
	}
	expect_quiet(&w);
	for (unsigned i = 0; i < 10; i++)
		refuse(&w, &w.syns[i]);
	g_assert_true(reach_guest(&w, WAITING_MAX + 10, 10 * 1000));
	g_assert_cmpuint(tcp_stats(w.tcp).drops[TCP_DROP_HALF_OPEN], ==, 0);
	finish(&w);
}

/* The kernel chooses, and says which. */
static void test_port_chosen(void)
{
	struct world w;
	struct forward *second = NULL;

	start(&w, "127.0.0.1", "10.0.2.100");
	w.spec.host_port = 0;
	g_assert_cmpint(forward_listen(&w.context, &w.spec, &second), ==, 0);
	w.spec.host_port = forward_port(second);
	g_assert_cmpuint(w.spec.host_port, !=, 0);
	g_assert_cmpuint(w.spec.host_port, !=, forward_port(w.forward));
	connect_client(&w);
	g_assert_true(reach_guest(&w, 1, 10 * 1000));
	forward_close(second);
	finish(&w);
}

/* What becomes of a client is counted; the count outlives the forward. */
static void test_tally(void)
{
	struct world w;

	start(&w, "127.0.0.1", "10.0.2.100");
	connect_client(&w);
	connect_client(&w);
	g_assert_true(reach_guest(&w, 2, 10 * 1000));
	forward_close(w.forward);
	w.forward = NULL;
	g_assert_cmpuint(w.tally->accepted, ==, 2);
	g_assert_cmpuint(w.tally->active, ==, 2);
	refuse(&w, &w.syns[0]);
	g_assert_cmpuint(w.tally->refused, ==, 1);
	g_assert_cmpuint(w.tally->active, ==, 1);
	finish(&w);
}

static void expect_end(int client, int error)
{
	char byte;

	g_assert_cmpint(recv(client, &byte, 1, 0), ==, error ? -1 : 0);
	if (error)
		g_assert_cmpint(errno, ==, error);
}

/* The connections of one forward end, and those of no other. */
static void test_drop(void)
{
	struct world w;
	struct tally *other = tally_new(1);
	struct forward *second = NULL;
	const uint16_t first_port = (start(&w, "127.0.0.1", "10.0.2.100"), w.spec.host_port);

	w.context.tally = other;
	w.spec.host_port = 0;
	g_assert_cmpint(forward_listen(&w.context, &w.spec, &second), ==, 0);
	w.spec.host_port = forward_port(second);
	connect_client(&w);
	w.spec.host_port = first_port;
	connect_client(&w);
	g_assert_true(reach_guest(&w, 2, 10 * 1000));
	g_assert_cmpuint(tcp_drop(w.tcp, w.tally), ==, 1);
	expect_end(w.clients[1], ECONNRESET);
	g_assert_cmpuint(w.tally->active, ==, 0);
	g_assert_cmpuint(other->active, ==, 1);
	g_assert_cmpuint(tcp_drop(w.tcp, w.tally), ==, 0);
	forward_close(second);
	tally_unref(other);
	finish(&w);
}

static void connect_unix(struct world *w, const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	g_assert_cmpint(connect(fd, (const struct sockaddr *)address, sizeof(*address)), ==, 0);
	w->clients[w->client_count++] = fd;
}

/* Clients of a Unix socket are the gateway, each at a port that nobody else has. */
static void test_unix(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct forward *second = NULL;
	struct world w;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	start(&w, "127.0.0.1", "10.0.2.100");
	/* An abstract address (unix(7)): there is no file to remove. */
	g_snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "gate4netns-test-%d",
		   (int)getpid());
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	g_assert_cmpint(listen(fd, SOMAXCONN), ==, 0);
	g_assert_cmpint(forward_serve(&w.context, fd, &w.spec, &second), ==, 0);
	connect_unix(&w, &address);
	connect_unix(&w, &address);
	g_assert_true(reach_guest(&w, 2, 10 * 1000));
	for (int i = 0; i < 2; i++) {
		g_assert_cmpmem(w.syns[i].src.v4.b, 4, w.settings.plan.gateway.b, 4);
		g_assert_cmpuint(w.syns[i].sport, >=, 49152);
		g_assert_cmpuint(w.syns[i].dport, ==, 80);
	}
	refuse(&w, &w.syns[0]);
	expect_end(w.clients[0], 0);
	forward_close(second);
	g_assert_cmpint(listen(fd, 1), ==, 0); /* it is still there */
	close(fd);
	finish(&w);
}

/* Without descriptors clients wait, until there are some. */
static void test_no_descriptors(void)
{
	struct rlimit before, none;
	struct world w;

	start(&w, "127.0.0.1", "10.0.2.100");
	connect_client(&w);
	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
	none = (struct rlimit){ 3, before.rlim_max };
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
	expect_quiet(&w);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &before), ==, 0);
	g_assert_true(reach_guest(&w, 1, 10 * 1000));
	finish(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/forward/client-reaches-guest", test_client_reaches_guest);
	g_test_add_func("/forward/client-reaches-guest6", test_client_reaches_guest6);
	g_test_add_func("/forward/unspecified-guest", test_unspecified_guest);
	g_test_add_func("/forward/port-in-use", test_port_in_use);
	g_test_add_func("/forward/closed", test_closed);
	g_test_add_func("/forward/silent-guest", test_silent_guest);
	g_test_add_func("/forward/port-chosen", test_port_chosen);
	g_test_add_func("/forward/tally", test_tally);
	g_test_add_func("/forward/drop", test_drop);
	g_test_add_func("/forward/unix", test_unix);
	g_test_add_func("/forward/no-descriptors", test_no_descriptors);
	return g_test_run();
}
