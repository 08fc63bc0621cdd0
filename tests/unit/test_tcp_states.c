/* net/tcp in each of its states against each kind of segment: RFC 9293 section 3.10.7.4 with RFC 5961
 * sections 3 to 5 ("challenge ACK").
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "tcp_script.h"

#define FIN_ACK (TCPSEG_FIN | TCPSEG_ACK)

enum stimulus {
	SYN_AGAIN,     /* the one that opened it */
	SYN_IN_WINDOW, /* another */
	RST_EXACT,
	RST_IN_WINDOW,
	RST_OUTSIDE,
	FIN,		/* the next, or again if it was sent; ours is not acknowledged with it */
	OLD,		/* data that came long ago */
	BEYOND,		/* data behind the window */
	ACK_OF_NOTHING, /* of what was never sent */
	WITHOUT_ACK,	/* data */
	STIMULI
};

/* What has to come of it:
 *   -  nothing at all           A  our numbers in an ACK, and no change
 *   S  the SYN-ACK again        R  RST
 *   G  nothing is sent, and the connection is gone
 *   F  an ACK, and the state that a FIN leads to
 *   D  another connection: the host is dialled
 *   O  both have begun: a SYN-ACK, and SYN-RECEIVED
 *   T  RST, for that segment alone
 */
static const struct {
	enum tcp_state state, after_fin;
	const char *reactions;
} rows[] = {
	{ TCP_DIALING, TCP_DIALING, "--G-------" },
	{ TCP_SYN_SENT, TCP_SYN_SENT, "OO------T-" },
	{ TCP_SYN_RECEIVED, TCP_CLOSE_WAIT, "SAGA-FAAA-" },
	{ TCP_ESTABLISHED, TCP_CLOSE_WAIT, "AAGA-FAAA-" },
	{ TCP_CLOSE_WAIT, TCP_CLOSE_WAIT, "AAGA-FAAA-" },
	{ TCP_FIN_WAIT_1, TCP_CLOSING, "AAGA-FAAA-" },
	{ TCP_FIN_WAIT_2, TCP_TIME_WAIT, "AAGA-FAAA-" },
	{ TCP_CLOSING, TCP_CLOSING, "AAGA-FAAA-" },
	{ TCP_LAST_ACK, TCP_LAST_ACK, "AAGA-FAAA-" },
	{ TCP_TIME_WAIT, TCP_TIME_WAIT, "ADGA-FAAA-" },
};

static void stimulate(struct script *s, enum stimulus stimulus, bool fin_sent)
{
	uint32_t ack = s->ack;

	switch (stimulus) {
	case SYN_AGAIN:
		script_send(s, SCRIPT_ISS, TCPSEG_SYN, 0);
		break;
	case SYN_IN_WINDOW:
		script_send(s, s->seq + 10, TCPSEG_SYN, 0);
		break;
	case RST_EXACT:
		script_send(s, s->seq, TCPSEG_RST, 0);
		break;
	case RST_IN_WINDOW:
		script_send(s, s->seq + 10, TCPSEG_RST, 0);
		break;
	case RST_OUTSIDE:
		script_send(s, s->seq - 10, TCPSEG_RST, 0);
		script_send(s, s->seq + 0x1000000, TCPSEG_RST, 0);
		break;
	case FIN:
		script_send(s, s->seq - fin_sent, FIN_ACK, 0);
		break;
	case OLD:
		script_send(s, s->seq - 10, TCPSEG_ACK, 5);
		break;
	case BEYOND:
		script_send(s, s->seq + 0x1000000, TCPSEG_ACK, 5);
		break;
	case ACK_OF_NOTHING:
		s->ack += 1000;
		script_send(s, s->seq, TCPSEG_ACK, 0);
		break;
	case WITHOUT_ACK:
		script_send(s, s->seq, TCPSEG_PSH, 5);
		break;
	case STIMULI:
		break;
	}
	s->ack = ack;
}

static void expect_reaction(struct script *s, char reaction, guint before, uint32_t rcv_nxt)
{
	guint came = s->out->len - before;
	const struct tcpseg *last = came > 0 ? &g_array_index(s->out, struct tcpseg, before) : NULL;

	g_assert_cmpuint(came, ==, reaction == '-' || reaction == 'G' || reaction == 'D' ? 0 : 1);
	switch (reaction) {
	case 'A':
	case 'F':
		g_assert_cmphex(last->flags, ==, TCPSEG_ACK);
		g_assert_cmpuint(last->len, ==, 0);
		g_assert_cmphex(last->ack, ==, rcv_nxt);
		break;
	case 'S':
	case 'O':
		g_assert_cmphex(last->flags, ==, TCPSEG_SYN | TCPSEG_ACK);
		g_assert_cmphex(last->seq, ==, s->ack - 1);
		break;
	case 'R':
	case 'T':
		g_assert_cmphex(last->flags & TCPSEG_RST, ==, TCPSEG_RST);
		break;
	default:
		break;
	}
	g_assert_cmpuint(tcp_stats(s->w.tcp).flows, ==, reaction == 'G' || reaction == 'R' ? 0 : 1);
}

static void test_cell(gconstpointer data)
{
	unsigned cell = GPOINTER_TO_UINT(data);
	enum stimulus stimulus = cell % STIMULI;
	enum tcp_state state = rows[cell / STIMULI].state, after = state;
	char reaction = rows[cell / STIMULI].reactions[stimulus];
	bool fin_sent = state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK ||
			state == TCP_TIME_WAIT;
	struct script s;
	guint before, dials;

	script_start(&s);
	script_reach(&s, state);
	before = s.out->len;
	dials = s.w.hosts->len;
	stimulate(&s, stimulus, fin_sent);
	if (reaction == 'F')
		after = rows[cell / STIMULI].after_fin;
	expect_reaction(&s, reaction, before, s.seq + (reaction == 'F' && !fin_sent));
	g_assert_cmpuint(s.w.hosts->len - dials, ==, reaction == 'D' ? 1 : 0);
	if (reaction == 'D')
		after = TCP_DIALING;
	if (reaction == 'O')
		after = TCP_SYN_RECEIVED;
	if (reaction != 'G' && reaction != 'R')
		g_assert_true(script_is_in(&s, after));
	if (s.host->fd >= 0) /* none of them is data that counts */
		g_assert_cmpuint(s.host->received, ==, 0);
	script_finish(&s);
}

/* ---- endings ---- */

static void test_simultaneous_close(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_CLOSING);
	g_assert_true(s.host->end_seen);
	s.ack++; /* our FIN */
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_true(script_is_in(&s, TCP_TIME_WAIT));
	g_assert_true(s.host->closed && !s.host->aborted);
	world_run_for(&s.w, 5 * 1000);
	g_assert_true(script_is_in(&s, TCP_TIME_WAIT));
	world_run_for(&s.w, 240 * 1000); /* RFC 9293 section 3.4.2: two lives of a segment */
	g_assert_true(script_is_gone(&s));
	script_finish(&s);
}

/* The guest's FIN acknowledges ours: straight to the end. */
static void test_fin_with_acknowledgement(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_FIN_WAIT_1);
	s.ack++;
	script_say(&s, FIN_ACK, 0);
	g_assert_true(script_is_in(&s, TCP_TIME_WAIT));
	script_finish(&s);
}

/* Who has had the last word needs no memory of it. */
static void test_guest_closes_first(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_LAST_ACK);
	s.ack++;
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_true(script_is_gone(&s));
	g_assert_true(s.host->closed && !s.host->aborted);
	script_finish(&s);
}

/* The guest goes on for as long as it likes after the host has finished. */
static void test_half_closed(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_FIN_WAIT_2);
	for (int i = 0; i < 5; i++) {
		world_run_for(&s.w, 50 * 1000);
		script_say(&s, TCPSEG_ACK, 100);
	}
	g_assert_cmpuint(s.host->received, ==, 500);
	g_assert_false(s.host->end_seen);
	g_assert_true(script_is_in(&s, TCP_FIN_WAIT_2));
	script_say(&s, FIN_ACK, 10);
	g_assert_cmpuint(s.host->received, ==, 510);
	g_assert_true(s.host->end_seen);
	script_finish(&s);
}

/* A guest that has forgotten the connection does not keep it open for ever. */
static void test_fin_wait_2_ends(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_FIN_WAIT_2);
	g_assert_true(script_wait(&s, 5 * 60 * 1000));
	script_expect(&s, TCPSEG_ACK, 0);
	script_say(&s, TCPSEG_RST, 0);
	g_assert_true(script_is_gone(&s));
	g_assert_true(s.host->aborted);
	script_finish(&s);

	script_start(&s);
	script_reach(&s, TCP_FIN_WAIT_2);
	world_run_for(&s.w, 60 * 60 * 1000); /* silence */
	g_assert_true(script_is_gone(&s));
	script_finish(&s);
}

/* One that is there may say nothing for a day. */
static void test_fin_wait_2_stays(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_FIN_WAIT_2);
	for (int64_t end = s.w.loop.now_ms + 24 * 3600 * 1000; s.w.loop.now_ms < end;) {
		if (!script_wait(&s, 3600 * 1000))
			break;
		script_expect(&s, TCPSEG_ACK, 0);
		script_say(&s, TCPSEG_ACK, 0);
	}
	g_assert_true(script_is_in(&s, TCP_FIN_WAIT_2));
	script_finish(&s);
}

/* The next connection from the same port, while the last one is remembered. */
static void test_port_again(void)
{
	struct script s;
	struct world_host *first;

	script_start(&s);
	script_reach(&s, TCP_TIME_WAIT);
	first = s.host;
	s.seq += 1000;
	script_syn(&s);
	g_assert_true(s.host != first);
	script_dialled(&s, 0);
	script_expect(&s, TCPSEG_SYN | TCPSEG_ACK, 0);
	s.seen--;
	script_take(&s);
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_true(script_is_in(&s, TCP_ESTABLISHED));
	script_finish(&s);
}

/* A repeated FIN finds somebody, and makes the wait begin again. */
static void test_time_wait_begins_again(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_TIME_WAIT);
	for (int i = 0; i < 20; i++) {
		world_run_for(&s.w, 20 * 1000);
		script_send(&s, s.seq - 1, FIN_ACK, 0);
		script_expect(&s, TCPSEG_ACK, 0);
	}
	world_run_for(&s.w, 240 * 1000);
	g_assert_true(script_is_gone(&s));
	script_finish(&s);
}

/* What the guest's kernel has been told that we have is not lost with a RST that comes after the end,
 * nor with the timers of the connection.
 */
static void test_slow_host_gets_all(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_ESTABLISHED);
	s.host->capacity = 1000;
	world_host_finish(s.host);
	world_turn(&s.w);
	script_take(&s);
	for (int i = 0; i < 4; i++)
		script_say(&s, TCPSEG_ACK, 1000);
	script_say(&s, FIN_ACK, 0);
	g_assert_cmphex(g_array_index(s.out, struct tcpseg, s.out->len - 1).ack, ==, s.seq);
	script_take(&s);
	script_say(&s, TCPSEG_RST, 0);
	for (int i = 0; i < 4; i++) {
		world_run_for(&s.w, 600 * 1000);
		world_host_read(s.host, 1000);
		world_turn(&s.w);
	}
	g_assert_cmpuint(s.host->received, ==, 4000);
	g_assert_true(s.host->end_seen && s.host->closed && !s.host->aborted);
	script_expect_nothing(&s); /* nobody is there who could send more */
	world_run_for(&s.w, 240 * 1000);
	g_assert_true(script_is_gone(&s));
	script_finish(&s);
}

static struct tcp_flow *only_flow(const struct script *s)
{
	for (size_t i = 0; i < TCP_TABLE_SIZE; i++) {
		if (s->w.tcp->table[i])
			return s->w.tcp->table[i];
	}
	g_assert_not_reached();
}

/* 4 GiB later a byte has the number that the SYN had, and is a byte all the same. */
static void test_numbers_come_round(void)
{
	struct script s;
	struct tcp_flow *flow;

	script_start(&s);
	script_reach(&s, TCP_ESTABLISHED);
	flow = only_flow(&s);
	flow->iss = flow->snd_una + 10;
	world_host_write(s.host, 100);
	world_turn(&s.w);
	script_expect(&s, TCPSEG_ACK, 100);
	s.ack = flow->iss;
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_cmpuint(flow->to_guest.len, ==, 90);
	s.ack += 90;
	script_say(&s, TCPSEG_ACK, 0);
	g_assert_cmpuint(flow->to_guest.len, ==, 0);
	script_finish(&s);
}

static void test_nothing_behind_the_fin(void)
{
	struct script s;

	script_start(&s);
	script_reach(&s, TCP_CLOSE_WAIT);
	script_say(&s, TCPSEG_ACK, 10);
	g_assert_cmpuint(s.host->received, ==, 0);
	g_assert_true(script_is_in(&s, TCP_CLOSE_WAIT));
	script_finish(&s);
}

static void test_resets(void)
{
	struct script s;

	script_start(&s); /* by the guest */
	script_reach(&s, TCP_ESTABLISHED);
	script_say(&s, TCPSEG_RST, 0);
	g_assert_true(script_is_gone(&s) && s.host->aborted);
	script_expect_nothing(&s);
	script_finish(&s);

	script_start(&s); /* while we dial */
	script_syn(&s);
	script_say(&s, TCPSEG_RST, 0);
	g_assert_true(script_is_gone(&s) && s.host->cancelled);
	script_finish(&s);

	script_start(&s); /* by the host */
	script_reach(&s, TCP_ESTABLISHED);
	world_host_fail(s.host, ECONNRESET);
	world_turn(&s.w);
	g_assert_cmphex(script_expect(&s, TCPSEG_RST | TCPSEG_ACK, 0)->seq, ==, s.ack);
	g_assert_true(script_is_gone(&s));
	script_finish(&s);
}

static void add_cells(void)
{
	static const char *const states[] = {
		[TCP_DIALING] = "dialing",	     [TCP_SYN_SENT] = "syn-sent",
		[TCP_SYN_RECEIVED] = "syn-received", [TCP_ESTABLISHED] = "established",
		[TCP_CLOSE_WAIT] = "close-wait",     [TCP_FIN_WAIT_1] = "fin-wait-1",
		[TCP_FIN_WAIT_2] = "fin-wait-2",     [TCP_CLOSING] = "closing",
		[TCP_LAST_ACK] = "last-ack",	     [TCP_TIME_WAIT] = "time-wait",
	};
	static const char *const stimuli[] = { "syn-again",	"syn-in-window", "rst-exact",
					       "rst-in-window", "rst-outside",	 "fin",
					       "old",		"beyond",	 "ack-of-nothing",
					       "without-ack" };

	for (unsigned row = 0; row < G_N_ELEMENTS(rows); row++) {
		g_assert_cmpuint(strlen(rows[row].reactions), ==, STIMULI);
		for (unsigned column = 0; column < STIMULI; column++) {
			g_autofree char *path = g_strdup_printf(
				"/tcp/states/%s/%s", states[rows[row].state], stimuli[column]);

			g_test_add_data_func(path, GUINT_TO_POINTER(row * STIMULI + column),
					     test_cell);
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_cells();
	g_test_add_func("/tcp/states/simultaneous-close", test_simultaneous_close);
	g_test_add_func("/tcp/states/fin-with-acknowledgement", test_fin_with_acknowledgement);
	g_test_add_func("/tcp/states/guest-closes-first", test_guest_closes_first);
	g_test_add_func("/tcp/states/half-closed", test_half_closed);
	g_test_add_func("/tcp/states/fin-wait-2-ends", test_fin_wait_2_ends);
	g_test_add_func("/tcp/states/fin-wait-2-stays", test_fin_wait_2_stays);
	g_test_add_func("/tcp/states/port-again", test_port_again);
	g_test_add_func("/tcp/states/time-wait-begins-again", test_time_wait_begins_again);
	g_test_add_func("/tcp/states/numbers-come-round", test_numbers_come_round);
	g_test_add_func("/tcp/states/slow-host-gets-all", test_slow_host_gets_all);
	g_test_add_func("/tcp/states/nothing-behind-the-fin", test_nothing_behind_the_fin);
	g_test_add_func("/tcp/states/resets", test_resets);
	return g_test_run();
}
