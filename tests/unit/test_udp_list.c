/* net/udp_list: what is told of bindings and sessions, and their end by order. */
#include <glib.h>
#include <string.h>

#include "net/flows.h"
#include "udp_world.h"

static struct flows_info describe(struct world *w, uint64_t id)
{
	struct flows_entry *entry = flows_find(w->flows, id);
	struct flows_info info;

	g_assert_nonnull(entry);
	entry->class->describe(entry, &info);
	g_assert_cmpint(info.proto, ==, TRANSPORT_UDP);
	return info;
}

static void expect_end(const struct flows_end *end, const char *address, uint16_t port)
{
	char text[IP_TEXT_MAX];

	if (!address) {
		g_assert_cmpint(end->ip.family, ==, IP_NONE);
		return;
	}
	g_assert_cmpstr(ip_format(&end->ip, text), ==, address);
	g_assert_cmpuint(end->port, ==, port);
}

static void test_binding(void)
{
	struct flows_entry *entry;
	struct flows_info info;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "ping");
	turn(&w);
	entry = flows_next(w.flows, 0);
	g_assert_nonnull(entry);
	g_assert_cmpuint(entry->id, ==, 1);
	g_assert_false(entry->inbound);
	g_assert_cmpuint(entry->forward_id, ==, 0);
	g_assert_cmpuint(entry->bytes_to_host, ==, 4);
	info = describe(&w, 1);
	g_assert_cmpstr(info.state, ==, "open");
	expect_end(&info.guest, "10.0.2.100", GUEST_PORT);
	expect_end(&info.peer, "10.0.2.2", w.port[0]);
	expect_end(&info.host_peer, "127.0.0.1", w.port[0]);
	g_assert_true(info.has_peers);
	g_assert_cmpuint(info.peers, ==, 1);

	w.dport = w.port[1];
	pass(&w, 7000);
	guest_sends(&w, GUEST_PORT, "ping");
	turn(&w);
	info = describe(&w, 1);
	g_assert_cmpuint(info.peers, ==, 2);
	expect_end(&info.peer, NULL, 0);
	expect_end(&info.host_peer, NULL, 0);
	g_assert_cmpint(info.used_ms - entry->begun_ms, ==, 7000);
	g_assert_cmpuint(entry->bytes_to_host, ==, 8);
	finish(&w);
}

/* By address too: what is kept for that is not counted. */
static void test_peers_by_address(void)
{
	struct flows_info info;
	struct world w;

	prepare(&w);
	w.settings.udp_filter = UDP_FILTER_ADDRESS;
	begin(&w, false);
	guest_sends(&w, GUEST_PORT, "ping");
	info = describe(&w, 1);
	g_assert_cmpuint(info.peers, ==, 1);
	expect_end(&info.peer, "10.0.2.2", w.port[0]);
	finish(&w);
}

/* The name server is seen at the DNS address. */
static void test_dns(void)
{
	struct flows_info info;
	struct world w;

	prepare(&w);
	w.settings.dns = true;
	w.nameserver_port = w.port[0];
	begin(&w, false);
	guest_sends_to(&w, "10.0.2.3", 53, "name?");
	info = describe(&w, 1);
	g_assert_cmpstr(info.state, ==, "asking");
	expect_end(&info.peer, "10.0.2.3", 53);
	expect_end(&info.host_peer, "127.0.0.1", w.port[0]);
	finish(&w);
}

static struct udp_forward *listen_with_id(struct world *w, struct tally *tally)
{
	const struct forward_spec spec = {
		.proto = TRANSPORT_UDP,
		.host_addr = { .family = IP_V4, .v4 = { { 127, 0, 0, 1 } } },
		.guest_addr = { .family = IP_V4, .v4 = w->settings.plan.guest },
		.guest_port = GUEST_PORT,
	};
	struct udp_forward *forward;

	g_assert_cmpint(udp_forward_listen(w->udp, &spec, tally, &forward), ==, 0);
	return forward;
}

static void test_session(void)
{
	struct tally *tally = tally_new(42);
	struct flows_entry *entry;
	struct udp_forward *forward;
	struct sockaddr_in port;
	struct flows_info info;
	struct world w;

	start(&w);
	forward = listen_with_id(&w, tally);
	port = at_loopback(1, udp_forward_port(forward));
	say(w.server[0], &port, "hello", 5);
	wait_frames(&w, 1);
	entry = flows_find(w.flows, 1);
	g_assert_nonnull(entry);
	g_assert_true(entry->inbound);
	g_assert_cmpuint(entry->forward_id, ==, 42);
	g_assert_cmpuint(entry->bytes_to_guest, ==, 5);
	info = describe(&w, 1);
	g_assert_cmpstr(info.state, ==, "unanswered");
	g_assert_false(info.has_peers);
	expect_end(&info.guest, "10.0.2.100", GUEST_PORT);
	expect_end(&info.peer, "10.0.2.2", w.port[0]);
	expect_end(&info.host_peer, "127.0.0.1", w.port[0]);
	guest_sends(&w, GUEST_PORT, "welcome");
	hear(&w, w.server[0], "welcome");
	g_assert_cmpstr(describe(&w, 1).state, ==, "answered");
	g_assert_cmpuint(entry->bytes_to_host, ==, 7);

	w.dport = w.port[1]; /* the guest begins, by the same port */
	guest_sends(&w, GUEST_PORT, "register");
	entry = flows_find(w.flows, 2);
	g_assert_nonnull(entry);
	g_assert_false(entry->inbound);
	g_assert_cmpuint(entry->forward_id, ==, 42);
	udp_forward_close(forward);
	g_assert_null(flows_next(w.flows, 0));
	tally_unref(tally);
	finish(&w);
}

/* What has been sent before goes out, and nothing else is left of it. */
static void test_kill(void)
{
	struct flows_entry *entry;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "last");
	entry = flows_find(w.flows, 1);
	entry->class->kill(entry);
	g_assert_null(flows_next(w.flows, 0));
	g_assert_cmpuint(udp_stats(w.udp).bindings, ==, 0);
	hear(&w, w.server[0], "last");
	guest_sends(&w, GUEST_PORT, "again");
	hear(&w, w.server[0], "again");
	g_assert_cmpuint(flows_next(w.flows, 0)->id, ==, 2);
	pass(&w, 120 * 1000); /* the end by age */
	g_assert_null(flows_next(w.flows, 0));
	finish(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/udp-list/binding", test_binding);
	g_test_add_func("/udp-list/peers-by-address", test_peers_by_address);
	g_test_add_func("/udp-list/dns", test_dns);
	g_test_add_func("/udp-list/session", test_session);
	g_test_add_func("/udp-list/kill", test_kill);
	return g_test_run();
}
