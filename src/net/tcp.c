/* The table of connections, their birth and end, and the turn.
 *
 * What happens in a turn of the loop (frames from the guest, events of sockets) only changes the
 * state of a flow and marks it as touched. The work, taking from and giving to both sides, is done
 * at the end of the turn, once for each flow that was touched: so a batch of segments costs one
 * acknowledgement, and no flow is served twice before another is served once.
 */
#include "net/tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "net/dial.h"
#include "net/settings.h"
#include "net/tcp_flow.h"

#define TABLE_BITS 14
#define TABLE_SIZE (1u << TABLE_BITS)
#define FLOWS_MAX 100000
#define HALF_OPEN_MAX 1024
#define POOL_BUFFERS 1024 /* 64 MiB: what all flows together may have waiting */
#define TIME_WAIT_MS (30 * 1000)

void flow_set_state(struct tcp_flow *flow, enum tcp_state state)
{
	struct tcp *tcp = flow->tcp;
	bool was_half_open = flow->state <= TCP_SYN_RECEIVED;

	if (was_half_open && state > TCP_SYN_RECEIVED) {
		g_queue_unlink(&tcp->half_open, &flow->half_open);
		tcp->stats.half_open--;
	}
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
	return &tcp->table[siphash(&tcp->key, key, sizeof(*key)) & (TABLE_SIZE - 1)];
}

static struct tcp_flow *find(struct tcp *tcp, const struct tcp_key *key)
{
	struct tcp_flow *flow = *chain_of(tcp, key);

	while (flow && memcmp(&flow->key, key, sizeof(*key)) != 0)
		flow = flow->hash_next;
	return flow;
}

static void free_queue(struct tcp_flow *flow, struct tcp_queue *queue)
{
	queue_consume(flow, queue, queue->len);
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
}

void flow_destroy(struct tcp_flow *flow)
{
	struct tcp *tcp = flow->tcp;
	struct tcp_flow **at = chain_of(tcp, &flow->key);

	close_host(flow, !flow->shut_write || !flow->host_eof);
	free_queue(flow, &flow->to_guest);
	free_queue(flow, &flow->to_host);
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
	tcp->stats.flows--;
	g_free(flow);
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

	if (tcp->stats.flows >= FLOWS_MAX) {
		tcp->stats.dropped_no_room++;
		return NULL;
	}
	if (tcp->stats.half_open >= HALF_OPEN_MAX) {
		tcp->stats.dropped_half_open++;
		flow_destroy(g_queue_peek_head(&tcp->half_open));
	}
	flow = g_new0(struct tcp_flow, 1);
	flow->tcp = tcp;
	flow->key = *key;
	flow->fd = -EBADF;
	flow->half_open.data = flow->touched.data = flow;
	flow->hash_next = *chain;
	*chain = flow;
	g_queue_push_tail_link(&tcp->half_open, &flow->half_open);
	tcp->stats.half_open++;
	tcp->stats.flows++;
	return flow;
}

/* The port may be used again before the old connection is forgotten: RFC 9293 section 3.6.1. */
static bool may_reopen(const struct tcp_flow *flow, const struct tcpseg *seg)
{
	return flow->state == TCP_TIME_WAIT && (seg->flags & TCPSEG_SYN) &&
	       !(seg->flags & TCPSEG_ACK) && seq_before(flow->rcv_nxt, seg->seq);
}

/* The DNS address is the other stack's, and no connection goes to a group. */
static bool is_left_to_others(const struct tcp *tcp, const struct ip *dst)
{
	const struct addrplan *plan = &tcp->settings->plan;

	if (dst->family == IP_V6)
		return dst->v6.b[0] == 0xff ||
		       memcmp(dst->v6.b, plan->dns6.b, sizeof(dst->v6.b)) == 0;
	return dst->v4.b[0] >= 224 || ip4_equal(&dst->v4, &plan->dns);
}

bool tcp_input(struct tcp *tcp, const uint8_t *bytes, const struct frame *frame)
{
	struct tcpseg seg;
	struct tcp_key key;
	struct tcp_flow *flow;

	if (!tcpseg_parse(bytes, frame, &seg)) {
		tcp->stats.bad_segments++;
		return true;
	}
	if (is_left_to_others(tcp, &seg.dst))
		return false;
	make_key(&seg, &key);
	flow = find(tcp, &key);
	if (flow && may_reopen(flow, &seg)) {
		flow_destroy(flow);
		flow = NULL;
	}
	if (flow) {
		flow_input(flow, &seg);
		return true;
	}
	if ((seg.flags & (TCPSEG_SYN | TCPSEG_ACK | TCPSEG_RST)) != TCPSEG_SYN)
		return false;
	return flow_syn(tcp, &seg, bytes, &key);
}

static void run_timers(void *data)
{
	struct tcp *tcp = data;
	int64_t now_ms = loop_now_ms(tcp->loop);
	struct wheel_timer *due;

	while ((due = wheel_next_due(tcp->wheel, now_ms))) {
		struct tcp_flow *flow =
			(struct tcp_flow *)(void *)((char *)due - offsetof(struct tcp_flow, timer));

		if (flow->state == TCP_TIME_WAIT)
			flow_destroy(flow);
		else
			flow_timeout(flow, now_ms);
	}
}

static void turn_end(void *data)
{
	struct tcp *tcp = data;
	int64_t wake_ms;

	for (guint left = tcp->touched.length; left > 0 && tcp->touched.length > 0; left--) {
		struct tcp_flow *flow = g_queue_pop_head_link(&tcp->touched)->data;

		flow->is_touched = false;
		if (flow_write_host(flow))
			flow_output(flow);
	}
	if (tcp->touched.length > 0)
		loop_again(tcp->loop);
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

	if (getrandom(&key, sizeof(key), 0) != sizeof(key))
		return -EIO;
	tcp = g_new0(struct tcp, 1);
	tcp->loop = loop;
	tcp->settings = settings;
	tcp->output = *output;
	tcp->key = key;
	tcp->table = g_new0(struct tcp_flow *, TABLE_SIZE);
	tcp->pool = pool_new(POOL_BUFFERS);
	tcp->wheel = wheel_new(loop_now_ms(loop));
	tcp->wake.fn = run_timers;
	tcp->wake.data = tcp;
	loop_set_turn_end(loop, turn_end, tcp);
	*ret = tcp;
	return 0;
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	for (unsigned i = 0; i < TABLE_SIZE; i++) {
		while (tcp->table[i])
			flow_destroy(tcp->table[i]);
	}
	loop_set_turn_end(tcp->loop, NULL, NULL);
	loop_timer_disarm(tcp->loop, &tcp->wake);
	wheel_free(tcp->wheel);
	pool_free(tcp->pool);
	g_free(tcp->table);
	g_free(tcp);
}

struct tcp_stats tcp_stats(const struct tcp *tcp)
{
	return tcp->stats;
}
