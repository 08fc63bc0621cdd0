/* A sorted array of ids, for new ones are the greatest: what is added goes to its end, what is removed
 * leaves a hole, and when most are holes the rest moves together. No allocation for a flow, and nothing
 * to be balanced.
 */
#include "net/flows.h"

#include <glib.h>

#define SLOTS_MIN 64

struct slot {
	uint64_t id;
	struct flows_entry *entry; /* borrowed; NULL: it has ended */
};

struct flows {
	uint64_t last_id;
	struct slot *slots;
	size_t used, room; /* of slots; holes count */
	size_t entries;
};

struct flows *flows_new(void)
{
	struct flows *flows = g_new0(struct flows, 1);

	flows->room = SLOTS_MIN;
	flows->slots = g_new(struct slot, SLOTS_MIN);
	return flows;
}

void flows_free(struct flows *flows)
{
	if (!flows)
		return;
	g_free(flows->slots);
	g_free(flows);
}

/* The first slot whose id is @id or greater; flows->used if there is none. */
static size_t lower_bound(const struct flows *flows, uint64_t id)
{
	size_t from = 0, to = flows->used;

	while (from < to) {
		const size_t middle = from + (to - from) / 2;

		if (flows->slots[middle].id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void resize(struct flows *flows, size_t room)
{
	flows->slots = g_renew(struct slot, flows->slots, room);
	flows->room = room;
}

static void close_holes(struct flows *flows)
{
	size_t to = 0;

	for (size_t i = 0; i < flows->used; i++) {
		if (flows->slots[i].entry)
			flows->slots[to++] = flows->slots[i];
	}
	flows->used = to;
	if (flows->room > SLOTS_MIN && flows->used < flows->room / 4)
		resize(flows, flows->room / 2);
}

void flows_add(struct flows *flows, struct flows_entry *entry)
{
	if (!flows)
		return;
	if (flows->used == flows->room)
		resize(flows, flows->room * 2);
	entry->id = ++flows->last_id;
	flows->slots[flows->used++] = (struct slot){ entry->id, entry };
	flows->entries++;
}

void flows_remove(struct flows *flows, struct flows_entry *entry)
{
	if (!flows)
		return;
	flows->slots[lower_bound(flows, entry->id)].entry = NULL;
	flows->entries--;
	if (flows->used - flows->entries > flows->entries + SLOTS_MIN / 2)
		close_holes(flows);
}

struct flows_entry *flows_find(const struct flows *flows, uint64_t id)
{
	const size_t at = lower_bound(flows, id);

	return at < flows->used && flows->slots[at].id == id ? flows->slots[at].entry : NULL;
}

struct flows_entry *flows_next(const struct flows *flows, uint64_t id)
{
	if (id >= flows->last_id)
		return NULL;
	for (size_t at = lower_bound(flows, id + 1); at < flows->used; at++) {
		if (flows->slots[at].entry)
			return flows->slots[at].entry;
	}
	return NULL;
}
