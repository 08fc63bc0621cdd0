/* net/udp: bindings: who hears whom, for how long, and how many there are. */
#include <glib.h>
#include <unistd.h>

#include "udp_world.h"

/* ---- bindings ---- */

static void test_both_ways(void)
{
	struct heard *heard;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "ping");
	heard = hear(&w, w.server[0], "ping");
	say(w.server[0], &heard->from, "pong", 4);
	expect_gram(wait_frames(&w, 1), "10.0.2.2", w.port[0], GUEST_PORT, "pong");
	say(w.server[0], &heard->from, "", 0);
	expect_gram(wait_frames(&w, 2), "10.0.2.2", w.port[0], GUEST_PORT, "");
	guest_sends(&w, GUEST_PORT, "");
	hear(&w, w.server[0], "");
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_host, ==, 2);
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_guest, ==, 2);
	g_assert_cmpuint(udp_stats(w.udp).bytes_to_host, ==, 4);
	finish(&w);
}

/* RFC 4787 section 4.1: one port of the host, whomever the guest's port talks to. */
static void test_one_port_for_all(void)
{
	struct world w;
	uint16_t seen;

	start(&w);
	guest_sends(&w, GUEST_PORT, "one");
	seen = hear(&w, w.server[0], "one")->from.sin_port;
	w.dport = w.port[1];
	guest_sends(&w, GUEST_PORT, "two");
	g_assert_cmpuint(hear(&w, w.server[1], "two")->from.sin_port, ==, seen);
	guest_sends(&w, GUEST_PORT + 1, "other");
	g_assert_cmpuint(hear(&w, w.server[1], "other")->from.sin_port, !=, seen);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 2);
	finish(&w);
}

/* A turn's datagrams leave in their order, whatever sockets they leave by. */
static void test_batches(void)
{
	struct world w;
	char text[16];

	start(&w);
	for (int i = 0; i < 200; i++) {
		w.dport = w.port[i % 3];
		g_snprintf(text, sizeof(text), "%d", i);
		guest_sends(&w, (uint16_t)(GUEST_PORT + i / 7 % 2), text);
	}
	for (int i = 0; i < 200; i++) {
		g_snprintf(text, sizeof(text), "%d", i);
		hear(&w, w.server[i % 3], text);
	}
	finish(&w);
}

static void test_header_survives(void)
{
	const int ttl = 9, tos = 0x2e << 2 | 1;
	struct heard *heard;
	struct udpgram gram;
	struct world w;

	start(&w);
	w.ttl = 17;
	w.tos = 0x0a << 2 | 2;
	guest_sends(&w, GUEST_PORT, "one");
	heard = hear(&w, w.server[0], "one");
	g_assert_cmpint(heard->ttl, ==, 17);
	g_assert_cmpint(heard->tos, ==, w.tos);
	w.ttl = 64;
	w.tos = 0;
	guest_sends(&w, GUEST_PORT, "two");
	heard = hear(&w, w.server[0], "two");
	g_assert_cmpint(heard->ttl, ==, 64);
	g_assert_cmpint(heard->tos, ==, 0);
	g_assert_cmpint(setsockopt(w.server[0], IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), ==, 0);
	g_assert_cmpint(setsockopt(w.server[0], IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), ==, 0);
	say(w.server[0], &heard->from, "pong", 4);
	gram = gram_of(wait_frames(&w, 1));
	g_assert_cmpuint(gram.ttl, ==, ttl);
	g_assert_cmpuint(gram.tos, ==, tos);
	g_assert_false(gram.dont_fragment);
	finish(&w);
}

static void test_what_is_dropped(void)
{
	struct udpgram gram;
	struct world w;
	uint8_t bytes[UDPGRAM_HEADER_MAX + 4];
	struct frame frame;
	size_t len;

	start(&w);
	guest_sends_to(&w, "224.0.0.251", 5353, "who");
	guest_sends_to(&w, "10.0.2.255", 137, "who");
	guest_sends_to(&w, "255.255.255.255", 137, "who");
	g_assert_cmpuint(drops(&w, UDP_DROP_MULTICAST), ==, 1);
	g_assert_cmpuint(drops(&w, UDP_DROP_BROADCAST), ==, 2);
	w.ttl = 0;
	guest_sends(&w, GUEST_PORT, "dead");
	g_assert_cmpuint(drops(&w, UDP_DROP_MALFORMED), ==, 1);
	w.ttl = 64;
	gram = from_guest(&w, GUEST_PORT, "data", 4);
	len = udpgram_build(&gram, &guest_mac, &gateway_mac, false, bytes);
	memcpy(bytes + len, "date", 4);
	g_assert_cmpint(frame_parse(bytes, len + 4, &frame), ==, FRAME_OK);
	udp_input(w.udp, bytes, &frame, &plain);
	g_assert_cmpuint(drops(&w, UDP_DROP_CHECKSUM), ==, 1);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	udp_input(w.udp, bytes, &frame, &verified); /* its kernel has left that to us */
	hear(&w, w.server[0], "date");
	g_assert_cmpuint(w.frames->len, ==, 0);
	finish(&w);
}

static void test_no_loopback(void)
{
	struct world w;

	prepare(&w);
	w.settings.host_loopback = false;
	begin(&w, false);
	guest_sends(&w, GUEST_PORT, "ping");
	expect_error(wait_frames(&w, 1), "10.0.2.2", 3, 0, "10.0.2.2", w.port[0]);
	g_assert_cmpuint(drops(&w, UDP_DROP_UNREACHABLE), ==, 1);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	finish(&w);
}

/* ---- who may answer ---- */

/* The answers of @address:@port-of-server-1, of another port of the same address, and of another
 * address: which come through.
 */
static void expect_filter(enum udp_filter filter, bool other_port, bool other_address)
{
	struct sockaddr_in binding;
	guint frames = 0;
	struct world w;
	uint16_t port;
	int stranger;

	prepare(&w);
	w.settings.udp_filter = filter;
	begin(&w, false);
	stranger = host_socket(2, 0, &port);
	guest_sends(&w, GUEST_PORT, "ping");
	binding = hear(&w, w.server[0], "ping")->from;
	say(w.server[1], &binding, "port", 4);
	if (other_port)
		expect_gram(wait_frames(&w, ++frames), "10.0.2.2", w.port[1], GUEST_PORT, "port");
	say(stranger, &binding, "host", 4);
	if (other_address)
		expect_gram(wait_frames(&w, ++frames), "10.0.2.2", port, GUEST_PORT, "host");
	say(w.server[0], &binding, "same", 4);
	expect_gram(wait_frames(&w, ++frames), "10.0.2.2", w.port[0], GUEST_PORT, "same");
	g_assert_cmpuint(drops(&w, UDP_DROP_FILTERED), ==, !other_port + !other_address);
	close(stranger);
	finish(&w);
}

static void test_filter_endpoint(void)
{
	expect_filter(UDP_FILTER_ENDPOINT, false, false);
}

static void test_filter_address(void)
{
	expect_filter(UDP_FILTER_ADDRESS, true, false);
}

/* Anybody: but the guest could not answer those on the host's loopback whom it does not see. */
static void test_filter_none(void)
{
	expect_filter(UDP_FILTER_NONE, true, false);
}

/* RFC 4787 section 4.3: only those that the guest has sent to. */
static void test_strangers_keep_nothing(void)
{
	struct sockaddr_in binding;
	struct world w;

	prepare(&w);
	w.settings.udp_filter = UDP_FILTER_NONE;
	begin(&w, false);
	guest_sends(&w, GUEST_PORT, "ping");
	binding = hear(&w, w.server[0], "ping")->from;
	pass(&w, 60 * 1000);
	say(w.server[0], &binding, "pong", 4);
	wait_frames(&w, 1);
	pass(&w, 60 * 1000);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	say(w.server[1], &binding, "hey", 3);
	wait_frames(&w, 2);
	pass(&w, 60 * 1000);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	finish(&w);
}

/* ---- names ---- */

static void test_dns(void)
{
	struct sockaddr_in binding;
	struct world w;

	prepare(&w);
	w.settings.udp_filter = UDP_FILTER_NONE; /* not for names */
	begin(&w, false);
	guest_sends_to(&w, "10.0.2.3", 53, "query");
	expect_error(wait_frames(&w, 1), "10.0.2.2", 3, 0, "10.0.2.3", 53);
	w.nameserver_port = w.port[2];
	guest_sends_to(&w, "10.0.2.3", 54, "query");
	expect_error(wait_frames(&w, 2), "10.0.2.2", 3, 0, "10.0.2.3", 54);
	guest_sends_to(&w, "10.0.2.3", 53, "query");
	binding = hear(&w, w.server[2], "query")->from;
	say(w.server[1], &binding, "forged", 6);
	say(w.server[2], &binding, "answer", 6);
	expect_gram(wait_frames(&w, 3), "10.0.2.3", 53, GUEST_PORT, "answer");
	g_assert_cmpuint(drops(&w, UDP_DROP_FILTERED), ==, 1);
	guest_sends(&w, GUEST_PORT, "else"); /* by another socket */
	g_assert_cmpuint(hear(&w, w.server[0], "else")->from.sin_port, !=, binding.sin_port);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 2);
	pass(&w, 10000);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	finish(&w);
}

static void test_refused_name_server(void)
{
	struct world w;

	start(&w);
	w.nameserver_port = w.port[2];
	close(w.server[2]);
	w.server[2] = -1;
	guest_sends_to(&w, "10.0.2.3", 53, "query");
	expect_error(wait_frames(&w, 1), "10.0.2.3", 3, 3, "10.0.2.3", 53);
	finish(&w);
}

/* ---- age and limits ---- */

static void test_expiry(void)
{
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "one");
	pass(&w, 60 * 1000);
	guest_sends(&w, GUEST_PORT + 1, "two");
	pass(&w, 59999);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 2);
	guest_sends(&w, GUEST_PORT, "three"); /* is used */
	pass(&w, 60001);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	pass(&w, 59998);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	pass(&w, 1);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	g_assert_cmpuint(udp_stats(w.udp).expired, ==, 2);
	g_assert_false(w.loop.timer->armed);
	for (int hour = 0; hour < 100; hour++) { /* and again, for long */
		guest_sends(&w, GUEST_PORT, "again");
		pass(&w, 3600 * 1000);
		g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	}
	finish(&w);
}

/* What comes from the host keeps a binding too. */
static void test_answers_keep(void)
{
	struct sockaddr_in binding;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "stream");
	binding = hear(&w, w.server[0], "stream")->from;
	for (guint i = 1; i <= 10; i++) {
		pass(&w, 100 * 1000);
		say(w.server[0], &binding, "data", 4);
		wait_frames(&w, i);
	}
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	finish(&w);
}

/* Who has asked name servers only, by their own addresses, is forgotten early. */
static void test_names_only(void)
{
	struct world w;

	start(&w);
	guest_sends_to(&w, "127.0.0.9", 53, "query");
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	pass(&w, 9999);
	guest_sends_to(&w, "127.0.0.9", 53, "query");
	pass(&w, 9999);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	guest_sends(&w, GUEST_PORT, "more");
	guest_sends_to(&w, "127.0.0.9", 53, "query");
	pass(&w, 119999);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	pass(&w, 1);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	finish(&w);
}

/* At the limit the one that was idle longest goes, and what it had to send has gone before. */
static void test_limit(void)
{
	struct world w;
	uint16_t seen;

	prepare(&w);
	w.settings.udp_bindings = 2;
	begin(&w, false);
	guest_sends(&w, 1, "one");
	seen = hear(&w, w.server[0], "one")->from.sin_port;
	pass(&w, 1);
	guest_sends(&w, 2, "two");
	pass(&w, 1);
	guest_sends(&w, 1, "one");
	guest_sends(&w, 3, "three");
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 2);
	g_assert_cmpuint(drops(&w, UDP_DROP_LIMIT), ==, 1);
	hear(&w, w.server[0], "two");
	g_assert_cmpuint(hear(&w, w.server[0], "one")->from.sin_port, ==, seen);
	hear(&w, w.server[0], "three");
	finish(&w);
}

static void test_descriptors(void)
{
	struct world w;

	start(&w);
	guest_sends(&w, 1, "one");
	w.udp->descriptors =
		(uint64_t)udp_binding_of(w.udp->idle[UDP_BINDINGS_LONG].head->data)->fd +
		UDP_DESCRIPTORS_LEFT + 1;
	pass(&w, 1);
	guest_sends(&w, 2, "two");
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 1);
	g_assert_cmpuint(drops(&w, UDP_DROP_DESCRIPTORS), ==, 1);
	hear(&w, w.server[0], "one");
	hear(&w, w.server[0], "two");
	w.udp->descriptors = 0;
	guest_sends(&w, 3, "three");
	g_assert_cmpuint(drops(&w, UDP_DROP_RESOURCES), ==, 1);
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	finish(&w);
}

/* One of the other family has no port that would help. */
static void test_port_of_a_family(void)
{
	struct udpgram gram;
	struct world w;

	start(&w);
	gram = from_guest(&w, 1, "six", 3);
	g_assert_true(ip_parse("fd00::100", &gram.src));
	g_assert_true(ip_parse("2001:db8::1", &gram.dst));
	send_gram(&w, &gram, &plain);
	pass(&w, 1);
	guest_sends(&w, 2, "four");
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 2);
	g_assert_true(udp_free_descriptor(w.udp, IP_V4));
	g_assert_false(udp_free_descriptor(w.udp, IP_V4));
	g_assert_true(udp_free_descriptor(w.udp, IP_NONE));
	finish(&w);
}

/* No socket for it: the guest is told as a program of the host is. */
static void test_no_socket(void)
{
	struct world w;

	prepare(&w);
	g_assert_true(ip_parse("192.0.2.9", &w.settings.outbound4));
	begin(&w, false);
	guest_sends(&w, GUEST_PORT, "ping");
	expect_error(wait_frames(&w, 1), "10.0.2.2", 3, 1, "10.0.2.2", w.port[0]);
	g_assert_cmpuint(drops(&w, UDP_DROP_UNREACHABLE), ==, 1);
	finish(&w);
}

static void test_memory(void)
{
	/* glibc adds 16 bytes to each of the two; the third is base/loop.c's, and its size is 64. In
	 * net/flows.c it has a slot of 16, of which half may be holes, and half of the array room.
	 */
	g_assert_cmpuint(sizeof(struct udp_binding) + 64 + 3 * 16 + 4 * 16, <=, 512);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{ "/udp/both-ways", test_both_ways },
		{ "/udp/one-port-for-all", test_one_port_for_all },
		{ "/udp/batches", test_batches },
		{ "/udp/header-survives", test_header_survives },
		{ "/udp/what-is-dropped", test_what_is_dropped },
		{ "/udp/no-loopback", test_no_loopback },
		{ "/udp/filter/endpoint", test_filter_endpoint },
		{ "/udp/filter/address", test_filter_address },
		{ "/udp/filter/none", test_filter_none },
		{ "/udp/filter/strangers-keep-nothing", test_strangers_keep_nothing },
		{ "/udp/dns", test_dns },
		{ "/udp/refused-name-server", test_refused_name_server },
		{ "/udp/expiry", test_expiry },
		{ "/udp/answers-keep", test_answers_keep },
		{ "/udp/names-only", test_names_only },
		{ "/udp/limit", test_limit },
		{ "/udp/descriptors", test_descriptors },
		{ "/udp/port-of-a-family", test_port_of_a_family },
		{ "/udp/no-socket", test_no_socket },
		{ "/udp/memory", test_memory },
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add_func(tests[i].name, tests[i].fn);
	return g_test_run();
}
