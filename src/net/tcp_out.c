/* What goes to the guest: data as the guest's window lets it, acknowledgements, and everything
 * again that the guest did not acknowledge.
 *
 * Data stay in buffers from snd_una on until they are acknowledged; the socket is read only when the
 * guest has room for what would be read, so the rest waits in the host's kernel. There is no
 * congestion window: the only link is the one to the guest's kernel, and at most SND_LIMIT is in
 * flight on it.
 *
 * Retransmission: three duplicate acknowledgements send the first missing segment again, and each
 * partial acknowledgement after that the next (RFC 6582); a timeout (RFC 6298) starts again
 * from the first byte that is not acknowledged. A window that the guest has shut is probed with
 * one byte on the same timer (RFC 9293 section 3.8.6.1). A flow without anything on the way has
 * no timer but a keepalive, which finds out that the guest has gone.
 */
#include <string.h>

#include "base/loop.h"
#include "net/settings.h"
#include "net/tcp_flow.h"

#define SND_LIMIT (512 * 1024) /* bytes to the guest that are not acknowledged, one flow */
#define RCV_LIMIT (512 * 1024) /* bytes for a socket that has no room, one flow */
#define SEGMENTS_PER_TURN 16
#define SEGMENT_PAYLOAD_MAX 65000 /* and headers: one IP packet (65535) */
#define RTO_MIN_MS 200
#define RTO_MAX_MS (60 * 1000)
#define RETRIES_MAX 12
#define STARVED_MS 50
#define KEEPALIVE_MS (2 * 60 * 60 * 1000)
#define KEEPALIVE_FINISHED_MS (60 * 1000) /* FIN_WAIT_2: the guest may have forgotten us */

uint16_t tcp_mss(const struct tcp *tcp, bool v6)
{
	return (uint16_t)(tcp->settings->mtu - (v6 ? 60 : 40));
}

uint32_t flow_segment_max(const struct tcp_flow *flow)
{
	if (!flow->tcp->output.large_segments)
		return flow->mss;
	return MAX(flow->mss, SEGMENT_PAYLOAD_MAX / flow->mss * flow->mss);
}

static uint32_t receive_window(const struct tcp_flow *flow)
{
	uint32_t room = RCV_LIMIT - MIN(flow->to_host.len, RCV_LIMIT);
	uint32_t most = (uint32_t)UINT16_MAX << flow->rcv_wscale;

	return MIN(room, most) >> flow->rcv_wscale << flow->rcv_wscale;
}

static void fill_addresses(const struct tcp_flow *flow, struct tcpseg *seg)
{
	const struct tcp_key *key = &flow->key;

	seg->src.family = seg->dst.family = (enum ip_family)key->family;
	memcpy(seg->src.v6.b, key->remote, key->family == IP_V6 ? 16 : 4);
	memcpy(seg->dst.v6.b, key->guest, key->family == IP_V6 ? 16 : 4);
	seg->sport = key->remote_port;
	seg->dport = key->guest_port;
}

/* The edge never moves to the left, even where scaling has rounded it down: what the guest was once
 * allowed to send is taken.
 */
static void note_advertised(struct tcp_flow *flow, uint32_t window)
{
	if (seq_before(flow->rcv_adv, flow->rcv_nxt + window))
		flow->rcv_adv = flow->rcv_nxt + window;
	flow->rcv_acked = flow->rcv_nxt;
	flow->ack_now = false;
}

static void send_segment(struct tcp_flow *flow, uint32_t seq, uint8_t flags, const uint8_t *payload,
			 size_t len)
{
	struct tcpseg seg = {
		.seq = seq,
		.ack = flow->rcv_nxt,
		.flags = flags,
		.wscale = TCPSEG_WSCALE_NONE,
		.payload = payload,
		.len = len,
	};
	uint32_t window = receive_window(flow);

	fill_addresses(flow, &seg);
	if (flags & TCPSEG_SYN) {
		seg.mss = tcp_mss(flow->tcp, flow->key.family == IP_V6);
		seg.window = (uint16_t)MIN(window, UINT16_MAX); /* never scaled in a SYN */
		if (flow->window_scaling)
			seg.wscale = flow->rcv_wscale;
	} else {
		seg.window = (uint16_t)(window >> flow->rcv_wscale);
	}
	if (flags & TCPSEG_ACK)
		note_advertised(flow, (uint32_t)seg.window
					      << (flags & TCPSEG_SYN ? 0 : flow->rcv_wscale));
	flow->tcp->output.segment(&seg, flow->mss, &flow->our_mac, &flow->guest_mac,
				  flow->tcp->output.data);
}

void flow_reset_guest(struct tcp_flow *flow)
{
	/* In answer to a SYN there is nothing but its number to show that we mean it. */
	if (flow->state == TCP_DIALING)
		send_segment(flow, 0, TCPSEG_RST | TCPSEG_ACK, NULL, 0);
	else if (flow->state == TCP_SYN_SENT && flow->snd_nxt != flow->iss)
		send_segment(flow, flow->snd_nxt, TCPSEG_RST, NULL, 0); /* nothing to acknowledge */
	else if (flow->state != TCP_SYN_SENT && flow->state != TCP_TIME_WAIT)
		send_segment(flow, flow->snd_nxt, TCPSEG_RST | TCPSEG_ACK, NULL, 0);
	flow->tcp->stats.reset++;
}

/* Whether anything is on the way that the guest has to acknowledge. */
static bool is_unacknowledged(const struct tcp_flow *flow)
{
	return flow->snd_una != flow->snd_max;
}

void flow_arm_timer(struct tcp_flow *flow)
{
	int64_t now_ms = loop_now_ms(flow->tcp->loop);

	if (flow->state == TCP_TIME_WAIT)
		return;
	if (flow->starved && !is_unacknowledged(flow))
		flow_set_timer(flow, now_ms + STARVED_MS);
	else if (is_unacknowledged(flow) || (flow->snd_wnd == 0 && flow->host_readable))
		flow_set_timer(flow, now_ms + flow->rto_ms);
	else if (flow->state == TCP_FIN_WAIT_2)
		flow_set_timer(flow, now_ms + KEEPALIVE_FINISHED_MS);
	else
		flow_set_timer(flow, now_ms + KEEPALIVE_MS);
}

void flow_send_syn(struct tcp_flow *flow)
{
	send_segment(flow, flow->iss, TCPSEG_SYN, NULL, 0);
	flow->snd_nxt = flow->snd_max = flow->iss + 1;
}

void flow_send_syn_ack(struct tcp_flow *flow)
{
	send_segment(flow, flow->iss, TCPSEG_SYN | TCPSEG_ACK, NULL, 0);
	flow->snd_nxt = flow->snd_max = flow->iss + 1;
	flow_arm_timer(flow);
}

/* The bytes at an offset from snd_una that lie together in one buffer. */
static const uint8_t *queued_at(const struct tcp_flow *flow, uint32_t offset, uint32_t *len)
{
	const struct pool_buffer *buffer = flow->to_guest.first;

	while (buffer && offset >= buffer->end - buffer->start) {
		offset -= buffer->end - buffer->start;
		buffer = buffer->next;
	}
	if (!buffer)
		return NULL;
	*len = MIN(*len, buffer->end - buffer->start - offset);
	return buffer->data + buffer->start + offset;
}

static bool fin_is_due(const struct tcp_flow *flow)
{
	if (!flow->host_eof || flow_in_flight(flow) != flow->to_guest.len)
		return false;
	if (flow->fin_sent) /* again, after a timeout */
		return flow->snd_una != flow->snd_max;
	return flow->state == TCP_ESTABLISHED || flow->state == TCP_CLOSE_WAIT;
}

static void send_fin(struct tcp_flow *flow)
{
	send_segment(flow, flow->snd_nxt, TCPSEG_FIN | TCPSEG_ACK, NULL, 0);
	flow->snd_nxt++;
	flow->snd_max = flow->snd_nxt;
	flow->fin_sent = true;
	if (flow->state == TCP_ESTABLISHED)
		flow_set_state(flow, TCP_FIN_WAIT_1);
	else if (flow->state == TCP_CLOSE_WAIT)
		flow_set_state(flow, TCP_LAST_ACK);
}

/* Send up to @room bytes of what is queued from snd_nxt on. The count sent. */
static uint32_t send_queued(struct tcp_flow *flow, uint32_t room)
{
	uint32_t len = MIN(room, flow_segment_max(flow));
	const uint8_t *payload = queued_at(flow, flow_in_flight(flow), &len);
	uint8_t flags = TCPSEG_ACK;

	if (!payload)
		return 0;
	if (flow_in_flight(flow) + len == flow->to_guest.len)
		flags |= TCPSEG_PSH;
	send_segment(flow, flow->snd_nxt, flags, payload, len);
	if (flow->rtt_start_ms == 0 && flow->snd_nxt == flow->snd_max) {
		flow->rtt_start_ms = loop_now_ms(flow->tcp->loop);
		flow->rtt_seq = flow->snd_nxt + len;
	}
	flow->snd_nxt += len;
	if (seq_before(flow->snd_max, flow->snd_nxt))
		flow->snd_max = flow->snd_nxt;
	else
		flow->tcp->stats.retransmitted++;
	return len;
}

/* How much more the guest takes now. */
static uint32_t send_room(const struct tcp_flow *flow)
{
	uint32_t window = MIN(flow->snd_wnd, SND_LIMIT);
	uint32_t in_flight = flow_in_flight(flow);

	if (window <= in_flight)
		return flow->probe && in_flight == 0 ? 1 : 0;
	return window - in_flight;
}

static bool may_send_data(const struct tcp_flow *flow)
{
	return flow->state == TCP_ESTABLISHED || flow->state == TCP_CLOSE_WAIT || flow->fin_sent;
}

/* Enough of a change of the window to be worth a segment (RFC 9293 section 3.8.6.2.2). */
static bool window_opened(const struct tcp_flow *flow)
{
	uint32_t edge = flow->rcv_nxt + receive_window(flow);

	return edge - flow->rcv_adv >= MIN(RCV_LIMIT / 2, 2u * flow->mss) &&
	       seq_before(flow->rcv_adv, edge) && flow->rcv_adv - flow->rcv_nxt < RCV_LIMIT / 2;
}

/* Returns false if the flow is gone. */
static bool send_data(struct tcp_flow *flow)
{
	for (int i = 0; may_send_data(flow); i++) {
		uint32_t room = send_room(flow);
		uint32_t unsent =
			flow->to_guest.len - MIN(flow->to_guest.len, flow_in_flight(flow));

		if (room == 0 || (unsent == 0 && (!flow->host_readable || flow->host_eof)))
			break;
		if (unsent == 0 && flow->starved)
			break;
		if (i == SEGMENTS_PER_TURN) {
			flow_touch(flow); /* others first */
			break;
		}
		if (unsent == 0) {
			if (!flow_read_host(flow, room))
				return false;
			unsent = flow->to_guest.len - flow_in_flight(flow);
		}
		if (unsent > 0)
			send_queued(flow, room);
		flow->probe = false;
	}
	return true;
}

void flow_output(struct tcp_flow *flow)
{
	uint32_t before = flow->snd_max;

	if (flow->state <= TCP_SYN_RECEIVED)
		return;
	if (flow->state != TCP_TIME_WAIT && !send_data(flow))
		return;
	if (flow->state != TCP_TIME_WAIT && fin_is_due(flow))
		send_fin(flow);
	if (flow->ack_now || flow->rcv_acked != flow->rcv_nxt || window_opened(flow))
		send_segment(flow, flow->snd_nxt, TCPSEG_ACK, NULL, 0);
	if (flow->snd_max != before || !flow->timer.prev || flow->starved ||
	    (flow->snd_wnd == 0 && flow->host_readable && !is_unacknowledged(flow)))
		flow_arm_timer(flow);
	if (flow->state != TCP_TIME_WAIT || flow->fd < 0 || flow->to_host.len > 0)
		return;
	if (flow->forget)
		flow_destroy(flow);
	else
		flow_time_wait(flow);
}

void flow_retransmit(struct tcp_flow *flow)
{
	uint32_t nxt = flow->snd_nxt;

	flow->rtt_start_ms = 0; /* Karn: what was sent twice measures nothing */
	flow->snd_nxt = flow->snd_una;
	if (flow->to_guest.len > 0)
		send_queued(flow, flow->to_guest.len);
	else if (flow->fin_sent)
		send_fin(flow);
	if (seq_before(flow->snd_nxt, nxt))
		flow->snd_nxt = nxt;
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

void flow_acknowledged(struct tcp_flow *flow, uint32_t ack, int64_t now_ms)
{
	uint32_t count = ack - flow->snd_una;

	if (flow->snd_una == flow->iss)
		count--; /* the SYN */
	queue_consume(flow, &flow->to_guest, MIN(count, flow->to_guest.len));
	flow->snd_una = ack;
	if (seq_before(flow->snd_nxt, ack))
		flow->snd_nxt = ack;
	if (flow->rtt_start_ms != 0 && !seq_before(ack, flow->rtt_seq)) {
		measure(flow, (uint32_t)(now_ms - flow->rtt_start_ms));
		flow->rtt_start_ms = 0;
	}
	flow->rto_ms = base_rto(flow);
	flow->retries = flow->duplicate_acks = 0;
	if (flow->recovering) {
		if (seq_before(ack, flow->recover))
			flow_retransmit(flow); /* the next hole */
		else
			flow->recovering = false;
	}
	if (flow->fin_sent && ack == flow->snd_max)
		fin_acknowledged(flow);
	flow_touch(flow);
	flow_arm_timer(flow);
}

void flow_timeout(struct tcp_flow *flow, int64_t now_ms)
{
	bool waiting = is_unacknowledged(flow);

	if (flow->state == TCP_SYN_SENT) {
		flow_open_timeout(flow);
		return;
	}
	if (flow->starved) {
		flow->starved = false;
		flow_touch(flow);
		if (!waiting)
			return;
	}
	if (flow->retries++ >= RETRIES_MAX) {
		flow_reset_guest(flow);
		flow_destroy(flow);
		return;
	}
	if (flow->retries > 1)
		flow_doubt_neighbour(flow);
	flow->rto_ms = MIN(flow->rto_ms * 2, RTO_MAX_MS);
	flow->recovering = false;
	flow->duplicate_acks = 0;
	if (flow->state == TCP_SYN_RECEIVED) {
		flow->tcp->stats.retransmitted++;
		flow_send_syn_ack(flow);
		return;
	}
	if (waiting) { /* all of it again, as the window lets it */
		flow->rtt_start_ms = 0;
		flow->snd_nxt = flow->snd_una;
		flow->probe = true;
	} else if (flow->snd_wnd == 0 && flow->host_readable) {
		flow->probe = true;
	} else { /* keepalive: a number that was acknowledged long ago */
		send_segment(flow, flow->snd_una - 1, TCPSEG_ACK, NULL, 0);
		flow_set_timer(flow, now_ms + RTO_MAX_MS / 4);
		return;
	}
	flow_arm_timer(flow);
	flow_touch(flow);
}
