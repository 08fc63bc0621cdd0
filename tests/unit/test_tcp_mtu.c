/* net/tcp and links behind the guest that are narrower than the TAP: RFC 1191, RFC 8201, RFC 5927. */
#include <glib.h>
#include <string.h>

#include "tcp_script.h"
#include "wire/toobig.h"

#define MSS4 1460
#define MSS6 1440
#define COUNT 8

static uint64_t changes(const struct script *s)
{
	return tcp_stats(s->w.tcp).path_mtu_changes;
}

/* Eight segments are on their way; s->ack is the first of them. */
static void send_eight(struct script *s, bool v6)
{
	const size_t mss = v6 ? MSS6 : MSS4;

	script_start(s);
	s->v6 = v6;
	script_reach(s, TCP_ESTABLISHED);
	world_host_write(s->host, COUNT * mss);
	world_turn(&s->w);
	for (int i = 0; i < COUNT; i++)
		script_expect(s, TCPSEG_ACK, mss);
	script_expect_nothing(s);
}

static struct toobig about(const struct script *s, uint32_t seq, uint32_t mtu)
{
	struct tcpseg seg = { 0 };

	world_address(&s->w, s->v6, &seg);
	return (struct toobig){
		.mtu = mtu,
		.src = seg.dst,
		.dst = seg.src,
		.sport = WORLD_REMOTE_PORT,
		.dport = s->sport,
		.seq = seq,
	};
}

static bool tell(struct script *s, const struct toobig *report)
{
	bool ours = tcp_too_big(s->w.tcp, report);

	world_turn(&s->w);
	return ours;
}

/* From s->ack on, @len bytes, in segments of at most @mss: some are less, for what was read together is
 * sent together. The number of segments.
 */
static guint expect_again(struct script *s, size_t len, size_t mss)
{
	uint32_t seq = s->ack;
	size_t largest = 0;
	guint count = 0;

	for (; seq != s->ack + (uint32_t)len; count++) {
		const struct tcpseg *seg = script_next(s);

		g_assert_nonnull(seg);
		g_assert_cmphex(seg->seq, ==, seq);
		seq += (uint32_t)seg->len;
		largest = MAX(largest, seg->len);
	}
	g_assert_cmpuint(largest, ==, MIN(len, mss));
	script_expect_nothing(s);
	s->ack = seq;
	return count;
}

static void check_narrow(bool v6, uint32_t seq, uint32_t mtu)
{
	const size_t all = COUNT * (size_t)(v6 ? MSS6 : MSS4), mss = mtu - (v6 ? 60 : 40);
	struct toobig report;
	struct script s;
	guint count;

	send_eight(&s, v6);
	report = about(&s, s.ack + seq, mtu);
	g_assert_true(tell(&s, &report));
	count = expect_again(&s, all, mss);
	g_assert_cmpuint(changes(&s), ==, 1);
	g_assert_cmpuint(tcp_stats(s.w.tcp).retransmitted, ==, count);
	script_say(&s, TCPSEG_ACK, 0);
	world_host_write(s.host, 2 * mss); /* it stays so */
	world_turn(&s.w);
	expect_again(&s, 2 * mss, mss);
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_false(script_wait(&s, 60 * 1000));
	script_finish(&s);
}

static void test_narrow(void)
{
	check_narrow(false, 0, 1400);
	check_narrow(false, 3 * MSS4, 576); /* the first ones may have been let through */
	check_narrow(false, COUNT * MSS4 - 1, TOOBIG_MTU_MIN4);
	check_narrow(true, 0, 1400);
	check_narrow(true, 0, TOOBIG_MTU_MIN6);
}

/* Each segment of the flight is answered by the router; then comes a narrower link yet. */
static void test_many_reports(void)
{
	struct toobig report;
	struct script s;
	uint32_t first;

	send_eight(&s, false);
	first = s.ack;
	for (uint32_t i = 0; i < COUNT; i++) {
		report = about(&s, first + i * MSS4, 1400);
		g_assert_true(tell(&s, &report));
		if (i == 0)
			expect_again(&s, COUNT * MSS4, 1360);
		script_expect_nothing(&s);
	}
	g_assert_cmpuint(changes(&s), ==, 1);
	s.ack = first;
	report = about(&s, first, 1000);
	tell(&s, &report);
	expect_again(&s, COUNT * MSS4, 960);
	g_assert_cmpuint(changes(&s), ==, 2);
	script_finish(&s);
}

/* RFC 5927 section 7: what is not under way cannot have been too big. */
static void test_forged(void)
{
	struct toobig report;
	struct script s;

	send_eight(&s, false);
	s.ack += MSS4;
	script_say(&s, TCPSEG_ACK, 0);
	report = about(&s, s.ack - 1, 1000);
	g_assert_true(tell(&s, &report));
	report = about(&s, s.ack + (COUNT - 1) * MSS4, 1000);
	g_assert_true(tell(&s, &report));
	report = about(&s, s.ack + 0x80000000, 1000);
	g_assert_true(tell(&s, &report));
	report = about(&s, s.ack, 1500); /* no news */
	g_assert_true(tell(&s, &report));

	report = about(&s, s.ack, 1000);
	report.dport++;
	g_assert_false(tell(&s, &report));
	report = about(&s, s.ack, 1000);
	report.sport++;
	g_assert_false(tell(&s, &report));
	report = about(&s, s.ack, 1000);
	report.src.v4.b[3]++;
	g_assert_false(tell(&s, &report));
	report = about(&s, s.ack, 1000);
	report.dst.v4.b[3]++;
	g_assert_false(tell(&s, &report));

	g_assert_cmpuint(changes(&s), ==, 0);
	script_expect_nothing(&s);
	script_finish(&s);
}

/* A recovery that was under way, and what the guest has beyond the gap, are over with it. */
static void test_ends_recovery(void)
{
	struct toobig report;
	struct script s;

	send_eight(&s, false);
	for (int i = 0; i < 3; i++)
		script_say(&s, TCPSEG_ACK, 0);
	script_expect(&s, TCPSEG_ACK, MSS4);
	report = about(&s, s.ack, 1400);
	tell(&s, &report);
	expect_again(&s, COUNT * MSS4, 1360);
	s.ack -= MSS4; /* would be a partial acknowledgement in a recovery */
	script_say(&s, TCPSEG_ACK, 0);
	script_expect_nothing(&s);
	script_finish(&s);
}

/* In each state: nothing is done where nothing is under way that a link could refuse. */
static void test_states(void)
{
	for (enum tcp_state state = TCP_DIALING; state <= TCP_TIME_WAIT; state++) {
		bool fin_is_out = state == TCP_FIN_WAIT_1 || state == TCP_CLOSING ||
				  state == TCP_LAST_ACK;
		struct toobig report;
		struct script s;

		g_test_message("state %d", state);
		script_start(&s);
		script_reach(&s, state);
		for (uint32_t i = 0; i < 3; i++) {
			report = about(&s, s.ack - 1 + i, 1000);
			g_assert_true(tell(&s, &report));
		}
		g_assert_true(script_is_in(&s, state));
		g_assert_cmpuint(changes(&s), ==, fin_is_out ? 1 : 0);
		if (fin_is_out)
			script_expect(&s, TCPSEG_FIN | TCPSEG_ACK, 0);
		script_expect_nothing(&s);
		script_finish(&s);
	}
}

/* ---- where ICMP is not heard ---- */

static uint64_t guesses(const struct script *s)
{
	return tcp_stats(s->w.tcp).path_mtu_guesses;
}

static void check_silence(bool v6, size_t len, size_t then)
{
	struct script s;

	script_start(&s);
	s.v6 = v6;
	script_reach(&s, TCP_ESTABLISHED);
	world_host_write(s.host, len);
	world_turn(&s.w);
	script_expect(&s, TCPSEG_ACK, len);
	for (int i = 0; i < 2; i++) {
		g_assert_true(script_wait(&s, 60 * 1000));
		script_expect(&s, TCPSEG_ACK, len);
	}
	g_assert_cmpuint(guesses(&s), ==, 0);
	g_assert_true(script_wait(&s, 60 * 1000));
	expect_again(&s, len, then);
	g_assert_cmpuint(guesses(&s), ==, len != then);
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_false(script_wait(&s, 60 * 1000));
	script_finish(&s);
}

static void test_silence(void)
{
	check_silence(false, MSS4, 984);
	check_silence(true, MSS6, 1220);
	check_silence(false, 984, 984); /* the size is not why */
	check_silence(true, 1220, 1220);
}

/* Between two acknowledgements, not in all the life of a flow. */
static void test_single_losses(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_ESTABLISHED);
	for (int i = 0; i < 5; i++) {
		world_host_write(s.host, MSS4);
		world_turn(&s.w);
		script_expect(&s, TCPSEG_ACK, MSS4);
		g_assert_true(script_wait(&s, 60 * 1000));
		script_expect(&s, TCPSEG_ACK, MSS4);
		g_assert_true(script_wait(&s, 60 * 1000));
		expect_again(&s, MSS4, MSS4);
		script_say(&s, TCPSEG_ACK, 0);
	}
	g_assert_cmpuint(guesses(&s), ==, 0);
	script_finish(&s);
}

/* Probes of a window that the guest has shut are no sign of anything. */
static void test_shut_window(void)
{
	struct script s;

	send_eight(&s, false);
	s.window = 0;
	script_say(&s, TCPSEG_ACK, 0);
	for (int i = 0; i < 6; i++) {
		g_assert_true(script_wait(&s, 60 * 1000));
		script_expect(&s, TCPSEG_ACK, 0);
	}
	g_assert_cmpuint(guesses(&s), ==, 0);
	script_finish(&s);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tcp/mtu/narrow", test_narrow);
	g_test_add_func("/tcp/mtu/many-reports", test_many_reports);
	g_test_add_func("/tcp/mtu/forged", test_forged);
	g_test_add_func("/tcp/mtu/ends-recovery", test_ends_recovery);
	g_test_add_func("/tcp/mtu/states", test_states);
	g_test_add_func("/tcp/mtu/silence", test_silence);
	g_test_add_func("/tcp/mtu/single-losses", test_single_losses);
	g_test_add_func("/tcp/mtu/shut-window", test_shut_window);
	return g_test_run();
}
