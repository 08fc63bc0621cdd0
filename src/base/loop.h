/* base/loop.h - one thread, one wait per turn.
 *
 * A turn: wait for the sources, the timers and the guest set together; let the guest set serve
 * its descriptors, before anything can change which those are; run the timers that are due;
 * call the sources that have events.
 * No callback may block. Time is read once after the wait and is the same for the whole turn.
 *
 * Sources and timers may be removed in any callback, their own included: a removed source
 * gets no further call, and its memory is released at the end of the turn.
 * Errors: -errno, nothing changed.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_source;

struct loop *loop_new(void);	   /* NULL with errno set */
void loop_free(struct loop *loop); /* NULL is a no-op; sources left are released, fds not closed */

/* Run turns until loop_stop(). Returns the status that loop_stop() was given, or -errno. */
int loop_run(struct loop *loop);

/* End loop_run() after the running callback, or the next one if none runs; the first status given
 * counts. It may be run again afterwards.
 */
void loop_stop(struct loop *loop, int status);

/* The time of this turn, in milliseconds of base/clock.h. */
int64_t loop_now_ms(const struct loop *loop);

/* Watch @fd (borrowed: remove the source before closing it) for @events, which are those of
 * epoll(7), level-triggered unless EPOLLET is among them; EPOLLHUP and EPOLLERR always come. What is
 * told only once is lost where loop_stop() is called in the same turn. -EPERM for a regular file.
 */
typedef void loop_source_fn(uint32_t events, void *data);

int loop_add(struct loop *loop, int fd, uint32_t events, loop_source_fn *fn, void *data,
	     struct loop_source **ret);
int loop_set_events(struct loop_source *source, uint32_t events);
void loop_remove(struct loop_source *source); /* NULL is a no-op */

/* A one-shot timer in the caller's memory. Fill fn and data, leave the rest zero. One that is later than
 * most of the others is cheap, however many there are; so is disarming.
 */
struct loop_timer {
	void (*fn)(void *data);
	void *data;
	int64_t at_ms; /* valid while armed */
	bool armed;
	struct loop_timer *prev, *next; /* from loop::first_timer to loop::last_timer */
};

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t at_ms);
void loop_timer_disarm(struct loop *loop, struct loop_timer *timer);

/* Functions that run at the end of each turn that has not stopped the loop, in the order in which
 * they were added, for work that is better done once for all that happened in it. To remove one,
 * name it as it was added; not from within such a function. loop_again() makes the next turn not
 * wait.
 */
void loop_add_turn_end(struct loop *loop, void (*fn)(void *data), void *data);
void loop_remove_turn_end(struct loop *loop, void (*fn)(void *data), void *data);
void loop_again(struct loop *loop);

/* A library that owns a changing set of descriptors and wants a poll(2) for them every turn.
 * There is room for one. loop_guest_add() may be called inside fill() only, and gives an index
 * that is valid for loop_guest_revents() until the end of the turn. The events are poll(2)'s;
 * *ret_fd is set where there are any.
 */
struct loop_guest_set {
	void (*fill)(uint32_t *timeout_ms, void *data); /* may lower *timeout_ms */
	void (*serve)(void *data);
	void *data;
};

void loop_set_guest(struct loop *loop, const struct loop_guest_set *set);
int loop_guest_add(struct loop *loop, int fd, short events);
short loop_guest_revents(const struct loop *loop, int index, int *ret_fd);

#endif
