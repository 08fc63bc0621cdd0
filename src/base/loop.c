/* The wait. Own sources live in an epoll set, whose cost grows with the events that come and
 * not with the descriptors watched. A library that wants poll(2) (libslirp) brings its
 * descriptors anew each turn; then the epoll descriptor is slot 0 of that array, so that one
 * ppoll(2) waits for both, and epoll_wait(2) collects without waiting. With no guest
 * descriptors epoll_wait(2) is the wait, and where it pays it is asked for a moment before it is
 * left to sleep (base/spin.h).
 */
#include "base/loop.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/spin.h"

#define EVENTS_PER_TURN 64

struct loop_source {
	struct loop *loop;
	int fd; /* borrowed from the caller; -EBADF once removed */
	loop_source_fn *fn;
	void *data;
	GList link; /* loop::sources, or loop::removed */
};

struct turn_end {
	void (*fn)(void *data);
	void *data;
};

struct loop {
	int epoll_fd;				     /* owned */
	GQueue sources;				     /* struct loop_source */
	GQueue removed;				     /* released at the end of the turn */
	struct loop_timer *first_timer, *last_timer; /* soonest first */
	struct loop_guest_set guest;
	GArray *turn_ends; /* struct turn_end */
	bool again;
	GArray *polled; /* struct pollfd; slot 0 is epoll_fd */
	int64_t now_ms;
	struct spin spin;
	bool may_spin; /* somebody else can run meanwhile */
	bool stopped;
	int status;
};

/* #syscalls:engine,keeper close
 * #syscalls:engine epoll_ctl epoll_wait epoll_pwait ppoll
 */
struct loop *loop_new(void)
{
	struct pollfd own = { .events = POLLIN };
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct loop *loop;

	if (epoll_fd < 0)
		return NULL;
	loop = g_new0(struct loop, 1);
	loop->epoll_fd = epoll_fd;
	loop->polled = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
	loop->turn_ends = g_array_new(FALSE, FALSE, sizeof(struct turn_end));
	loop->now_ms = clock_now_ms();
	loop->may_spin = g_get_num_processors() > 1;
	own.fd = epoll_fd;
	g_array_append_val(loop->polled, own);
	return loop;
}

static void release_removed(struct loop *loop)
{
	GList *link;

	while ((link = g_queue_pop_head_link(&loop->removed)))
		g_free(link->data);
}

void loop_free(struct loop *loop)
{
	GList *link;

	if (!loop)
		return;
	release_removed(loop);
	while ((link = g_queue_pop_head_link(&loop->sources)))
		g_free(link->data);
	g_array_free(loop->polled, TRUE);
	g_array_free(loop->turn_ends, TRUE);
	fd_close(&loop->epoll_fd);
	g_free(loop);
}

void loop_stop(struct loop *loop, int status)
{
	if (loop->stopped)
		return;
	loop->stopped = true;
	loop->status = status;
}

int64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_source_fn *fn, void *data,
	     struct loop_source **ret)
{
	struct loop_source *source = g_new0(struct loop_source, 1);
	struct epoll_event event = { .events = events, .data.ptr = source };

	*source = (struct loop_source){ .loop = loop, .fd = fd, .fn = fn, .data = data };
	source->link.data = source;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int error = -errno;

		g_free(source);
		return error;
	}
	g_queue_push_tail_link(&loop->sources, &source->link);
	*ret = source;
	return 0;
}

int loop_set_events(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return -errno;
	return 0;
}

void loop_remove(struct loop_source *source)
{
	if (!source || source->fd < 0)
		return;
	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -EBADF;
	g_queue_unlink(&source->loop->sources, &source->link);
	g_queue_push_tail_link(&source->loop->removed, &source->link);
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->armed)
		return;
	*(timer->prev ? &timer->prev->next : &loop->first_timer) = timer->next;
	*(timer->next ? &timer->next->prev : &loop->last_timer) = timer->prev;
	timer->armed = false;
}

/* Many are armed for the same while from now, so that the place is near the end. */
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
	struct loop_timer *before;

	loop_timer_disarm(loop, timer);
	before = loop->last_timer;
	while (before && before->at_ms > at_ms)
		before = before->prev;
	timer->at_ms = at_ms;
	timer->prev = before;
	timer->next = before ? before->next : loop->first_timer;
	*(timer->prev ? &timer->prev->next : &loop->first_timer) = timer;
	*(timer->next ? &timer->next->prev : &loop->last_timer) = timer;
	timer->armed = true;
}

static void run_timers(struct loop *loop)
{
	while (loop->first_timer && loop->first_timer->at_ms <= loop->now_ms && !loop->stopped) {
		struct loop_timer *due = loop->first_timer;

		loop_timer_disarm(loop, due);
		due->fn(due->data);
	}
}

void loop_add_turn_end(struct loop *loop, void (*fn)(void *data), void *data)
{
	const struct turn_end end = { fn, data };

	g_array_append_val(loop->turn_ends, end);
}

void loop_remove_turn_end(struct loop *loop, void (*fn)(void *data), void *data)
{
	for (guint i = 0; i < loop->turn_ends->len; i++) {
		const struct turn_end *end = &g_array_index(loop->turn_ends, struct turn_end, i);

		if (end->fn == fn && end->data == data) {
			g_array_remove_index(loop->turn_ends, i);
			return;
		}
	}
}

static void run_turn_ends(struct loop *loop)
{
	for (guint i = 0; i < loop->turn_ends->len && !loop->stopped; i++) {
		const struct turn_end *end = &g_array_index(loop->turn_ends, struct turn_end, i);

		end->fn(end->data);
	}
}

void loop_again(struct loop *loop)
{
	loop->again = true;
}

void loop_set_guest(struct loop *loop, const struct loop_guest_set *set)
{
	loop->guest = *set;
}

int loop_guest_add(struct loop *loop, int fd, short events)
{
	struct pollfd entry = { .fd = fd, .events = events };

	g_array_append_val(loop->polled, entry);
	return (int)loop->polled->len - 1;
}

short loop_guest_revents(const struct loop *loop, int index, int *ret_fd)
{
	const struct pollfd *entry;

	if (index <= 0 || (guint)index >= loop->polled->len)
		return 0;
	entry = &g_array_index(loop->polled, struct pollfd, index);
	*ret_fd = entry->fd;
	return entry->revents;
}

/* Milliseconds until the soonest timer; UINT32_MAX if there is none. */
static uint32_t timer_timeout(const struct loop *loop)
{
	int64_t left;

	if (loop->again)
		return 0;
	if (!loop->first_timer)
		return UINT32_MAX;
	left = loop->first_timer->at_ms - clock_now_ms();
	return left < 0 ? 0 : (uint32_t)MIN(left, INT32_MAX);
}

/* epoll_wait(2), spinning first where that pays. A timer is in whole milliseconds, so none is due
 * within the spin.
 */
static int wait_own(struct loop *loop, struct epoll_event *events, int wait_ms)
{
	int64_t begin_ns = clock_now_ns(), end_ns = begin_ns + spin_ns(&loop->spin);
	int count = 0;

	for (int64_t now_ns = begin_ns; count == 0 && now_ns < end_ns; now_ns = clock_now_ns())
		count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, 0);
	if (count == 0)
		count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, wait_ms);
	if (count != 0)
		spin_learn(&loop->spin, clock_now_ns() - begin_ns);
	return count;
}

/* Wait for everything; returns the number of own events in @events, or -errno. */
static int wait_all(struct loop *loop, struct epoll_event *events)
{
	uint32_t timeout_ms = timer_timeout(loop);
	struct pollfd *polled;
	int wait_ms, count;

	g_array_set_size(loop->polled, 1);
	if (loop->guest.fill)
		loop->guest.fill(&timeout_ms, loop->guest.data);
	wait_ms = timeout_ms > INT32_MAX ? -1 : (int)timeout_ms;
	polled = (struct pollfd *)(void *)loop->polled->data;
	if (loop->polled->len > 1) {
		struct timespec ts = { wait_ms / 1000, wait_ms % 1000 * 1000000L };

		count = ppoll(polled, loop->polled->len, wait_ms < 0 ? NULL : &ts, NULL);
		if (count <= 0 || !(polled[0].revents & POLLIN))
			return count < 0 ? -errno : 0;
		wait_ms = 0;
	}
	if (loop->may_spin && wait_ms != 0)
		count = wait_own(loop, events, wait_ms);
	else
		count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, wait_ms);
	return count < 0 ? -errno : count;
}

int loop_run(struct loop *loop)
{
	struct epoll_event events[EVENTS_PER_TURN];

	while (!loop->stopped) {
		int count = wait_all(loop, events);

		if (count < 0 && count != -EINTR)
			return count;
		loop->now_ms = clock_now_ms();
		loop->again = false;
		if (loop->guest.serve)
			loop->guest.serve(loop->guest.data);
		run_timers(loop);
		for (int i = 0; i < count && !loop->stopped; i++) {
			struct loop_source *source = events[i].data.ptr;

			if (source->fd >= 0)
				source->fn(events[i].events, source->data);
		}
		run_turn_ends(loop);
		release_removed(loop);
	}
	loop->stopped = false;
	return loop->status;
}
