#include "still_loop.h"

int64_t loop_now_ms(const struct loop *loop)
{
	return loop->now_ms;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_source_fn *fn, void *data,
	     struct loop_source **ret)
{
	(void)events;
	if (!loop->sources)
		loop->sources = g_ptr_array_new();
	*ret = g_new(struct loop_source, 1);
	**ret = (struct loop_source){ loop, fd, fn, data };
	g_ptr_array_add(loop->sources, *ret);
	return 0;
}

void loop_remove(struct loop_source *source)
{
	if (source)
		g_ptr_array_remove(source->loop->sources, source);
	g_free(source);
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
	timer->at_ms = at_ms;
	timer->armed = true;
	loop->timer = timer;
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	timer->armed = false;
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
	(void)loop;
}

void still_loop_done(struct loop *loop)
{
	if (!loop->sources)
		return;
	g_assert_cmpuint(loop->sources->len, ==, 0);
	g_ptr_array_free(loop->sources, TRUE);
	loop->sources = NULL;
}

bool still_loop_run_timer(struct loop *loop, int64_t end_ms)
{
	struct loop_timer *timer = loop->timer;

	if (!timer || !timer->armed || timer->at_ms > end_ms)
		return false;
	loop->now_ms = MAX(loop->now_ms, timer->at_ms);
	timer->armed = false;
	timer->fn(timer->data);
	return true;
}

struct loop_source *still_loop_newest(const struct loop *loop)
{
	return g_ptr_array_index(loop->sources, loop->sources->len - 1);
}
