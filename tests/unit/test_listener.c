/* net/listener: clients for whom there is no room yet. */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/listener.h"

#define BUSY_MS 500

struct world {
	struct loop *loop;
	struct listener *listener;
	struct loop_timer give_up;
	size_t room;
	unsigned asked, accepted; /* for room; clients */
};

static size_t room(void *data)
{
	struct world *w = data;

	w->asked++;
	return w->room;
}

static void accepted(int fd, const struct listener_client *client, void *data)
{
	struct world *w = data;

	g_assert_cmpint(client->ip.family, ==, IP_V4);
	w->accepted++;
	close(fd);
	loop_stop(w->loop, 0);
}

static void give_up(void *data)
{
	struct world *w = data;

	loop_stop(w->loop, 1);
}

static void start(struct world *w)
{
	const struct listener_owner owner = { .room = room, .accepted = accepted, .data = w };
	struct forward_spec spec = { .proto = TRANSPORT_TCP };

	*w = (struct world){ .loop = loop_new(), .give_up = { .fn = give_up, .data = w } };
	g_assert_true(ip_parse("127.0.0.1", &spec.host_addr));
	g_assert_cmpint(listener_new(w->loop, &spec, &owner, &w->listener), ==, 0);
}

static void finish(struct world *w)
{
	listener_free(w->listener);
	loop_free(w->loop);
}

static int connect_client(const struct world *w)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_port = htons(listener_port(w->listener));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	return fd;
}

/* The owner is asked less and less often, until it says that there is room. */
static void test_busy(void)
{
	struct world w;
	int fd;

	start(&w);
	fd = connect_client(&w);
	loop_timer_arm(w.loop, &w.give_up, loop_now_ms(w.loop) + BUSY_MS);
	g_assert_cmpint(loop_run(w.loop), ==, 1);
	g_assert_cmpuint(w.asked, >, 0);
	g_assert_cmpuint(w.asked, <, 10); /* after 20, 40, 80, 160, 320 ms */
	g_assert_cmpuint(w.accepted, ==, 0);
	w.room = 1;
	listener_resume(w.listener);
	g_assert_cmpint(loop_run(w.loop), ==, 0);
	g_assert_cmpuint(w.accepted, ==, 1);
	close(fd);
	finish(&w);
}

/* Without a word of its own it is asked again all the same. */
static void test_asked_again(void)
{
	struct world w;
	int fd;

	start(&w);
	fd = connect_client(&w);
	loop_timer_arm(w.loop, &w.give_up, loop_now_ms(w.loop) + 1);
	g_assert_cmpint(loop_run(w.loop), ==, 1);
	w.room = 1;
	g_assert_cmpint(loop_run(w.loop), ==, 0);
	g_assert_cmpuint(w.accepted, ==, 1);
	close(fd);
	finish(&w);
}

/* As "ss -K" leaves it: it hears of that once, paused or not, and asks for nothing any more. */
static void test_closed_by_others(void)
{
	struct world w;
	const struct listener_owner owner = { .room = room, .accepted = accepted, .data = &w };
	int listening, client;

	start(&w);
	listener_free(w.listener);
	listening = socket(AF_INET, SOCK_STREAM, 0);
	g_assert_cmpint(listen(listening, 1), ==, 0);
	g_assert_cmpint(listener_serve(w.loop, listening, &owner, &w.listener), ==, 0);
	client = connect_client(&w);
	loop_timer_arm(w.loop, &w.give_up, loop_now_ms(w.loop) + 1);
	g_assert_cmpint(loop_run(w.loop), ==, 1);
	g_assert_cmpint(shutdown(listening, SHUT_RD), ==, 0);
	w.asked = 0;
	loop_timer_arm(w.loop, &w.give_up, loop_now_ms(w.loop) + 100);
	g_assert_cmpint(loop_run(w.loop), ==, 1);
	g_assert_cmpuint(w.asked, ==, 0);
	listener_resume(w.listener);
	close(client);
	finish(&w);
	close(listening);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/listener/busy", test_busy);
	g_test_add_func("/listener/asked-again", test_asked_again);
	g_test_add_func("/listener/closed-by-others", test_closed_by_others);
	return g_test_run();
}
