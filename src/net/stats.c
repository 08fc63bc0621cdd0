#include "net/stats.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static uint64_t value_of(const struct stats_row *row, const void *counters, size_t index)
{
	const uint8_t *at = (const uint8_t *)counters + row->offset + index * row->size;
	uint64_t whole;
	uint32_t half;

	if (row->size == sizeof(half)) {
		memcpy(&half, at, sizeof(half));
		return half;
	}
	memcpy(&whole, at, sizeof(whole));
	return whole;
}

static const char *name_of(const struct stats_row *row, size_t index)
{
	return row->element_name ? row->element_name(index) : row->name;
}

static void put_number(json_t *object, const struct stats_row *row, const void *counters,
		       size_t index)
{
	const char *name = name_of(row, index);

	if (name)
		json_object_set_new(object, name,
				    json_integer((json_int_t)value_of(row, counters, index)));
}

static json_t *table_json(const struct stats_table *table, const void *counters)
{
	json_t *object = json_object();

	for (const struct stats_row *row = table->rows; row->name; row++) {
		json_t *into = object;

		if (row->element_name) {
			into = json_object();
			json_object_set_new(object, row->name, into);
		}
		for (size_t i = 0; i < row->count; i++)
			put_number(into, row, counters, i);
	}
	return object;
}

json_t *stats_json(const struct stats_table *const tables[], const void *const counters[],
		   size_t count)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++) {
		if (counters[i])
			json_object_set_new(object, tables[i]->module,
					    table_json(tables[i], counters[i]));
	}
	return object;
}

/* Add what was counted for one reason; *used is how much of @text is in use, or would be. */
static void describe(char *text, size_t size, size_t *used, uint64_t count, const char *reason)
{
	const size_t at = *used < size ? *used : size;
	int len = snprintf(text + at, size - at, "%s%" PRIu64 " %s", *used > 0 ? ", " : "", count,
			   reason);

	*used += len > 0 ? (size_t)len : 0;
}

uint64_t stats_describe_drops(const struct stats_table *table, const void *counters, char *text,
			      size_t size)
{
	uint64_t total = 0;
	size_t used = 0;

	if (size > 0)
		text[0] = '\0';
	for (const struct stats_row *row = table->rows; row->name; row++) {
		for (size_t i = 0; row->counts_drops && i < row->count; i++) {
			uint64_t count = value_of(row, counters, i);

			if (count == 0 || !name_of(row, i))
				continue;
			describe(text, size, &used, count, name_of(row, i));
			total += count;
		}
	}
	return total;
}
