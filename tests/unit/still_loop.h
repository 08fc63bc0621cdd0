/* base/loop.h, stood in for: the clock stands until a test moves it, nothing is waited for, and a turn
 * of the loop is made when the test says so. Room for one timer and one turn end. Link still_loop.c.
 */
#ifndef TESTS_UNIT_STILL_LOOP_H
#define TESTS_UNIT_STILL_LOOP_H

#include <glib.h>

#include "base/loop.h"

struct loop_source {
	struct loop *loop;
	int fd;
	loop_source_fn *fn;
	void *data;
};

struct loop { /* zero it; still_loop_done() in the end */
	int64_t now_ms;
	struct loop_timer *timer; /* NULL: none was ever armed */
	void (*turn_end)(void *data);
	void *turn_end_data;
	GPtrArray *sources; /* struct loop_source, the newest last; NULL: there was none */
};

/* Asserts that nothing is watched any more. */
void still_loop_done(struct loop *loop);

/* The timer, if it is due at @end_ms, at its own time. False: it is not. */
bool still_loop_run_timer(struct loop *loop, int64_t end_ms);

/* The source that was added last and has not been removed. */
struct loop_source *still_loop_newest(const struct loop *loop);

#endif
