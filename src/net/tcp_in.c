/* What a segment from the guest does to a connection: RFC 9293 section 3.10.7, in its order.
 *
 * Nothing is sent from here but the answers that a single segment asks for (a challenge, a repeated
 * SYN-ACK); data and acknowledgements follow at the end of the turn.
 *
 * A segment that is not the next one is kept (net/reassembly.h) and answered at once with what is
 * wanted: RFC 5681 section 4.2. It happens without any loss: a guest that forwards for others swaps
 * segments when a sender moves to another CPU; and a guest whose segments behind a gap were thrown
 * away counts them as being on the way until its timer runs out, which doubles each time.
 * A segment that overlaps what has been taken already is cut to what is new.
 */
#include <errno.h>
#include <string.h>

#include "base/loop.h"
#include "net/tcp_flow.h"

#define RCV_WSCALE 5	 /* so that the window field can say 2 MiB */
#define MSS_DEFAULT4 536 /* RFC 9293 section 3.7.1 */
#define MSS_DEFAULT6 1220
#define MSS_MIN 28 /* what the least MTU of IPv4 leaves (RFC 791) */
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
	flow->window_scaling = flow->sack = true;
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
	flow->sack &= seg->sack_permitted;
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

/* What has been acknowledged is the host's, also when the guest has not waited for it to be taken:
 * so the flow stays until to_host is empty.
 */
static void take_reset(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (seg->seq != flow->rcv_nxt) {
		challenge(flow);
		return;
	}
	flow->tcp->stats.reset++;
	if (flow->to_host.len == 0)
		flow_destroy(flow);
	else
		flow_leave_guest(flow);
}

/* RFC 9293 section 3.10.7.4 takes the window of the newest segment: the highest sequence number, then
 * the highest acknowledgement. One with @progress is news whatever its number: it tells what
 * the guest takes beyond what it has just acknowledged, and one that came out of order has moved
 * snd_wl1 ahead.
 */
static void take_window(struct tcp_flow *flow, const struct tcpseg *seg, bool progress)
{
	uint32_t window = (uint32_t)seg->window << flow->snd_wscale;

	if (!progress && !seq_before(flow->snd_wl1, seg->seq) &&
	    (flow->snd_wl1 != seg->seq || seq_before(seg->ack, flow->snd_wl2)))
		return;
	flow->snd_wnd = window;
	flow->snd_wl1 = seg->seq;
	flow->snd_wl2 = seg->ack;
}

/* RFC 5681 section 2: an acknowledgement that only says that something came out of order. */
static bool is_duplicate(const struct tcp_flow *flow, const struct tcpseg *seg)
{
	return seg->ack == flow->snd_una && seg->len == 0 && flow->snd_max != flow->snd_una &&
	       !(seg->flags & (TCPSEG_SYN | TCPSEG_FIN)) &&
	       (uint32_t)seg->window << flow->snd_wscale == flow->snd_wnd;
}

static void take_handshake(struct tcp_flow *flow, const struct tcpseg *seg)
{
	flow_set_state(flow, TCP_ESTABLISHED);
	flow->snd_wnd = (uint32_t)seg->window << flow->snd_wscale;
	flow->snd_wl1 = seg->seq;
	flow->snd_wl2 = seg->ack;
}

/* False: the segment is not to be looked at further. */
static bool take_ack(struct tcp_flow *flow, const struct tcpseg *seg)
{
	bool progress = seq_before(flow->snd_una, seg->ack);
	bool duplicate = is_duplicate(flow, seg), was_shut = flow->snd_wnd == 0;

	if (seq_before(flow->snd_max, seg->ack)) { /* of what was never sent */
		challenge(flow);
		return false;
	}
	if (flow->state == TCP_SYN_RECEIVED) {
		if (seg->ack != flow->iss + 1)
			return false;
		take_handshake(flow, seg);
	}
	if (progress)
		flow_acknowledged(flow, seg->ack, loop_now_ms(flow->tcp->loop));
	if (progress || seg->ack == flow->snd_una)
		take_window(flow, seg, progress);
	flow_look_for_loss(flow, seg, duplicate);
	/* The guest is there: it answers a probe or a keepalive for as long as it likes. */
	if (flow->retries > 0 && (flow->snd_wnd == 0 || !flow_is_unacknowledged(flow))) {
		flow->retries = 0;
		flow_arm_timer(flow);
	}
	if (was_shut && flow->snd_wnd > 0)
		flow_window_opened(flow);
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
		flow_watch_orphan(flow);
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

/* Behind a gap. Answered at once and each one: a guest without SACK counts the answers. */
static void keep_early(struct tcp_flow *flow, uint32_t seq, const uint8_t *bytes, uint32_t len,
		       bool fin)
{
	if (!flow->early)
		flow->early = g_new0(struct reassembly, 1);
	reassembly_add(flow->early, flow->tcp->host_pool, seq, bytes, len);
	if (fin) {
		flow->early->has_end = true;
		flow->early->end = seq + len;
	}
	flow->tcp->stats.out_of_order++;
	flow_send_ack(flow);
}

/* Something that was kept may be next now. */
static void take_early(struct tcp_flow *flow)
{
	struct tcp *tcp = flow->tcp;
	struct reassembly *early = flow->early;
	uint32_t len = reassembly_take(early, tcp->host_pool, flow->rcv_nxt, &flow->to_host);

	flow->rcv_nxt += len;
	tcp->stats.bytes_to_host += len;
	tally_from_guest(flow->tally, len);
	if (flow->host_reset)
		bytequeue_drop(&flow->to_host, tcp->host_pool, flow->to_host.len);
	if (early->has_end && early->end == flow->rcv_nxt)
		take_fin(flow);
	if (flow->guest_fin || (early->count == 0 && !early->has_end))
		flow_forget_early(flow);
}

static void take_payload(struct tcp_flow *flow, const struct tcpseg *seg)
{
	bool early = seq_before(flow->rcv_nxt, seg->seq);
	/* Bytes at the front that we have already. */
	uint32_t old = early ? 0 : MIN(flow->rcv_nxt - seg->seq, (uint32_t)seg->len);
	uint32_t seq = seg->seq + old, len = (uint32_t)seg->len - old, taken;
	const uint8_t *fresh = seg->payload + old;
	bool fin = seg->flags & TCPSEG_FIN;

	if (len == 0 && !fin)
		return;
	flow->ack_now = true;
	flow_touch(flow);
	if (flow->guest_fin)
		return;
	if (len > flow->rcv_adv - seq) {
		len = flow->rcv_adv - seq;
		fin = false;
	}
	if (early) {
		keep_early(flow, seq, fresh, len, fin);
		return;
	}
	taken = len > 0 ? flow_take(flow, fresh, len) : 0;
	flow->rcv_nxt += taken;
	if (taken < len)
		return;
	if (fin)
		take_fin(flow);
	if (flow->early)
		take_early(flow);
}

/* Outside of the window: an old one, a keepalive, a probe, or one that we asked too much of. It is
 * told where we stand, and what it acknowledges counts all the same.
 */
static void answer_unacceptable(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (seg->flags & TCPSEG_RST)
		return;
	flow->ack_now = true;
	flow_touch(flow);
	if (flow->state == TCP_TIME_WAIT && flow->fd < 0 && (seg->flags & TCPSEG_FIN))
		flow_time_wait(flow); /* it has not heard our last word: the wait begins again */
	if ((seg->flags & (TCPSEG_ACK | TCPSEG_SYN)) == TCPSEG_ACK &&
	    flow->state != TCP_SYN_RECEIVED && !seq_before(flow->snd_max, seg->ack) &&
	    !seq_before(seg->ack, flow->snd_una))
		(void)take_ack(flow, seg);
}

void flow_input(struct tcp_flow *flow, const struct tcpseg *seg)
{
	if (flow->forget && flow->state == TCP_TIME_WAIT)
		return; /* it has left, and only the host's side is not finished */
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
		answer_unacceptable(flow, seg);
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
	if ((seg->flags & TCPSEG_ACK) && take_ack(flow, seg))
		take_payload(flow, seg);
}
