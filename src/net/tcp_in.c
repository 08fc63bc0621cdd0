/* What a segment from the guest does to a connection: RFC 9293 section 3.10.7, in its order.
 *
 * Nothing is sent from here but the answers that a single segment asks for (a challenge, a repeated
 * SYN-ACK); data and acknowledgements follow at the end of the turn.
 *
 * The guest's kernel is next door and rarely loses a segment, so there is no reassembly: a segment
 * that is not the next one is answered at once with what is wanted, and the guest sends again. A
 * segment that overlaps what has been taken already is cut to what is new.
 */
#include <errno.h>
#include <string.h>

#include "base/loop.h"
#include "net/tcp_flow.h"

#define RCV_WSCALE 5	 /* so that the window field can say 2 MiB */
#define MSS_DEFAULT4 536 /* RFC 9293 section 3.7.1 */
#define MSS_DEFAULT6 1220
#define MSS_MIN 28   /* what the least MTU of IPv4 leaves (RFC 791) */
#define DUPLICATES 3 /* RFC 5681 section 3.2 */
#define RTO_INITIAL_MS 1000

/* Unpredictable to whoever does not know the key, and ahead of the last use of the same ports:
 * RFC 6528, with the clock at 4 microseconds.
 */
static uint32_t initial_sequence(const struct tcp_flow *flow)
{
	uint32_t clock = (uint32_t)(loop_now_ms(flow->tcp->loop) * 250);

	return clock + (uint32_t)(siphash(&flow->tcp->key, &flow->key, sizeof(flow->key)) >> 32);
}

void flow_begin(struct tcp_flow *flow)
{
	flow->iss = initial_sequence(flow);
	flow->snd_una = flow->snd_nxt = flow->snd_max = flow->iss;
	flow->rto_ms = RTO_INITIAL_MS;
	flow->mss = tcp_mss(flow->tcp, flow->key.family == IP_V6);
	flow->window_scaling = true;
	flow->rcv_wscale = RCV_WSCALE;
}

void flow_take_syn(struct tcp_flow *flow, const struct tcpseg *seg)
{
	uint16_t mss = seg->src.family == IP_V6 ? MSS_DEFAULT6 : MSS_DEFAULT4;

	if (seg->mss != 0)
		mss = MAX(seg->mss, MSS_MIN);
	flow->mss = MIN(flow->mss, mss);
	flow->irs = seg->seq;
	flow->rcv_nxt = flow->rcv_adv = flow->rcv_acked = seg->seq + 1;
	flow->snd_wnd = seg->window;
	flow->snd_wl1 = seg->seq;
	if (seg->wscale != TCPSEG_WSCALE_NONE) {
		flow->snd_wscale = seg->wscale;
	} else { /* both or none: RFC 7323 section 2.2 */
		flow->rcv_wscale = 0;
		flow->window_scaling = false;
	}
}

void flow_syn(struct tcp *tcp, const struct tcpseg *seg, const uint8_t *bytes,
	      const struct tcp_key *key)
{
	struct tcp_flow *flow = flow_new(tcp, key);
	int r;

	memcpy(flow->our_mac.b, bytes, sizeof(flow->our_mac.b));
	memcpy(flow->guest_mac.b, bytes + sizeof(flow->our_mac.b), sizeof(flow->guest_mac.b));
	flow_begin(flow);
	flow_take_syn(flow, seg);
	r = flow_dial(flow);
	if (r < 0)
		flow_refuse(flow, r);
}

/* RFC 5961: what could be a blind attack is answered with where we stand, and a real peer then
 * proves itself with the exact number.
 */
static void challenge(struct tcp_flow *flow)
{
	tcp_count_drop(flow->tcp, TCP_DROP_CHALLENGED);
	flow->ack_now = true;
	flow_touch(flow);
}

/* RFC 9293 section 3.10.7.4, first: is any of it inside the window that we have advertised? */
static bool is_acceptable(const struct tcp_flow *flow, const struct tcpseg *seg)
{
	uint32_t window = flow->rcv_adv - flow->rcv_nxt;
	uint32_t len =
		(uint32_t)seg->len + !!(seg->flags & TCPSEG_SYN) + !!(seg->flags & TCPSEG_FIN);
	uint32_t end = seg->seq + len;

	if (len == 0 && window == 0)
		return seg->seq == flow->rcv_nxt;
	if (!seq_before(seg->seq, flow->rcv_nxt + MAX(window, 1)))
		return false;
	return len == 0 ? !seq_before(seg->seq, flow->rcv_nxt) : seq_before(flow->rcv_nxt, end);
}

static void take_reset(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (seg->seq != flow->rcv_nxt) {
		challenge(flow);
		return;
	}
	flow->tcp->stats.reset++;
	flow_destroy(flow);
}

static void take_window(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (seq_before(flow->snd_wl1, seg->seq) ||
	    (flow->snd_wl1 == seg->seq && !seq_before(seg->ack, flow->snd_wl2))) {
		flow->snd_wnd = (uint32_t)seg->window << flow->snd_wscale;
		flow->snd_wl1 = seg->seq;
		flow->snd_wl2 = seg->ack;
	}
}

/* RFC 5681 section 2: an acknowledgement that only says that something came out of order. */
static bool is_duplicate(const struct tcp_flow *flow, const struct tcpseg *seg)
{
	return seg->ack == flow->snd_una && seg->len == 0 && flow->snd_max != flow->snd_una &&
	       !(seg->flags & (TCPSEG_SYN | TCPSEG_FIN)) &&
	       (uint32_t)seg->window << flow->snd_wscale == flow->snd_wnd;
}

static void take_duplicate(struct tcp_flow *flow)
{
	if (flow->duplicate_acks < UINT8_MAX)
		flow->duplicate_acks++;
	if (flow->duplicate_acks != DUPLICATES || flow->recovering)
		return;
	flow->recovering = true;
	flow->recover = flow->snd_max;
	flow_retransmit(flow);
}

/* False: the segment is not to be looked at further. */
static bool take_ack(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (seq_before(flow->snd_max, seg->ack)) { /* of what was never sent */
		challenge(flow);
		return false;
	}
	if (flow->state == TCP_SYN_RECEIVED) {
		if (seg->ack != flow->iss + 1)
			return false;
		flow_set_state(flow, TCP_ESTABLISHED);
		flow->snd_wnd = (uint32_t)seg->window << flow->snd_wscale;
		flow->snd_wl1 = seg->seq;
		flow->snd_wl2 = seg->ack;
	}
	if (is_duplicate(flow, seg))
		take_duplicate(flow);
	else if (seq_before(flow->snd_una, seg->ack))
		flow_acknowledged(flow, seg->ack, loop_now_ms(flow->tcp->loop));
	take_window(flow, seg);
	/* The guest is there: it answers a probe or a keepalive for as long as it likes. */
	if (flow->retries > 0 && (flow->snd_wnd == 0 || flow->snd_una == flow->snd_max)) {
		flow->retries = 0;
		flow_arm_timer(flow);
	}
	flow_touch(flow);
	return true;
}

/* The guest will send no more: what comes after its FIN in the state machine. */
static void take_fin(struct tcp_flow *flow)
{
	flow->rcv_nxt++;
	flow->guest_fin = true;
	switch (flow->state) {
	case TCP_ESTABLISHED:
		flow_set_state(flow, TCP_CLOSE_WAIT);
		break;
	case TCP_FIN_WAIT_1:
		flow_set_state(flow, TCP_CLOSING);
		break;
	case TCP_FIN_WAIT_2:
		flow_set_state(flow, TCP_TIME_WAIT);
		break;
	case TCP_DIALING:
	case TCP_SYN_SENT:
	case TCP_SYN_RECEIVED:
	case TCP_CLOSE_WAIT:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		break;
	}
}

/* False: the flow is gone. */
static bool take_payload(struct tcp_flow *flow, const struct tcpseg *seg)
{
	bool early = seq_before(flow->rcv_nxt, seg->seq);
	/* Bytes at the front that we have already. */
	size_t old = early ? 0 : MIN(flow->rcv_nxt - seg->seq, seg->len);
	const uint8_t *fresh = seg->payload + old;
	size_t len = seg->len - old;
	bool fin = seg->flags & TCPSEG_FIN;
	ssize_t taken;

	if (len == 0 && !fin)
		return true;
	flow->ack_now = true;
	flow_touch(flow);
	if (flow->guest_fin || early) /* not the next: say what is */
		return true;
	if (len > flow->rcv_adv - flow->rcv_nxt) {
		len = flow->rcv_adv - flow->rcv_nxt;
		fin = false;
	}
	taken = len > 0 ? flow_take(flow, fresh, len) : 0;
	if (taken < 0) {
		flow_reset_guest(flow);
		flow_destroy(flow);
		return false;
	}
	flow->rcv_nxt += (uint32_t)taken;
	if (fin && (size_t)taken == len)
		take_fin(flow);
	return true;
}

void flow_input(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (flow->state == TCP_DIALING) {
		if ((seg->flags & TCPSEG_RST) && seg->seq == flow->rcv_nxt)
			flow_destroy(flow);
		return; /* a repeated SYN is answered when we know what to say */
	}
	if (flow->state == TCP_SYN_SENT) {
		flow_open_input(flow, seg);
		return;
	}
	if (flow->state == TCP_SYN_RECEIVED && (seg->flags & TCPSEG_SYN) && seg->seq == flow->irs) {
		flow_send_syn_ack(flow);
		return;
	}
	if (!is_acceptable(flow, seg)) {
		if (!(seg->flags & TCPSEG_RST)) {
			flow->ack_now = true;
			flow_touch(flow);
			/* What it acknowledges may count all the same: a keepalive or a repeated
			 * segment comes from before the window.
			 */
			if ((seg->flags & TCPSEG_ACK) && !(seg->flags & TCPSEG_SYN) &&
			    !seq_before(flow->snd_max, seg->ack) &&
			    seq_before(flow->snd_una, seg->ack) && flow->state != TCP_SYN_RECEIVED)
				flow_acknowledged(flow, seg->ack, loop_now_ms(flow->tcp->loop));
		}
		return;
	}
	if (seg->flags & TCPSEG_RST) {
		take_reset(flow, seg);
		return;
	}
	if (seg->flags & TCPSEG_SYN) {
		challenge(flow);
		return;
	}
	if (!(seg->flags & TCPSEG_ACK) || !take_ack(flow, seg))
		return;
	take_payload(flow, seg);
}
