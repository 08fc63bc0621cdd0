/* net/tcp and time, windows, losses and errors: RFC 9293 section 3.8, RFC 6298, RFC 5681, RFC 6582. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "tcp_script.h"

#define HOUR_MS (3600 * 1000)
#define MSS 1460

static void start(struct script *s, enum tcp_state state)
{
	script_start(s);
	script_reach(s, state);
}

/* ---- the handshake ---- */

static void test_syn_again(void)
{
	struct script s;

	start(&s, TCP_DIALING);
	script_send(&s, SCRIPT_ISS, TCPSEG_SYN, 0);
	script_send(&s, SCRIPT_ISS, TCPSEG_SYN, 0);
	g_assert_cmpuint(s.w.hosts->len, ==, 1);
	script_expect_nothing(&s);
	script_dialled(&s, 0);
	script_expect(&s, TCPSEG_SYN | TCPSEG_ACK, 0);
	script_expect_nothing(&s);
	script_finish(&s);
}

static void test_syn_ack_again(void)
{
	struct script s;
	int64_t started_ms, last_ms, gap_ms = 0;
	guint count = 0;

	start(&s, TCP_SYN_RECEIVED);
	started_ms = last_ms = s.w.loop.now_ms;
	while (script_wait(&s, HOUR_MS) && tcp_stats(s.w.tcp).flows == 1) {
		script_expect(&s, TCPSEG_SYN | TCPSEG_ACK, 0);
		g_assert_cmpint(s.w.loop.now_ms - last_ms, >=, gap_ms);
		gap_ms = s.w.loop.now_ms - last_ms;
		last_ms = s.w.loop.now_ms;
		count++;
	}
	g_assert_cmpuint(count, >=, 3);
	g_assert_cmpint(last_ms - started_ms, >=, 60 * 1000);
	g_assert_true(script_is_gone(&s));
	g_assert_true(s.host->aborted);
	script_finish(&s);
}

/* Each failure of the host's connect() as a program on the host would have learned it. */
static const struct {
	int error;
	uint8_t flags;	  /* of the segment that comes; 0: none */
	int code4, code6; /* of the ICMP error; -1: none comes */
	bool no_room;
} refusals[] = {
	{ -ECONNREFUSED, TCPSEG_RST | TCPSEG_ACK, -1, -1, false },
	{ -ENETUNREACH, 0, 0, 0, false },
	{ -EHOSTUNREACH, 0, 1, 3, false },
	{ -EACCES, 0, 13, 1, false },
	{ -EPERM, 0, 13, 1, false },
	{ -ETIMEDOUT, 0, -1, -1, false },
	{ -EMFILE, TCPSEG_RST | TCPSEG_ACK, -1, -1, true },
	{ -ENOBUFS, TCPSEG_RST | TCPSEG_ACK, -1, -1, true },
};

static uint64_t drops_for_room(const struct script *s)
{
	const struct tcp_stats stats = tcp_stats(s->w.tcp);

	return stats.drops[TCP_DROP_DESCRIPTORS] + stats.drops[TCP_DROP_RESOURCES];
}

static void check_refusal(unsigned row, bool v6)
{
	int code = v6 ? refusals[row].code6 : refusals[row].code4;
	size_t header = v6 ? 40 : 20;
	struct script s;

	script_start(&s);
	s.v6 = v6;
	script_reach(&s, TCP_DIALING);
	script_dialled(&s, refusals[row].error);
	g_assert_true(script_is_gone(&s));
	if (refusals[row].flags)
		g_assert_cmphex(script_expect(&s, refusals[row].flags, 0)->ack, ==, s.seq);
	script_expect_nothing(&s);
	g_assert_cmpuint(s.packets, ==, code >= 0 ? 1 : 0);
	if (code >= 0) {
		g_assert_cmpuint(s.packet[header], ==, v6 ? 1 : 3); /* unreachable */
		g_assert_cmpint(s.packet[header + 1], ==, code);
	}
	g_assert_cmpuint(drops_for_room(&s), ==, refusals[row].no_room ? 1 : 0);
	script_finish(&s);
}

static void test_refusals(void)
{
	for (unsigned row = 0; row < G_N_ELEMENTS(refusals); row++) {
		check_refusal(row, false);
		check_refusal(row, true);
	}
}

static void test_cannot_be_watched(void)
{
	struct script s;

	start(&s, TCP_DIALING);
	s.w.add_error = -ENOMEM;
	script_dialled(&s, 0);
	g_assert_true(script_is_gone(&s));
	g_assert_cmphex(script_expect(&s, TCPSEG_RST | TCPSEG_ACK, 0)->ack, ==, s.seq);
	script_finish(&s);
}

/* The oldest go, and the newest still works. */
static void test_syn_flood(void)
{
	struct script s;
	struct tcp_stats stats;
	guint dropped, cancelled = 0;

	script_start(&s);
	s.w.spread = true;
	for (uint16_t i = 0; i < 3000; i++) {
		s.sport = (uint16_t)(10000 + i);
		s.seq = SCRIPT_ISS;
		script_syn(&s);
	}
	stats = tcp_stats(s.w.tcp);
	g_assert_cmpuint(stats.half_open, <, 3000);
	g_assert_cmpuint(stats.half_open, ==, stats.flows);
	dropped = (guint)stats.drops[TCP_DROP_HALF_OPEN];
	g_assert_cmpuint(dropped, ==, 3000 - stats.half_open);
	for (guint i = 0; i < s.w.hosts->len; i++) {
		const struct world_host *host = g_ptr_array_index(s.w.hosts, i);

		g_assert_true(host->cancelled == (i < dropped));
		cancelled += host->cancelled;
	}
	g_assert_cmpuint(cancelled, ==, dropped);
	script_dialled(&s, 0);
	script_take(&s);
	script_say(&s, TCPSEG_ACK, 100);
	g_assert_cmpuint(s.host->received, ==, 100);
	g_assert_cmpuint(tcp_stats(s.w.tcp).half_open, ==, stats.half_open - 1);
	script_finish(&s);
}

/* ---- a connection that the host begins ---- */

static void test_guest_is_silent(void)
{
	struct script s;
	int64_t started_ms;
	guint count = 0;

	start(&s, TCP_SYN_SENT);
	started_ms = s.w.loop.now_ms;
	world_host_write(s.host, 100);
	while (script_wait(&s, HOUR_MS) && tcp_stats(s.w.tcp).flows == 1) {
		g_assert_cmphex(script_expect(&s, TCPSEG_SYN, 0)->seq, ==, s.ack - 1);
		count++;
	}
	g_assert_cmpuint(count, >=, 3);
	g_assert_cmpint(s.w.loop.now_ms - started_ms, >=, 30 * 1000);
	g_assert_true(script_is_gone(&s));
	g_assert_true(s.host->aborted);
	script_finish(&s);
}

/* ---- silence ---- */

static void test_keepalive(void)
{
	struct script s;
	guint asked = 0;

	start(&s, TCP_ESTABLISHED);
	g_assert_false(script_wait(&s, HOUR_MS));
	for (int64_t end = s.w.loop.now_ms + 24 * HOUR_MS; s.w.loop.now_ms < end; asked++) {
		const struct tcpseg *seg;

		if (!script_wait(&s, 3 * HOUR_MS))
			break;
		seg = script_next(&s);
		g_assert_cmphex(seg->seq, ==, s.ack - 1); /* RFC 9293 section 3.8.4 */
		g_assert_cmpuint(seg->len, ==, 0);
		script_say(&s, TCPSEG_ACK, 0);
	}
	g_assert_cmpuint(asked, >, 3);
	g_assert_true(script_is_in(&s, TCP_ESTABLISHED));
	world_run_for(&s.w, 6 * HOUR_MS); /* now it has gone */
	g_assert_true(script_is_gone(&s));
	g_assert_true(s.host->aborted);
	script_finish(&s);
}

static void test_keepalive_of_a_stranger(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	g_assert_true(script_wait(&s, 3 * HOUR_MS));
	script_say(&s, TCPSEG_RST, 0); /* rebooted */
	g_assert_true(script_is_gone(&s));
	script_finish(&s);
}

/* RFC 6298 section 5: twice as long each time; RFC 9293 section 3.8.3: not less than 100 seconds. */
static void test_backoff(void)
{
	struct script s;
	int64_t started_ms, last_ms, gap_ms = 0;
	guint count = 0;

	start(&s, TCP_ESTABLISHED);
	world_host_write(s.host, 100);
	world_turn(&s.w);
	script_expect(&s, TCPSEG_ACK, 100);
	started_ms = last_ms = s.w.loop.now_ms;
	while (script_wait(&s, HOUR_MS) && tcp_stats(s.w.tcp).flows == 1) {
		int64_t waited_ms = s.w.loop.now_ms - last_ms;

		g_assert_cmphex(script_expect(&s, TCPSEG_ACK, 100)->seq, ==, s.ack);
		g_assert_cmpint(waited_ms, >=, count == 0 ? 60 : MIN(2 * gap_ms - 40, 59000));
		g_assert_cmpint(waited_ms, <=, 61 * 1000);
		gap_ms = waited_ms;
		last_ms = s.w.loop.now_ms;
		count++;
	}
	g_assert_cmpuint(count, >=, 5);
	g_assert_cmpint(s.w.loop.now_ms - started_ms, >=, 100 * 1000);
	g_assert_cmpint(s.w.loop.now_ms - started_ms, <, HOUR_MS);
	script_expect(&s, TCPSEG_RST | TCPSEG_ACK, 0);
	g_assert_true(script_is_gone(&s) && s.host->aborted);
	script_finish(&s);
}

/* The timer begins anew with what is acknowledged. */
static void test_progress_ends_backoff(void)
{
	struct script s;
	int64_t sent_ms;

	start(&s, TCP_ESTABLISHED);
	world_host_write(s.host, 100);
	world_turn(&s.w);
	script_take(&s);
	for (int i = 0; i < 5; i++) {
		g_assert_true(script_wait(&s, 60 * 1000));
		script_expect(&s, TCPSEG_ACK, 100);
	}
	script_say(&s, TCPSEG_ACK, 0);
	world_host_write(s.host, 50);
	world_turn(&s.w);
	script_expect(&s, TCPSEG_ACK, 50);
	sent_ms = s.w.loop.now_ms;
	g_assert_true(script_wait(&s, 60 * 1000));
	g_assert_cmpint(s.w.loop.now_ms - sent_ms, <=, 3000);
	script_finish(&s);
}

static void test_fin_again(void)
{
	struct script s;

	start(&s, TCP_FIN_WAIT_1);
	for (int i = 0; i < 3; i++) {
		g_assert_true(script_wait(&s, 60 * 1000));
		g_assert_cmphex(script_expect(&s, TCPSEG_FIN | TCPSEG_ACK, 0)->seq, ==, s.ack);
	}
	script_finish(&s);
}

/* ---- losses ---- */

/* Eight segments are on their way to the guest. */
static void send_eight(struct script *s)
{
	start(s, TCP_ESTABLISHED);
	world_host_write(s->host, 8 * MSS);
	world_turn(&s->w);
	for (int i = 0; i < 8; i++)
		g_assert_cmphex(script_expect(s, TCPSEG_ACK, MSS)->seq, ==,
				s->ack + (uint32_t)i * MSS);
	script_expect_nothing(s);
}

static void test_fast_retransmit(void)
{
	struct script s;

	send_eight(&s);
	script_say(&s, TCPSEG_ACK, 0);
	script_say(&s, TCPSEG_ACK, 0);
	script_expect_nothing(&s);
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_cmphex(script_expect(&s, TCPSEG_ACK, MSS)->seq, ==, s.ack);
	script_say(&s, TCPSEG_ACK, 0); /* the others that arrived say the same */
	script_say(&s, TCPSEG_ACK, 0);
	script_expect_nothing(&s);
	g_assert_cmpuint(tcp_stats(s.w.tcp).retransmitted, ==, 1);
	s.ack += 8 * MSS;
	script_say(&s, TCPSEG_ACK, 0);
	script_expect_nothing(&s);
	script_finish(&s);
}

/* RFC 6582: what a partial acknowledgement names next goes at once. */
static void test_partial_acknowledgements(void)
{
	struct script s;

	send_eight(&s);
	for (int i = 0; i < 3; i++)
		script_say(&s, TCPSEG_ACK, 0);
	g_assert_cmphex(script_expect(&s, TCPSEG_ACK, MSS)->seq, ==, s.ack);
	for (int i = 0; i < 3; i++) {
		s.ack += 2 * MSS;
		script_say(&s, TCPSEG_ACK, 0);
		g_assert_cmphex(script_expect(&s, TCPSEG_ACK, MSS)->seq, ==, s.ack);
	}
	s.ack += 2 * MSS;
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_false(script_wait(&s, 60 * 1000));
	script_finish(&s);
}

/* Acknowledgements with data, or with another window, say nothing of a loss. */
static void test_not_duplicates(void)
{
	struct script s;

	send_eight(&s);
	for (int i = 0; i < 5; i++) {
		s.window -= 100;
		script_say(&s, TCPSEG_ACK, 0);
	}
	script_expect_nothing(&s);
	for (int i = 0; i < 5; i++) {
		script_say(&s, TCPSEG_ACK, 10);
		script_expect(&s, TCPSEG_ACK, 0);
	}
	script_expect_nothing(&s);
	script_finish(&s);
}

static void test_timeout_begins_again(void)
{
	struct script s;

	send_eight(&s);
	g_assert_true(script_wait(&s, 60 * 1000));
	g_assert_cmphex(script_expect(&s, TCPSEG_ACK, MSS)->seq, ==, s.ack);
	script_take(&s); /* whatever came with it: all that was sent */
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_false(script_wait(&s, 60 * 1000));
	script_finish(&s);
}

/* What came early is not acknowledged before what is missing. */
static void test_early_data(void)
{
	struct script s;
	uint32_t first;

	start(&s, TCP_ESTABLISHED);
	first = s.seq;
	script_send(&s, first + 100, TCPSEG_ACK, 100);
	g_assert_cmphex(script_expect(&s, TCPSEG_ACK, 0)->ack, ==, first);
	g_assert_cmpuint(s.host->received, ==, 0);
	script_send(&s, first, TCPSEG_ACK, 100);
	script_send(&s, first + 100, TCPSEG_ACK, 100);
	script_send(&s, first + 50, TCPSEG_ACK, 200);
	script_take(&s);
	g_assert_cmphex(g_array_index(s.out, struct tcpseg, s.out->len - 1).ack, ==, first + 250);
	g_assert_cmpuint(s.host->received, ==, 250);
	script_finish(&s);
}

/* ---- windows ---- */

/* A guest with a shut window is asked now and then for as long as it answers. */
static void test_guest_window_shut(void)
{
	struct script s;
	int64_t end_ms;
	guint probes = 0;

	start(&s, TCP_ESTABLISHED);
	s.window = 0;
	script_say(&s, TCPSEG_ACK, 0);
	world_host_write(s.host, 5000);
	world_turn(&s.w);
	script_expect_nothing(&s);
	for (end_ms = s.w.loop.now_ms + 3 * HOUR_MS; s.w.loop.now_ms < end_ms; probes++) {
		g_assert_true(script_wait(&s, 61 * 1000));
		g_assert_cmpuint(script_next(&s)->len, <=, 1);
		script_expect_nothing(&s);
		script_say(&s, TCPSEG_ACK, 0);
	}
	g_assert_cmpuint(probes, >, 100);
	script_expect_nothing(&s);
	s.window = 10000;
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_cmphex(script_next(&s)->seq, ==, s.ack); /* not behind the byte of the probe */
	s.seen--;
	script_take(&s);
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_cmpuint(s.host->taken, ==, 5000);
	g_assert_false(script_wait(&s, 60 * 1000));
	script_finish(&s);
}

/* Not more than the window, and the rest when there is more of it. */
static void test_guest_window_small(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	s.window = 2000;
	script_say(&s, TCPSEG_ACK, 0);
	world_host_write(s.host, 5000);
	world_turn(&s.w);
	script_expect(&s, TCPSEG_ACK, MSS);
	script_expect(&s, TCPSEG_ACK, 2000 - MSS);
	script_expect_nothing(&s);
	s.seen -= 2;
	script_take(&s);
	script_say(&s, TCPSEG_ACK, 0);
	script_take(&s);
	script_say(&s, TCPSEG_ACK, 0);
	script_expect(&s, TCPSEG_ACK, 1000);
	script_finish(&s);
}

/* A host that does not read: the window shuts, a probe is answered, and room is told unasked. */
static void test_host_does_not_read(void)
{
	struct script s;
	const struct tcpseg *seg;
	uint64_t sent = 0;

	start(&s, TCP_ESTABLISHED);
	s.host->capacity = 10000;
	do {
		script_say(&s, TCPSEG_ACK, 1000);
		sent += 1000;
		seg = script_next(&s);
		g_assert_nonnull(seg);
		g_assert_cmphex(seg->ack, ==, s.seq);
		script_expect_nothing(&s);
	} while (seg->window >= 1000 && sent < 4000000);
	g_assert_cmpuint(sent, <, 4000000);
	g_assert_cmpuint(seg->window, <, 1000);
	script_say(&s, TCPSEG_ACK, seg->window);
	g_assert_cmpuint(script_next(&s)->window, ==, 0);
	script_send(&s, s.seq, TCPSEG_ACK, 1); /* a probe */
	seg = script_expect(&s, TCPSEG_ACK, 0);
	g_assert_cmphex(seg->ack, ==, s.seq);
	g_assert_cmpuint(seg->window, ==, 0);
	world_host_read(s.host, WORLD_ENDLESS);
	world_turn(&s.w);
	g_assert_cmpuint(script_expect(&s, TCPSEG_ACK, 0)->window, >=, MSS);
	for (int i = 0; i < 1000 && s.host->consumed < sent; i++) {
		world_host_read(s.host, WORLD_ENDLESS);
		world_turn(&s.w);
	}
	g_assert_cmpuint(s.host->received, >=, sent);
	script_finish(&s);
}

/* RFC 9293 section 3.8.6.2.2: no updates for room that is not worth a segment. */
static void test_silly_window(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	s.host->capacity = 1;
	while (script_say(&s, TCPSEG_ACK, 1000), script_next(&s)->window > 1000)
		script_expect_nothing(&s);
	for (int i = 0; i < 200; i++) {
		world_host_read(s.host, 1);
		world_turn(&s.w);
	}
	g_assert_cmpuint(s.host->received, >=, 200);
	script_expect_nothing(&s);
	s.host->capacity = 100000;
	world_host_read(s.host, 1);
	world_turn(&s.w);
	g_assert_cmpuint(script_expect(&s, TCPSEG_ACK, 0)->window, >=, 2 * MSS);
	script_finish(&s);
}

/* ---- the pool, and the socket ---- */

static void test_pool_empty_to_host(void)
{
	struct script s;
	uint32_t first;

	start(&s, TCP_ESTABLISHED);
	s.host->capacity = 100;
	s.w.pool_empty = true;
	first = s.seq;
	script_send(&s, first, TCPSEG_ACK, 1000);
	g_assert_cmphex(script_expect(&s, TCPSEG_ACK, 0)->ack, ==, first + 100);
	s.w.pool_empty = false;
	script_send(&s, first + 100, TCPSEG_ACK, 900);
	g_assert_cmphex(script_expect(&s, TCPSEG_ACK, 0)->ack, ==, first + 1000);
	world_host_read(s.host, 100);
	s.host->capacity = 100000;
	world_turn(&s.w);
	g_assert_cmpuint(s.host->received, ==, 1000);
	script_finish(&s);
}

/* Nothing else would make us try again than a timer. */
static void test_pool_empty_to_guest(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	s.w.pool_empty = true;
	world_host_write(s.host, 100);
	world_turn(&s.w);
	g_assert_false(script_wait(&s, 60 * 1000));
	s.w.pool_empty = false;
	g_assert_true(script_wait(&s, 1000));
	script_expect(&s, TCPSEG_ACK, 100);
	script_finish(&s);
}

static void test_urgent(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	script_say(&s, TCPSEG_ACK, 10);
	script_say(&s, TCPSEG_ACK | TCPSEG_URG, 10); /* RFC 6093: in line */
	script_say(&s, TCPSEG_ACK, 10);
	g_assert_cmpuint(s.host->received, ==, 30);
	script_finish(&s);
}

/* What the host sent before its end is sent first, whatever comes with it. */
static void test_host_ends_with_data(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	world_host_write(s.host, 5000);
	world_host_finish(s.host);
	world_turn(&s.w);
	for (uint32_t got = 0; got < 5000;)
		got += (uint32_t)script_next(&s)->len;
	if (s.seen < s.out->len)
		script_expect(&s, TCPSEG_FIN | TCPSEG_ACK, 0);
	g_assert_true(g_array_index(s.out, struct tcpseg, s.out->len - 1).flags & TCPSEG_FIN);
	script_finish(&s);
}

/* A failure that only a send(2) tells, one that no call would find, and one while bytes wait. */
static void test_host_fails(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	s.host->broken = true; /* without an event */
	script_say(&s, TCPSEG_ACK, 10);
	script_expect(&s, TCPSEG_RST | TCPSEG_ACK, 0);
	g_assert_true(script_is_gone(&s));
	script_finish(&s);

	start(&s, TCP_ESTABLISHED); /* nothing is to be read or sent */
	s.window = 0;
	script_say(&s, TCPSEG_ACK, 0);
	world_host_fail(s.host, ECONNRESET);
	world_turn(&s.w);
	script_expect(&s, TCPSEG_RST | TCPSEG_ACK, 0);
	g_assert_true(script_is_gone(&s));
	script_finish(&s);

	start(&s, TCP_ESTABLISHED);
	s.host->capacity = 10;
	script_say(&s, TCPSEG_ACK, 1000);
	script_take(&s);
	world_host_fail(s.host, ETIMEDOUT);
	world_turn(&s.w);
	script_expect(&s, TCPSEG_RST | TCPSEG_ACK, 0);
	g_assert_true(script_is_gone(&s));
	script_finish(&s);
}

/* An event that has nothing behind it does no harm. */
static void test_false_events(void)
{
	struct script s;

	start(&s, TCP_ESTABLISHED);
	for (uint32_t events = 0; events < 0x40; events++) {
		world_host_event(s.host, events & 0x1f);
		if (events & 0x20)
			world_host_event(s.host, 0x2000); /* EPOLLRDHUP */
		world_turn(&s.w);
	}
	script_expect_nothing(&s);
	g_assert_true(script_is_in(&s, TCP_ESTABLISHED));
	script_finish(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tcp/timers/syn-again", test_syn_again);
	g_test_add_func("/tcp/timers/syn-ack-again", test_syn_ack_again);
	g_test_add_func("/tcp/timers/refusals", test_refusals);
	g_test_add_func("/tcp/timers/cannot-be-watched", test_cannot_be_watched);
	g_test_add_func("/tcp/timers/syn-flood", test_syn_flood);
	g_test_add_func("/tcp/timers/guest-is-silent", test_guest_is_silent);
	g_test_add_func("/tcp/timers/keepalive", test_keepalive);
	g_test_add_func("/tcp/timers/keepalive-of-a-stranger", test_keepalive_of_a_stranger);
	g_test_add_func("/tcp/timers/backoff", test_backoff);
	g_test_add_func("/tcp/timers/progress-ends-backoff", test_progress_ends_backoff);
	g_test_add_func("/tcp/timers/fin-again", test_fin_again);
	g_test_add_func("/tcp/timers/fast-retransmit", test_fast_retransmit);
	g_test_add_func("/tcp/timers/partial-acknowledgements", test_partial_acknowledgements);
	g_test_add_func("/tcp/timers/not-duplicates", test_not_duplicates);
	g_test_add_func("/tcp/timers/timeout-begins-again", test_timeout_begins_again);
	g_test_add_func("/tcp/timers/early-data", test_early_data);
	g_test_add_func("/tcp/timers/guest-window-shut", test_guest_window_shut);
	g_test_add_func("/tcp/timers/guest-window-small", test_guest_window_small);
	g_test_add_func("/tcp/timers/host-does-not-read", test_host_does_not_read);
	g_test_add_func("/tcp/timers/silly-window", test_silly_window);
	g_test_add_func("/tcp/timers/pool-empty-to-host", test_pool_empty_to_host);
	g_test_add_func("/tcp/timers/pool-empty-to-guest", test_pool_empty_to_guest);
	g_test_add_func("/tcp/timers/urgent", test_urgent);
	g_test_add_func("/tcp/timers/host-ends-with-data", test_host_ends_with_data);
	g_test_add_func("/tcp/timers/host-fails", test_host_fails);
	g_test_add_func("/tcp/timers/false-events", test_false_events);
	return g_test_run();
}
