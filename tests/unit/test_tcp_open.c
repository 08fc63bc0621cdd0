/* net/tcp_open: accepted sockets that become connections into the guest. The guest is made of
 * single segments.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/settings.h"
#include "net/tcp_flow.h"
#include "still_loop.h"

#define GUEST_ISS 5000u
#define GUEST_PORT 80
#define CLIENT_PORT 40000
#define FLOWS_MAX 400

struct sent {
	struct tcpseg seg;
	struct mac to;
	int64_t at_ms;
	uint8_t payload[64];
};

struct world {
	struct loop loop;
	struct settings settings;
	struct tcp *tcp;
	struct flows *flows;
	GArray *segments; /* struct sent */
	bool knows;	  /* the guest's MAC */
	struct mac mac;
	unsigned doubts;
	int client; /* the far end of the last socket given to TCP */
};

static const struct mac guest_mac = { { 2, 0, 0, 0, 0, 1 } }, other_mac = { { 2, 0, 0, 0, 0, 2 } };

static void take_segment(const struct tcpseg *seg, uint16_t mss, const struct mac *from,
			 const struct mac *to, void *data)
{
	static const struct mac gateway4 = { { 0x52, 0x55, 10, 0, 2, 2 } };
	static const struct mac gateway6 = { { 0x52, 0x56, 0, 0, 0, 2 } };
	struct world *w = data;
	struct sent sent = { .seg = *seg, .to = *to, .at_ms = w->loop.now_ms };

	(void)mss;
	g_assert_cmpmem(from->b, 6, seg->src.family == IP_V6 ? gateway6.b : gateway4.b, 6);
	g_assert_cmpuint(seg->len, <=, sizeof(sent.payload));
	if (seg->len > 0)
		memcpy(sent.payload, seg->payload, seg->len);
	g_array_append_val(w->segments, sent);
}

static bool find_neighbour(const struct ip *ip, bool doubt, struct mac *ret, void *data)
{
	struct world *w = data;

	(void)ip;
	w->doubts += doubt;
	if (w->knows)
		*ret = w->mac;
	return w->knows;
}

static void start(struct world *w)
{
	const struct tcp_output output = {
		.segment = take_segment,
		.neighbour = find_neighbour,
		.data = w,
		.flows = flows_new(),
	};
	char error[ADDRPLAN_ERROR_MAX];

	*w = (struct world){ .knows = true, .mac = guest_mac, .client = -1, .flows = output.flows };
	w->loop.now_ms = 1000;
	w->settings.mtu = 1500;
	w->settings.tcp_flows = 100000;
	g_assert_true(addrplan_parse("10.0.2.0/24", &w->settings.plan, error));
	w->segments = g_array_new(FALSE, FALSE, sizeof(struct sent));
	g_assert_cmpint(tcp_new(&w->loop, &w->settings, &output, &w->tcp), ==, 0);
}

static void finish(struct world *w)
{
	tcp_free(w->tcp);
	g_assert_null(flows_next(w->flows, 0));
	flows_free(w->flows);
	still_loop_done(&w->loop);
	g_array_free(w->segments, TRUE);
	if (w->client >= 0)
		close(w->client);
}

/* Of the socket that TCP was given last. */
static void socket_event(struct world *w, uint32_t events)
{
	struct loop_source *source = still_loop_newest(&w->loop);

	source->fn(events, source->data);
}

static void turn(struct world *w)
{
	w->loop.turn_end(w->loop.turn_end_data);
}

/* Let time pass, with a turn whenever the timer is due. */
static void run_for(struct world *w, int64_t ms)
{
	int64_t end_ms = w->loop.now_ms + ms;

	turn(w);
	while (still_loop_run_timer(&w->loop, end_ms))
		turn(w);
	w->loop.now_ms = end_ms;
}

/* Both ends of a TCP connection on the host's loopback. */
static int accepted(int *ret_client)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int fd, listener = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g_assert_cmpint(bind(listener, (struct sockaddr *)&address, len), ==, 0);
	g_assert_cmpint(listen(listener, 1), ==, 0);
	g_assert_cmpint(getsockname(listener, (struct sockaddr *)&address, &len), ==, 0);
	*ret_client = socket(AF_INET, SOCK_STREAM, 0);
	g_assert_cmpint(connect(*ret_client, (struct sockaddr *)&address, len), ==, 0);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	g_assert_cmpint(fd, >=, 0);
	close(listener);
	return fd;
}

static struct tcp_endpoints ends_of(const char *client, const char *guest)
{
	struct tcp_endpoints ends = { .client_port = CLIENT_PORT, .guest_port = GUEST_PORT };

	g_assert_true(ip_parse(client, &ends.client));
	g_assert_true(ip_parse(guest, &ends.guest));
	return ends;
}

static void open_from(struct world *w, const char *client, const char *guest)
{
	struct tcp_endpoints ends = ends_of(client, guest);

	if (w->client >= 0)
		close(w->client);
	g_assert_cmpint(tcp_open_to_guest(w->tcp, accepted(&w->client), &ends), ==, 0);
}

static const struct sent *last(const struct world *w)
{
	g_assert_cmpuint(w->segments->len, >, 0);
	return &g_array_index(w->segments, struct sent, w->segments->len - 1);
}

static void expect_client_reset(struct world *w)
{
	char byte;

	g_assert_cmpint(recv(w->client, &byte, 1, 0), <, 0);
	g_assert_cmpint(errno, ==, ECONNRESET);
	g_assert_cmpuint(tcp_stats(w->tcp).flows, ==, 0);
}

/* The guest's answer to that SYN. */
static void answer(struct world *w, const struct tcpseg *syn, struct tcpseg seg)
{
	uint8_t bytes[TCPSEG_HEADER_MAX + 64];
	struct frame frame;
	size_t len;

	seg.src = syn->dst;
	seg.dst = syn->src;
	seg.sport = syn->dport;
	seg.dport = syn->sport;
	seg.window = 1000;
	len = tcpseg_build(&seg, &guest_mac, &other_mac, false, bytes);
	if (seg.len > 0)
		memcpy(bytes + len, seg.payload, seg.len);
	g_assert_cmpint(frame_parse(bytes, len + seg.len, &frame), ==, FRAME_OK);
	tcp_input(w->tcp, bytes, &frame);
}

static struct tcpseg flags_only(const struct tcpseg *syn, uint8_t flags)
{
	return (struct tcpseg){
		.seq = GUEST_ISS + !(flags & (TCPSEG_SYN | TCPSEG_RST)),
		.ack = syn->seq + 1,
		.flags = flags,
		.wscale = TCPSEG_WSCALE_NONE,
	};
}

/* ---- the tests ---- */

static void test_established(void)
{
	struct world w;
	struct tcpseg syn, seg;
	char got[8] = "";

	start(&w);
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	g_assert_cmpuint(w.segments->len, ==, 1);
	g_assert_cmpint(syn.flags, ==, TCPSEG_SYN);
	g_assert_cmpmem(syn.src.v4.b, 4, ((uint8_t[]){ 192, 0, 2, 2 }), 4);
	g_assert_cmpmem(syn.dst.v4.b, 4, w.settings.plan.guest.b, 4);
	g_assert_cmpuint(syn.sport, ==, CLIENT_PORT);
	g_assert_cmpuint(syn.dport, ==, GUEST_PORT);
	g_assert_cmpuint(syn.mss, ==, 1460);
	g_assert_cmpuint(syn.wscale, !=, TCPSEG_WSCALE_NONE);
	g_assert_cmpmem(last(&w)->to.b, 6, guest_mac.b, 6);

	g_assert_cmpint(send(w.client, "ask", 3, 0), ==, 3); /* before the guest has answered */
	socket_event(&w, EPOLLIN | EPOLLOUT);
	turn(&w);
	g_assert_cmpuint(w.segments->len, ==, 1);
	seg = flags_only(&syn, TCPSEG_SYN | TCPSEG_ACK);
	seg.wscale = 7;
	answer(&w, &syn, seg);
	turn(&w);
	g_assert_cmpint(last(&w)->seg.flags & TCPSEG_ACK, ==, TCPSEG_ACK);
	g_assert_cmpuint(last(&w)->seg.ack, ==, GUEST_ISS + 1);
	g_assert_cmpuint(last(&w)->seg.seq, ==, syn.seq + 1);
	g_assert_cmpuint(last(&w)->seg.len, ==, 3);
	g_assert_cmpmem(last(&w)->payload, 3, "ask", 3);

	seg = flags_only(&syn, TCPSEG_ACK);
	seg.ack += 3;
	seg.payload = (const uint8_t *)"answer";
	seg.len = 6;
	answer(&w, &syn, seg);
	turn(&w);
	g_assert_cmpint(recv(w.client, got, sizeof(got), 0), ==, 6);
	g_assert_cmpstr(got, ==, "answer");
	g_assert_cmpuint(last(&w)->seg.ack, ==, GUEST_ISS + 7);
	g_assert_cmpuint(tcp_stats(w.tcp).opened_to_guest, ==, 1);
	g_assert_cmpuint(tcp_stats(w.tcp).half_open, ==, 0);
	finish(&w);
}

/* A guest without options: the least that everybody takes, and no scaling either way. */
static void test_plain_guest(void)
{
	struct world w;
	struct tcpseg syn;

	start(&w);
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	answer(&w, &syn, flags_only(&syn, TCPSEG_SYN | TCPSEG_ACK));
	turn(&w);
	g_assert_cmpint(last(&w)->seg.flags, ==, TCPSEG_ACK);
	g_assert_cmpuint(last(&w)->seg.window, ==, UINT16_MAX);
	finish(&w);
}

static void test_refused(void)
{
	struct world w;
	struct tcpseg syn, seg;

	start(&w);
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	seg = flags_only(&syn, TCPSEG_RST | TCPSEG_ACK);
	seg.ack++; /* no number of ours */
	answer(&w, &syn, seg);
	answer(&w, &syn, flags_only(&syn, TCPSEG_RST)); /* shows none */
	answer(&w, &syn, flags_only(&syn, TCPSEG_FIN));
	turn(&w);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 1);
	g_assert_cmpuint(w.segments->len, ==, 1);
	answer(&w, &syn, flags_only(&syn, TCPSEG_RST | TCPSEG_ACK));
	expect_client_reset(&w);
	g_assert_cmpuint(tcp_stats(w.tcp).refused_by_guest, ==, 1);
	g_assert_cmpuint(w.segments->len, ==, 1);
	finish(&w);
}

static void test_silent(void)
{
	static const int64_t at_ms[] = { 0, 1000, 3000, 7000, 15000, 31000, 63000 };
	struct world w;
	struct tcpseg syn;
	int64_t begin_ms;

	start(&w);
	begin_ms = w.loop.now_ms;
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	run_for(&w, 62 * 1000);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 1);
	run_for(&w, 2 * 1000);
	expect_client_reset(&w);
	g_assert_cmpuint(w.segments->len, ==, G_N_ELEMENTS(at_ms));
	for (guint i = 0; i < w.segments->len; i++) {
		const struct sent *sent = &g_array_index(w.segments, struct sent, i);
		bool end = i + 1 == w.segments->len;

		g_assert_cmpint(sent->seg.flags, ==, end ? TCPSEG_RST : TCPSEG_SYN);
		g_assert_cmpuint(sent->seg.seq, ==, syn.seq + end);
		g_assert_cmpint(ABS(sent->at_ms - begin_ms - at_ms[i]), <=, 100);
	}
	g_assert_cmpuint(w.doubts, ==, 5); /* it may have moved */
	g_assert_cmpuint(tcp_stats(w.tcp).unanswered_by_guest, ==, 1);
	finish(&w);
}

static void test_waits_for_the_mac(void)
{
	struct world w;
	struct ip guest;

	start(&w);
	w.knows = false;
	g_assert_true(ip_parse("10.0.2.100", &guest));
	open_from(&w, "192.0.2.2", "10.0.2.100");
	run_for(&w, 500);
	g_assert_cmpuint(w.segments->len, ==, 0);
	tcp_neighbour(w.tcp, &w.settings.outbound4, &guest_mac); /* of somebody else */
	g_assert_cmpuint(w.segments->len, ==, 0);
	tcp_neighbour(w.tcp, &guest, &guest_mac);
	g_assert_cmpuint(w.segments->len, ==, 1);
	g_assert_cmpmem(last(&w)->to.b, 6, guest_mac.b, 6);
	tcp_neighbour(w.tcp, &guest, &guest_mac); /* nothing new */
	g_assert_cmpuint(w.segments->len, ==, 1);
	tcp_neighbour(w.tcp, &guest, &other_mac);
	g_assert_cmpuint(w.segments->len, ==, 2);
	g_assert_cmpint(last(&w)->seg.flags, ==, TCPSEG_SYN);
	g_assert_cmpmem(last(&w)->to.b, 6, other_mac.b, 6);
	finish(&w);
}

/* Nobody is found: the client is told, and the guest, who heard nothing, is not. */
static void test_no_mac_at_all(void)
{
	struct world w;

	start(&w);
	w.knows = false;
	open_from(&w, "192.0.2.2", "10.0.2.100");
	run_for(&w, 64 * 1000);
	expect_client_reset(&w);
	g_assert_cmpuint(w.segments->len, ==, 0);
	finish(&w);
}

/* What is sent again for want of an answer makes us ask whether the guest has moved. */
static void test_guest_moves(void)
{
	struct world w;
	struct ip guest;
	struct tcpseg syn;

	start(&w);
	g_assert_true(ip_parse("10.0.2.100", &guest));
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	answer(&w, &syn, flags_only(&syn, TCPSEG_SYN | TCPSEG_ACK));
	g_assert_cmpint(send(w.client, "data", 4, 0), ==, 4);
	socket_event(&w, EPOLLIN);
	run_for(&w, 3000);
	g_assert_cmpuint(w.doubts, >, 0);
	g_assert_cmpmem(last(&w)->to.b, 6, guest_mac.b, 6);
	tcp_neighbour(w.tcp, &guest, &other_mac);
	run_for(&w, 5000);
	g_assert_cmpmem(last(&w)->to.b, 6, other_mac.b, 6);
	answer(&w, &syn, flags_only(&syn, TCPSEG_ACK)); /* comes from the first again */
	run_for(&w, 60 * 1000);
	g_assert_cmpmem(last(&w)->to.b, 6, guest_mac.b, 6);
	finish(&w);
}

static void test_collision(void)
{
	const struct tcp_endpoints ends = ends_of("127.0.0.1", "10.0.2.100");
	struct world w;
	struct tcpseg first, second;
	int client;

	start(&w);
	open_from(&w, "127.0.0.1", "10.0.2.100");
	first = last(&w)->seg;
	g_assert_cmpuint(first.sport, ==, CLIENT_PORT);
	g_assert_cmpint(tcp_open_to_guest(w.tcp, accepted(&client), &ends), ==, 0);
	second = last(&w)->seg;
	g_assert_cmpuint(second.sport, >=, 49152);
	g_assert_cmpmem(second.src.v4.b, 4, first.src.v4.b, 4);
	answer(&w, &first, flags_only(&first, TCPSEG_SYN | TCPSEG_ACK));
	answer(&w, &second, flags_only(&second, TCPSEG_SYN | TCPSEG_ACK));
	g_assert_cmpuint(tcp_stats(w.tcp).opened_to_guest, ==, 2);
	close(client);
	finish(&w);
}

static void test_seen_as(void)
{
	static const struct {
		const char *client, *guest, *seen;
	} rows[] = {
		{ "127.0.0.1", "10.0.2.100", "10.0.2.2" },
		{ "127.8.9.1", "10.0.2.100", "10.0.2.2" },
		{ "0.0.0.0", "10.0.2.100", "10.0.2.2" },
		{ "10.0.2.77", "10.0.2.100", "10.0.2.2" }, /* the guest would look for it at home */
		{ "10.0.3.77", "10.0.2.100", "10.0.3.77" },
		{ "::1", "fd00::100", "fd00::2" },
		{ "fe80::1", "fd00::100", "fd00::2" },
		{ "fd00::77", "fd00::100", "fd00::2" },
		{ "2001:db8::2", "fd00::100", "2001:db8::2" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char text[IP_TEXT_MAX];
		struct world w;

		start(&w);
		open_from(&w, rows[i].client, rows[i].guest);
		g_assert_cmpstr(ip_format(&last(&w)->seg.src, text), ==, rows[i].seen);
		g_assert_cmpuint(last(&w)->seg.sport, ==, CLIENT_PORT);
		finish(&w);
	}
}

/* The guest remembers a connection from the same port: it is told to forget it, and hears the SYN
 * again without waiting for a timeout; once.
 */
static void test_old_connection(void)
{
	struct world w;
	struct tcpseg syn, seg;

	start(&w);
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	seg = flags_only(&syn, TCPSEG_ACK);
	seg.ack = syn.seq - 100;
	answer(&w, &syn, seg);
	g_assert_cmpuint(w.segments->len, ==, 2);
	g_assert_cmpint(last(&w)->seg.flags, ==, TCPSEG_RST);
	g_assert_cmpuint(last(&w)->seg.seq, ==, syn.seq - 100);
	run_for(&w, 100);
	g_assert_cmpuint(w.segments->len, ==, 3);
	g_assert_cmpint(last(&w)->seg.flags, ==, TCPSEG_SYN);
	answer(&w, &syn, seg);
	run_for(&w, 100);
	g_assert_cmpuint(w.segments->len, ==, 4); /* the RST alone */
	answer(&w, &syn, flags_only(&syn, TCPSEG_SYN | TCPSEG_ACK));
	g_assert_cmpuint(tcp_stats(w.tcp).opened_to_guest, ==, 1);
	finish(&w);
}

/* RFC 9293 figure 7: two SYNs cross, and one connection comes of it. */
static void test_simultaneous(void)
{
	struct world w;
	struct tcpseg syn;
	char got[8] = "";
	struct tcpseg seg;

	start(&w);
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	answer(&w, &syn, flags_only(&syn, TCPSEG_SYN));
	g_assert_cmpint(last(&w)->seg.flags, ==, TCPSEG_SYN | TCPSEG_ACK);
	g_assert_cmpuint(last(&w)->seg.seq, ==, syn.seq);
	g_assert_cmpuint(last(&w)->seg.ack, ==, GUEST_ISS + 1);
	seg = flags_only(&syn, TCPSEG_ACK);
	seg.payload = (const uint8_t *)"data";
	seg.len = 4;
	answer(&w, &syn, seg);
	turn(&w);
	g_assert_cmpint(recv(w.client, got, sizeof(got), 0), ==, 4);
	g_assert_cmpuint(tcp_stats(w.tcp).half_open, ==, 0);
	finish(&w);
}

/* The client gives up before the guest has answered. */
static void test_client_resets(void)
{
	const struct linger reset = { .l_onoff = 1 };
	struct world w;
	struct tcpseg syn;

	start(&w);
	open_from(&w, "192.0.2.2", "10.0.2.100");
	syn = last(&w)->seg;
	g_assert_cmpint(setsockopt(w.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), ==, 0);
	close(w.client);
	w.client = -1;
	socket_event(&w, EPOLLIN | EPOLLHUP | EPOLLERR);
	turn(&w);
	g_assert_cmpint(last(&w)->seg.flags, ==, TCPSEG_RST);
	g_assert_cmpuint(last(&w)->seg.seq, ==, syn.seq + 1);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	finish(&w);
}

/* A place that does not answer fills its own share, and nobody else's. */
static void test_room(void)
{
	struct tcp_endpoints ends = ends_of("192.0.2.2", "10.0.2.100");
	struct world w;
	struct tcpseg syn;
	int clients[FLOWS_MAX], count = 0;

	start(&w);
	while (tcp_open_room(w.tcp, &ends) > 0) {
		g_assert_cmpint(count, <, FLOWS_MAX);
		ends.client_port++;
		g_assert_cmpint(tcp_open_to_guest(w.tcp, accepted(&clients[count++]), &ends), ==,
				0);
	}
	g_assert_cmpuint(tcp_stats(w.tcp).half_open, ==, count);
	g_assert_cmpuint(tcp_stats(w.tcp).drops[TCP_DROP_HALF_OPEN], ==, 0);
	syn = last(&w)->seg;
	answer(&w, &syn, flags_only(&syn, TCPSEG_SYN | TCPSEG_ACK));
	g_assert_cmpuint(tcp_open_room(w.tcp, &ends), ==, 1);
	ends.guest_port++;
	g_assert_cmpuint(tcp_open_room(w.tcp, &ends), ==, count);
	while (count > 0)
		close(clients[--count]);
	finish(&w);
}

/* What forwarded ports listen with is there for no connection. */
static void test_room_beside_listeners(void)
{
	const struct tcp_endpoints ends = ends_of("192.0.2.2", "10.0.2.100");
	const unsigned limit = 512;
	struct rlimit files, few;
	struct world w;
	size_t before;

	g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &files), ==, 0);
	few = (struct rlimit){ limit, files.rlim_max };
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &few), ==, 0);
	start(&w);
	g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &files), ==, 0);
	before = tcp_open_room(w.tcp, &ends);
	for (unsigned i = 0; i < limit - 40; i++)
		tcp_note_listener(w.tcp, true);
	g_assert_cmpuint(tcp_open_room(w.tcp, &ends), <, 10);
	for (unsigned i = 0; i < limit - 40; i++)
		tcp_note_listener(w.tcp, false);
	g_assert_cmpuint(tcp_open_room(w.tcp, &ends), ==, before);
	finish(&w);
}

/* What is told of a connection, and its end by order: the guest gets a RST, and so does the client. */
static void test_listed(void)
{
	struct tally *tally = tally_new(42);
	struct flows_entry *entry;
	struct flows_info info;
	struct tcp_endpoints ends;
	struct tcpseg syn, seg;
	char got[8];
	struct world w;

	start(&w);
	ends = ends_of("127.0.0.1", "10.0.2.100");
	ends.tally = tally;
	g_assert_cmpint(tcp_open_to_guest(w.tcp, accepted(&w.client), &ends), ==, 0);
	syn = last(&w)->seg;
	entry = flows_find(w.flows, 1);
	g_assert_nonnull(entry);
	g_assert_true(entry->inbound);
	g_assert_cmpuint(entry->forward_id, ==, 42);
	entry->class->describe(entry, &info);
	g_assert_cmpint(info.proto, ==, TRANSPORT_TCP);
	g_assert_cmpstr(info.state, ==, "syn_sent");
	g_assert_true(ip_equal(&info.guest.ip, &ends.guest));
	g_assert_cmpuint(info.guest.port, ==, GUEST_PORT);
	g_assert_cmpmem(info.peer.ip.v4.b, 4, ((uint8_t[]){ 10, 0, 2, 2 }), 4);
	g_assert_cmpuint(info.peer.port, ==, CLIENT_PORT);
	g_assert_true(ip_equal(&info.host_peer.ip, &ends.client));
	g_assert_cmpint(info.used_ms, ==, entry->begun_ms);
	run_for(&w, 500);
	answer(&w, &syn, flags_only(&syn, TCPSEG_SYN | TCPSEG_ACK));
	run_for(&w, 500);
	seg = flags_only(&syn, TCPSEG_ACK);
	seg.payload = (const uint8_t *)"hello";
	seg.len = 5;
	answer(&w, &syn, seg);
	turn(&w);
	entry->class->describe(entry, &info);
	g_assert_cmpstr(info.state, ==, "established");
	g_assert_cmpint(info.used_ms - entry->begun_ms, ==, 1000);
	g_assert_cmpuint(entry->bytes_to_host, ==, 5);
	g_assert_cmpint(recv(w.client, got, sizeof(got), 0), ==, 5);
	entry->class->kill(entry);
	g_assert_cmpint(last(&w)->seg.flags & TCPSEG_RST, ==, TCPSEG_RST);
	g_assert_null(flows_find(w.flows, 1));
	expect_client_reset(&w);
	g_assert_cmpuint(tally->refs, ==, 1);
	tally_unref(tally);
	finish(&w);
}

/* A connection that nobody talks on: glibc adds 16 bytes to each of the three allocations, of which one
 * is base/loop.c's, with a size of 64; in net/flows.c there are slots of 16, holes and room among them.
 */
static void test_memory(void)
{
	g_assert_cmpuint(sizeof(struct tcp_flow) + 64 + 3 * 16 + 4 * 16, <=, 1024);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tcp-open/established", test_established);
	g_test_add_func("/tcp-open/plain-guest", test_plain_guest);
	g_test_add_func("/tcp-open/refused", test_refused);
	g_test_add_func("/tcp-open/silent", test_silent);
	g_test_add_func("/tcp-open/waits-for-the-mac", test_waits_for_the_mac);
	g_test_add_func("/tcp-open/no-mac-at-all", test_no_mac_at_all);
	g_test_add_func("/tcp-open/guest-moves", test_guest_moves);
	g_test_add_func("/tcp-open/collision", test_collision);
	g_test_add_func("/tcp-open/seen-as", test_seen_as);
	g_test_add_func("/tcp-open/old-connection", test_old_connection);
	g_test_add_func("/tcp-open/simultaneous", test_simultaneous);
	g_test_add_func("/tcp-open/client-resets", test_client_resets);
	g_test_add_func("/tcp-open/room", test_room);
	g_test_add_func("/tcp-open/room-beside-listeners", test_room_beside_listeners);
	g_test_add_func("/tcp-open/listed", test_listed);
	g_test_add_func("/tcp-open/memory", test_memory);
	return g_test_run();
}
