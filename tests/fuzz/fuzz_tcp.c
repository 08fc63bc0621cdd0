/* Frames through the gate into net/tcp, with the host's sockets and the clock in the hands of the input:
 * a list of what happens. The numbers in a segment are given from where the connection stands, so
 * that each state is near. What holds for every input is checked in tests/unit/tcp_world.c; here, that
 * the guest gets no byte that the host has not sent.
 *
 * An input is a row of steps, each a byte that names it and its arguments: see take_step().
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "net/gate.h"
#include "net/tcp_flow.h"
#include "tcp_guest.h"
#include "tcp_world.h"
#include "wire/toobig.h"

#define CONNECTIONS 4
#define PORT 1000 /* of the guest, for the first connection */
#define ISS 0xfffffff0u
#define HEADERS_MIN 54

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
const char *fuzz_corpus_lacks(void);

struct connection { /* as the guest sees it */
	bool open;
	uint32_t peer_iss, next; /* the other side's first number, and the one that is expected */
	uint32_t acked, edge;	 /* of ours: acknowledged, and the end of the window */
	uint8_t scale;
	uint64_t position; /* of next */
};

struct fuzz {
	const uint8_t *at, *end;
	struct world w;
	struct gate gate;
	struct connection connections[CONNECTIONS];
};

static unsigned reached; /* states, by all inputs */

static uint8_t byte(struct fuzz *f)
{
	return f->at < f->end ? *f->at++ : 0;
}

static uint32_t number(struct fuzz *f)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 8 | byte(f);
	return value;
}

static void take_tcp(const uint8_t *bytes, size_t len, const struct frame *frame,
		     const struct link_info *info, void *data)
{
	struct fuzz *f = data;

	(void)len;
	(void)info;
	tcp_input(f->w.tcp, bytes, frame);
}

static void pass(const uint8_t *bytes, size_t len, void *data)
{
	(void)bytes;
	(void)len;
	(void)data;
}

static void on_segment(const struct tcpseg *seg, uint16_t mss, void *data)
{
	struct fuzz *f = data;
	struct connection *c = &f->connections[(uint16_t)(seg->dport - PORT) % CONNECTIONS];
	uint64_t position;

	world_check(mss > 0 && seg->len <= mss, "%zu bytes in a segment of %u", seg->len, mss);
	/* From another port where that one was taken: nobody answers. */
	if ((seg->flags & TCPSEG_RST) || seg->sport != WORLD_REMOTE_PORT)
		return;
	if (seg->flags & TCPSEG_SYN) {
		if (!c->open || c->peer_iss != seg->seq)
			*c = (struct connection){ .open = true, .peer_iss = seg->seq };
		c->scale = seg->wscale == TCPSEG_WSCALE_NONE ? 0 : seg->wscale;
	}
	if (!(seg->flags & TCPSEG_ACK)) { /* it begins with us */
		c->acked = c->edge = ISS;
		c->next = seg->seq + 1;
		c->position = 1;
		return;
	}
	c->acked = seg->ack;
	c->edge = seg->ack + ((uint32_t)seg->window << (seg->flags & TCPSEG_SYN ? 0 : c->scale));
	if (!c->open) /* a number from before the first: the guest reset it and has forgotten */
		return;
	position = guest_position(seg->seq, c->peer_iss, c->position);
	world_check(seg->len == 0 || f->w.any_bytes ||
			    world_is_bytes(TO_GUEST, position - 1, seg->payload, seg->len),
		    "wrong bytes for the guest");
	position += seg->len + !!(seg->flags & TCPSEG_FIN) + !!(seg->flags & TCPSEG_SYN);
	c->position = MAX(c->position, position);
	c->next = c->peer_iss + (uint32_t)c->position;
}

static void input_frame(struct fuzz *f, const uint8_t *bytes, size_t len)
{
	const struct link_info info = { .checksum_valid = true };
	uint8_t *frame = g_memdup2(bytes, len); /* of exactly its size */

	world_use(&f->w);
	gate_input(&f->gate, frame, len, &info);
	g_free(frame);
}

static void set_addresses(struct fuzz *f, unsigned which, struct tcpseg *seg)
{
	world_address(&f->w, which == 2, seg);
	if (which == 3)
		seg->dst.v4 = f->w.settings.plan.gateway;
	seg->sport = (uint16_t)(PORT + which);
	seg->dport = WORLD_REMOTE_PORT;
}

static void add_options(struct fuzz *f, uint8_t options, struct tcpseg *seg)
{
	if (seg->flags & TCPSEG_SYN) {
		seg->mss = options & 1 ? (uint16_t)(number(f) >> 16) : 1460;
		seg->wscale = options & 2 ? options >> 4 : TCPSEG_WSCALE_NONE;
		seg->sack_permitted = options & 4;
		return;
	}
	seg->sack_count = options % (TCPSEG_SACKS_MAX + 1);
	for (unsigned i = 0; i < seg->sack_count; i++) {
		seg->sacks[i].left = seg->ack + (uint32_t)(int8_t)byte(f) * 16;
		seg->sacks[i].right = seg->sacks[i].left + byte(f) * 16u;
	}
}

/* Which: connection, and from where seq and ack are counted; flags; their distances; window; length;
 * options.
 */
static void read_segment(struct fuzz *f, struct tcpseg *seg, uint64_t *position)
{
	uint8_t which = byte(f);
	const struct connection *c = &f->connections[which % CONNECTIONS];
	const uint32_t seqs[] = { c->open ? c->acked : ISS, c->edge, ISS, 0 };
	const uint32_t acks[] = { c->next, c->peer_iss + 1, c->next - 1, 0 };
	uint8_t seq_from = which >> 2 & 3, ack_from = which >> 4 & 3;

	*seg = (struct tcpseg){ .flags = byte(f), .wscale = TCPSEG_WSCALE_NONE };
	set_addresses(f, which % CONNECTIONS, seg);
	seg->seq = seqs[seq_from] + (uint32_t)(int8_t)byte(f);
	seg->ack = acks[ack_from] + (uint32_t)(int8_t)byte(f);
	if (seq_from == 3)
		seg->seq = number(f);
	if (ack_from == 3)
		seg->ack = number(f);
	seg->window = (uint16_t)(byte(f) << 8);
	seg->len = byte(f) * (which & 0x40 ? 64u : 1u);
	add_options(f, byte(f), seg);
	*position = (uint64_t)(int64_t)(int32_t)(seg->seq - ISS - 1);
}

/* With @changes, bytes of its headers are not what they should be. */
static void send_segment(struct fuzz *f, unsigned changes)
{
	uint8_t frame[TCPSEG_HEADER_MAX + 255 * 64];
	struct tcpseg seg;
	struct mac gateway;
	uint64_t position;
	size_t headers;

	read_segment(f, &seg, &position);
	gateway = addrplan_gateway_mac(&f->w.settings.plan, seg.src.family);
	headers = tcpseg_build(&seg, &world_guest_mac, &gateway, true, frame);
	world_bytes(TO_HOST, position, frame + headers, seg.len);
	if ((seg.flags & TCPSEG_SYN) && (seg.len > 0 || seg.seq != ISS))
		f->w.any_bytes = true; /* the stream has other numbers then */
	for (; changes > 0; changes--) {
		f->w.any_bytes = true;
		frame[byte(f) % headers] ^= byte(f);
	}
	input_frame(f, frame, headers + seg.len);
}

static void send_raw(struct fuzz *f)
{
	size_t len = byte(f);

	len = MIN(len, (size_t)(f->end - f->at));
	f->w.any_bytes = true;
	if (len > 0)
		input_frame(f, f->at, len);
	f->at += len;
}

static bool take_too_big(const struct toobig *report, void *data)
{
	struct fuzz *f = data;

	return tcp_too_big(f->w.tcp, report);
}

/* Which connection, how far from what the guest expects, and the MTU. */
static void send_too_big(struct fuzz *f)
{
	unsigned which = byte(f) % CONNECTIONS;
	struct tcpseg seg = { 0 };
	struct toobig report;

	set_addresses(f, which, &seg);
	report = (struct toobig){ .src = seg.dst,
				  .dst = seg.src,
				  .sport = seg.dport,
				  .dport = seg.sport,
				  .seq = f->connections[which].next + (uint32_t)(int8_t)byte(f) };
	report.mtu = (which == 2 ? TOOBIG_MTU_MIN6 : TOOBIG_MTU_MIN4) + byte(f) * 8u;
	world_use(&f->w);
	tcp_too_big(f->w.tcp, &report);
}

static void host_does(struct fuzz *f)
{
	static const int errors[] = { ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EACCES,
				      ETIMEDOUT,    EMFILE,	  EPIPE,       ECONNRESET };
	uint8_t what = byte(f), argument = byte(f);
	struct world_host *host;

	if (f->w.hosts->len == 0)
		return;
	host = g_ptr_array_index(f->w.hosts, f->w.hosts->len - 1 - what / 16 % f->w.hosts->len);
	switch (what % 8) {
	case 0:
		world_dialled(&f->w, host, 0);
		break;
	case 1:
		world_dialled(&f->w, host, -errors[argument % G_N_ELEMENTS(errors)]);
		break;
	case 2:
		world_host_write(host, argument * (what & 8 ? 1024u : 1u));
		break;
	case 3:
		world_host_finish(host);
		break;
	case 4:
		world_host_read(host, argument * (what & 8 ? 1024u : 1u));
		break;
	case 5:
		host->capacity = argument * (what & 8 ? 1024u : 1u);
		break;
	case 6:
		world_host_fail(host, errors[argument % G_N_ELEMENTS(errors)]);
		break;
	default:
		world_host_event(host, argument);
		break;
	}
}

static void take_step(struct fuzz *f)
{
	uint8_t step = byte(f);

	switch (step % 8) {
	case 0:
		/* With an empty pool there are tries all the time. */
		world_run_for(&f->w, INT64_C(1) << byte(f) % (f->w.pool_empty ? 12 : 25));
		break;
	case 1:
	case 2:
		send_segment(f, 0);
		break;
	case 3:
		send_segment(f, step >> 5);
		break;
	case 4:
		send_raw(f);
		break;
	case 5:
		host_does(f);
		break;
	case 6:
		f->w.pool_empty = step & 8;
		f->w.add_error = step & 16 ? -ENOMEM : 0;
		f->w.mac_unknown = step & 32;
		if (step & 64)
			send_too_big(f);
		break;
	default:
		if (!(step & 8))
			world_accept(&f->w, step & 16,
				     (uint16_t)(PORT + (step >> 5 & 1) + (step >> 3 & 2)));
		else if (f->w.mac_unknown) /* each time it is a walk through the table */
			world_tell_mac(&f->w, step & 16);
		break;
	}
	reached |= world_states(&f->w); /* before the turn, and after it */
	if (!(step & 128))
		world_turn(&f->w);
	reached |= world_states(&f->w);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct fuzz f = { .at = bytes, .end = bytes + len };
	const struct world_hooks hooks = { on_segment, NULL, NULL, &f };

	g_strlcpy(world_label, "fuzz", sizeof(world_label));
	world_start(&f.w, &hooks, false);
	f.gate = (struct gate){ .plan = &f.w.settings.plan,
				.dns = true,
				.ipv6 = true,
				.mtu = 1500,
				.pass = pass,
				.tcp = take_tcp,
				.too_big = take_too_big,
				.tcp_data = &f };
	f.w.settings.host_loopback = len % 2;
	while (f.at < f.end)
		take_step(&f);
	gate_done(&f.gate);
	world_finish(&f.w);
	return 0;
}

/* A state that none of the inputs has reached, for replay.c; NULL if there is none. */
const char *fuzz_corpus_lacks(void)
{
	static const char *const names[] = {
		[TCP_DIALING] = "dialing",	     [TCP_SYN_SENT] = "SYN sent",
		[TCP_SYN_RECEIVED] = "SYN received", [TCP_ESTABLISHED] = "established",
		[TCP_CLOSE_WAIT] = "close wait",     [TCP_FIN_WAIT_1] = "FIN wait 1",
		[TCP_FIN_WAIT_2] = "FIN wait 2",     [TCP_CLOSING] = "closing",
		[TCP_LAST_ACK] = "last ACK",	     [TCP_TIME_WAIT] = "time wait",
	};

	for (unsigned state = 0; state < G_N_ELEMENTS(names); state++) {
		if (!(reached & 1u << state))
			return names[state];
	}
	return NULL;
}
