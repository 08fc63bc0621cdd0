/* base/wheel.h - very many timers, cheap to set and to move, exact to a tick.
 *
 * A hashed wheel: setting and clearing cost O(1), a tick costs what stands in its slot. It has no
 * clock: whoever owns it says what time it is. Times are milliseconds of base/clock.h.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_TICK_MS 20

struct wheel;

/* In the caller's memory, and not moved while set; zero-initialised it is not set. */
struct wheel_timer {
	int64_t at_ms;			  /* valid while set; one set for the past has moved */
	struct wheel_timer *next, **prev; /* prev: not NULL while set */
};

struct wheel *wheel_new(int64_t now_ms);
void wheel_free(struct wheel *wheel); /* NULL is a no-op; timers still set are forgotten */

/* Set, or move. One in the past is due at the next tick after the last wheel_next_due(). */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, int64_t at_ms);
void wheel_clear(struct wheel *wheel, struct wheel_timer *timer); /* not set: a no-op */

/* Take out the next timer that is due at @now_ms, or NULL: never early, and late by less than a
 * tick. In no order. Any timer may be set or cleared between two calls; one that is set again for
 * the past is not due again in the same @now_ms.
 */
struct wheel_timer *wheel_next_due(struct wheel *wheel, int64_t now_ms);

/* When to call wheel_next_due() next: a tick at which the soonest timer is due; CLOCK_NEVER if none
 * is set. It may be sooner, for a timer that has been cleared or moved meanwhile, but once only:
 * after wheel_next_due(now_ms) has returned NULL it is later than @now_ms. Timers that are far away
 * do not make it sooner.
 */
int64_t wheel_wake_ms(const struct wheel *wheel);

#endif
