/* What has to go to the guest again, and the one timer of a flow.
 *
 * Between us and the guest's kernel lies one queue, which drops when it is full, and whatever the
 * guest has behind it: bridges, filters, namespaces. So losses are rare, come in bursts, and the
 * round trip is far below a millisecond. There is no congestion window: at most SND_LIMIT is on the
 * way. What is lost is found by one of these:
 *
 *   three duplicate acknowledgements, or SACK blocks for as much as three segments (RFC 6675
 *   section 4): recovery. Each gap that has something above it is filled once; with a guest without
 *   SACK, what is missing first, and with each partial acknowledgement the next (RFC 6582). Over
 *   when everything that was on the way at its start is acknowledged.
 *
 *   a timeout (RFC 6298): what the guest has beyond the gap is forgotten, for it may have been
 *   given up (RFC 2018 section 8), and all is sent again from snd_una on. The least timeout
 *   is a little more than the 40 ms for which Linux delays an acknowledgement.
 *
 * A window that the guest has shut is probed on the same timer, as Linux does it: with a segment
 * without data from before the window, which has to be answered. A byte of data from beyond it would
 * be dropped, and be missing when the window opens. A flow without anything on the way has no timer
 * but a keepalive, the same segment, which finds out that the guest has gone.
 */
#include "base/loop.h"
#include "net/tcp_flow.h"

#define DUPLICATES 3 /* RFC 5681 section 3.2 */
#define RTO_MIN_MS 60
#define RTO_MAX_MS (60 * 1000)
#define RETRIES_MAX 12
#define STARVED_MS 50
#define KEEPALIVE_MS (2 * 60 * 60 * 1000)
#define KEEPALIVE_AGAIN_MS (15 * 1000)
#define KEEPALIVE_FINISHED_MS (60 * 1000) /* FIN_WAIT_2: the guest may have forgotten us */

bool flow_is_unacknowledged(const struct tcp_flow *flow)
{
	return flow->snd_una != flow->snd_max;
}

bool flow_waits_for_window(const struct tcp_flow *flow)
{
	return flow->snd_wnd == 0 && (flow->host_readable || flow->to_guest.len > 0);
}

void flow_arm_timer(struct tcp_flow *flow)
{
	int64_t now_ms = loop_now_ms(flow->tcp->loop);

	if (flow->state == TCP_TIME_WAIT)
		return;
	if (flow_is_unacknowledged(flow) || flow_waits_for_window(flow))
		flow_set_timer(flow, now_ms + flow->rto_ms);
	else if (flow->starved)
		flow_set_timer(flow, now_ms + STARVED_MS);
	else if (flow->state == TCP_FIN_WAIT_2)
		flow_set_timer(flow, now_ms + KEEPALIVE_FINISHED_MS);
	else
		flow_set_timer(flow, now_ms + KEEPALIVE_MS);
}

/* RFC 6298 sections 2 and 3, in milliseconds. */
static void measure(struct tcp_flow *flow, uint32_t rtt_ms)
{
	if (flow->srtt_ms == 0) {
		flow->srtt_ms = MAX(rtt_ms, 1);
		flow->rttvar_ms = rtt_ms / 2;
	} else {
		uint32_t delta = rtt_ms > flow->srtt_ms ? rtt_ms - flow->srtt_ms :
							  flow->srtt_ms - rtt_ms;

		flow->rttvar_ms = (3 * flow->rttvar_ms + delta) / 4;
		flow->srtt_ms = MAX((7 * flow->srtt_ms + rtt_ms) / 8, 1);
	}
}

static uint32_t base_rto(const struct tcp_flow *flow)
{
	return CLAMP(flow->srtt_ms + 4 * flow->rttvar_ms, RTO_MIN_MS, RTO_MAX_MS);
}

static void forget_sacked(struct tcp_flow *flow)
{
	g_free(flow->sacked);
	flow->sacked = NULL;
}

static void end_recovery(struct tcp_flow *flow)
{
	flow->recovering = false;
	flow->duplicate_acks = 0;
	forget_sacked(flow);
}

/* The first segment that is not acknowledged. */
static void resend_first(struct tcp_flow *flow)
{
	flow->rtt_start_ms = 0; /* Karn: what was sent twice measures nothing */
	if (flow->to_guest.len > 0)
		(void)flow_send_queued(flow, flow->snd_una, flow->to_guest.len);
	else if (flow->fin_sent)
		flow_send_fin(flow);
}

/* Every gap that has something above it, but each only once. */
static void fill_gaps(struct tcp_flow *flow)
{
	struct tcpseg_sack gap;

	flow->rtt_start_ms = 0;
	if (seq_before(flow->resent, flow->snd_una))
		flow->resent = flow->snd_una;
	while (sackboard_gap(flow->sacked, flow->resent, &gap)) {
		uint32_t sent = flow_send_queued(flow, gap.left, gap.right - gap.left);

		if (sent == 0)
			return;
		flow->resent = gap.left + sent;
	}
}

static void recover(struct tcp_flow *flow)
{
	if (flow->sacked && flow->sacked->count > 0)
		fill_gaps(flow);
	else
		resend_first(flow);
}

static void note_sacks(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (!flow->sack || seg->sack_count == 0 || !flow_is_unacknowledged(flow))
		return;
	if (!flow->sacked)
		flow->sacked = g_new0(struct sackboard, 1);
	for (unsigned i = 0; i < seg->sack_count; i++)
		sackboard_add(flow->sacked, flow->snd_una, flow->snd_max, &seg->sacks[i]);
	if (flow->sacked->count == 0)
		forget_sacked(flow);
}

void flow_look_for_loss(struct tcp_flow *flow, const struct tcpseg *seg, bool duplicate)
{
	uint32_t sacked;

	note_sacks(flow, seg);
	if (duplicate && flow->duplicate_acks < UINT8_MAX)
		flow->duplicate_acks++;
	sacked = flow->sacked ? sackboard_bytes(flow->sacked) : 0;
	if (flow->recovering) {
		if (sacked > 0)
			fill_gaps(flow);
		return;
	}
	if (flow->duplicate_acks < DUPLICATES && sacked < DUPLICATES * (uint32_t)flow->mss)
		return;
	flow->recovering = true;
	flow->recover = flow->snd_max;
	flow->resent = flow->snd_una;
	recover(flow);
}

/* Our FIN is acknowledged too when @ack covers all that was ever sent. */
static void fin_acknowledged(struct tcp_flow *flow)
{
	switch (flow->state) {
	case TCP_FIN_WAIT_1:
		flow_set_state(flow, TCP_FIN_WAIT_2);
		break;
	case TCP_LAST_ACK:
		flow->forget = true;
		__attribute__((fallthrough));
	case TCP_CLOSING:
		flow_set_state(flow, TCP_TIME_WAIT);
		flow_watch_orphan(flow);
		break;
	case TCP_DIALING:
	case TCP_SYN_SENT:
	case TCP_SYN_RECEIVED:
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
	case TCP_FIN_WAIT_2:
	case TCP_TIME_WAIT:
		break;
	}
}

static void drop_acknowledged(struct tcp_flow *flow, uint32_t count)
{
	bool had = flow->to_guest.len > 0;

	bytequeue_drop(&flow->to_guest, flow->tcp->pool, MIN(count, flow->to_guest.len));
	flow->tcp->senders -= had && flow->to_guest.len == 0;
}

void flow_acknowledged(struct tcp_flow *flow, uint32_t ack, int64_t now_ms)
{
	drop_acknowledged(flow, ack - flow->snd_una); /* SYN and FIN are numbers, but no bytes */
	flow->snd_una = ack;
	if (seq_before(flow->snd_nxt, ack))
		flow->snd_nxt = ack;
	if (flow->sacked)
		sackboard_advance(flow->sacked, ack);
	if (flow->rtt_start_ms != 0 && !seq_before(ack, flow->rtt_seq)) {
		measure(flow, (uint32_t)(now_ms - flow->rtt_start_ms));
		flow->rtt_start_ms = 0;
	}
	flow->rto_ms = base_rto(flow);
	flow->retries = flow->duplicate_acks = 0;
	if (flow->recovering && !seq_before(ack, flow->recover))
		end_recovery(flow);
	else if (flow->recovering)
		recover(flow); /* the next gap */
	if (flow->fin_sent && ack == flow->snd_max)
		fin_acknowledged(flow);
	flow_touch(flow);
	flow_arm_timer(flow);
}

void flow_window_opened(struct tcp_flow *flow)
{
	flow->rto_ms = base_rto(flow);
	if (flow_is_unacknowledged(flow)) /* sent into a window that was shut meanwhile */
		flow->snd_nxt = flow->snd_una;
	flow_arm_timer(flow);
}

void flow_send_again(struct tcp_flow *flow)
{
	end_recovery(flow);
	flow->rtt_start_ms = 0;
	flow->snd_nxt = flow->snd_una;
	flow_arm_timer(flow);
	flow_touch(flow);
}

/* Not heard of for so long. False: for too long, and the flow is gone. */
static bool try_again(struct tcp_flow *flow)
{
	if (flow->retries++ >= RETRIES_MAX) {
		flow_reset_guest(flow);
		flow_destroy(flow);
		return false;
	}
	if (flow->retries > 2)
		flow_doubt_neighbour(flow);
	if (flow->retries == 3)
		flow_doubt_path(flow);
	if (flow_is_unacknowledged(flow) || flow_waits_for_window(flow)) /* else a keepalive */
		flow->rto_ms = MIN(flow->rto_ms * 2, RTO_MAX_MS);
	return true;
}

void flow_timeout(struct tcp_flow *flow, int64_t now_ms)
{
	if (flow->state == TCP_SYN_SENT) {
		flow_open_timeout(flow);
		return;
	}
	if (flow->starved && !flow_is_unacknowledged(flow)) {
		flow->starved = false;
		flow_touch(flow);
		return;
	}
	if (!try_again(flow))
		return;
	if (flow->state == TCP_SYN_RECEIVED) {
		flow->tcp->stats.retransmitted++;
		flow_send_syn_ack(flow);
	} else if (flow_is_unacknowledged(flow) && flow->snd_wnd > 0) {
		flow_send_again(flow);
	} else if (flow_is_unacknowledged(flow) || flow_waits_for_window(flow)) {
		end_recovery(flow);
		flow->rtt_start_ms = 0;
		flow_send_probe(flow);
		flow_arm_timer(flow);
	} else {
		flow_send_probe(flow);
		flow_set_timer(flow, now_ms + KEEPALIVE_AGAIN_MS);
	}
}
