/* base/wheel: against a model that looks at every timer, hours of it; there is no clock. */
#include <glib.h>

#include "base/clock.h"
#include "base/wheel.h"

#define TURN_MS (1024 * WHEEL_TICK_MS)
#define HOUR_MS (INT64_C(3600) * 1000)
#define TIMERS 200

/* Take out all that is due and return how many; @expected is one of them where it is not NULL. */
static unsigned drain(struct wheel *wheel, int64_t now_ms, const struct wheel_timer *expected)
{
	struct wheel_timer *timer;
	unsigned count = 0;
	bool seen = !expected;

	while ((timer = wheel_next_due(wheel, now_ms))) {
		g_assert_null(timer->prev);
		seen = seen || timer == expected;
		count++;
	}
	g_assert_true(seen);
	g_assert_cmpint(wheel_wake_ms(wheel), >, now_ms);
	return count;
}

static void test_exact_to_a_tick(void)
{
	static const int64_t delays[] = { 1,	       19,	    20,	     21,
					  1000,	       TURN_MS - 1, TURN_MS, TURN_MS + 1,
					  2 * HOUR_MS, 7 * TURN_MS, 24999 };

	for (size_t i = 0; i < G_N_ELEMENTS(delays); i++) {
		const int64_t start = 123456789, at = start + delays[i];
		struct wheel *wheel = wheel_new(start);
		struct wheel_timer timer = { 0 };
		int64_t wake;

		g_assert_cmpint(wheel_wake_ms(wheel), ==, CLOCK_NEVER);
		wheel_set(wheel, &timer, at);
		g_assert_nonnull(timer.prev);
		g_assert_cmpint(timer.at_ms, ==, at);
		wake = wheel_wake_ms(wheel);
		g_assert_cmpint(wake, >=, at);
		g_assert_cmpint(wake, <, at + WHEEL_TICK_MS);
		g_assert_cmpuint(drain(wheel, at - 1, NULL), ==, 0);
		g_assert_cmpuint(drain(wheel, wake - 1, NULL), ==, 0);
		g_assert_cmpuint(drain(wheel, wake, &timer), ==, 1);
		g_assert_cmpint(wheel_wake_ms(wheel), ==, CLOCK_NEVER);
		wheel_free(wheel);
	}
	wheel_free(NULL);
}

static void test_past(void)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, 999, 1000 };

	for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
		struct wheel *wheel = wheel_new(1000);
		struct wheel_timer timer = { 0 };

		wheel_set(wheel, &timer, times[i]);
		g_assert_cmpint(wheel_wake_ms(wheel), ==, 1000 + WHEEL_TICK_MS);
		g_assert_cmpuint(drain(wheel, 1000, NULL), ==, 0);
		g_assert_cmpuint(drain(wheel, 1000 + WHEEL_TICK_MS, &timer), ==, 1);
		wheel_free(wheel);
	}
}

static void test_never(void)
{
	struct wheel *wheel = wheel_new(0);
	struct wheel_timer timer = { 0 };

	wheel_set(wheel, &timer, CLOCK_NEVER);
	g_assert_cmpint(wheel_wake_ms(wheel), >, CLOCK_NEVER - WHEEL_TICK_MS);
	g_assert_cmpuint(drain(wheel, 1000 * HOUR_MS, NULL), ==, 0);
	wheel_clear(wheel, &timer);
	g_assert_cmpint(wheel_wake_ms(wheel), ==, CLOCK_NEVER);
	wheel_free(wheel);
}

/* The process sleeps for hours, with one timer in each slot that is due then. */
static void test_idle(void)
{
	static struct wheel_timer far[TIMERS];
	struct wheel *wheel = wheel_new(0);
	int64_t now = 0;
	unsigned wakes = 0, fired = 0;

	for (int i = 0; i < TIMERS; i++) {
		wheel_set(wheel, &far[i], 2 * HOUR_MS + i * WHEEL_TICK_MS);
		g_assert_cmpint(wheel_wake_ms(wheel), ==, 2 * HOUR_MS);
	}
	while (fired < TIMERS) {
		g_assert_cmpint(wheel_wake_ms(wheel), >, now);
		now = wheel_wake_ms(wheel);
		fired += drain(wheel, now, NULL);
		wakes++;
	}
	g_assert_cmpuint(wakes, ==, TIMERS);
	wheel_free(wheel);
}

/* A timer that was cleared wakes once at most, whatever shares its slot. */
static void test_cleared(void)
{
	struct wheel *wheel = wheel_new(0);
	struct wheel_timer near = { 0 }, far = { 0 };

	wheel_set(wheel, &far, 100 + 3 * TURN_MS);
	wheel_set(wheel, &near, 100);
	wheel_clear(wheel, &near);
	wheel_clear(wheel, &near);
	g_assert_null(near.prev);
	g_assert_cmpuint(drain(wheel, wheel_wake_ms(wheel), NULL), ==, 0);
	g_assert_cmpint(wheel_wake_ms(wheel), ==, 100 + 3 * TURN_MS);
	wheel_clear(wheel, &far);
	g_assert_cmpint(wheel_wake_ms(wheel), ==, CLOCK_NEVER);
	g_assert_cmpuint(drain(wheel, HOUR_MS, NULL), ==, 0);
	wheel_free(wheel);
}

/* Set again for the past while draining: due at the next tick and not in this drain, even where
 * the drain goes over every slot.
 */
static void test_set_in_drain(void)
{
	static const int64_t jumps[] = { WHEEL_TICK_MS, 500, TURN_MS, 5 * TURN_MS };
	struct wheel_timer a = { 0 }, b = { 0 }, c = { 0 };
	struct wheel *wheel = wheel_new(0);
	int64_t now = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(jumps); i++) {
		struct wheel_timer *first, *others[2] = { &b, &c };

		wheel_set(wheel, &a, now);
		wheel_set(wheel, &b, now);
		wheel_set(wheel, &c, now);
		now += jumps[i];
		first = wheel_next_due(wheel, now);
		g_assert_nonnull(first);
		if (first != &a)
			others[first == &c] = &a;
		wheel_set(wheel, first, now - 5);     /* itself */
		wheel_set(wheel, others[0], now - 5); /* one that waits to be taken */
		wheel_clear(wheel, others[1]);
		g_assert_null(wheel_next_due(wheel, now));
		g_assert_null(wheel_next_due(wheel, now));
		g_assert_cmpint(wheel_wake_ms(wheel), ==, now + WHEEL_TICK_MS);
		now += WHEEL_TICK_MS;
		g_assert_cmpuint(drain(wheel, now, first), ==, 2);
	}
	wheel_free(wheel);
}

/* A drain that is left in the middle is asked for at once. */
static void test_unfinished_drain(void)
{
	struct wheel *wheel = wheel_new(0);
	struct wheel_timer timers[2] = { 0 };

	wheel_set(wheel, &timers[0], 100);
	wheel_set(wheel, &timers[1], 100);
	g_assert_nonnull(wheel_next_due(wheel, 1000));
	g_assert_cmpint(wheel_wake_ms(wheel), <=, 1000);
	g_assert_cmpuint(drain(wheel, 1000, NULL), ==, 1);
	wheel_free(wheel);
}

struct model {
	struct wheel *wheel;
	int64_t now, done; /* done: the tick of the last drain */
	struct {
		struct wheel_timer timer;
		int64_t due; /* tick; -1: not set */
	} entries[TIMERS];
	unsigned fired;
};

static int64_t random_delay(void)
{
	switch (g_test_rand_int_range(0, 5)) {
	case 0:
		return g_test_rand_int_range(-100, 100);
	case 1:
		return g_test_rand_int_range(0, 3) * TURN_MS + g_test_rand_int_range(-40, 40);
	case 2:
		return g_test_rand_int_range(0, 2 * HOUR_MS);
	default:
		return g_test_rand_int_range(0, 3000);
	}
}

static void change(struct model *model, int index)
{
	int64_t at = model->now + random_delay();
	int64_t tick = (at + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;

	if (g_test_rand_int_range(0, 3) == 0) {
		wheel_clear(model->wheel, &model->entries[index].timer);
		model->entries[index].due = -1;
		return;
	}
	wheel_set(model->wheel, &model->entries[index].timer, at);
	model->entries[index].due = MAX(tick, model->done + 1);
}

static int64_t soonest(const struct model *model)
{
	int64_t tick = INT64_MAX;

	for (int i = 0; i < TIMERS; i++)
		if (model->entries[i].due >= 0)
			tick = MIN(tick, model->entries[i].due);
	return tick == INT64_MAX ? CLOCK_NEVER : tick * WHEEL_TICK_MS;
}

/* Each timer that comes out was due, and afterwards none is left that is. */
static void drain_model(struct model *model)
{
	struct wheel_timer *timer;

	model->done = model->now / WHEEL_TICK_MS;
	while ((timer = wheel_next_due(model->wheel, model->now))) {
		int index = 0;

		while (&model->entries[index].timer != timer)
			index++;
		g_assert_cmpint(model->entries[index].due, >=, 0);
		g_assert_cmpint(model->entries[index].due, <=, model->done);
		model->entries[index].due = -1;
		model->fired++;
		if (g_test_rand_int_range(0, 2) == 0)
			change(model, index);
		if (g_test_rand_int_range(0, 4) == 0)
			change(model, g_test_rand_int_range(0, TIMERS));
	}
	g_assert_cmpint(soonest(model), >, model->now);
}

static void check_wake(const struct model *model)
{
	int64_t wake = wheel_wake_ms(model->wheel), due = soonest(model);

	g_assert_cmpint(wake, <=, due);
	g_assert_cmpint(wake == CLOCK_NEVER, ==, due == CLOCK_NEVER);
	for (int i = 0; i < TIMERS; i++)
		g_assert_cmpint(!!model->entries[i].timer.prev, ==, model->entries[i].due >= 0);
}

static void test_random(void)
{
	struct model *model = g_new0(struct model, 1);

	model->now = g_test_rand_int_range(0, 1000000);
	model->done = model->now / WHEEL_TICK_MS;
	model->wheel = wheel_new(model->now);
	for (int i = 0; i < TIMERS; i++)
		model->entries[i].due = -1;
	for (int step = 0; step < 20000; step++) {
		int64_t delay = random_delay();

		for (int changes = g_test_rand_int_range(0, 6); changes > 0; changes--)
			change(model, g_test_rand_int_range(0, TIMERS));
		check_wake(model);
		if (g_test_rand_int_range(0, 2) == 0 && soonest(model) != CLOCK_NEVER)
			model->now = MAX(model->now, wheel_wake_ms(model->wheel));
		else
			model->now += ABS(delay) / 8;
		drain_model(model);
		check_wake(model);
		g_assert_cmpint(wheel_wake_ms(model->wheel), >, model->now);
	}
	g_assert_cmpuint(model->fired, >, 1000);
	g_assert_cmpint(model->now, >, 2 * HOUR_MS);
	wheel_free(model->wheel);
	g_free(model);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/wheel/exact-to-a-tick", test_exact_to_a_tick);
	g_test_add_func("/wheel/past", test_past);
	g_test_add_func("/wheel/never", test_never);
	g_test_add_func("/wheel/idle", test_idle);
	g_test_add_func("/wheel/cleared", test_cleared);
	g_test_add_func("/wheel/set-in-drain", test_set_in_drain);
	g_test_add_func("/wheel/unfinished-drain", test_unfinished_drain);
	g_test_add_func("/wheel/random", test_random);
	return g_test_run();
}
