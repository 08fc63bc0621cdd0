#include "tcp_sim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STUCK_DROPS_MAX \
	5	     /* without progress; our TCP gives up after 12 tries, 6 of them for a SYN */
#define STALL_MS 150 /* less than any retransmission timer, more than a delayed ACK */
#define PATIENCE_MS (60 * 60 * 1000)
#define PATIENCE_ABORT_MS (4 * PATIENCE_MS) /* where a RST was lost a keepalive has to find out */
#define MSS_SILLY 88			    /* an option that asks for less need not be followed */
#define GUEST_PORT 40000
#define STEPS_MAX 3000000
/* Schedules begin at multiples of this: whatever is made of the clock is the same in all of them. */
#define EPOCH_MS (INT64_C(5) << 31)

enum event {
	GUEST_WRITES,
	GUEST_READS,
	GUEST_FINISHES,
	HOST_WRITES,
	HOST_READS,
	HOST_FINISHES,
	DIALLED,
	ABORTS,
	POOL_ENDS,
	POOL_BEGINS,
	SHRINKS,
	EVENTS
};

struct item { /* a segment on the way */
	bool to_guest;
	uint64_t position; /* of the payload, in the stream to the host */
	struct tcpseg seg;
};

struct entry { /* of the heap */
	int64_t at_ms;
	uint32_t order;
	uint32_t item;
};

struct sim {
	struct world *w;
	const struct sim_plan *plan;
	uint64_t random;
	bool trace;
	int64_t start_ms;
	struct guest guest;
	struct world_host *host, *ghost;
	int64_t at_ms[EVENTS];
	struct sim_result result;

	struct entry *heap; /* count of them; behind those stand the items that are free */
	struct item *items;
	unsigned count, room;
	uint32_t order;
	unsigned stuck_drops[2];

	/* what our TCP has been given, and what it has said */
	struct ranges delivered; /* positions of the guest's stream */
	uint64_t edge_given, una_given;
	bool syn_seen, sacking;
	uint64_t strays;
	uint32_t irs;
	uint8_t wscale;
	uint64_t fin_at, ack_seen, edge_seen;
};

static struct world worlds[2];
static bool started;
static struct sim sim; /* buffers in it serve one schedule after another */

uint64_t sim_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned below(unsigned limit)
{
	return limit == 0 ? 0 : (unsigned)(sim_random(&sim.random) % limit);
}

static int64_t now(void)
{
	return sim.w->loop.now_ms;
}

/* ---- the network ---- */

static bool sooner(const struct entry *a, const struct entry *b)
{
	return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

static void push(const struct item *item, int64_t at_ms)
{
	unsigned at = sim.count++;
	struct entry entry = { at_ms, sim.order++, 0 };

	if (sim.count > sim.room) {
		sim.room = sim.room * 2 + 64;
		sim.heap = g_renew(struct entry, sim.heap, sim.room);
		sim.items = g_renew(struct item, sim.items, sim.room);
		for (unsigned i = at; i < sim.room; i++)
			sim.heap[i].item = i;
	}
	entry.item = sim.heap[at].item;
	sim.items[entry.item] = *item;
	for (; at > 0 && sooner(&entry, &sim.heap[(at - 1) / 2]); at = (at - 1) / 2)
		sim.heap[at] = sim.heap[(at - 1) / 2];
	sim.heap[at] = entry;
}

/* Valid until the next push(). */
static const struct item *pop(void)
{
	struct entry first = sim.heap[0], last = sim.heap[--sim.count];
	unsigned at = 0, child;

	while ((child = 2 * at + 1) < sim.count) {
		if (child + 1 < sim.count && sooner(&sim.heap[child + 1], &sim.heap[child]))
			child++;
		if (!sooner(&sim.heap[child], &last))
			break;
		sim.heap[at] = sim.heap[child];
		at = child;
	}
	sim.heap[at] = last;
	sim.heap[sim.count].item = first.item;
	return &sim.items[first.item];
}

static void show(const char *what, const struct item *item)
{
	const struct tcpseg *seg = &item->seg;
	uint32_t seq0 = item->to_guest ? sim.irs : sim.guest.options.iss;
	uint32_t ack0 = item->to_guest ? sim.guest.options.iss : sim.irs;

	if (!sim.trace)
		return;
	fprintf(stderr, "%8" PRId64 " %-7s %s seq %u..%u ack %u win %u%s%s%s%s",
		now() - sim.start_ms, what, item->to_guest ? "<-" : "->", seg->seq - seq0,
		seg->seq - seq0 + (uint32_t)seg->len, seg->ack - ack0, seg->window,
		seg->flags & TCPSEG_SYN ? " SYN" : "", seg->flags & TCPSEG_FIN ? " FIN" : "",
		seg->flags & TCPSEG_RST ? " RST" : "", seg->flags & TCPSEG_ACK ? "" : " no-ACK");
	for (unsigned i = 0; i < seg->sack_count; i++)
		fprintf(stderr, " sack %u..%u", seg->sacks[i].left - ack0,
			seg->sacks[i].right - ack0);
	fputc('\n', stderr);
}

static bool is_dropped(void)
{
	if (below(1000) >= sim.plan->drop || sim.stuck_drops[0] >= STUCK_DROPS_MAX ||
	    sim.stuck_drops[1] >= STUCK_DROPS_MAX)
		return false;
	sim.stuck_drops[0]++;
	sim.stuck_drops[1]++;
	return true;
}

static void transmit(const struct tcpseg *seg, uint64_t position, bool to_guest)
{
	struct item item = { .to_guest = to_guest, .position = position, .seg = *seg };
	unsigned copies = below(1000) < sim.plan->twice ? 2 : 1;

	sim.result.segments++;
	item.seg.payload = NULL;
	if (is_dropped()) {
		show("lost", &item);
		return;
	}
	while (copies-- > 0)
		push(&item, now() + sim.plan->latency + (int)below((unsigned)sim.plan->jitter));
}

static void from_guest(const struct tcpseg *seg, uint64_t at, void *data)
{
	(void)data;
	transmit(seg, at, false);
}

/* ---- what our TCP sends ---- */

static void check_syn(const struct tcpseg *seg)
{
	const struct guest_options *options = &sim.guest.options;
	uint8_t ack = sim.plan->active ? 0 : TCPSEG_ACK;

	world_check(seg->flags == (TCPSEG_SYN | ack) && seg->len == 0, "a strange SYN");
	world_check(!sim.syn_seen || seg->seq == sim.irs, "another SYN than before");
	world_check(seg->mss == sim.plan->mtu - (sim.plan->v6 ? 60 : 40), "MSS %u", seg->mss);
	if (ack) { /* the guest has offered already */
		world_check(seg->wscale == TCPSEG_WSCALE_NONE ||
				    options->wscale != TCPSEG_WSCALE_NONE,
			    "window scaling that was not offered");
		world_check(!seg->sack_permitted || options->sack, "SACK that was not offered");
	}
	sim.syn_seen = true;
	sim.irs = seg->seq;
	sim.wscale = 0;
	if (seg->wscale != TCPSEG_WSCALE_NONE && options->wscale != TCPSEG_WSCALE_NONE)
		sim.wscale = seg->wscale;
	sim.sacking = seg->sack_permitted && options->sack;
}

static void check_ack(const struct tcpseg *seg)
{
	unsigned scale = seg->flags & TCPSEG_SYN ? 0 : sim.wscale;
	uint64_t ack = guest_position(seg->ack, sim.guest.options.iss, sim.ack_seen);
	uint64_t edge = ack + ((uint64_t)seg->window << scale);

	world_check(seg->flags & TCPSEG_ACK, "a segment without ACK");
	world_check(ack >= sim.ack_seen, "acknowledges less than before");
	world_check(ack <= ranges_reach(&sim.delivered, 0), "acknowledges what did not come");
	sim.ack_seen = ack;
	/* Rounding to the scale may take back less than one unit: RFC 7323 section 2.4. */
	if (!(seg->flags & TCPSEG_SYN)) /* where it has 16 bits: a repeated one says less */
		world_check(edge + (1u << scale) > sim.edge_seen, "takes window back");
	sim.edge_seen = MAX(sim.edge_seen, edge);
	world_check(seg->sack_count == 0 || sim.sacking, "SACK blocks that were not agreed on");
	for (unsigned i = 0; i < seg->sack_count; i++) {
		uint64_t left = guest_position(seg->sacks[i].left, sim.guest.options.iss, ack);
		uint64_t right = guest_position(seg->sacks[i].right, sim.guest.options.iss, ack);

		world_check(left < right && ranges_hold(&sim.delivered, left, right),
			    "a SACK block of what did not come");
	}
}

static void check_data(const struct tcpseg *seg, uint64_t position)
{
	uint64_t end = position + seg->len;

	world_check(world_is_bytes(TO_GUEST, position - 1, seg->payload, seg->len),
		    "wrong bytes for the guest at %" PRIu64, position - 1);
	world_check(end <= 1 + sim.host->taken + sim.host->finished,
		    "a number that has not been reached");
	if (seg->len > 0)
		world_check(end <= sim.edge_given || (seg->len == 1 && position == sim.una_given),
			    "sends up to %" PRIu64 ", and the window ends at %" PRIu64, end,
			    sim.edge_given);
	if (sim.fin_at != 0 && seg->len > 0)
		world_check(end <= sim.fin_at, "data behind the FIN");
	if (!(seg->flags & TCPSEG_FIN))
		return;
	world_check(sim.host->finished && end == sim.host->written + 1, "a FIN too early");
	sim.fin_at = end;
}

static void cut(const struct tcpseg *seg, uint16_t mss)
{
	struct tcpseg piece = *seg;

	for (size_t at = 0; at == 0 || at < seg->len; at += mss) {
		piece.seq = seg->seq + (uint32_t)at;
		piece.len = MIN(mss, seg->len - at);
		piece.flags = seg->flags;
		if (at + piece.len < seg->len)
			piece.flags &= (uint8_t) ~(TCPSEG_FIN | TCPSEG_PSH);
		transmit(&piece, 0, true);
	}
}

/* In answer to what belongs to no connection any more, and for one that is to fail. */
static void check_reset(void)
{
	bool stray = tcp_stats(sim.w->tcp).strays > sim.strays;

	world_check(sim.plan->abort != SIM_ENDS_WELL || sim.plan->dial_error != 0 || sim.ghost ||
			    (stray && sim.guest.finished && sim.guest.fin_seen),
		    "resets a connection that is well");
}

static void on_segment(const struct tcpseg *seg, uint16_t mss, void *data)
{
	uint16_t offered = sim.guest.options.mss, fits;

	(void)data;
	if (seg->flags & TCPSEG_RST) {
		check_reset();
		transmit(seg, 0, true);
		return;
	}
	fits = (uint16_t)(sim.plan->mtu - (sim.plan->v6 ? 60 : 40));
	if (offered > 0)
		offered = MAX(offered, MSS_SILLY);
	else
		offered = sim.plan->v6 ? 1220 : 536; /* RFC 9293 section 3.7.1 */
	world_check(mss > 0 && (seg->len == 0 || mss <= MIN(fits, offered)), "segments of %u", mss);
	world_check(sim.plan->large || seg->len <= mss, "%zu bytes in a segment", seg->len);
	if (seg->flags & TCPSEG_SYN)
		check_syn(seg);
	world_check(sim.syn_seen, "a segment before the SYN");
	if (seg->flags != TCPSEG_SYN)
		check_ack(seg);
	if (!(seg->flags & TCPSEG_SYN))
		check_data(seg, guest_position(seg->seq, sim.irs, sim.una_given));
	cut(seg, mss);
}

static void on_packet(const uint8_t *packet, size_t len, void *data)
{
	struct tcpseg refusal = { .flags = TCPSEG_RST | TCPSEG_ACK };

	(void)packet;
	(void)len;
	(void)data;
	world_check(sim.plan->dial_error != 0, "an ICMP error about nothing");
	refusal.ack = sim.guest.options.iss + 1;
	transmit(&refusal, 0, true); /* a guest's connect() ends in both cases */
}

/* A SYN that comes late begins another connection, where the first one is forgotten already. That
 * is nobody's fault, and the host refuses it. In a schedule that ends in an abort it is welcome.
 */
static void on_dial(struct world_host *host, void *data)
{
	(void)data;
	if (sim.host && sim.plan->abort == SIM_ENDS_WELL) {
		sim.ghost = host;
		sim.at_ms[DIALLED] = now();
		return;
	}
	sim.host = host;
	sim.syn_seen = false;
	sim.una_given = 1;
	sim.fin_at = sim.ack_seen = sim.edge_seen = sim.edge_given = 0;
	host->capacity = sim.plan->capacity;
	sim.at_ms[DIALLED] = now() + sim.plan->dial_gap;
}

/* ---- what comes to both ends ---- */

static void deliver_to_us(const struct item *item)
{
	const struct tcpseg *seg = &item->seg;
	const struct guest_options *options = &sim.guest.options;
	uint64_t position = guest_position(seg->seq, options->iss, sim.ack_seen);

	ranges_add(&sim.delivered, position,
		   position + seg->len + !!(seg->flags & TCPSEG_FIN) + !!(seg->flags & TCPSEG_SYN));
	if ((seg->flags & TCPSEG_ACK) && sim.syn_seen) {
		uint64_t ack = guest_position(seg->ack, sim.irs, sim.una_given);
		uint64_t window =
			(uint64_t)seg->window
			<< (sim.guest.scaling && !(seg->flags & TCPSEG_SYN) ? options->wscale : 0);

		if (ack > sim.una_given)
			sim.stuck_drops[1] = 0;
		sim.una_given = MAX(sim.una_given, ack);
		sim.edge_given = MAX(sim.edge_given, ack + window);
	}
	sim.strays = tcp_stats(sim.w->tcp).strays;
	world_send(sim.w, seg, item->position);
}

static void deliver_to_guest(const struct item *item)
{
	uint64_t una = sim.guest.una;

	guest_input(&sim.guest, &item->seg, now());
	if (sim.guest.una > una)
		sim.stuck_drops[0] = 0;
}

static bool deliver(void)
{
	bool any = false;

	while (sim.count > 0 && sim.heap[0].at_ms <= now()) {
		struct item item = *pop();

		any = true;
		show("", &item);
		if (item.to_guest)
			deliver_to_guest(&item);
		else
			deliver_to_us(&item);
	}
	return any;
}

/* ---- the programs ---- */

static void later(enum event event, int gap)
{
	if (sim.at_ms[event] == CLOCK_NEVER)
		sim.at_ms[event] = now() + gap;
}

static bool host_is_up(void)
{
	return sim.host && sim.host->fd >= 0 && !sim.host->broken;
}

static void plan_guest(void)
{
	const struct sim_program *program = &sim.plan->guest_program;
	const struct guest *guest = &sim.guest;

	if (guest->state != GUEST_OPEN)
		return;
	if (guest->written < program->total)
		later(GUEST_WRITES, program->write_gap);
	if (guest->read < guest_got(guest))
		later(GUEST_READS, program->read_gap);
	if (guest->written == program->total && !guest->finished &&
	    (!program->waits || (guest->fin_seen && guest->read == guest_got(guest))))
		later(GUEST_FINISHES, program->finish_gap);
}

static void plan_host(void)
{
	const struct sim_program *program = &sim.plan->host_program;
	const struct world_host *host = sim.host;

	if (!host)
		return;
	if (host->consumed < host->received) /* our side may be closed already */
		later(HOST_READS, program->read_gap);
	if (!host_is_up())
		return;
	if (host->written < program->total)
		later(HOST_WRITES, program->write_gap);
	if (host->written == program->total && !host->finished &&
	    (!program->waits || (host->end_seen && host->consumed == host->received)))
		later(HOST_FINISHES, program->finish_gap);
}

static void write_some(bool guest)
{
	const struct sim_program *program = guest ? &sim.plan->guest_program :
						    &sim.plan->host_program;
	uint64_t left = program->total - (guest ? sim.guest.written : sim.host->written);
	uint64_t size = MIN(left, program->write_size);

	if (guest)
		guest_write(&sim.guest, size, now());
	else
		world_host_write(sim.host, size);
}

static void abort_one(void)
{
	if (sim.plan->abort == SIM_GUEST_ABORTS)
		guest_abort(&sim.guest, now());
	else if (sim.host)
		world_host_fail(sim.host, below(2) ? ECONNRESET : ETIMEDOUT);
}

static void dialled(void)
{
	const struct sim_plan *plan = sim.plan;

	if (sim.ghost) {
		world_dialled(sim.w, sim.ghost, -ECONNREFUSED);
	} else if (sim.host) {
		world_dialled(sim.w, sim.host, plan->dial_error);
	} else {
		sim.host = world_accept(sim.w, plan->v6, GUEST_PORT);
		world_check(sim.host, "the host's connection is not taken");
		sim.host->capacity = plan->capacity;
	}
}

static void happen(enum event event)
{
	switch (event) {
	case GUEST_WRITES:
		write_some(true);
		break;
	case GUEST_READS:
		guest_read(&sim.guest, sim.plan->guest_program.read_size, now());
		break;
	case GUEST_FINISHES:
		guest_finish(&sim.guest, now());
		break;
	case HOST_WRITES:
		write_some(false);
		break;
	case HOST_READS:
		world_host_read(sim.host, sim.plan->host_program.read_size);
		break;
	case HOST_FINISHES:
		world_host_finish(sim.host);
		break;
	case DIALLED:
		dialled();
		break;
	case ABORTS:
		abort_one();
		break;
	case POOL_BEGINS:
		sim.w->pool_empty = true;
		break;
	case POOL_ENDS:
		sim.w->pool_empty = false;
		break;
	case SHRINKS:
		sim.guest.options.buffer /= 2;
		break;
	case EVENTS:
		break;
	}
}

static bool run_programs(void)
{
	bool any = false;

	plan_guest();
	plan_host();
	for (enum event event = 0; event < EVENTS; event++) {
		if (sim.at_ms[event] > now())
			continue;
		sim.at_ms[event] = CLOCK_NEVER;
		happen(event);
		any = true;
	}
	if (guest_next_ms(&sim.guest) <= now()) {
		guest_timers(&sim.guest, now());
		any = true;
	}
	return any;
}

/* ---- from the beginning to the end ---- */

static bool guest_is_done(void)
{
	const struct guest *guest = &sim.guest;

	if (guest->state == GUEST_RESET || guest->state == GUEST_CLOSED)
		return true;
	return guest->fin_seen && guest->finished && guest->una == guest->written + 2;
}

static bool host_is_done(void)
{
	const struct world_host *host = sim.host;

	if (!host)
		return false;
	if (host->broken || host->aborted || host->cancelled || sim.plan->dial_error != 0)
		return true;
	return host->finished && host->end_seen && host->consumed == host->received;
}

static int64_t next_event(void)
{
	int64_t at_ms = sim.count > 0 ? sim.heap[0].at_ms : CLOCK_NEVER;

	for (enum event event = 0; event < EVENTS; event++)
		at_ms = MIN(at_ms, sim.at_ms[event]);
	return at_ms;
}

/* To the next thing that happens. In a clean schedule that is never a timer of ours or of the
 * guest's TCP for as long as there is something to do: what it would set right has been forgotten.
 */
static bool let_time_pass(void)
{
	int64_t event_ms = next_event(), timer_ms = world_next_ms(sim.w);
	int64_t next_ms = MIN(MIN(event_ms, timer_ms), guest_next_ms(&sim.guest));

	if (next_ms == CLOCK_NEVER)
		return false;
	if (guest_is_done() && host_is_done()) {
		if (tcp_stats(sim.w->tcp).flows == 0 && event_ms == CLOCK_NEVER)
			return false;
	} else {
		if (sim.plan->clean)
			world_check(next_ms - now() < STALL_MS || event_ms <= next_ms,
				    "stands still at %" PRId64 " ms for %" PRId64 " ms",
				    now() - sim.start_ms, next_ms - now());
		world_check(next_ms - sim.start_ms < (sim.plan->abort == SIM_ENDS_WELL ?
							      PATIENCE_MS :
							      PATIENCE_ABORT_MS),
			    "does not come to an end");
		sim.result.ms = next_ms - sim.start_ms;
	}
	sim.w->loop.now_ms = MAX(next_ms, now());
	return true;
}

static void check_end(void)
{
	const struct sim_plan *plan = sim.plan;
	struct tcp_stats stats = tcp_stats(sim.w->tcp);

	world_check(stats.flows == 0 && stats.half_open == 0, "%zu flows are left", stats.flows);
	if (plan->abort != SIM_ENDS_WELL || plan->dial_error != 0)
		return;
	world_check(sim.guest.fin_seen && sim.guest.finished && host_is_done(), "not ended");
	world_check(sim.host->received == plan->guest_program.total, "the host got %" PRIu64,
		    sim.host->received);
	world_check(guest_got(&sim.guest) == plan->host_program.total, "the guest got %" PRIu64,
		    guest_got(&sim.guest));
	if (plan->clean)
		world_check(sim.guest.timeouts == 0, "the guest had to send again");
	world_check(sim.host->closed && !sim.host->aborted, "the host's socket was reset");
}

static void begin(const struct sim_plan *plan, uint64_t seed, bool trace)
{
	struct sim fresh = {
		.w = &worlds[plan->large],
		.plan = plan,
		.random = seed,
		.trace = trace,
		.guest = sim.guest,
		.heap = sim.heap,
		.items = sim.items,
		.room = sim.room,
		.delivered = { .at = sim.delivered.at, .room = sim.delivered.room },
		.una_given = 1,
	};
	struct guest_options options = plan->guest;

	sim = fresh;
	world_use(sim.w);
	sim.w->loop.now_ms = (sim.w->loop.now_ms / EPOCH_MS + 1) * EPOCH_MS;
	sim.start_ms = now();
	sim.w->iss_bits = plan->iss_bits;
	sim.w->settings.mtu = plan->mtu;
	for (enum event event = 0; event < EVENTS; event++)
		sim.at_ms[event] = CLOCK_NEVER;
	if (plan->abort != SIM_ENDS_WELL)
		sim.at_ms[ABORTS] = now() + plan->abort_at;
	if (plan->pool_empty_to > 0) {
		sim.at_ms[POOL_BEGINS] = now() + plan->pool_empty_from;
		sim.at_ms[POOL_ENDS] = now() + plan->pool_empty_to;
	}
	if (plan->shrink_at >= 0)
		sim.at_ms[SHRINKS] = now() + plan->shrink_at;
	world_address(sim.w, plan->v6, &options.base);
	options.base.sport = GUEST_PORT;
	options.base.dport = WORLD_REMOTE_PORT;
	options.listens = plan->active;
	if (plan->active)
		sim.at_ms[DIALLED] = now() + plan->dial_gap;
	sim.guest.send = from_guest;
	guest_start(&sim.guest, &options, now());
}

struct sim_result sim_run(const struct sim_plan *plan, uint64_t seed, bool trace)
{
	static const struct world_hooks hooks = { on_segment, on_packet, on_dial, NULL };
	bool again = false, any;
	unsigned steps = 0;

	if (!started) {
		world_start(&worlds[0], &hooks, false);
		world_start(&worlds[1], &hooks, true);
		started = true;
	}
	begin(plan, seed, trace);
	do {
		do {
			any = deliver();
			any |= run_programs();
			if (sim.host && below(1000) < plan->spurious)
				sim.host->edge = true;
			again = world_turn_once(sim.w);
			sim.result.states |= world_states(sim.w);
			world_check(++steps < STEPS_MAX, "goes on for ever");
		} while (any || again);
	} while (let_time_pass());
	check_end();
	world_forget(sim.w);
	return sim.result;
}

void sim_end(void)
{
	for (unsigned i = 0; started && i < 2; i++)
		world_finish(&worlds[i]);
	started = false;
	guest_free(&sim.guest);
	ranges_free(&sim.delivered);
	g_free(sim.heap);
	g_free(sim.items);
	sim = (struct sim){ 0 };
}
