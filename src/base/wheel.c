/* A timer stands in the slot of the tick at which it is due, modulo the number of slots. One that
 * is more than a turn of the wheel away stays in its slot while turns go by.
 *
 * Each slot knows a tick before which nothing in it is due. So timers that are far away cost
 * nothing while turns go by, and wheel_wake_ms() need not name the visit of a slot in which there
 * is nothing to do: an idle process is woken when a timer is due, not once a turn for each slot.
 * The tick is exact when timers are set and after the slot has been searched; clearing leaves it
 * as it is, too early at worst, unless the slot is empty then.
 */
#include "base/wheel.h"

#include <glib.h>

#include "base/clock.h"

#define SLOTS 1024 /* one turn: 20.48 s */
#define WORD_BITS 64

struct slot {
	struct wheel_timer *timers;
	int64_t soonest; /* no timer in it is due before this tick; valid while there are any */
};

struct wheel {
	int64_t done;		 /* of the last wheel_next_due(); what is set now is due later */
	int64_t next;		 /* the first tick whose slot is still to be searched */
	struct wheel_timer *due; /* taken from a slot, not yet by the caller */
	struct slot slots[SLOTS];
	uint64_t occupied[SLOTS / WORD_BITS]; /* slots that have timers */
};

/* The first tick at or after @ms, so that no timer is early. */
static int64_t tick_for(int64_t ms)
{
	return ms / WHEEL_TICK_MS + (ms % WHEEL_TICK_MS > 0);
}

static int64_t tick_to_ms(int64_t tick)
{
	return MIN(tick, CLOCK_NEVER / WHEEL_TICK_MS) * WHEEL_TICK_MS;
}

static unsigned slot_of(int64_t tick)
{
	return (uint64_t)tick % SLOTS;
}

struct wheel *wheel_new(int64_t now_ms)
{
	struct wheel *wheel = g_new0(struct wheel, 1);

	wheel->done = now_ms / WHEEL_TICK_MS;
	wheel->next = wheel->done + 1;
	return wheel;
}

void wheel_free(struct wheel *wheel)
{
	g_free(wheel);
}

static void link_timer(struct wheel_timer **list, struct wheel_timer *timer)
{
	timer->next = *list;
	timer->prev = list;
	if (timer->next)
		timer->next->prev = &timer->next;
	*list = timer;
}

static void unlink_timer(struct wheel_timer *timer)
{
	*timer->prev = timer->next;
	if (timer->next)
		timer->next->prev = timer->prev;
	timer->prev = NULL;
}

static void note_if_empty(struct wheel *wheel, unsigned slot)
{
	if (!wheel->slots[slot].timers)
		wheel->occupied[slot / WORD_BITS] &= ~(UINT64_C(1) << slot % WORD_BITS);
}

void wheel_clear(struct wheel *wheel, struct wheel_timer *timer)
{
	if (!timer->prev)
		return;
	unlink_timer(timer);
	note_if_empty(wheel, slot_of(tick_for(timer->at_ms)));
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, int64_t at_ms)
{
	int64_t tick = tick_for(at_ms);
	struct slot *slot;

	wheel_clear(wheel, timer);
	if (tick <= wheel->done) {
		tick = wheel->done + 1;
		at_ms = tick_to_ms(tick);
	}
	timer->at_ms = at_ms;
	slot = &wheel->slots[slot_of(tick)];
	slot->soonest = slot->timers ? MIN(slot->soonest, tick) : tick;
	link_timer(&slot->timers, timer);
	wheel->occupied[slot_of(tick) / WORD_BITS] |= UINT64_C(1) << slot_of(tick) % WORD_BITS;
}

/* Take what is due out of one slot, before the caller sees any of it: what the caller does may
 * change the slot.
 */
static void search_slot(struct wheel *wheel, unsigned index)
{
	struct slot *slot = &wheel->slots[index];
	struct wheel_timer *timer = slot->timers, *next;

	if (!timer || slot->soonest > wheel->done)
		return;
	slot->soonest = INT64_MAX;
	for (; timer; timer = next) {
		int64_t tick = tick_for(timer->at_ms);

		next = timer->next;
		if (tick > wheel->done) {
			slot->soonest = MIN(slot->soonest, tick);
			continue;
		}
		unlink_timer(timer);
		link_timer(&wheel->due, timer);
	}
	note_if_empty(wheel, index);
}

struct wheel_timer *wheel_next_due(struct wheel *wheel, int64_t now_ms)
{
	struct wheel_timer *timer;

	wheel->done = MAX(wheel->done, now_ms / WHEEL_TICK_MS);
	wheel->next = MAX(wheel->next, wheel->done - SLOTS + 1); /* each slot once is enough */
	while (!wheel->due && wheel->next <= wheel->done)
		search_slot(wheel, slot_of(wheel->next++));
	timer = wheel->due;
	if (timer)
		unlink_timer(timer);
	return timer;
}

int64_t wheel_wake_ms(const struct wheel *wheel)
{
	int64_t soonest = INT64_MAX;
	unsigned ahead = 0;

	if (wheel->due)
		return tick_to_ms(wheel->done);
	while (ahead < SLOTS) {
		unsigned index = slot_of(wheel->next + ahead);
		uint64_t word = wheel->occupied[index / WORD_BITS] >> index % WORD_BITS;

		if (word == 0) {
			ahead += WORD_BITS - index % WORD_BITS;
			continue;
		}
		ahead += (unsigned)__builtin_ctzll(word);
		if (ahead >= SLOTS) /* once round, into the word where it began */
			break;
		soonest = MIN(soonest, wheel->slots[slot_of(wheel->next + ahead)].soonest);
		if (soonest <= wheel->next + ahead) /* what follows is due later */
			break;
		ahead++;
	}
	return soonest == INT64_MAX ? CLOCK_NEVER : tick_to_ms(soonest);
}
