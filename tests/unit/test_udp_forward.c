/* net/udp: clients of the host's ports. */
#include <errno.h>
#include <glib.h>
#include <unistd.h>

#include "udp_world.h"
#include "wire/apireq.h"

/* ---- forwarded ports ---- */

static struct udp_forward *listen_counted(struct world *w, const char *address, uint16_t port,
					  struct tally *tally)
{
	struct forward_spec spec = { .proto = TRANSPORT_UDP,
				     .guest_addr = { .family = IP_V4,
						     .v4 = w->settings.plan.guest },
				     .guest_port = GUEST_PORT,
				     .host_port = port };
	struct udp_forward *forward;

	g_assert_true(ip_parse(address, &spec.host_addr));
	g_assert_cmpint(udp_forward_listen(w->udp, &spec, tally, &forward), ==, 0);
	return forward;
}

static struct udp_forward *listen_at(struct world *w, const char *address, uint16_t port)
{
	return listen_counted(w, address, port, NULL);
}

static void test_session(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct heard *heard;
	struct world w;

	start(&w);
	forward = listen_at(&w, "0.0.0.0", 0);
	port = at_loopback(7, udp_forward_port(forward));
	g_assert_cmpuint(port.sin_port, !=, 0);
	say(w.server[0], &port, "hello", 5);
	expect_gram(wait_frames(&w, 1), "10.0.2.2", w.port[0], GUEST_PORT, "hello");
	g_assert_cmpmem(((struct sent *)g_ptr_array_index(w.frames, 0))->bytes + 6, 6,
			gateway_mac.b, 6);
	guest_sends(&w, GUEST_PORT, "welcome");
	heard = hear(&w, w.server[0], "welcome");
	g_assert_cmpuint(heard->from.sin_port, ==, port.sin_port);
	g_assert_cmpuint(heard->from.sin_addr.s_addr, ==,
			 port.sin_addr.s_addr); /* where it was sent to */
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 1);
	udp_forward_close(forward);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 0);
	guest_sends(&w, GUEST_PORT, "late"); /* is no answer any more */
	g_assert_cmpuint(hear(&w, w.server[0], "late")->from.sin_port, !=, port.sin_port);
	finish(&w);
}

/* RFC 4787 section 4.1: a published port of the guest is that port towards all the world. */
static void test_guest_begins(void)
{
	struct udp_forward *forward;
	struct sockaddr_in published;
	struct heard *heard;
	struct world w;

	start(&w);
	forward = listen_at(&w, "0.0.0.0", 0);
	published = at_loopback(1, udp_forward_port(forward));
	guest_sends(&w, GUEST_PORT, "register");
	heard = hear(&w, w.server[0], "register");
	g_assert_cmpuint(heard->from.sin_port, ==, published.sin_port);
	say(w.server[0], &heard->from, "welcome", 7);
	expect_gram(wait_frames(&w, 1), "10.0.2.2", w.port[0], GUEST_PORT, "welcome");
	say(w.server[0], &heard->from, "again", 5);
	expect_gram(wait_frames(&w, 2), "10.0.2.2", w.port[0], GUEST_PORT, "again");
	w.dport = w.port[1];
	guest_sends(&w, GUEST_PORT, "register");
	g_assert_cmpuint(hear(&w, w.server[1], "register")->from.sin_port, ==, published.sin_port);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 2);
	close(w.server[2]);
	w.server[2] = -1;
	w.dport = w.port[2];
	guest_sends(&w, GUEST_PORT, "anybody?");
	expect_error(wait_frames(&w, 3), "10.0.2.2", 3, 3, "10.0.2.2", w.port[2]);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	w.dport = w.port[0];
	guest_sends(&w, GUEST_PORT + 1, "another port");
	g_assert_cmpuint(hear(&w, w.server[0], "another port")->from.sin_port, !=,
			 published.sin_port);
	w.nameserver_port = w.port[3]; /* names are no matter of the port */
	guest_sends_to(&w, "10.0.2.3", 53, "query");
	g_assert_cmpuint(hear(&w, w.server[3], "query")->from.sin_port, !=, published.sin_port);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 2);
	udp_forward_close(forward);
	finish(&w);
}

/* How many sessions there are after a datagram to @to. */
static size_t sessions_to(struct world *w, const char *to)
{
	guest_sends_to(w, to, 9, "hello");
	return udp_stats(w->udp).sessions;
}

/* A port that is published at one address takes no part where it could not be answered. */
static void test_guest_begins_by_address(void)
{
	struct udp_forward *forward;
	struct world w;

	start(&w);
	forward = listen_at(&w, "127.0.0.1", 0);
	g_assert_cmpuint(sessions_to(&w, "192.0.2.1"), ==, 0);
	g_assert_cmpuint(sessions_to(&w, "10.0.2.2"), ==, 1);
	g_assert_true(ip_parse("192.0.2.7", &forward->host));
	g_assert_cmpuint(sessions_to(&w, "192.0.2.1"), ==, 1); /* has a binding */
	g_assert_cmpuint(sessions_to(&w, "192.0.2.2"), ==, 2);
	udp_forward_close(forward);
	forward = listen_at(&w, "127.0.0.1", 0);
	g_assert_true(ip_parse("192.0.2.7", &forward->host));
	g_assert_cmpuint(sessions_to(&w, "10.0.2.2"), ==, 0);
	udp_forward_close(forward);
	finish(&w);
}

/* What the guest has begun by a binding goes on there, also when its peer comes to a published port. */
static void test_binding_goes_on(void)
{
	for (int filter = UDP_FILTER_ENDPOINT; filter <= UDP_FILTER_NONE; filter++) {
		struct udp_forward *forward;
		struct sockaddr_in port;
		struct world w;
		uint16_t bound, seen;

		prepare(&w);
		w.settings.udp_filter = (enum udp_filter)filter;
		begin(&w, false);
		guest_sends(&w, GUEST_PORT, "mine");
		bound = hear(&w, w.server[0], "mine")->from.sin_port;
		forward = listen_at(&w, "127.0.0.1", 0);
		port = at_loopback(1, udp_forward_port(forward));
		say(w.server[0], &port, "hello", 5);
		seen = gram_of(wait_frames(&w, 1)).sport;
		g_assert_cmpuint(seen, >=, 49152);
		guest_sends(&w, GUEST_PORT, "still mine");
		g_assert_cmpuint(hear(&w, w.server[0], "still mine")->from.sin_port, ==, bound);
		w.dport = seen;
		guest_sends(&w, GUEST_PORT, "welcome");
		g_assert_cmpuint(hear(&w, w.server[0], "welcome")->from.sin_port, ==,
				 port.sin_port);
		say(w.server[1], &port, "another", 7); /* of the same address */
		expect_gram(wait_frames(&w, 2), "10.0.2.2", w.port[1], GUEST_PORT, "another");
		w.dport = w.port[1];
		guest_sends(&w, GUEST_PORT, "welcome");
		g_assert_cmpuint(hear(&w, w.server[1], "welcome")->from.sin_port, ==,
				 port.sin_port);
		udp_forward_close(forward);
		finish(&w);
	}
}

/* An answer comes from the guest's address, or from another one of the same guest. */
static void test_who_answers(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct udpgram gram;
	struct world w;

	start(&w);
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	say(w.server[0], &port, "hello", 5);
	wait_frames(&w, 1);
	gram = from_guest(&w, GUEST_PORT, "other", 5);
	gram.src.v4.b[3] = 101;
	send_gram_from(&w, &other_mac, &gram, &plain); /* another guest's own talk */
	g_assert_cmpuint(hear(&w, w.server[0], "other")->from.sin_port, !=, port.sin_port);
	say(w.server[0], &port, "still", 5);
	expect_gram(wait_frames(&w, 2), "10.0.2.2", w.port[0], GUEST_PORT, "still");
	gram.src.v4.b[3] = 102;
	send_gram(&w, &gram, &plain);
	g_assert_cmpuint(hear(&w, w.server[0], "other")->from.sin_port, ==, port.sin_port);
	close(w.server[0]);
	w.server[0] = -1;
	send_gram(&w, &gram, &plain);
	g_assert_cmpuint(wait_frames(&w, 3)->bytes[FRAME_ETHER_HEADER + 19], ==, 102);
	udp_forward_close(forward);
	finish(&w);
}

/* Two clients that the guest would see at one place. */
static void test_collision(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;
	uint16_t same, seen;
	int twin;

	start(&w);
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	twin = host_socket(2, w.port[0], &same);
	say(w.server[0], &port, "first", 5);
	expect_gram(wait_frames(&w, 1), "10.0.2.2", w.port[0], GUEST_PORT, "first");
	say(twin, &port, "second", 6);
	seen = gram_of(wait_frames(&w, 2)).sport;
	g_assert_cmpuint(seen, !=, w.port[0]);
	g_assert_cmpuint(seen, >=, 49152);
	guest_sends(&w, GUEST_PORT, "to the first");
	hear(&w, w.server[0], "to the first");
	w.dport = seen;
	guest_sends(&w, GUEST_PORT, "to the second");
	hear(&w, twin, "to the second");
	close(twin);
	udp_forward_close(forward);
	finish(&w);
}

static void test_session_ages(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;

	start(&w);
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	say(w.server[0], &port, "one", 3);
	wait_frames(&w, 1);
	say(w.server[1], &port, "two", 3);
	wait_frames(&w, 2);
	guest_sends(&w, GUEST_PORT, "answer"); /* to the first */
	pass(&w, 9999);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 2);
	pass(&w, 1);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 1);
	pass(&w, 109999);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 1);
	pass(&w, 1);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 0);
	udp_forward_close(forward);
	finish(&w);
}

/* Strangers at a port do not end what the guest has begun, nor each other where it has answered. */
static void test_flood_of_clients(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;

	prepare(&w);
	w.settings.udp_bindings = 3;
	begin(&w, false);
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	guest_sends(&w, 1, "mine");
	hear(&w, w.server[0], "mine");
	say(w.server[0], &port, "friend", 6);
	wait_frames(&w, 1);
	guest_sends(&w, GUEST_PORT, "answer");
	hear(&w, w.server[0], "answer");
	for (guint i = 0; i < 50; i++) {
		uint16_t unused;
		int stranger = host_socket(3, 0, &unused);

		pass(&w, 1);
		say(stranger, &port, "hey", 3);
		wait_frames(&w, 2 + i);
		close(stranger);
	}
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 2);
	guest_sends(&w, GUEST_PORT, "still here");
	hear(&w, w.server[0], "still here");
	udp_forward_close(forward);
	finish(&w);
}

/* Nor if the guest answers each of them: half of the limit is not theirs. */
static void test_flood_of_answered_clients(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;

	prepare(&w);
	w.settings.udp_bindings = 20;
	begin(&w, false);
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	for (uint16_t i = 1; i <= 5; i++)
		guest_sends(&w, i, "mine");
	for (guint i = 0; i < 40; i++) {
		int stranger = host_socket(1, 0, &w.dport);

		pass(&w, 1);
		say(stranger, &port, "hey", 3);
		wait_frames(&w, 1 + i);
		guest_sends(&w, GUEST_PORT, "welcome");
		hear(&w, stranger, "welcome");
		close(stranger);
	}
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 5);
	g_assert_cmpuint(udp_stats(w.udp).sessions, ==, 15);
	udp_forward_close(forward);
	finish(&w);
}

/* What comes of a port's clients is counted beside it, and outlives it. */
static void test_tally(void)
{
	struct tally *tally = tally_new(1);
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;

	start(&w);
	forward = listen_counted(&w, "127.0.0.1", 0, tally);
	port = at_loopback(1, udp_forward_port(forward));
	say(w.server[0], &port, "hello", 5);
	wait_frames(&w, 1);
	guest_sends(&w, GUEST_PORT, "welcome");
	hear(&w, w.server[0], "welcome");
	w.dport = w.port[1];
	guest_sends(&w, GUEST_PORT, "register");
	hear(&w, w.server[1], "register");
	w.full = true;
	say(w.server[0], &port, "lost", 4);
	while (drops(&w, UDP_DROP_LINK_FULL) == 0)
		turn(&w);
	g_assert_cmpuint(tally->accepted, ==, 2);
	g_assert_cmpuint(tally->active, ==, 2);
	g_assert_cmpuint(tally->bytes_to_guest, ==, 5);
	g_assert_cmpuint(tally->bytes_from_guest, ==, 7 + 8);
	guest_sends(&w, GUEST_PORT + 1, "not by that port");
	pass(&w, 120 * 1000);
	g_assert_cmpuint(tally->active, ==, 0);
	g_assert_cmpuint(tally->bytes_from_guest, ==, 7 + 8);
	udp_forward_close(forward);
	g_assert_cmpuint(tally->refs, ==, 1);
	tally_unref(tally);
	finish(&w);
}

/* Answers to many clients leave together. */
static void test_answers_in_a_batch(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;

	start(&w);
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	for (guint i = 0; i < SERVERS; i++) {
		say(w.server[i], &port, "hello", 5);
		wait_frames(&w, i + 1);
	}
	for (guint i = 0; i < SERVERS; i++) {
		w.dport = w.port[i];
		guest_sends(&w, GUEST_PORT, "welcome");
	}
	g_assert_cmpuint(w.udp->batch.count, ==, SERVERS);
	for (guint i = 0; i < SERVERS; i++)
		hear(&w, w.server[i], "welcome");
	w.dport = w.port[0];
	guest_sends(&w, GUEST_PORT, "last");
	udp_forward_close(forward); /* what it was given is sent */
	hear(&w, w.server[0], "last");
	finish(&w);
}

/* The newest datagram waits for the guest's MAC; a guest that moves is followed. */
static void test_unknown_neighbour(void)
{
	const struct ip guest = { .family = IP_V4, .v4 = { { 10, 0, 2, 100 } } };
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;

	start(&w);
	w.knows_mac = false;
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	say(w.server[0], &port, "old", 3);
	while (udp_stats(w.udp).sessions == 0)
		turn(&w);
	say(w.server[0], &port, "new", 3);
	while (drops(&w, UDP_DROP_WAITING) == 0)
		turn(&w);
	g_assert_cmpuint(w.frames->len, ==, 0);
	udp_neighbour(w.udp, &guest, &guest_mac);
	expect_gram(wait_frames(&w, 1), "10.0.2.2", w.port[0], GUEST_PORT, "new");
	g_assert_cmpuint(w.udp->held_bytes, ==, 0);
	w.knows_mac = true;
	guest_sends(&w, GUEST_PORT, "answer");
	hear(&w, w.server[0], "answer");
	udp_neighbour(w.udp, &guest, &other_mac);
	say(w.server[0], &port, "moved", 5);
	g_assert_cmpmem(wait_frames(&w, 2)->bytes, 6, other_mac.b, 6);
	udp_forward_close(forward);
	w.knows_mac = false;
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	say(w.server[1], &port, "never", 5); /* is freed with its session */
	while (udp_stats(w.udp).sessions < 1)
		turn(&w);
	g_assert_cmpuint(w.udp->held_bytes, ==, 5);
	udp_forward_close(forward);
	g_assert_cmpuint(w.udp->held_bytes, ==, 0);
	finish(&w);
}

static void test_client_gone(void)
{
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct world w;

	start(&w);
	forward = listen_at(&w, "127.0.0.1", 0);
	port = at_loopback(1, udp_forward_port(forward));
	say(w.server[0], &port, "bye", 3);
	wait_frames(&w, 1);
	close(w.server[0]);
	w.server[0] = -1;
	guest_sends(&w, GUEST_PORT, "answer");
	expect_error(wait_frames(&w, 2), "10.0.2.2", 3, 3, "10.0.2.2", w.port[0]);
	udp_forward_close(forward);
	finish(&w);
}

static void test_port_in_use(void)
{
	struct forward_spec spec = { .host_addr = { .family = IP_V4, .v4 = { { 127, 0, 0, 1 } } },
				     .guest_addr = { .family = IP_V4 } };
	struct udp_forward *forward = NULL;
	struct world w;

	start(&w);
	spec.host_port = w.port[0];
	g_assert_cmpint(udp_forward_listen(w.udp, &spec, NULL, &forward), ==, -EADDRINUSE);
	spec.host_addr.v4 = (struct ip4){ { 192, 0, 2, 77 } };
	g_assert_cmpint(udp_forward_listen(w.udp, &spec, NULL, &forward), ==, -EADDRNOTAVAIL);
	g_assert_null(forward);
	udp_forward_close(NULL);
	g_assert_true(is_silent(w.server[0]));
	finish(&w);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{ "/udp/session", test_session },
		{ "/udp/guest-begins", test_guest_begins },
		{ "/udp/guest-begins/by-address", test_guest_begins_by_address },
		{ "/udp/binding-goes-on", test_binding_goes_on },
		{ "/udp/who-answers", test_who_answers },
		{ "/udp/collision", test_collision },
		{ "/udp/session-ages", test_session_ages },
		{ "/udp/flood-of-clients", test_flood_of_clients },
		{ "/udp/flood-of-answered-clients", test_flood_of_answered_clients },
		{ "/udp/tally", test_tally },
		{ "/udp/answers-in-a-batch", test_answers_in_a_batch },
		{ "/udp/unknown-neighbour", test_unknown_neighbour },
		{ "/udp/client-gone", test_client_gone },
		{ "/udp/port-in-use", test_port_in_use },
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add_func(tests[i].name, tests[i].fn);
	return g_test_run();
}
