/* The table of connections, their birth and end, and the turn.
 *
 * What happens in a turn of the loop (frames from the guest, events of sockets) only changes the
 * state of a flow and marks it as touched. The work, taking from and giving to both sides, is done
 * at the end of the turn, once for each flow that was touched: so a batch of segments costs one
 * acknowledgement, and no flow is served twice before another is served once.
 */
#include "net/tcp.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "net/dial.h"
#include "net/route.h"
#include "net/settings.h"
#include "net/tcp_flow.h"

#define POOL_BUFFERS 512 /* 32 MiB: what all flows together may have waiting, each way */
#define TIME_WAIT_MS (30 * 1000)
#define ORPHAN_MS (15 * 60 * 1000)
#define STRAYS_PER_SECOND 1000
#define TRIM_MS 1000

static const char *const state_names[] = {
	[TCP_DIALING] = "dialing",	     [TCP_SYN_SENT] = "syn_sent",
	[TCP_SYN_RECEIVED] = "syn_received", [TCP_ESTABLISHED] = "established",
	[TCP_CLOSE_WAIT] = "close_wait",     [TCP_FIN_WAIT_1] = "fin_wait_1",
	[TCP_FIN_WAIT_2] = "fin_wait_2",     [TCP_CLOSING] = "closing",
	[TCP_LAST_ACK] = "last_ack",	     [TCP_TIME_WAIT] = "time_wait",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == TCP_STATES, "a name per state");

static const char *const drop_names[] = {
	[TCP_DROP_CHECKSUM] = "checksum",     [TCP_DROP_MALFORMED] = "malformed",
	[TCP_DROP_CHALLENGED] = "challenged", [TCP_DROP_HALF_OPEN] = "half_open",
	[TCP_DROP_FLOWS] = "flows",	      [TCP_DROP_DESCRIPTORS] = "descriptors",
	[TCP_DROP_RESOURCES] = "resources",
};
static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == TCP_DROPS, "a name per reason");

const char *tcp_state_name(size_t state)
{
	return state_names[state];
}

static const char *drop_name(size_t index)
{
	return drop_names[index];
}

static const struct stats_row rows[] = {
	{ "flows", "Connections of the guest that there are",
	  STATS_NUMBER(struct tcp_stats, flows) },
	{ "flows_limit", "Connections that there may be",
	  STATS_NUMBER(struct tcp_stats, flows_limit) },
	{ "half_open", "Connections that are not established yet",
	  STATS_NUMBER(struct tcp_stats, half_open) },
	{ "half_open_limit", "Connections of which that may be true",
	  STATS_NUMBER(struct tcp_stats, half_open_limit) },
	{ "flows_by_state", "Connections by state, in the words of RFC 9293",
	  STATS_ARRAY(struct tcp_stats, flows_by_state, tcp_state_name) },
	{ "opened", "Connections that the host has accepted",
	  STATS_NUMBER(struct tcp_stats, opened) },
	{ "refused", "Connections that the host did not accept",
	  STATS_NUMBER(struct tcp_stats, refused) },
	{ "reset", "Resets sent to the guest or taken from it",
	  STATS_NUMBER(struct tcp_stats, reset) },
	{ "opened_to_guest", "Connections to forwarded ports that the guest has accepted",
	  STATS_NUMBER(struct tcp_stats, opened_to_guest) },
	{ "refused_by_guest", "Connections to forwarded ports that the guest refused",
	  STATS_NUMBER(struct tcp_stats, refused_by_guest) },
	{ "unanswered_by_guest", "Connections to forwarded ports that the guest did not answer",
	  STATS_NUMBER(struct tcp_stats, unanswered_by_guest) },
	{ "bytes_to_host", "Bytes taken from the guest for the host",
	  STATS_NUMBER(struct tcp_stats, bytes_to_host) },
	{ "bytes_to_guest", "Bytes taken from the host for the guest",
	  STATS_NUMBER(struct tcp_stats, bytes_to_guest) },
	{ "retransmitted", "Segments sent to the guest again",
	  STATS_NUMBER(struct tcp_stats, retransmitted) },
	{ "path_mtu_changes", "Times that a link behind the guest made segments smaller, by ICMP",
	  STATS_NUMBER(struct tcp_stats, path_mtu_changes) },
	{ "path_mtu_guesses", "Times that silence of the guest did",
	  STATS_NUMBER(struct tcp_stats, path_mtu_guesses) },
	{ "strays", "Segments of no connection, which are answered with a reset",
	  STATS_NUMBER(struct tcp_stats, strays) },
	{ "strays_unanswered", "Of these, segments that were too many to be answered",
	  STATS_NUMBER(struct tcp_stats, strays_unanswered) },
	{ "out_of_order", "Segments of the guest that came before their turn",
	  STATS_NUMBER(struct tcp_stats, out_of_order) },
	{ "drops", "Segments and connections of the guest that were dropped or refused",
	  STATS_ARRAY(struct tcp_stats, drops, drop_name), .counts_drops = true },
	{ 0 },
};

const struct stats_table tcp_stats_table = { "tcp", "TCP segments and connections", rows };

/* The limit that a connection has met, or 0: that is not a matter of one. */
static uint64_t limit_of(const struct tcp *tcp, enum tcp_drop drop)
{
	switch (drop) {
	case TCP_DROP_HALF_OPEN:
		return tcp->stats.half_open_limit;
	case TCP_DROP_FLOWS:
		return tcp->stats.flows_limit;
	case TCP_DROP_DESCRIPTORS:
		return tcp->descriptors;
	case TCP_DROP_CHECKSUM:
	case TCP_DROP_MALFORMED:
	case TCP_DROP_CHALLENGED:
	case TCP_DROP_RESOURCES:
	case TCP_DROPS:
		break;
	}
	return 0;
}

void tcp_count_drop(struct tcp *tcp, enum tcp_drop drop)
{
	const uint64_t limit = limit_of(tcp, drop);

	tcp->stats.drops[drop]++;
	tcp->no_room[drop].burst = 1;
	if (limit > 0)
		log_limited(&tcp->no_room[drop], loop_now_ms(tcp->loop),
			    "tcp: no room for a connection: %s, the limit is %" PRIu64,
			    drop_names[drop], limit);
	else if (drop == TCP_DROP_RESOURCES)
		log_limited(&tcp->no_room[drop], loop_now_ms(tcp->loop),
			    "tcp: no room for a connection: the host is out of memory or files");
}

void flow_set_state(struct tcp_flow *flow, enum tcp_state state)
{
	struct tcp *tcp = flow->tcp;
	bool was_half_open = flow->state <= TCP_SYN_RECEIVED;

	if (was_half_open && state > TCP_SYN_RECEIVED) {
		g_queue_unlink(&tcp->half_open, &flow->half_open);
		tcp->stats.half_open--;
	}
	tcp->stats.flows_by_state[flow->state]--;
	tcp->stats.flows_by_state[state]++;
	flow->state = state;
}

void flow_touch(struct tcp_flow *flow)
{
	if (flow->is_touched)
		return;
	flow->is_touched = true;
	g_queue_push_tail_link(&flow->tcp->touched, &flow->touched);
}

void flow_set_timer(struct tcp_flow *flow, int64_t at_ms)
{
	wheel_set(flow->tcp->wheel, &flow->timer, at_ms);
}

static struct tcp_flow **chain_of(struct tcp *tcp, const struct tcp_key *key)
{
	return &tcp->table[siphash(&tcp->key, key, sizeof(*key)) & (TCP_TABLE_SIZE - 1)];
}

struct tcp_flow *flow_find(struct tcp *tcp, const struct tcp_key *key)
{
	struct tcp_flow *flow = *chain_of(tcp, key);

	while (flow && memcmp(&flow->key, key, sizeof(*key)) != 0)
		flow = flow->hash_next;
	return flow;
}

/* Nobody in the guest waits for the flow any more, but the host has not taken all. It may take its time,
 * but not stand still for long: nothing else ends such a flow.
 */
void flow_watch_orphan(struct tcp_flow *flow)
{
	flow->orphan_len = flow->to_host.len;
	flow_set_timer(flow, loop_now_ms(flow->tcp->loop) + ORPHAN_MS);
}

void flow_leave_guest(struct tcp_flow *flow)
{
	struct tcp *tcp = flow->tcp;

	flow->forget = true;
	tcp->senders -= flow->to_guest.len > 0;
	bytequeue_drop(&flow->to_guest, tcp->pool, flow->to_guest.len);
	flow_forget_early(flow);
	flow_set_state(flow, TCP_TIME_WAIT);
	flow_watch_orphan(flow);
}

void flow_forget_early(struct tcp_flow *flow)
{
	if (flow->early)
		reassembly_clear(flow->early, flow->tcp->host_pool);
	g_free(flow->early);
	flow->early = NULL;
}

/* Leave the socket: reset where the host has not had all, or not been told the end. */
static void close_host(struct tcp_flow *flow, bool abort)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (flow->dial)
		dial_cancel(flow->dial);
	flow->dial = NULL;
	loop_remove(flow->source);
	flow->source = NULL;
	if (flow->fd >= 0 && abort)
		(void)setsockopt(flow->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	fd_close(&flow->fd);
	tally_end(flow->tally);
	flow->tally = NULL;
}

void flow_destroy(struct tcp_flow *flow)
{
	struct tcp *tcp = flow->tcp;
	struct tcp_flow **at = chain_of(tcp, &flow->key);

	flows_remove(tcp->output.flows, &flow->listed);
	close_host(flow, !flow->shut_write || !flow->host_eof);
	tcp->senders -= flow->to_guest.len > 0;
	bytequeue_drop(&flow->to_guest, tcp->pool, flow->to_guest.len);
	bytequeue_drop(&flow->to_host, tcp->host_pool, flow->to_host.len);
	flow_forget_early(flow);
	g_free(flow->sacked);
	wheel_clear(tcp->wheel, &flow->timer);
	if (flow->is_touched)
		g_queue_unlink(&tcp->touched, &flow->touched);
	if (flow->state <= TCP_SYN_RECEIVED) {
		g_queue_unlink(&tcp->half_open, &flow->half_open);
		tcp->stats.half_open--;
	}
	while (*at != flow)
		at = &(*at)->hash_next;
	*at = flow->hash_next;
	tcp->stats.flows_by_state[flow->state]--;
	tcp->stats.flows--;
	g_free(flow);
}

void flow_kill(struct tcp_flow *flow)
{
	if (flow->state != TCP_TIME_WAIT) /* the guest has gone already */
		flow_reset_guest(flow);
	flow_destroy(flow);
}

/* Everything has been said both ways. The guest may not have heard our last acknowledgement, so
 * late segments still find somebody (RFC 9293 section 3.6.1).
 */
void flow_time_wait(struct tcp_flow *flow)
{
	close_host(flow, false);
	flow_set_state(flow, TCP_TIME_WAIT);
	flow_set_timer(flow, loop_now_ms(flow->tcp->loop) + TIME_WAIT_MS);
}

static void make_key(const struct tcpseg *seg, struct tcp_key *ret)
{
	*ret = (struct tcp_key){ .family = (uint8_t)seg->src.family };
	memcpy(ret->guest, seg->src.v6.b, seg->src.family == IP_V6 ? 16 : 4);
	memcpy(ret->remote, seg->dst.v6.b, seg->dst.family == IP_V6 ? 16 : 4);
	ret->guest_port = seg->sport;
	ret->remote_port = seg->dport;
}

struct tcp_flow *flow_new(struct tcp *tcp, const struct tcp_key *key)
{
	struct tcp_flow **chain = chain_of(tcp, key);
	struct tcp_flow *flow;

	if (tcp->stats.half_open >= tcp->stats.half_open_limit) {
		tcp_count_drop(tcp, TCP_DROP_HALF_OPEN);
		flow_destroy(g_queue_peek_head(&tcp->half_open));
	}
	flow = g_new0(struct tcp_flow, 1);
	flow->tcp = tcp;
	flow->key = *key;
	flow->fd = -EBADF;
	flow->half_open.data = flow->touched.data = flow;
	flow->used_ms = loop_now_ms(tcp->loop);
	flow->listed = (struct flows_entry){
		.class = &tcp_flows_class,
		.begun_ms = flow->used_ms,
	};
	flows_add(tcp->output.flows, &flow->listed);
	flow->hash_next = *chain;
	*chain = flow;
	g_queue_push_tail_link(&tcp->half_open, &flow->half_open);
	tcp->stats.half_open++;
	tcp->stats.flows_by_state[TCP_DIALING]++;
	tcp->stats.flows++;
	return flow;
}

/* The port may be used again before the old connection is forgotten: RFC 9293 section 3.6.1. */
static bool may_reopen(const struct tcp_flow *flow, const struct tcpseg *seg)
{
	return flow->state == TCP_TIME_WAIT && flow->fd < 0 && (seg->flags & TCPSEG_SYN) &&
	       !(seg->flags & TCPSEG_ACK) && seq_before(flow->rcv_nxt, seg->seq);
}

static bool may_answer_stray(struct tcp *tcp)
{
	int64_t now_ms = loop_now_ms(tcp->loop);

	if (now_ms - tcp->strays_since_ms >= 1000) {
		tcp->strays_since_ms = now_ms;
		tcp->strays_answered = 0;
	}
	return tcp->strays_answered++ < STRAYS_PER_SECOND;
}

void tcp_answer_stray(struct tcp *tcp, const struct tcpseg *seg, const struct mac *from,
		      const struct mac *to)
{
	bool has_ack = seg->flags & TCPSEG_ACK;
	const struct tcpseg reset = {
		.src = seg->dst,
		.dst = seg->src,
		.sport = seg->dport,
		.dport = seg->sport,
		.seq = has_ack ? seg->ack : 0,
		.ack = has_ack ? 0 :
				 seg->seq + (uint32_t)seg->len + !!(seg->flags & TCPSEG_SYN) +
					 !!(seg->flags & TCPSEG_FIN),
		.flags = has_ack ? TCPSEG_RST : TCPSEG_RST | TCPSEG_ACK,
		.wscale = TCPSEG_WSCALE_NONE,
	};

	if (seg->flags & TCPSEG_RST)
		return;
	if (may_answer_stray(tcp))
		tcp->output.segment(&reset, tcp_mss(tcp, seg->src.family == IP_V6), to, from,
				    tcp->output.data);
	else
		tcp->stats.strays_unanswered++;
}

void tcp_input(struct tcp *tcp, const uint8_t *bytes, const struct frame *frame)
{
	struct tcpseg seg;
	struct tcp_key key;
	struct tcp_flow *flow;
	struct mac to, from;

	if (!tcpseg_parse(bytes, frame, &seg)) {
		tcp_count_drop(tcp, TCP_DROP_MALFORMED);
		return;
	}
	/* No connection goes to a group, nor to everybody. */
	if (route_is_multicast(&seg.dst) || route_is_broadcast(&tcp->settings->plan, &seg.dst)) {
		tcp->stats.strays++;
		return;
	}
	memcpy(to.b, bytes, sizeof(to.b));
	memcpy(from.b, bytes + sizeof(to.b), sizeof(from.b));
	make_key(&seg, &key);
	flow = flow_find(tcp, &key);
	if (flow && may_reopen(flow, &seg)) {
		flow_destroy(flow);
		flow = NULL;
	}
	if (flow) {
		flow->guest_mac = from; /* it may have moved */
		flow_input(flow, &seg);
		return;
	}
	if ((seg.flags & (TCPSEG_SYN | TCPSEG_ACK | TCPSEG_RST)) != TCPSEG_SYN) {
		tcp->stats.strays++;
		tcp_answer_stray(tcp, &seg, &from, &to);
	} else if (tcp->stats.flows >= tcp->stats.flows_limit) {
		tcp_count_drop(tcp, TCP_DROP_FLOWS);
		tcp_answer_stray(tcp, &seg, &from, &to);
	} else {
		flow_syn(tcp, &seg, bytes, &key);
	}
}

static void run_timers(void *data)
{
	struct tcp *tcp = data;
	int64_t now_ms = loop_now_ms(tcp->loop);
	struct wheel_timer *due;

	while ((due = wheel_next_due(tcp->wheel, now_ms))) {
		struct tcp_flow *flow =
			(struct tcp_flow *)(void *)((char *)due - offsetof(struct tcp_flow, timer));

		if (flow->state != TCP_TIME_WAIT)
			flow_timeout(flow, now_ms);
		else if (flow->fd < 0 || flow->to_host.len >= flow->orphan_len)
			flow_destroy(flow);
		else
			flow_watch_orphan(flow);
	}
}

static void trim_pool(void *data)
{
	struct tcp *tcp = data;

	if (pool_trim(tcp->pool) | pool_trim(tcp->host_pool))
		loop_timer_arm(tcp->loop, &tcp->trim, loop_now_ms(tcp->loop) + TRIM_MS);
}

static void turn_end(void *data)
{
	struct tcp *tcp = data;
	bool busy = tcp->touched.length > 0;
	int64_t wake_ms;

	for (guint left = tcp->touched.length; left > 0 && tcp->touched.length > 0; left--) {
		struct tcp_flow *flow = g_queue_pop_head_link(&tcp->touched)->data;

		flow->is_touched = false;
		flow_write_host(flow);
		flow_output(flow);
	}
	if (tcp->touched.length > 0)
		loop_again(tcp->loop);
	if (busy && !tcp->trim.armed && tcp_pool_stats(tcp).kept > 0)
		loop_timer_arm(tcp->loop, &tcp->trim, loop_now_ms(tcp->loop) + TRIM_MS);
	wake_ms = wheel_wake_ms(tcp->wheel);
	if (wake_ms == CLOCK_NEVER)
		loop_timer_disarm(tcp->loop, &tcp->wake);
	else if (!tcp->wake.armed || tcp->wake.at_ms != wake_ms)
		loop_timer_arm(tcp->loop, &tcp->wake, wake_ms);
}

int tcp_new(struct loop *loop, const struct settings *settings, const struct tcp_output *output,
	    struct tcp **ret)
{
	struct tcp *tcp;
	struct siphash_key key;
	struct rlimit files;

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	tcp = g_new0(struct tcp, 1);
	tcp->descriptors = files.rlim_cur;
	tcp->stats.flows_limit = settings->tcp_flows;
	tcp->stats.half_open_limit = TCP_HALF_OPEN_MAX;
	tcp->loop = loop;
	tcp->settings = settings;
	tcp->output = *output;
	tcp->key = key;
	tcp->table = g_new0(struct tcp_flow *, TCP_TABLE_SIZE);
	tcp->pool = pool_new(POOL_BUFFERS);
	tcp->host_pool = pool_new(POOL_BUFFERS);
	tcp->wheel = wheel_new(loop_now_ms(loop));
	tcp->wake.fn = run_timers;
	tcp->wake.data = tcp;
	tcp->trim.fn = trim_pool;
	tcp->trim.data = tcp;
	loop_add_turn_end(loop, turn_end, tcp);
	*ret = tcp;
	return 0;
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	for (unsigned i = 0; i < TCP_TABLE_SIZE; i++) {
		while (tcp->table[i])
			flow_destroy(tcp->table[i]);
	}
	loop_remove_turn_end(tcp->loop, turn_end, tcp);
	loop_timer_disarm(tcp->loop, &tcp->wake);
	loop_timer_disarm(tcp->loop, &tcp->trim);
	wheel_free(tcp->wheel);
	pool_free(tcp->pool);
	pool_free(tcp->host_pool);
	g_free(tcp->table);
	g_free(tcp);
}

struct tcp_stats tcp_stats(const struct tcp *tcp)
{
	return tcp->stats;
}

struct pool_stats tcp_pool_stats(const struct tcp *tcp)
{
	struct pool_stats sum = pool_stats(tcp->pool), host = pool_stats(tcp->host_pool);

	sum.limit += host.limit;
	sum.in_use += host.in_use;
	sum.kept += host.kept;
	sum.refusals += host.refusals;
	return sum;
}
