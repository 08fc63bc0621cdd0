/* What goes to the guest: data as the guest's window lets it, acknowledgements, and the end.
 *
 * Data stay in buffers from snd_una on until they are acknowledged; the socket is read only when the
 * guest has room for what would be read, so the rest waits in the host's kernel.
 *
 * Segments are as large as the link takes (64 KiB where the kernel cuts them), and the fewer there
 * are the less a byte costs: so while much is on the way, a piece of the window that is not worth a
 * segment waits for the acknowledgements that will make it larger. The same against silly
 * windows of the guest (RFC 9293 section 3.8.6.2.1).
 */
#include "base/loop.h"
#include "net/settings.h"
#include "net/tcp_flow.h"

#define SND_LIMIT (1024 * 1024) /* bytes to the guest that are not acknowledged, one flow */
#define SND_LEAST POOL_BUFFER_SIZE
#define SND_TOGETHER (24 * 1024 * 1024) /* of all flows; each may have SND_LEAST */
#define RCV_LEAST POOL_BUFFER_SIZE	/* the same where many hosts are slow */
#define RCV_LIMIT (1024 * 1024)		/* bytes for a socket that has no room, one flow */
#define TURN_LIMIT (1024 * 1024)	/* bytes of one flow before others have their turn */
#define SEGMENT_PAYLOAD_MAX 65000	/* and headers: one IP packet (65535) */

uint16_t tcp_mss(const struct tcp *tcp, bool v6)
{
	return (uint16_t)mss_of_mtu(tcp->settings->mtu, v6);
}

uint32_t flow_segment_max(const struct tcp_flow *flow)
{
	if (!flow->tcp->output.large_segments)
		return flow->mss;
	return MAX(flow->mss, SEGMENT_PAYLOAD_MAX / flow->mss * flow->mss);
}

static uint32_t receive_window(const struct tcp_flow *flow)
{
	struct pool_stats pool = pool_stats(flow->tcp->host_pool);
	uint32_t limit = pool.in_use < pool.limit / 2 ? RCV_LIMIT : RCV_LEAST;
	uint32_t room = limit - MIN(flow->to_host.len, limit);
	uint32_t most = (uint32_t)UINT16_MAX << flow->rcv_wscale;

	return MIN(room, most) >> flow->rcv_wscale << flow->rcv_wscale;
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
		.src = flow_remote(flow),
		.dst = flow_guest(flow),
		.sport = flow->key.remote_port,
		.dport = flow->key.guest_port,
		.seq = seq,
		.ack = flow->rcv_nxt,
		.flags = flags,
		.wscale = TCPSEG_WSCALE_NONE,
		.payload = payload,
		.len = len,
	};
	uint32_t window = receive_window(flow);

	if (flags & TCPSEG_SYN) {
		seg.mss = tcp_mss(flow->tcp, flow->key.family == IP_V6);
		seg.window = (uint16_t)MIN(window, UINT16_MAX); /* never scaled in a SYN */
		if (flow->window_scaling)
			seg.wscale = flow->rcv_wscale;
		seg.sack_permitted = flow->sack;
	} else {
		seg.window = (uint16_t)(window >> flow->rcv_wscale);
	}
	/* In a segment with data the option would push it over the MTU. */
	if (flow->early && flow->sack && len == 0 && flags == TCPSEG_ACK)
		seg.sack_count = reassembly_blocks(flow->early, seg.sacks, TCPSEG_SACKS_MAX);
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
		send_segment(flow, flow->snd_max, TCPSEG_RST | TCPSEG_ACK, NULL, 0);
	flow->tcp->stats.reset++;
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

/* From the end of what was sent, or of the guest's window where it has been shut since: a segment
 * from behind either would not be looked at.
 */
void flow_send_ack(struct tcp_flow *flow)
{
	uint32_t edge = flow->snd_una + flow->snd_wnd;

	send_segment(flow, seq_before(edge, flow->snd_max) ? edge : flow->snd_max, TCPSEG_ACK, NULL,
		     0);
}

void flow_send_probe(struct tcp_flow *flow)
{
	send_segment(flow, flow->snd_una - 1, TCPSEG_ACK, NULL, 0);
}

static bool fin_is_due(const struct tcp_flow *flow)
{
	if (!flow->host_eof || flow->host_reset || flow_in_flight(flow) != flow->to_guest.len)
		return false;
	if (flow->fin_sent) /* again, after a timeout */
		return flow->snd_una != flow->snd_max;
	return flow->state == TCP_ESTABLISHED || flow->state == TCP_CLOSE_WAIT;
}

void flow_send_fin(struct tcp_flow *flow)
{
	uint32_t seq = flow->snd_una + flow->to_guest.len;

	send_segment(flow, seq, TCPSEG_FIN | TCPSEG_ACK, NULL, 0);
	flow->snd_nxt = flow->snd_max = seq + 1;
	flow->fin_sent = true;
	if (flow->state == TCP_ESTABLISHED)
		flow_set_state(flow, TCP_FIN_WAIT_1);
	else if (flow->state == TCP_CLOSE_WAIT)
		flow_set_state(flow, TCP_LAST_ACK);
}

uint32_t flow_send_queued(struct tcp_flow *flow, uint32_t seq, uint32_t len)
{
	uint32_t offset = seq - flow->snd_una, end;
	uint32_t here = MIN(len, flow_segment_max(flow));
	const uint8_t *payload = bytequeue_at(&flow->to_guest, offset, &here);
	uint8_t flags = TCPSEG_ACK;

	if (!payload)
		return 0;
	if (offset + here == flow->to_guest.len)
		flags |= TCPSEG_PSH;
	send_segment(flow, seq, flags, payload, here);
	end = seq + here;
	if (seq == flow->snd_max) {
		if (flow->rtt_start_ms == 0) {
			flow->rtt_start_ms = loop_now_ms(flow->tcp->loop);
			flow->rtt_seq = end;
		}
	} else {
		flow->tcp->stats.retransmitted++;
	}
	if (seq_before(flow->snd_max, end))
		flow->snd_max = end;
	return here;
}

/* What one flow may have on the way: less when many are sending, so that the pool is for all. */
static uint32_t send_limit(const struct tcp_flow *flow)
{
	size_t share = SND_TOGETHER / MAX(flow->tcp->senders, 1);

	return (uint32_t)CLAMP(share, SND_LEAST, SND_LIMIT);
}

/* How much more the guest takes now. */
static uint32_t send_room(const struct tcp_flow *flow)
{
	uint32_t window = MIN(flow->snd_wnd, send_limit(flow));
	uint32_t in_flight = flow_in_flight(flow);
	uint32_t room = window - MIN(window, in_flight);

	if (in_flight > 0 && room < MIN(flow_segment_max(flow), window / 4))
		return 0;
	return room;
}

static bool may_send_data(const struct tcp_flow *flow)
{
	return flow->state == TCP_ESTABLISHED || flow->state == TCP_CLOSE_WAIT || flow->fin_sent;
}

/* Enough of a change of the window to be worth a segment (RFC 9293 section 3.8.6.2.2), to a guest that
 * still sends: one that has finished may have forgotten the connection, and would reset it.
 */
static bool window_opened(const struct tcp_flow *flow)
{
	uint32_t edge = flow->rcv_nxt + receive_window(flow);
	uint32_t most = MIN(RCV_LIMIT, (uint32_t)UINT16_MAX << flow->rcv_wscale);

	return !flow->guest_fin && edge - flow->rcv_adv >= MIN(most / 2, 2u * flow->mss) &&
	       seq_before(flow->rcv_adv, edge) && flow->rcv_adv - flow->rcv_nxt < RCV_LIMIT / 2;
}

/* Whether there is something that has not been sent, reading it if need be. */
static bool has_unsent(struct tcp_flow *flow, uint32_t room)
{
	if (flow->to_guest.len > flow_in_flight(flow))
		return true;
	return flow->host_readable && !flow->host_eof && !flow->starved &&
	       flow_read_host(flow, room);
}

static void send_data(struct tcp_flow *flow)
{
	uint32_t budget = TURN_LIMIT, room;

	while (may_send_data(flow) && (room = send_room(flow)) > 0 && has_unsent(flow, room)) {
		uint32_t sent;

		if (budget == 0) {
			flow_touch(flow); /* others first */
			return;
		}
		sent = flow_send_queued(flow, flow->snd_nxt, room);
		flow->snd_nxt += sent;
		budget -= MIN(budget, sent);
	}
}

/* The host has failed, and the guest has everything that came before that. */
static bool reset_is_due(const struct tcp_flow *flow)
{
	if (!flow->host_reset || flow->state == TCP_TIME_WAIT)
		return false;
	return flow->state <= TCP_SYN_RECEIVED || (flow->host_eof && flow->to_guest.len == 0);
}

static void leave_when_done(struct tcp_flow *flow)
{
	if (flow->fd < 0 || flow->to_host.len > 0)
		return;
	if (flow->forget)
		flow_destroy(flow);
	else
		flow_time_wait(flow);
}

void flow_output(struct tcp_flow *flow)
{
	uint32_t before = flow->snd_max;
	bool was_starved = flow->starved;

	if (flow->state > TCP_SYN_RECEIVED && flow->state != TCP_TIME_WAIT)
		send_data(flow);
	if (reset_is_due(flow)) {
		flow_reset_guest(flow);
		flow_destroy(flow);
		return;
	}
	if (flow->state == TCP_SYN_RECEIVED && flow->ack_now)
		flow_send_ack(flow);
	if (flow->state <= TCP_SYN_RECEIVED)
		return;
	if (flow->state != TCP_TIME_WAIT && fin_is_due(flow))
		flow_send_fin(flow);
	if (flow->ack_now || flow->rcv_acked != flow->rcv_nxt || window_opened(flow))
		flow_send_ack(flow);
	if (flow->snd_max != before || !flow->timer.prev || (flow->starved && !was_starved) ||
	    (flow_waits_for_window(flow) && !flow_is_unacknowledged(flow)))
		flow_arm_timer(flow);
	if (flow->state == TCP_TIME_WAIT)
		leave_when_done(flow);
}
