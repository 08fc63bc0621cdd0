#include "tcp_guest.h"

#include <glib.h>
#include <string.h>

#include "base/clock.h"
#include "tcp_world.h"

#define RTO_SYN_MS 1000
#define RTO_MS 300
#define RTO_MAX_MS 5000
#define MSS_DEFAULT 536
#define EARLY_MAX 32 /* pieces that it keeps */
#define SACKS_MAX 3  /* as with timestamps beside them */

/* ---- pieces of a stream ---- */

void ranges_add(struct ranges *ranges, uint64_t left, uint64_t right)
{
	unsigned from = 0, to;

	if (left >= right)
		return;
	while (from < ranges->count && ranges->at[from].right < left)
		from++;
	for (to = from; to < ranges->count && ranges->at[to].left <= right; to++) {
		left = MIN(left, ranges->at[to].left);
		right = MAX(right, ranges->at[to].right);
	}
	if (from == to && ranges->count == ranges->room) {
		ranges->room += 16;
		ranges->at = g_renew(struct range, ranges->at, ranges->room);
	}
	if (ranges->count > to)
		memmove(ranges->at + from + 1, ranges->at + to,
			(ranges->count - to) * sizeof(*ranges->at));
	ranges->count = ranges->count - (to - from) + 1;
	ranges->at[from] = (struct range){ left, right };
}

bool ranges_hold(const struct ranges *ranges, uint64_t left, uint64_t right)
{
	for (unsigned i = 0; i < ranges->count; i++) {
		if (left >= ranges->at[i].left && right <= ranges->at[i].right)
			return true;
	}
	return false;
}

uint64_t ranges_reach(const struct ranges *ranges, uint64_t at)
{
	for (unsigned i = 0; i < ranges->count; i++) {
		if (at >= ranges->at[i].left && at <= ranges->at[i].right)
			return ranges->at[i].right;
	}
	return at;
}

void ranges_drop_below(struct ranges *ranges, uint64_t at)
{
	unsigned gone = 0;

	while (gone < ranges->count && ranges->at[gone].right <= at)
		gone++;
	ranges->count -= gone;
	if (gone > 0 && ranges->count > 0)
		memmove(ranges->at, ranges->at + gone, ranges->count * sizeof(*ranges->at));
	if (ranges->count > 0)
		ranges->at[0].left = MAX(ranges->at[0].left, at);
}

void ranges_free(struct ranges *ranges)
{
	g_free(ranges->at);
	*ranges = (struct ranges){ 0 };
}

uint64_t guest_position(uint32_t number, uint32_t initial, uint64_t near)
{
	return near + (uint64_t)(int64_t)(int32_t)(number - initial - (uint32_t)near);
}

/* ---- out ---- */

uint64_t guest_got(const struct guest *guest)
{
	return guest->rcv_nxt == 0 ? 0 : guest->rcv_nxt - 1 - guest->fin_seen;
}

/* The end of all that there is to send, the FIN with it. */
static uint64_t send_end(const struct guest *guest)
{
	return 1 + guest->written + guest->finished;
}

static unsigned window_scale(const struct guest *guest)
{
	return guest->scaling ? guest->options.wscale : 0;
}

static uint16_t window_field(const struct guest *guest)
{
	const struct guest_options *options = &guest->options;
	uint64_t unread = guest_got(guest) - guest->read;
	uint64_t space = options->buffer > unread ? options->buffer - unread : 0;
	uint64_t edge = guest->rcv_nxt + space;
	uint64_t field;

	if (edge > guest->adv && edge - guest->adv < MIN(options->buffer / 2, 1000u))
		edge = guest->adv; /* no silly windows */
	if (!options->shrinks)
		edge = MAX(edge, guest->adv);
	field = edge > guest->rcv_nxt ? (edge - guest->rcv_nxt) >> window_scale(guest) : 0;
	if (!options->shrinks && guest->rcv_nxt + (field << window_scale(guest)) < guest->adv)
		field++; /* rounding takes nothing back */
	return (uint16_t)MIN(field, UINT16_MAX);
}

static uint64_t window_edge(const struct guest *guest, uint16_t field)
{
	return guest->rcv_nxt + ((uint64_t)field << window_scale(guest));
}

/* RFC 2018 section 4: the newest first. */
static void add_sacks(const struct guest *guest, struct tcpseg *seg)
{
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < guest->early.count && seg->sack_count < SACKS_MAX; i++) {
			const struct range *range = &guest->early.at[i];
			bool newest = guest->newest >= range->left && guest->newest < range->right;

			if (newest != (round == 0))
				continue;
			seg->sacks[seg->sack_count].left = guest->irs + (uint32_t)range->left;
			seg->sacks[seg->sack_count++].right = guest->irs + (uint32_t)range->right;
		}
	}
}

static void send_segment(struct guest *guest, uint64_t position, uint8_t flags, size_t len)
{
	struct tcpseg seg = guest->options.base;

	seg.seq = guest->options.iss + (uint32_t)position;
	seg.flags = flags;
	seg.len = len;
	seg.wscale = TCPSEG_WSCALE_NONE;
	if (flags & TCPSEG_SYN) {
		seg.mss = guest->options.mss;
		seg.wscale = guest->options.wscale;
		seg.sack_permitted = guest->options.sack;
		seg.window = (uint16_t)MIN(guest->options.buffer, UINT16_MAX);
		guest->adv = guest->adv_max = 1 + seg.window;
		if (flags & TCPSEG_ACK) { /* only what was offered */
			seg.ack = guest->irs + 1;
			seg.wscale = guest->scaling ? seg.wscale : TCPSEG_WSCALE_NONE;
			seg.sack_permitted = guest->peer_sack && seg.sack_permitted;
		}
	} else {
		seg.flags |= TCPSEG_ACK;
		seg.ack = guest->irs + (uint32_t)guest->rcv_nxt;
		seg.window = window_field(guest);
		guest->adv = window_edge(guest, seg.window);
		guest->adv_max = MAX(guest->adv_max, guest->adv);
		if (guest->sacking)
			add_sacks(guest, &seg);
		guest->ack_now = false;
		guest->unacked = 0;
		guest->ack_at = CLOCK_NEVER;
	}
	guest->send(&seg, position - 1, guest->data);
}

/* One segment from @position on. Returns how much of the stream it covers. */
static uint64_t send_from(struct guest *guest, uint64_t position, uint64_t limit)
{
	uint64_t data_end = 1 + guest->written;
	uint64_t end = MIN(MIN(data_end, limit), position + guest->options.burst);
	uint64_t len = end > position ? end - position : 0;
	bool fin = guest->finished && position + len == data_end && position + len < limit;

	if (len == 0 && !fin)
		return 0;
	send_segment(guest, position, (uint8_t)(fin ? TCPSEG_FIN : TCPSEG_PSH), len);
	guest->max = MAX(guest->max, position + len + fin);
	return len + fin;
}

static void arm(struct guest *guest)
{
	bool waiting = guest->una < guest->max || guest->una < send_end(guest);

	guest->rto_at = waiting ? guest->now_ms + guest->rto_ms : CLOCK_NEVER;
}

static void output(struct guest *guest)
{
	uint64_t limit = MIN(guest->edge, guest->una + MAX(guest->options.flight, 1));
	uint64_t sent;

	if (guest->state != GUEST_OPEN)
		return;
	while (guest->nxt < limit) {
		uint64_t reach = ranges_reach(&guest->sacked, guest->nxt);

		if (reach > guest->nxt) {
			guest->nxt = reach;
			continue;
		}
		sent = send_from(guest, guest->nxt, limit);
		if (sent == 0)
			break;
		guest->nxt += sent;
	}
	if (guest->rto_at == CLOCK_NEVER)
		arm(guest);
	if (guest->ack_now)
		send_segment(guest, guest->max, 0, 0);
}

/* ---- in ---- */

static void reset(struct guest *guest)
{
	guest->state = GUEST_RESET;
	guest->rto_at = guest->ack_at = CLOCK_NEVER;
}

/* What the other side's SYN says. */
static void take_syn(struct guest *guest, const struct tcpseg *seg)
{
	const struct guest_options *options = &guest->options;

	guest->irs = seg->seq;
	guest->rcv_nxt = 1;
	guest->una = guest->nxt = guest->max = 1;
	guest->scaling = seg->wscale != TCPSEG_WSCALE_NONE && options->wscale != TCPSEG_WSCALE_NONE;
	guest->peer_sack = seg->sack_permitted;
	guest->sacking = seg->sack_permitted && options->sack && options->reassembles;
	guest->peer_wscale = guest->scaling ? seg->wscale : 0;
	guest->peer_mss = seg->mss != 0 ? seg->mss : MSS_DEFAULT;
	guest->edge = 1u + seg->window;
	guest->wl1 = 0;
	guest->wl2 = 1;
}

static void open_up(struct guest *guest)
{
	guest->state = GUEST_OPEN;
	guest->rto_ms = RTO_MS;
	guest->rto_at = CLOCK_NEVER;
}

static void take_sacks(struct guest *guest, const struct tcpseg *seg)
{
	for (unsigned i = 0; i < seg->sack_count; i++) {
		uint64_t left = guest_position(seg->sacks[i].left, guest->options.iss, guest->una);
		uint64_t right =
			guest_position(seg->sacks[i].right, guest->options.iss, guest->una);

		world_check(left < right && right <= guest->max,
			    "a SACK block of what was never sent");
		ranges_add(&guest->sacked, left, right);
	}
}

static void retransmit_first(struct guest *guest)
{
	uint64_t end = MIN(guest->una + guest->peer_mss, guest->max);

	send_from(guest, guest->una, end);
}

static void take_progress(struct guest *guest, uint64_t ack)
{
	guest->una = ack;
	guest->nxt = MAX(guest->nxt, ack);
	guest->duplicates = 0;
	guest->rto_ms = RTO_MS;
	ranges_drop_below(&guest->sacked, ack);
	if (guest->recover > ack)
		retransmit_first(guest);
	else
		guest->recover = 0;
	arm(guest);
}

static void take_ack(struct guest *guest, const struct tcpseg *seg, uint64_t position)
{
	uint64_t ack = guest_position(seg->ack, guest->options.iss, guest->una);
	uint64_t edge = ack + ((uint64_t)seg->window << guest->peer_wscale);

	world_check(ack <= guest->max, "an acknowledgement of what was never sent");
	take_sacks(guest, seg);
	if (ack > guest->una) {
		take_progress(guest, ack);
	} else if (ack == guest->una && seg->len == 0 && !(seg->flags & TCPSEG_FIN) &&
		   guest->max > guest->una && edge == guest->edge) {
		if (++guest->duplicates == 3 && guest->recover == 0) {
			guest->recover = guest->max;
			retransmit_first(guest);
		}
	}
	if (position > guest->wl1 || (position == guest->wl1 && ack >= guest->wl2)) {
		guest->wl1 = position;
		guest->wl2 = ack;
		if (guest->edge <= guest->una && edge > guest->una) { /* no more probes */
			guest->rto_ms = RTO_MS;
			arm(guest);
		}
		guest->edge = edge;
	}
}

static void take_fin(struct guest *guest, uint64_t end)
{
	if (guest->fin_at != 0)
		world_check(guest->fin_at == end, "the FIN is at two places");
	guest->fin_at = end;
}

static void take_in_order(struct guest *guest)
{
	guest->rcv_nxt = ranges_reach(&guest->early, guest->rcv_nxt);
	ranges_drop_below(&guest->early, guest->rcv_nxt);
	if (guest->fin_at == guest->rcv_nxt && !guest->fin_seen && guest->fin_at != 0) {
		guest->rcv_nxt++;
		guest->fin_seen = true;
		guest->fin_came_first = !guest->finished || guest->max < send_end(guest);
	}
}

static void take_payload(struct guest *guest, const struct tcpseg *seg, uint64_t position)
{
	uint64_t limit = guest->options.shrinks ? guest->adv : guest->adv_max;
	uint64_t end = position + seg->len, right = MIN(end, limit);
	uint64_t left = MAX(position, guest->rcv_nxt);
	bool fin = seg->flags & TCPSEG_FIN;

	if (seg->len == 0 && !fin)
		return;
	if (guest->fin_at != 0)
		world_check(end <= guest->fin_at, "data behind the FIN");
	guest->unacked++;
	if (guest->ack_at == CLOCK_NEVER)
		guest->ack_at = guest->now_ms + guest->options.ack_delay_ms;
	if (fin || guest->unacked >= 2 || guest->options.ack_delay_ms == 0 || right < end ||
	    position != guest->rcv_nxt || guest->early.count > 0)
		guest->ack_now = true;
	if (left > guest->rcv_nxt) { /* early */
		if (!guest->options.reassembles || guest->early.count >= EARLY_MAX)
			return;
		guest->newest = left;
	}
	ranges_add(&guest->early, left, right);
	if (fin && right == end)
		take_fin(guest, end);
	take_in_order(guest);
}

static void close_if_done(struct guest *guest)
{
	if (guest->state != GUEST_OPEN || !guest->fin_seen || !guest->finished ||
	    guest->una < send_end(guest))
		return;
	if (guest->fin_came_first && guest->options.resets_late)
		guest->state = GUEST_CLOSED;
	guest->rto_at = CLOCK_NEVER;
}

static void answer_late(struct guest *guest, const struct tcpseg *seg)
{
	struct tcpseg rst = guest->options.base;

	if (seg->flags & TCPSEG_RST)
		return;
	rst.flags = TCPSEG_RST;
	rst.seq = seg->ack;
	if (!(seg->flags & TCPSEG_ACK)) {
		rst.flags = TCPSEG_RST | TCPSEG_ACK;
		rst.seq = 0;
		rst.ack = seg->seq + (uint32_t)seg->len + !!(seg->flags & TCPSEG_SYN);
	}
	rst.wscale = TCPSEG_WSCALE_NONE;
	guest->send(&rst, 0, guest->data);
}

static void take_syn_ack(struct guest *guest, const struct tcpseg *seg)
{
	if (!(seg->flags & TCPSEG_ACK) || seg->ack != guest->options.iss + 1)
		return;
	if (seg->flags & TCPSEG_RST)
		reset(guest);
	if (guest->state == GUEST_RESET || !(seg->flags & TCPSEG_SYN))
		return;
	world_check(seg->wscale == TCPSEG_WSCALE_NONE ||
			    guest->options.wscale != TCPSEG_WSCALE_NONE,
		    "window scaling that was not offered");
	world_check(!seg->sack_permitted || guest->options.sack, "SACK that was not offered");
	take_syn(guest, seg);
	open_up(guest);
	guest->ack_now = true;
	output(guest);
}

static void listen_to(struct guest *guest, const struct tcpseg *seg)
{
	if (seg->flags != TCPSEG_SYN)
		return;
	take_syn(guest, seg);
	guest->state = GUEST_SYN_RECEIVED;
	guest->rto_at = guest->now_ms + guest->rto_ms;
	send_segment(guest, 0, TCPSEG_SYN | TCPSEG_ACK, 0);
}

/* Whether the rest of the segment counts. */
static bool take_last_of_handshake(struct guest *guest, const struct tcpseg *seg)
{
	if ((seg->flags & TCPSEG_SYN) && seg->seq == guest->irs) {
		send_segment(guest, 0, TCPSEG_SYN | TCPSEG_ACK, 0);
		return false;
	}
	if (seg->flags & TCPSEG_RST) {
		if (seg->seq == guest->irs + 1)
			reset(guest);
		return false;
	}
	if (!(seg->flags & TCPSEG_ACK) || seg->ack != guest->options.iss + 1)
		return false;
	open_up(guest);
	return true;
}

static void take_reset(struct guest *guest, uint64_t position)
{
	if (position == guest->rcv_nxt)
		reset(guest);
	else if (position > guest->rcv_nxt && position < guest->adv_max)
		guest->ack_now = true; /* RFC 5961 section 3.2 */
	output(guest);
}

void guest_input(struct guest *guest, const struct tcpseg *seg, int64_t now_ms)
{
	uint64_t position, end;

	guest->now_ms = now_ms;
	if (guest->state == GUEST_LISTENING) {
		listen_to(guest, seg);
		return;
	}
	if (guest->state == GUEST_SYN_SENT) {
		take_syn_ack(guest, seg);
		return;
	}
	if (guest->state == GUEST_SYN_RECEIVED && !take_last_of_handshake(guest, seg))
		return;
	if (guest->state != GUEST_OPEN) {
		answer_late(guest, seg);
		return;
	}
	position = guest_position(seg->seq, guest->irs, guest->rcv_nxt);
	end = position + seg->len + !!(seg->flags & TCPSEG_FIN);
	if (seg->flags & TCPSEG_RST) {
		take_reset(guest, position);
		return;
	}
	if ((seg->flags & TCPSEG_SYN) || end < guest->rcv_nxt ||
	    position > MAX(guest->adv_max, guest->rcv_nxt)) {
		guest->ack_now = true;
		output(guest);
		return;
	}
	if (!(seg->flags & TCPSEG_ACK))
		return;
	take_ack(guest, seg, position);
	take_payload(guest, seg, position);
	output(guest);
	close_if_done(guest);
}

/* ---- its program, and time ---- */

void guest_start(struct guest *guest, const struct guest_options *options, int64_t now_ms)
{
	struct guest fresh = {
		.options = *options,
		.now_ms = now_ms,
		.early = { .at = guest->early.at, .room = guest->early.room },
		.sacked = { .at = guest->sacked.at, .room = guest->sacked.room },
		.send = guest->send,
		.data = guest->data,
		.rto_ms = RTO_SYN_MS,
		.rto_at = now_ms + RTO_SYN_MS,
		.ack_at = CLOCK_NEVER,
		.max = 1,
		.state = options->listens ? GUEST_LISTENING : GUEST_SYN_SENT,
	};

	*guest = fresh;
	if (options->listens)
		guest->rto_at = CLOCK_NEVER;
	else
		send_segment(guest, 0, TCPSEG_SYN, 0);
}

void guest_free(struct guest *guest)
{
	ranges_free(&guest->early);
	ranges_free(&guest->sacked);
}

void guest_write(struct guest *guest, uint64_t len, int64_t now_ms)
{
	guest->now_ms = now_ms;
	if (guest->finished || guest->state > GUEST_OPEN)
		return;
	guest->written += len;
	output(guest);
}

void guest_finish(struct guest *guest, int64_t now_ms)
{
	guest->now_ms = now_ms;
	guest->finished = true;
	output(guest);
}

void guest_read(struct guest *guest, uint64_t len, int64_t now_ms)
{
	guest->now_ms = now_ms;
	guest->read += MIN(len, guest_got(guest) - guest->read);
	if (guest->state != GUEST_OPEN)
		return;
	if (window_edge(guest, window_field(guest)) > guest->adv &&
	    guest->adv < guest->rcv_nxt + guest->options.buffer / 2)
		guest->ack_now = true;
	output(guest);
}

void guest_abort(struct guest *guest, int64_t now_ms)
{
	guest->now_ms = now_ms;
	if (guest->state == GUEST_OPEN)
		send_segment(guest, guest->max, TCPSEG_RST, 0);
	reset(guest);
}

static void probe(struct guest *guest)
{
	guest->probes++;
	if (guest->options.bare_probes)
		send_segment(guest, guest->una - 1, 0, 0);
	else
		send_from(guest, guest->una, guest->una + 1);
}

static void timeout(struct guest *guest)
{
	guest->rto_ms = MIN(guest->rto_ms * 2, RTO_MAX_MS);
	guest->rto_at = guest->now_ms + guest->rto_ms;
	guest->duplicates = 0;
	guest->recover = 0;
	guest->sacked.count = 0; /* the other side may have given it up: RFC 2018 section 8 */
	if (guest->state < GUEST_OPEN) {
		guest->timeouts++;
		send_segment(guest, 0,
			     guest->options.listens ? TCPSEG_SYN | TCPSEG_ACK : TCPSEG_SYN, 0);
		return;
	}
	if (guest->edge <= guest->una) {
		probe(guest);
		return;
	}
	guest->timeouts++;
	guest->nxt = guest->una;
	output(guest);
}

void guest_timers(struct guest *guest, int64_t now_ms)
{
	guest->now_ms = now_ms;
	if (guest->ack_at <= now_ms) {
		guest->ack_at = CLOCK_NEVER;
		guest->ack_now = true;
		output(guest);
	}
	if (guest->rto_at <= now_ms)
		timeout(guest);
}

int64_t guest_next_ms(const struct guest *guest)
{
	return MIN(guest->ack_at, guest->rto_at);
}
