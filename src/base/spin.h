/* base/spin.h - whether it pays to look again for a moment before sleeping.
 *
 * To be woken costs more than most of what a turn does: a request and its answer through four
 * processes that slept took 2.6 times as long (tests/bench, rr) as with this. So where
 * the last events came soon after one another, the next one is looked for awhile; where they come
 * rarely, or so fast that nobody sleeps, the processor is left to others at once. Pure.
 */
#ifndef BASE_SPIN_H
#define BASE_SPIN_H

#include <stdint.h>

/* Zero-initialised it does not spin. */
struct spin {
	unsigned worth; /* how often it would have paid of late */
};

/* How long to look before sleeping, in nanoseconds; 0: not at all. */
int64_t spin_ns(const struct spin *spin);

/* A wait has ended with an event after so many nanoseconds, slept or not. */
void spin_learn(struct spin *spin, int64_t waited_ns);

#endif
