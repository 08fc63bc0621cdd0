#include "tcp_script.h"

#include <string.h>

static void on_segment(const struct tcpseg *seg, uint16_t mss, void *data)
{
	struct script *s = data;
	struct tcpseg copy = *seg;

	(void)mss;
	if (!(seg->flags & TCPSEG_RST))
		copy.payload = NULL;
	g_array_append_val(s->out, copy);
}

static void on_packet(const uint8_t *packet, size_t len, void *data)
{
	struct script *s = data;

	memcpy(s->packet, packet, MIN(len, sizeof(s->packet)));
	s->packets++;
}

void script_start(struct script *s)
{
	const struct world_hooks hooks = { on_segment, on_packet, NULL, s };

	*s = (struct script){ .sport = SCRIPT_PORT, .window = 0xffff, .mss = 1460 };
	g_strlcpy(world_label, "script", sizeof(world_label));
	s->out = g_array_new(FALSE, FALSE, sizeof(struct tcpseg));
	s->seq = SCRIPT_ISS;
	world_start(&s->w, &hooks, false);
}

void script_finish(struct script *s)
{
	world_finish(&s->w);
	g_array_free(s->out, TRUE);
}

void script_send(struct script *s, uint32_t seq, uint8_t flags, size_t len)
{
	struct tcpseg seg = {
		.sport = s->sport,
		.dport = WORLD_REMOTE_PORT,
		.seq = seq,
		.ack = flags & TCPSEG_ACK ? s->ack : 0,
		.flags = flags,
		.window = s->window,
		.mss = flags & TCPSEG_SYN ? s->mss : 0,
		.wscale = TCPSEG_WSCALE_NONE,
		.len = len,
	};

	world_address(&s->w, s->v6, &seg);
	world_send(&s->w, &seg, (uint64_t)(int64_t)(int32_t)(seq - SCRIPT_ISS - 1));
	world_turn(&s->w);
}

void script_say(struct script *s, uint8_t flags, size_t len)
{
	uint32_t seq = s->seq;

	s->seq += (uint32_t)len + !!(flags & TCPSEG_SYN) + !!(flags & TCPSEG_FIN);
	script_send(s, seq, flags, len);
}

void script_syn(struct script *s)
{
	script_say(s, TCPSEG_SYN, 0);
	if (s->w.hosts->len > 0)
		s->host = world_last_host(&s->w);
}

void script_dialled(struct script *s, int error)
{
	world_dialled(&s->w, s->host, error);
	world_turn(&s->w);
}

const struct tcpseg *script_next(struct script *s)
{
	return s->seen < s->out->len ? &g_array_index(s->out, struct tcpseg, s->seen++) : NULL;
}

guint script_take(struct script *s)
{
	guint count = s->out->len - s->seen;
	const struct tcpseg *seg;

	while ((seg = script_next(s)))
		s->ack = seg->seq + (uint32_t)seg->len + !!(seg->flags & (TCPSEG_FIN | TCPSEG_SYN));
	return count;
}

const struct tcpseg *script_expect(struct script *s, uint8_t flags, size_t len)
{
	const struct tcpseg *seg = script_next(s);

	g_assert_nonnull(seg);
	g_assert_cmphex(seg->flags & ~TCPSEG_PSH, ==, flags);
	g_assert_cmpuint(seg->len, ==, len);
	return seg;
}

void script_expect_nothing(struct script *s)
{
	g_assert_cmpuint(s->out->len, ==, s->seen);
}

bool script_wait(struct script *s, int64_t ms)
{
	int64_t until_ms = s->w.loop.now_ms + ms;

	world_turn(&s->w);
	while (s->out->len == s->seen && world_next_ms(&s->w) <= until_ms)
		world_run_until(&s->w, MAX(s->w.loop.now_ms, world_next_ms(&s->w)));
	return s->out->len != s->seen;
}

bool script_is_in(const struct script *s, enum tcp_state state)
{
	return world_states(&s->w) == 1u << state;
}

bool script_is_gone(const struct script *s)
{
	return tcp_stats(s->w.tcp).flows == 0;
}

static void host_finishes(struct script *s)
{
	world_host_finish(s->host);
	world_turn(&s->w);
}

static void reach_open(struct script *s, enum tcp_state state)
{
	script_syn(s);
	if (state == TCP_DIALING)
		return;
	script_dialled(s, 0);
	script_take(s);
	if (state == TCP_SYN_RECEIVED)
		return;
	script_say(s, TCPSEG_ACK, 0);
}

void script_reach(struct script *s, enum tcp_state state)
{
	static const uint8_t fin = TCPSEG_FIN | TCPSEG_ACK;

	if (state == TCP_SYN_SENT)
		s->host = world_accept(&s->w, s->v6, s->sport);
	else
		reach_open(s, state);
	if (state == TCP_SYN_SENT)
		script_take(s);
	if (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK)
		script_say(s, fin, 0);
	if (state == TCP_FIN_WAIT_1 || state == TCP_FIN_WAIT_2 || state == TCP_CLOSING ||
	    state == TCP_LAST_ACK || state == TCP_TIME_WAIT)
		host_finishes(s);
	if (state == TCP_CLOSING) /* the two cross */
		script_say(s, fin, 0);
	if (state == TCP_FIN_WAIT_2 || state == TCP_TIME_WAIT) {
		script_take(s);
		script_say(s, TCPSEG_ACK, 0);
	}
	if (state == TCP_TIME_WAIT)
		script_say(s, fin, 0);
	s->seen = s->out->len;
	g_assert_true(script_is_in(s, state));
}
