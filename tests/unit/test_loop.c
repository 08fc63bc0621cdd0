/* base/loop: sources, timers, the guest set, and removal in the middle of a turn. */
#include <glib.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"

struct pipe_source {
	struct loop *loop;
	int ends[2];
	struct loop_source *source, *other;
	unsigned calls;
};

static void open_pipe(struct pipe_source *p, struct loop *loop, loop_source_fn *fn)
{
	*p = (struct pipe_source){ .loop = loop };
	g_assert_cmpint(pipe(p->ends), ==, 0);
	g_assert_cmpint(loop_add(loop, p->ends[0], EPOLLIN, fn, p, &p->source), ==, 0);
}

static void close_pipe(struct pipe_source *p)
{
	loop_remove(p->source);
	close(p->ends[0]);
	close(p->ends[1]);
}

static void stop_with_7(uint32_t events, void *data)
{
	struct pipe_source *p = data;

	g_assert_true(events & EPOLLIN);
	p->calls++;
	loop_stop(p->loop, 7);
	loop_stop(p->loop, 8); /* the first counts */
}

static void test_source(void)
{
	struct loop *loop = loop_new();
	struct pipe_source p;

	open_pipe(&p, loop, stop_with_7);
	g_assert_cmpint(write(p.ends[1], "x", 1), ==, 1);
	g_assert_cmpint(loop_run(loop), ==, 7);
	g_assert_cmpuint(p.calls, ==, 1);
	close_pipe(&p);
	loop_free(loop);
}

/* Two sources are ready in one turn; whichever comes first removes the other. */
static void remove_other(uint32_t events, void *data)
{
	struct pipe_source *p = data;

	(void)events;
	p->calls++;
	loop_remove(p->other);
	loop_remove(p->source);
	p->source = NULL;
	loop_stop(p->loop, 0);
}

static void test_removal_in_turn(void)
{
	struct loop *loop = loop_new();
	struct pipe_source a, b;

	open_pipe(&a, loop, remove_other);
	open_pipe(&b, loop, remove_other);
	a.other = b.source;
	b.other = a.source;
	g_assert_cmpint(write(a.ends[1], "x", 1), ==, 1);
	g_assert_cmpint(write(b.ends[1], "x", 1), ==, 1);
	g_assert_cmpint(loop_run(loop), ==, 0);
	g_assert_cmpuint(a.calls + b.calls, ==, 1);
	a.source = b.source = NULL; /* both were removed, and released with the turn */
	close_pipe(&a);
	close_pipe(&b);
	loop_free(loop);
}

struct timed {
	struct loop *loop;
	struct loop_timer timer;
	GString *order;
	char name;
};

static void timer_ran(void *data)
{
	struct timed *t = data;

	g_string_append_c(t->order, t->name);
	if (t->order->len == 2)
		loop_stop(t->loop, 0);
}

static void test_timers(void)
{
	struct loop *loop = loop_new();
	g_autoptr(GString) order = g_string_new(NULL);
	struct timed t[3];
	int64_t now = clock_now_ms();

	for (int i = 0; i < 3; i++) {
		t[i] = (struct timed){ .loop = loop, .order = order, .name = (char)('a' + i) };
		t[i].timer.fn = timer_ran;
		t[i].timer.data = &t[i];
		loop_timer_arm(loop, &t[i].timer, now + 10);
	}
	loop_timer_arm(loop, &t[2].timer, now - 1); /* again, and sooner */
	loop_timer_disarm(loop, &t[0].timer);
	loop_timer_disarm(loop, &t[0].timer); /* twice is nothing */
	g_assert_cmpint(loop_run(loop), ==, 0);
	g_assert_cmpstr(order->str, ==, "cb");
	loop_free(loop);
}

#define SCHEDULED 64
#define MANY 200000

struct scheduled {
	struct loop_timer timer;
	struct loop *loop;
	int64_t *last_ms;
	unsigned *left;
};

static void scheduled_ran(void *data)
{
	struct scheduled *s = data;

	g_assert_cmpint(s->timer.at_ms, >=, *s->last_ms);
	*s->last_ms = s->timer.at_ms;
	if (--*s->left == 0)
		loop_stop(s->loop, 0);
}

/* Armed in any order, armed again, and some taken out: the others run by their times. */
static void test_timer_order(void)
{
	struct loop *loop = loop_new();
	struct scheduled s[SCHEDULED];
	int64_t last_ms = 0, now = clock_now_ms();
	unsigned left = 0;

	for (unsigned i = 0; i < SCHEDULED; i++) {
		s[i] = (struct scheduled){ .loop = loop, .last_ms = &last_ms, .left = &left };
		s[i].timer.fn = scheduled_ran;
		s[i].timer.data = &s[i];
		loop_timer_arm(loop, &s[i].timer, now + i * 37 % 16);
	}
	for (unsigned i = 0; i < SCHEDULED; i++) {
		if (i % 3 == 0)
			loop_timer_arm(loop, &s[i].timer, now + i * 29 % 16);
		if (i % 4 == 1)
			loop_timer_disarm(loop, &s[i].timer);
		else
			left++;
	}
	g_assert_cmpint(loop_run(loop), ==, 0);
	g_assert_cmpuint(left, ==, 0);
	loop_free(loop);
}

/* As many as there are listeners that pause: each has its place without a look at the others. */
static void test_many_timers(void)
{
	struct loop *loop = loop_new();
	struct loop_timer *timers = g_new0(struct loop_timer, MANY);
	int64_t now = clock_now_ms();

	for (unsigned i = 0; i < MANY; i++)
		loop_timer_arm(loop, &timers[i], now + 1000);
	for (unsigned i = MANY; i > 0; i--)
		loop_timer_disarm(loop, &timers[i - 1]);
	g_free(timers);
	loop_free(loop);
}

struct guest {
	struct loop *loop;
	int fd, index;
	unsigned served;
};

static void guest_fill(uint32_t *timeout_ms, void *data)
{
	struct guest *guest = data;

	*timeout_ms = MIN(*timeout_ms, 1000);
	guest->index = loop_guest_add(guest->loop, guest->fd, POLLIN);
}

static void guest_serve(void *data)
{
	struct guest *guest = data;
	int fd = -1;

	g_assert_cmpint(loop_guest_revents(guest->loop, -1, &fd), ==, 0);
	g_assert_cmpint(loop_guest_revents(guest->loop, 99, &fd), ==, 0);
	if (loop_guest_revents(guest->loop, guest->index, &fd) & POLLIN) {
		g_assert_cmpint(fd, ==, guest->fd);
		guest->served++;
		loop_stop(guest->loop, 3);
	}
}

static void test_guest_set(void)
{
	struct loop *loop = loop_new();
	struct guest guest = { .loop = loop };
	struct loop_guest_set set = { guest_fill, guest_serve, &guest };
	int ends[2];

	g_assert_cmpint(pipe(ends), ==, 0);
	guest.fd = ends[0];
	loop_set_guest(loop, &set);
	g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
	g_assert_cmpint(loop_run(loop), ==, 3);
	g_assert_cmpuint(guest.served, ==, 1);
	close(ends[0]);
	close(ends[1]);
	loop_free(loop);
}

/* They run in the order of their adding, after the sources; one that is removed does not run. */
static void turn_ended_a(void *data)
{
	struct timed *t = data;

	g_string_append_c(t->order, 'a');
}

static void turn_ended_b(void *data)
{
	struct timed *t = data;

	g_string_append_c(t->order, 'b');
	if (t->order->len >= 5)
		loop_stop(t->loop, 0);
}

static void add_to_order(uint32_t events, void *data)
{
	struct timed *t = data;

	(void)events;
	g_string_append_c(t->order, 's');
}

static void test_turn_ends(void)
{
	struct loop *loop = loop_new();
	g_autoptr(GString) order = g_string_new(NULL);
	struct timed t = { .loop = loop, .order = order };
	struct loop_source *source;
	int ends[2];

	g_assert_cmpint(pipe(ends), ==, 0);
	g_assert_cmpint(loop_add(loop, ends[0], EPOLLIN, add_to_order, &t, &source), ==, 0);
	g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
	loop_add_turn_end(loop, turn_ended_b, loop); /* the same function for other data */
	loop_add_turn_end(loop, turn_ended_a, &t);
	loop_add_turn_end(loop, turn_ended_b, &t);
	loop_remove_turn_end(loop, turn_ended_b, loop);
	loop_remove_turn_end(loop, turn_ended_a, loop); /* no such pair */
	g_assert_cmpint(loop_run(loop), ==, 0);
	g_assert_cmpstr(order->str, ==, "sabsab");
	loop_remove(source);
	close(ends[0]);
	close(ends[1]);
	loop_free(loop);
}

static void test_errors(void)
{
	struct loop *loop = loop_new();
	struct loop_source *source;

	g_assert_cmpint(loop_add(loop, -1, EPOLLIN, stop_with_7, NULL, &source), ==, -EBADF);
	loop_remove(NULL);
	loop_free(loop);
	loop_free(NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/loop/source", test_source);
	g_test_add_func("/loop/removal-in-turn", test_removal_in_turn);
	g_test_add_func("/loop/timers", test_timers);
	g_test_add_func("/loop/timer-order", test_timer_order);
	g_test_add_func("/loop/many-timers", test_many_timers);
	g_test_add_func("/loop/guest-set", test_guest_set);
	g_test_add_func("/loop/turn-ends", test_turn_ends);
	g_test_add_func("/loop/errors", test_errors);
	return g_test_run();
}
