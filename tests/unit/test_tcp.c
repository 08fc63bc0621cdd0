/* net/tcp: a guest made of single segments against our TCP, which has a real socket on the host's
 * loopback behind it (the gateway address leads there).
 */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/settings.h"
#include "net/tcp.h"
#include "net/tcp_flow.h"

#define GUEST_PORT 40000
#define ISS 1000u /* the guest's first sequence number */

struct sent {
	struct tcpseg seg;
	uint8_t payload[4096];
};

struct world {
	struct loop *loop;
	struct settings settings;
	struct tcp *tcp;
	int listener, host; /* the host's server: listening, and the accepted connection */
	uint16_t port;
	GArray *segments; /* struct sent: what came to the guest */
	guint packets, wanted;
	uint8_t packet[256]; /* the last ICMP error */
	uint32_t seq, ack;   /* the guest's next number, and what it has had */
	struct loop_timer give_up;
};

static void note(struct world *w)
{
	if (w->segments->len + w->packets >= w->wanted)
		loop_stop(w->loop, 0);
}

static void take_segment(const struct tcpseg *seg, uint16_t mss, const struct mac *from,
			 const struct mac *to, void *data)
{
	struct world *w = data;
	struct sent sent = { .seg = *seg };

	(void)mss;
	(void)from;
	(void)to;
	g_assert_cmpuint(seg->len, <=, sizeof(sent.payload));
	if (seg->len > 0)
		memcpy(sent.payload, seg->payload, seg->len);
	g_array_append_val(w->segments, sent);
	note(w);
}

static void take_packet(const uint8_t *packet, size_t len, const struct mac *from,
			const struct mac *to, void *data)
{
	struct world *w = data;

	(void)from;
	(void)to;
	memcpy(w->packet, packet, MIN(len, sizeof(w->packet)));
	w->packets++;
	note(w);
}

static void give_up(void *data)
{
	struct world *w = data;

	loop_stop(w->loop, 1);
}

static void start(struct world *w, bool loopback)
{
	const struct tcp_output output = { take_segment, take_packet, false, w };
	struct sockaddr_in address = { .sin_family = AF_INET };
	char error[ADDRPLAN_ERROR_MAX];
	socklen_t len = sizeof(address);

	*w = (struct world){ .host = -1, .seq = ISS };
	w->loop = loop_new();
	w->settings.mtu = 1500;
	w->settings.tcp_flows = 100000;
	w->settings.host_loopback = loopback;
	g_assert_true(addrplan_parse("10.0.2.0/24", &w->settings.plan, error));
	g_assert_cmpint(tcp_new(w->loop, &w->settings, &output, &w->tcp), ==, 0);
	w->segments = g_array_new(FALSE, FALSE, sizeof(struct sent));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	w->listener = socket(AF_INET, SOCK_STREAM, 0);
	g_assert_cmpint(bind(w->listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	g_assert_cmpint(listen(w->listener, 1), ==, 0);
	g_assert_cmpint(getsockname(w->listener, (struct sockaddr *)&address, &len), ==, 0);
	w->port = ntohs(address.sin_port);
	w->give_up.fn = give_up;
	w->give_up.data = w;
}

static void finish(struct world *w)
{
	tcp_free(w->tcp);
	loop_timer_disarm(w->loop, &w->give_up);
	loop_free(w->loop);
	g_array_free(w->segments, TRUE);
	close(w->listener);
	if (w->host >= 0)
		close(w->host);
}

/* Run until that many answers have come in all. */
static void wait_for(struct world *w, guint answers)
{
	w->wanted = answers;
	if (w->segments->len + w->packets >= answers)
		return;
	loop_again(w->loop);
	loop_timer_arm(w->loop, &w->give_up, loop_now_ms(w->loop) + 10 * 1000);
	g_assert_cmpint(loop_run(w->loop), ==, 0);
}

static const struct sent *answer(struct world *w, guint number)
{
	wait_for(w, number + 1);
	return &g_array_index(w->segments, struct sent, number);
}

/* A segment of the guest, as it would come through the gate. */
static void send_raw(struct world *w, uint32_t seq, uint8_t flags, const char *text)
{
	static const struct mac gateway = { { 0x52, 0x55, 10, 0, 2, 2 } };
	static const struct mac guest = { { 2, 0, 0, 0, 0, 1 } };
	struct tcpseg seg = {
		.src = { .family = IP_V4, .v4 = w->settings.plan.guest },
		.dst = { .family = IP_V4, .v4 = w->settings.plan.gateway },
		.sport = GUEST_PORT,
		.dport = w->port,
		.seq = seq,
		.ack = w->ack,
		.flags = flags,
		.window = 0xffff,
		.wscale = TCPSEG_WSCALE_NONE,
		.payload = (const uint8_t *)text,
		.len = strlen(text),
	};
	uint8_t bytes[TCPSEG_HEADER_MAX + 256];
	struct frame frame;
	size_t headers;

	if (flags & TCPSEG_SYN)
		seg.mss = 1460;
	headers = tcpseg_build(&seg, &guest, &gateway, false, bytes);
	memcpy(bytes + headers, text, seg.len);
	g_assert_cmpint(frame_parse(bytes, headers + seg.len, &frame), ==, FRAME_OK);
	tcp_input(w->tcp, bytes, &frame);
}

static void send_next(struct world *w, uint8_t flags, const char *text)
{
	send_raw(w, w->seq, flags, text);
	w->seq += (uint32_t)strlen(text) + !!(flags & TCPSEG_SYN) + !!(flags & TCPSEG_FIN);
}

/* A turn of the loop for what has happened already, and a moment for what it brings about. */
static void turn(struct world *w)
{
	loop_again(w->loop);
	loop_timer_arm(w->loop, &w->give_up, loop_now_ms(w->loop) + 2);
	w->wanted = G_MAXUINT;
	loop_run(w->loop);
}

/* Through the handshake: one segment has come, the SYN-ACK. */
static void establish(struct world *w)
{
	const struct sent *syn_ack;

	start(w, true);
	send_next(w, TCPSEG_SYN, "");
	syn_ack = answer(w, 0);
	g_assert_cmpint(syn_ack->seg.flags, ==, TCPSEG_SYN | TCPSEG_ACK);
	g_assert_cmpuint(syn_ack->seg.ack, ==, ISS + 1);
	g_assert_cmpuint(syn_ack->seg.mss, ==, 1460);
	g_assert_cmpuint(syn_ack->seg.wscale, ==, TCPSEG_WSCALE_NONE);
	w->ack = syn_ack->seg.seq + 1;
	w->host = accept(w->listener, NULL, NULL);
	g_assert_cmpint(w->host, >=, 0);
	send_next(w, TCPSEG_ACK, "");
	turn(w);
}

static void expect_host_reads(struct world *w, const char *text)
{
	char got[64] = "";
	ssize_t len;

	turn(w);
	len = recv(w->host, got, sizeof(got) - 1, 0);

	g_assert_cmpint(len, ==, (ssize_t)strlen(text));
	g_assert_cmpstr(got, ==, text);
}

/* What comes in answer to one segment of the guest. */
static const struct sent *reaction(struct world *w, uint32_t seq, uint8_t flags, const char *text)
{
	guint answers = w->segments->len;

	send_raw(w, seq, flags, text);
	return answer(w, answers);
}

/* The segments that came since @from, without bare acknowledgements. */
static const struct sent *next_answer(struct world *w, guint *from)
{
	const struct sent *sent;

	do
		sent = answer(w, (*from)++);
	while (sent->seg.len == 0 && sent->seg.flags == TCPSEG_ACK);
	return sent;
}

static void expect_payload(const struct sent *sent, const char *text)
{
	g_assert_cmpuint(sent->seg.len, ==, strlen(text));
	g_assert_cmpint(memcmp(sent->payload, text, strlen(text)), ==, 0);
}

static void test_both_ways(void)
{
	struct world w;
	const struct sent *sent;
	guint seen;

	establish(&w);
	seen = w.segments->len;
	send_next(&w, TCPSEG_ACK | TCPSEG_PSH, "ping");
	expect_host_reads(&w, "ping");
	g_assert_cmpint(send(w.host, "pong", 4, 0), ==, 4);
	sent = next_answer(&w, &seen);
	expect_payload(sent, "pong");
	g_assert_cmpuint(sent->seg.seq, ==, w.ack);
	g_assert_cmpuint(sent->seg.ack, ==, w.seq);
	g_assert_cmpuint(tcp_stats(w.tcp).opened, ==, 1);
	finish(&w);
}

static void test_refused(void)
{
	struct world w;
	const struct sent *sent;

	start(&w, true);
	close(w.listener);
	send_next(&w, TCPSEG_SYN, "");
	sent = answer(&w, 0);
	g_assert_cmpint(sent->seg.flags, ==, TCPSEG_RST | TCPSEG_ACK);
	g_assert_cmpuint(sent->seg.ack, ==, ISS + 1);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	w.listener = -1;
	finish(&w);
}

static void test_no_loopback(void)
{
	struct world w;

	start(&w, false);
	send_next(&w, TCPSEG_SYN, "");
	wait_for(&w, 1);
	g_assert_cmpuint(w.packets, ==, 1);
	g_assert_cmpuint(w.packet[20], ==, 3); /* destination unreachable */
	g_assert_cmpuint(w.packet[21], ==, 0); /* the network */
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	finish(&w);
}

/* Out of order: kept, and the answer says what is wanted; an overlap is cut to what is new. */
static void test_order_and_overlap(void)
{
	struct world w;

	establish(&w);
	g_assert_cmpuint(reaction(&w, w.seq + 4, TCPSEG_ACK, "late")->seg.ack, ==, w.seq);
	g_assert_cmpuint(reaction(&w, w.seq, TCPSEG_ACK, "one ")->seg.ack, ==, w.seq + 8);
	w.seq += 8 + 3;
	g_assert_cmpuint(reaction(&w, w.seq - 7, TCPSEG_ACK, "latetwo")->seg.ack, ==, w.seq);
	expect_host_reads(&w, "one latetwo");
	finish(&w);
}

static void test_fast_retransmit(void)
{
	struct world w;
	const struct sent *first, *again;
	guint seen;

	establish(&w);
	seen = w.segments->len;
	g_assert_cmpint(send(w.host, "data", 4, 0), ==, 4);
	first = next_answer(&w, &seen);
	for (int i = 0; i < 3; i++)
		send_raw(&w, w.seq, TCPSEG_ACK, "");
	again = next_answer(&w, &seen);
	g_assert_cmpuint(again->seg.seq, ==, w.ack);
	expect_payload(again, "data");
	g_assert_cmpuint(tcp_stats(w.tcp).retransmitted, ==, 1);
	(void)first;
	finish(&w);
}

/* Without an acknowledgement the same bytes come again by themselves. */
static void test_timeout(void)
{
	struct world w;
	const struct sent *again;
	guint seen;

	establish(&w);
	seen = w.segments->len;
	g_assert_cmpint(send(w.host, "data", 4, 0), ==, 4);
	next_answer(&w, &seen);
	again = next_answer(&w, &seen);
	g_assert_cmpuint(again->seg.seq, ==, w.ack);
	expect_payload(again, "data");
	finish(&w);
}

/* RFC 5961: only the exact number resets; anything else in the window is asked for a proof. */
static void test_blind_attacks(void)
{
	struct world w;
	const struct sent *sent;

	establish(&w);
	sent = reaction(&w, w.seq + 100, TCPSEG_RST, "");
	g_assert_cmpint(sent->seg.flags, ==, TCPSEG_ACK);
	g_assert_cmpuint(sent->seg.ack, ==, w.seq);
	g_assert_cmpint(reaction(&w, w.seq + 10, TCPSEG_SYN, "")->seg.flags, ==, TCPSEG_ACK);
	send_raw(&w, w.seq + 0x40000000, TCPSEG_RST, "");
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 1);
	g_assert_cmpuint(tcp_stats(w.tcp).drops[TCP_DROP_CHALLENGED], ==, 2);
	send_raw(&w, w.seq, TCPSEG_RST, "");
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	finish(&w);
}

/* The guest finishes first and still hears the rest. */
static void test_guest_closes_first(void)
{
	struct world w;
	const struct sent *sent;
	guint seen;

	establish(&w);
	seen = w.segments->len;
	send_next(&w, TCPSEG_ACK | TCPSEG_FIN, "last words");
	g_assert_cmpuint(answer(&w, seen)->seg.ack, ==, w.seq);
	expect_host_reads(&w, "last words");
	expect_host_reads(&w, "");
	g_assert_cmpint(send(w.host, "answer", 6, 0), ==, 6);
	close(w.host);
	w.host = -1;
	sent = next_answer(&w, &seen);
	expect_payload(sent, "answer");
	w.ack += 6;
	if (!(sent->seg.flags & TCPSEG_FIN))
		sent = next_answer(&w, &seen);
	g_assert_true(sent->seg.flags & TCPSEG_FIN);
	w.ack++;
	send_next(&w, TCPSEG_ACK, "");
	turn(&w);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	finish(&w);
}

/* The host finishes first; the guest may go on, and its late segments are acknowledged after. */
static void test_host_closes_first(void)
{
	struct world w;
	guint seen, answers;

	establish(&w);
	seen = w.segments->len;
	g_assert_cmpint(shutdown(w.host, SHUT_WR), ==, 0);
	g_assert_true(next_answer(&w, &seen)->seg.flags & TCPSEG_FIN);
	w.ack++;
	send_next(&w, TCPSEG_ACK, "more");
	expect_host_reads(&w, "more");
	send_next(&w, TCPSEG_ACK | TCPSEG_FIN, "");
	answers = w.segments->len;
	g_assert_cmpuint(answer(&w, answers)->seg.ack, ==, w.seq);
	expect_host_reads(&w, "");
	answers = w.segments->len;
	send_raw(&w, w.seq - 1, TCPSEG_ACK | TCPSEG_FIN, "");
	g_assert_cmpuint(answer(&w, answers)->seg.ack, ==, w.seq);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 1); /* TIME_WAIT */
	finish(&w);
}

static void test_host_resets(void)
{
	const struct linger reset = { .l_onoff = 1 };
	struct world w;
	guint seen;

	establish(&w);
	seen = w.segments->len;
	g_assert_cmpint(setsockopt(w.host, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), ==, 0);
	close(w.host);
	w.host = -1;
	g_assert_true(next_answer(&w, &seen)->seg.flags & TCPSEG_RST);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	finish(&w);
}

static size_t in_state(const struct world *w, enum tcp_state state)
{
	const struct tcp_stats stats = tcp_stats(w->tcp);
	size_t sum = 0;

	for (int i = 0; i < TCP_STATES; i++)
		sum += stats.flows_by_state[i];
	g_assert_cmpuint(sum, ==, stats.flows);
	return stats.flows_by_state[state];
}

static void test_flows_by_state(void)
{
	struct world w;

	start(&w, true);
	send_next(&w, TCPSEG_SYN, "");
	g_assert_cmpuint(in_state(&w, TCP_DIALING), ==, 1);
	w.ack = answer(&w, 0)->seg.seq + 1;
	g_assert_cmpuint(in_state(&w, TCP_SYN_RECEIVED), ==, 1);
	send_next(&w, TCPSEG_ACK, "");
	g_assert_cmpuint(in_state(&w, TCP_ESTABLISHED), ==, 1);
	send_next(&w, TCPSEG_ACK | TCPSEG_FIN, "");
	g_assert_cmpuint(in_state(&w, TCP_CLOSE_WAIT), ==, 1);
	send_next(&w, TCPSEG_RST, "");
	g_assert_cmpuint(in_state(&w, TCP_CLOSE_WAIT), ==, 0);
	finish(&w);
}

/* At the limit the guest is told at once, and the connections that there are go on. */
static void test_limit_of_flows(void)
{
	struct world w;
	const struct sent *sent;
	guint seen;

	establish(&w);
	w.tcp->stats.flows_limit = 1;
	seen = w.segments->len;
	w.port++;
	sent = reaction(&w, 7000, TCPSEG_SYN, "");
	g_assert_cmpint(sent->seg.flags, ==, TCPSEG_RST | TCPSEG_ACK);
	g_assert_cmpuint(sent->seg.seq, ==, 0);
	g_assert_cmpuint(sent->seg.ack, ==, 7001);
	g_assert_cmpuint(sent->seg.sport, ==, w.port);
	g_assert_cmpuint(sent->seg.dport, ==, GUEST_PORT);
	g_assert_true(ip4_equal(&sent->seg.src.v4, &w.settings.plan.gateway));
	g_assert_true(ip4_equal(&sent->seg.dst.v4, &w.settings.plan.guest));
	g_assert_cmpuint(w.segments->len, ==, seen + 1);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 1);
	g_assert_cmpuint(tcp_stats(w.tcp).drops[TCP_DROP_FLOWS], ==, 1);
	g_assert_cmpuint(tcp_stats(w.tcp).refused, ==, 0);
	w.port--;
	send_next(&w, TCPSEG_ACK | TCPSEG_PSH, "more");
	expect_host_reads(&w, "more");
	finish(&w);
}

/* The oldest makes room, whatever it waits for. */
static void test_limit_of_half_open(void)
{
	struct world w;

	start(&w, true);
	w.tcp->stats.half_open_limit = 2;
	for (int i = 0; i < 3; i++, w.port++)
		send_raw(&w, ISS, TCPSEG_SYN, "");
	g_assert_cmpuint(tcp_stats(w.tcp).half_open, ==, 2);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 2);
	g_assert_cmpuint(tcp_stats(w.tcp).drops[TCP_DROP_HALF_OPEN], ==, 1);
	finish(&w);
}

/* RFC 9293 section 3.10.7.1: RST for what belongs to no connection, from where it was sent to. */
static void test_strays(void)
{
	struct world w;
	const struct sent *sent;

	start(&w, true);
	w.ack = 77;
	sent = reaction(&w, 5, TCPSEG_ACK, "");
	g_assert_cmpint(sent->seg.flags, ==, TCPSEG_RST);
	g_assert_cmpuint(sent->seg.seq, ==, 77);
	g_assert_cmpuint(sent->seg.dport, ==, GUEST_PORT);
	g_assert_cmpuint(sent->seg.sport, ==, w.port);
	g_assert_cmpint(reaction(&w, 5, TCPSEG_SYN | TCPSEG_ACK, "")->seg.flags, ==, TCPSEG_RST);
	sent = reaction(&w, 5, TCPSEG_FIN, "data");
	g_assert_cmpint(sent->seg.flags, ==, TCPSEG_RST | TCPSEG_ACK);
	g_assert_cmpuint(sent->seg.seq, ==, 0);
	g_assert_cmpuint(sent->seg.ack, ==, 10);
	send_raw(&w, 5, TCPSEG_RST, ""); /* never for a RST */
	send_raw(&w, 5, TCPSEG_RST | TCPSEG_ACK, "");
	g_assert_cmpuint(w.segments->len, ==, 3);
	for (int i = 0; i < 2000; i++)
		send_raw(&w, 5, TCPSEG_ACK, "");
	g_assert_cmpuint(w.segments->len, ==, 1000); /* in one second */
	g_assert_cmpuint(tcp_stats(w.tcp).strays, ==, 2005);
	g_assert_cmpuint(tcp_stats(w.tcp).strays_unanswered, ==, 1003);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	finish(&w);
}

/* Nobody connects to a group, or to everybody. */
static void test_groups(void)
{
	static const char *const groups[] = { "224.0.0.1", "255.255.255.255", "10.0.2.255" };
	static const struct mac mac;
	struct world w;

	start(&w, true);
	for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
		struct tcpseg seg = { .flags = TCPSEG_SYN, .wscale = TCPSEG_WSCALE_NONE };
		uint8_t bytes[TCPSEG_HEADER_MAX];
		struct frame frame;
		size_t len;

		seg.src = (struct ip){ .family = IP_V4, .v4 = w.settings.plan.guest };
		g_assert_true(ip_parse(groups[i], &seg.dst));
		len = tcpseg_build(&seg, &mac, &mac, false, bytes);
		g_assert_cmpint(frame_parse(bytes, len, &frame), ==, FRAME_OK);
		tcp_input(w.tcp, bytes, &frame);
	}
	g_assert_cmpuint(tcp_stats(w.tcp).strays, ==, 3);
	g_assert_cmpuint(tcp_stats(w.tcp).flows, ==, 0);
	g_assert_cmpuint(w.segments->len, ==, 0);
	finish(&w);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tcp/both-ways", test_both_ways);
	g_test_add_func("/tcp/refused", test_refused);
	g_test_add_func("/tcp/no-loopback", test_no_loopback);
	g_test_add_func("/tcp/order-and-overlap", test_order_and_overlap);
	g_test_add_func("/tcp/fast-retransmit", test_fast_retransmit);
	g_test_add_func("/tcp/timeout", test_timeout);
	g_test_add_func("/tcp/blind-attacks", test_blind_attacks);
	g_test_add_func("/tcp/guest-closes-first", test_guest_closes_first);
	g_test_add_func("/tcp/host-closes-first", test_host_closes_first);
	g_test_add_func("/tcp/host-resets", test_host_resets);
	g_test_add_func("/tcp/flows-by-state", test_flows_by_state);
	g_test_add_func("/tcp/limit-of-flows", test_limit_of_flows);
	g_test_add_func("/tcp/limit-of-half-open", test_limit_of_half_open);
	g_test_add_func("/tcp/strays", test_strays);
	g_test_add_func("/tcp/groups", test_groups);
	return g_test_run();
}
