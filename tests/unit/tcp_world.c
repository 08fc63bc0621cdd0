#include "tcp_world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include "base/log.h"
#include "net/tcp_flow.h"
#include "net/pool.h"
#include "wire/siphash.h"

#define PERIOD 1000003	 /* prime: no buffer size divides it */
#define TURNS_MAX 100000 /* without the clock moving */

struct loop_source {
	struct world_host *host;
	uint32_t events;
	loop_source_fn *fn;
	void *data;
};

const struct mac world_guest_mac = { { 2, 0, 0, 0, 0, 1 } };

char world_label[128];
static struct world *world; /* of the code that runs */

void world_fail(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s: ", world_label);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}

/* ---- the streams ---- */

static uint8_t pattern[2][PERIOD];

static void fill_pattern(void)
{
	uint64_t x = 88172645463325252u; /* xorshift64 (Marsaglia 2003) */

	for (size_t i = 0; i < sizeof(pattern); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i / PERIOD][i % PERIOD] = (uint8_t)(x >> 24);
	}
}

void world_bytes(enum world_stream stream, uint64_t at, uint8_t *out, size_t len)
{
	while (len > 0) {
		size_t from = at % PERIOD, here = MIN(len, PERIOD - from);

		if (at > 0 && here > 0 - at) /* up to the first byte */
			here = 0 - at;
		memcpy(out, pattern[stream] + from, here);
		out += here;
		at += here;
		len -= here;
	}
}

bool world_is_bytes(enum world_stream stream, uint64_t at, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		size_t from = at % PERIOD, here = MIN(len, PERIOD - from);

		if (memcmp(bytes, pattern[stream] + from, here) != 0)
			return false;
		bytes += here;
		at += here;
		len -= here;
	}
	return true;
}

/* ---- base/loop.h ---- */

int64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_source_fn *fn, void *data,
	     struct loop_source **ret)
{
	guint index = (guint)(fd - WORLD_FIRST_FD);
	struct loop_source *source;

	(void)loop;
	world_check(index < world->hosts->len, "loop_add() of descriptor %d", fd);
	if (world->add_error != 0)
		return world->add_error;
	source = g_new0(struct loop_source, 1);
	*source = (struct loop_source){ g_ptr_array_index(world->hosts, index), events, fn, data };
	world_check(!source->host->source && source->host->fd == fd, "watched twice");
	source->host->source = source;
	source->host->edge = true; /* what is there already counts */
	world->sources++;
	*ret = source;
	return 0;
}

int loop_set_events(struct loop_source *source, uint32_t events)
{
	source->events = events;
	source->host->edge = true;
	return 0;
}

void loop_remove(struct loop_source *source)
{
	if (!source)
		return;
	source->host->source = NULL;
	world->sources--;
	g_free(source);
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	struct loop_timer **at = &loop->timers;

	if (!timer->armed)
		return;
	while (*at != timer)
		at = &(*at)->next;
	*at = timer->next;
	timer->armed = false;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
	struct loop_timer **at = &loop->timers;

	loop_timer_disarm(loop, timer);
	while (*at && (*at)->at_ms <= at_ms)
		at = &(*at)->next;
	timer->at_ms = at_ms;
	timer->next = *at;
	timer->armed = true;
	*at = timer;
}

void loop_add_turn_end(struct loop *loop, void (*fn)(void *data), void *data)
{
	loop->turn_end = fn;
	loop->turn_end_data = data;
}

void loop_remove_turn_end(struct loop *loop, void (*fn)(void *data), void *data)
{
	(void)fn;
	(void)data;
	loop->turn_end = NULL;
}

void loop_again(struct loop *loop)
{
	loop->again = true;
}

/* ---- base/log.h: what is said in a thousand schedules is not for anybody ---- */

void log_line(const char *format, ...)
{
	(void)format;
}

void log_limited(struct log_limit *limit, int64_t now_ms, const char *format, ...)
{
	(void)limit;
	(void)now_ms;
	(void)format;
}

/* ---- net/dial.h ---- */

struct dial *dial_start(struct loop *loop, const struct dial_target *target, dial_done_fn *done,
			void *data)
{
	struct world_host *host = g_new0(struct world_host, 1);

	(void)loop;
	*host = (struct world_host){
		.target = *target,
		.done = done,
		.data = data,
		.dialling = true,
		.fd = -1,
		.capacity = WORLD_ENDLESS,
	};
	g_ptr_array_add(world->hosts, host);
	if (world->hooks.dial)
		world->hooks.dial(host, world->hooks.data);
	return (struct dial *)(void *)host;
}

void dial_cancel(struct dial *dial)
{
	struct world_host *host = (struct world_host *)(void *)dial;

	if (!dial)
		return;
	world_check(host->dialling, "a dial that has ended is cancelled");
	host->dialling = false;
	host->cancelled = true;
}

void world_dialled(struct world *w, struct world_host *host, int error)
{
	guint index;

	world_use(w);
	if (!host->dialling)
		return;
	host->dialling = false;
	if (error == 0) {
		world_check(g_ptr_array_find(w->hosts, host, &index), "a host of this world");
		host->fd = WORLD_FIRST_FD + (int)index;
		w->open_fds++;
	}
	host->done(error == 0 ? host->fd : -EBADF, error, host->data);
}

struct world_host *world_accept(struct world *w, bool v6, uint16_t port)
{
	struct world_host *host = g_new0(struct world_host, 1);
	struct tcp_endpoints ends = { .client_port = WORLD_REMOTE_PORT, .guest_port = port };
	struct tcpseg seg;

	world_use(w);
	world_address(w, v6, &seg);
	ends.client = seg.dst;
	ends.guest = seg.src;
	*host = (struct world_host){
		.fd = WORLD_FIRST_FD + (int)w->hosts->len,
		.capacity = WORLD_ENDLESS,
	};
	g_ptr_array_add(w->hosts, host);
	w->open_fds++;
	if (tcp_open_to_guest(w->tcp, host->fd, &ends) == 0)
		return host;
	world_check(host->aborted, "a client that is refused without being told");
	return NULL;
}

void world_tell_mac(struct world *w, bool v6)
{
	struct tcpseg seg;

	world_use(w);
	world_address(w, v6, &seg);
	w->mac_unknown = false;
	tcp_neighbour(w->tcp, &seg.src, &world_guest_mac);
}

/* ---- chance, and the pool ---- */

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags);
uint64_t __wrap_siphash(const struct siphash_key *key, const void *bytes, size_t len);
uint64_t __real_siphash(const struct siphash_key *key, const void *bytes, size_t len);
struct pool_buffer *__wrap_pool_get(struct pool *pool);
struct pool_buffer *__real_pool_get(struct pool *pool);
void __wrap_pool_put(struct pool *pool, struct pool_buffer *buffer);
void __real_pool_put(struct pool *pool, struct pool_buffer *buffer);

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags)
{
	(void)flags;
	memset(out, 0x5a, len);
	return (ssize_t)len;
}

/* One number for the whole world: the initial sequence numbers are where a test wants them. */
uint64_t __wrap_siphash(const struct siphash_key *key, const void *bytes, size_t len)
{
	uint64_t real = world->spread ? __real_siphash(key, bytes, len) : 0;

	return (uint64_t)world->iss_bits << 32 | (real & UINT32_MAX);
}

struct pool_buffer *__wrap_pool_get(struct pool *pool)
{
	struct pool_buffer *buffer = world->pool_empty ? NULL : __real_pool_get(pool);

	if (buffer)
		world->buffers++;
	return buffer;
}

void __wrap_pool_put(struct pool *pool, struct pool_buffer *buffer)
{
	world_check(world->buffers > 0, "more goes back to the pool than was taken");
	world->buffers--;
	__real_pool_put(pool, buffer);
}

/* ---- the world ---- */

static void check_frame(const struct tcpseg *seg, const struct mac *from, const struct mac *to)
{
	struct mac own = addrplan_gateway_mac(&world->settings.plan, seg->src.family);

	if (!world->any_bytes) {
		world_check(memcmp(from, &own, sizeof(own)) == 0, "from a wrong MAC");
		world_check(memcmp(to, &world_guest_mac, sizeof(*to)) == 0, "to a wrong MAC");
	}
	world_check(seg->src.family == seg->dst.family, "addresses of two families");
	world_check(seg->len + TCPSEG_HEADER_MAX <= FRAME_MAX + 64, "%zu bytes in one segment",
		    seg->len);
}

static void on_segment(const struct tcpseg *seg, uint16_t mss, const struct mac *from,
		       const struct mac *to, void *data)
{
	struct world *w = data;

	check_frame(seg, from, to);
	if (w->hooks.segment)
		w->hooks.segment(seg, mss, w->hooks.data);
}

static void on_packet(const uint8_t *packet, size_t len, const struct mac *from,
		      const struct mac *to, void *data)
{
	struct world *w = data;

	(void)from;
	(void)to;
	if (w->hooks.packet)
		w->hooks.packet(packet, len, w->hooks.data);
}

static bool neighbour(const struct ip *ip, bool doubt, struct mac *ret, void *data)
{
	const struct world *w = data;

	(void)ip;
	(void)doubt;
	if (w->mac_unknown)
		return false;
	*ret = world_guest_mac;
	return true;
}

void world_use(struct world *w)
{
	world = w;
}

struct world *world_now(void)
{
	return world;
}

void world_start(struct world *w, const struct world_hooks *hooks, bool large_segments)
{
	const struct tcp_output output = {
		.segment = on_segment,
		.packet = on_packet,
		.large_segments = large_segments,
		.data = w,
		.neighbour = neighbour,
	};
	char error[ADDRPLAN_ERROR_MAX];

	if (pattern[0][0] == 0)
		fill_pattern();
	*w = (struct world){ .loop.now_ms = 1000000, .hooks = *hooks };
	world_use(w);
	w->hosts = g_ptr_array_new_with_free_func(g_free);
	w->settings.mtu = 1500;
	w->settings.tcp_flows = 100000;
	w->settings.host_loopback = true;
	world_check(addrplan_parse("10.0.2.0/24", &w->settings.plan, error), "%s", error);
	world_check(tcp_new(&w->loop, &w->settings, &output, &w->tcp) == 0, "tcp_new()");
	w->tcp->descriptors = UINT64_MAX; /* those of the sockets are not real */
}

void world_forget(struct world *w)
{
	world_use(w);
	world_check(w->open_fds == 0, "%zu sockets are left open", w->open_fds);
	world_check(w->sources == 0, "%zu sockets are still watched", w->sources);
	world_check(w->buffers == 0, "%zu buffers of the pool are missing", w->buffers);
	for (guint i = 0; i < w->hosts->len; i++) {
		struct world_host *host = g_ptr_array_index(w->hosts, i);

		world_check(!host->dialling, "a dial goes on for nobody");
	}
	g_ptr_array_set_size(w->hosts, 0);
}

void world_finish(struct world *w)
{
	world_use(w);
	tcp_free(w->tcp);
	world_forget(w);
	world_check(!w->loop.timers, "a timer is left");
	g_ptr_array_free(w->hosts, TRUE);
}

void world_address(const struct world *w, bool v6, struct tcpseg *seg)
{
	static const struct ip6 guest = { { 0xfd, [15] = 0x64 } };
	static const struct ip6 remote = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } };

	if (v6) {
		seg->src = (struct ip){ .family = IP_V6, .v6 = guest };
		seg->dst = (struct ip){ .family = IP_V6, .v6 = remote };
		return;
	}
	seg->src = (struct ip){ .family = IP_V4, .v4 = w->settings.plan.guest };
	seg->dst = (struct ip){ .family = IP_V4, .v4 = { { 192, 0, 2, 1 } } };
}

/* In memory of exactly its size, so that a sanitizer sees a read behind it. */
void world_send(struct world *w, const struct tcpseg *seg, uint64_t at)
{
	uint8_t headers[TCPSEG_HEADER_MAX];
	struct mac gateway = addrplan_gateway_mac(&w->settings.plan, seg->src.family);
	size_t len = tcpseg_build(seg, &world_guest_mac, &gateway, true, headers);
	uint8_t *bytes = g_malloc(len + seg->len);
	struct frame frame;

	world_use(w);
	memcpy(bytes, headers, len);
	world_bytes(TO_HOST, at, bytes + len, seg->len);
	world_check(frame_parse(bytes, len + seg->len, &frame) == FRAME_OK, "a frame");
	tcp_input(w->tcp, bytes, &frame);
	g_free(bytes);
}

static void run_events(struct world *w)
{
	for (guint i = 0; i < w->hosts->len; i++) {
		struct world_host *host = g_ptr_array_index(w->hosts, i);
		uint32_t events;

		if (!host->edge || !host->source)
			continue;
		host->edge = false;
		events = world_host_poll(host) & (host->source->events | EPOLLHUP | EPOLLERR);
		if (events != 0)
			host->source->fn(events, host->source->data);
	}
}

bool world_turn_once(struct world *w)
{
	struct loop *loop = &w->loop;

	world_use(w);
	loop->again = false;
	for (unsigned i = 0; loop->timers && loop->timers->at_ms <= loop->now_ms; i++) {
		struct loop_timer *due = loop->timers;

		world_check(i < TURNS_MAX, "a timer is due for ever");
		loop_timer_disarm(loop, due);
		due->fn(due->data);
	}
	run_events(w);
	if (loop->turn_end)
		loop->turn_end(loop->turn_end_data);
	return loop->again;
}

void world_turn(struct world *w)
{
	unsigned turns = 0;

	while (world_turn_once(w))
		world_check(++turns < TURNS_MAX, "the loop spins");
}

int64_t world_next_ms(const struct world *w)
{
	return w->loop.timers ? w->loop.timers->at_ms : CLOCK_NEVER;
}

void world_run_until(struct world *w, int64_t at_ms)
{
	world_turn(w);
	while (world_next_ms(w) <= at_ms) {
		w->loop.now_ms = MAX(w->loop.now_ms, world_next_ms(w));
		world_turn(w);
	}
	w->loop.now_ms = at_ms;
}

void world_run_for(struct world *w, int64_t ms)
{
	world_run_until(w, w->loop.now_ms + ms);
}

struct world_host *world_last_host(struct world *w)
{
	world_check(w->hosts->len > 0, "nobody has been dialled");
	return g_ptr_array_index(w->hosts, w->hosts->len - 1);
}

void world_host_event(struct world_host *host, uint32_t events)
{
	if (host->source)
		host->source->fn(events, host->source->data);
}

unsigned world_states(const struct world *w)
{
	struct tcp_stats stats = tcp_stats(w->tcp);
	unsigned states = 0;

	for (unsigned state = 0; state < TCP_STATES; state++)
		states |= (unsigned)(stats.flows_by_state[state] > 0) << state;
	return states;
}
