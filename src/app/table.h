/* app/table.h - rows of text under titles, in columns as wide as they have to be.
 *
 * What comes from elsewhere may be put in as it is: no byte of it gets to the terminal as a control
 * character.
 */
#ifndef APP_TABLE_H
#define APP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *title;
	bool is_number; /* to the right */
};

struct table;

/* @columns is borrowed; the last one has no title. */
struct table *table_new(const struct table_column *columns);
void table_free(struct table *table); /* NULL is a no-op */

/* A copy of @text, for g_free(), without escape sequences, ends of lines and invalid UTF-8. */
char *table_harmless(const char *text);

/* The next cell, row by row. */
void table_add(struct table *table, const char *text);
void table_add_number(struct table *table, uint64_t number);
void table_add_bytes(struct table *table, uint64_t bytes);     /* "1.5M" */
void table_add_duration(struct table *table, uint64_t time_s); /* "2h05m" */

/* Titles and all rows that are complete. */
void table_print(const struct table *table, FILE *to);

#endif
