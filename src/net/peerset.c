/* Tables are open addressing with linear probing, at most half full, and nothing is ever taken out
 * of one: a table is thrown away as a whole.
 */
#include "net/peerset.h"

#include <assert.h>
#include <glib.h>
#include <string.h>

#define SLOTS_FIRST 8u
#define SLOTS_MAX (PEERSET_YOUNG * 2u)

static_assert(sizeof(struct peer) == 20, "no padding");

struct peerset_table {
	uint32_t slots, used; /* slots is a power of two */
	uint32_t ports;	      /* entries that have one */
	uint32_t again;	      /* of these, of the young ones: those that the old have too */
	struct peer peers[];
};

static bool is_same(const struct peer *a, const struct peer *b)
{
	return a->port == b->port && memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

/* The slot that holds @peer, or the empty one where it would go. */
static struct peer *slot_of(struct peerset_table *table, const struct peerset_common *common,
			    const struct peer *peer)
{
	const uint32_t mask = table->slots - 1;
	const size_t len = offsetof(struct peer, in_use);
	uint32_t at = (uint32_t)siphash(&common->key, peer, len) & mask;

	while (table->peers[at].in_use && !is_same(&table->peers[at], peer))
		at = (at + 1) & mask;
	return &table->peers[at];
}

static bool table_has(struct peerset_table *table, const struct peerset_common *common,
		      const struct peer *peer)
{
	return table && slot_of(table, common, peer)->in_use;
}

static void put(struct peerset_table *table, const struct peerset_common *common,
		const struct peer *peer)
{
	struct peer *slot = slot_of(table, common, peer);

	table->used += !slot->in_use;
	table->ports += !slot->in_use && peer->port != 0;
	*slot = *peer;
	slot->in_use = true;
}

static struct peerset_table *table_new(struct peerset_common *common, uint32_t slots)
{
	struct peerset_table *table = g_malloc0(sizeof(*table) + slots * sizeof(table->peers[0]));

	table->slots = slots;
	common->slots += slots;
	return table;
}

static void table_free(struct peerset_table *table, struct peerset_common *common)
{
	if (!table)
		return;
	common->slots -= table->slots;
	g_free(table);
}

static bool has_room(const struct peerset_common *common, uint32_t slots)
{
	return common->slots + slots <= common->slots_max;
}

static struct peerset_table *grown(struct peerset_table *small, struct peerset_common *common)
{
	struct peerset_table *table = table_new(common, small->slots * 2);

	for (uint32_t i = 0; i < small->slots; i++) {
		if (small->peers[i].in_use)
			put(table, common, &small->peers[i]);
	}
	table->again = small->again;
	table_free(small, common);
	return table;
}

static void forget(struct peerset_table *table, struct peerset_common *common)
{
	common->forgotten += table ? table->used : 0;
	table_free(table, common);
}

/* The young become old. Where all sets together may have no more, they are forgotten as well. */
static void age(struct peerset *set, struct peerset_common *common)
{
	const uint32_t slots = set->young->slots;

	forget(set->old, common);
	set->old = set->young;
	set->young = NULL;
	if (!has_room(common, slots)) {
		forget(set->old, common);
		set->old = NULL;
	}
	set->young = table_new(common, slots);
}

static void add_young(struct peerset *set, struct peerset_common *common, const struct peer *peer)
{
	if (set->young->used >= set->young->slots / 2) {
		if (set->young->slots < SLOTS_MAX && has_room(common, set->young->slots * 2))
			set->young = grown(set->young, common);
		else
			age(set, common);
	}
	set->young->again += peer->port != 0 && table_has(set->old, common, peer);
	put(set->young, common, peer);
}

void peerset_add(struct peerset *set, struct peerset_common *common, const struct peer *peer)
{
	if (!set->young) {
		if (set->first.in_use && is_same(&set->first, peer))
			return;
		if (set->first.in_use && has_room(common, SLOTS_FIRST)) {
			set->young = table_new(common, SLOTS_FIRST);
			put(set->young, common, &set->first);
		} else {
			common->forgotten += set->first.in_use;
			set->first = *peer;
			set->first.in_use = true;
			return;
		}
	}
	if (!table_has(set->young, common, peer))
		add_young(set, common, peer);
}

bool peerset_has(const struct peerset *set, const struct peerset_common *common,
		 const struct peer *peer)
{
	if (!set->young)
		return set->first.in_use && is_same(&set->first, peer);
	return table_has(set->young, common, peer) || table_has(set->old, common, peer);
}

size_t peerset_count(const struct peerset *set)
{
	if (!set->young)
		return set->first.in_use && set->first.port != 0;
	return set->young->ports - set->young->again + (set->old ? set->old->ports : 0);
}

const struct peer *peerset_only(const struct peerset *set)
{
	const struct peerset_table *table = set->young;

	if (!table)
		return &set->first;
	if (table->ports == 0)
		table = set->old;
	for (uint32_t i = 0; i < table->slots; i++) {
		if (table->peers[i].in_use && table->peers[i].port != 0)
			return &table->peers[i];
	}
	return NULL;
}

void peerset_clear(struct peerset *set, struct peerset_common *common)
{
	table_free(set->young, common);
	table_free(set->old, common);
	*set = (struct peerset){ 0 };
}
