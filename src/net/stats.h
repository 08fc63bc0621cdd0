/* net/stats.h - counters: each module describes its own in a table, and here they become JSON, and
 * a line about what was dropped.
 *
 * Counters are fields of any struct: numbers without sign of 4 or 8 bytes, or arrays of those. A
 * new one is a new row. The names are an interface to callers: they are in the man page, and stay.
 */
#ifndef NET_STATS_H
#define NET_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

struct stats_row {
	const char *name; /* lower_snake_case */
	const char *help; /* for the man page: a sentence without its full stop, plain text */
	size_t offset;	  /* in the struct of counters, of the first element */
	size_t size;	  /* of one element, in bytes */
	size_t count;	  /* elements */
	bool counts_drops;
	/* The names of the elements; NULL: this is one number. An element without a name (NULL) is
	 * not shown.
	 */
	const char *(*element_name)(size_t index);
};

/* The middle of a row: where one number is, or an array. */
#define STATS_NUMBER(type, field) \
	.offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field), .count = 1
#define STATS_ARRAY(type, field, name)                                             \
	.offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field[0]), \
	.count = sizeof(((type *)NULL)->field) / sizeof(((type *)NULL)->field[0]), \
	.element_name = (name)

struct stats_table {
	const char *module;	      /* the key of its object */
	const char *dropped;	      /* what it is that it drops, in plural; NULL: nothing */
	const struct stats_row *rows; /* the last one has no name */
};

/* {module: {name: number or {name: number, ...}, ...}, ...}, for the caller to json_decref().
 * counters[i] is what tables[i] describes; NULL: that module does not run, and is left out.
 */
struct json_t *stats_json(const struct stats_table *const tables[], const void *const counters[],
			  size_t count);

/* The number of drops that the table's rows count, and in @text (cut at @size) how many for what
 * reason.
 */
uint64_t stats_describe_drops(const struct stats_table *table, const void *counters, char *text,
			      size_t size);

#endif
