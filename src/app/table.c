#include "app/table.h"

#include <assert.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#define GAP "  "

struct table {
	const struct table_column *columns; /* borrowed */
	size_t count;			    /* of columns */
	GPtrArray *cells;		    /* row by row, the titles first */
};

struct table *table_new(const struct table_column *columns)
{
	struct table *table = g_new0(struct table, 1);

	table->columns = columns;
	while (columns[table->count].title)
		table->count++;
	assert(table->count <= TABLE_COLUMNS_MAX);
	table->cells = g_ptr_array_new_with_free_func(g_free);
	for (size_t i = 0; i < table->count; i++)
		table_add(table, columns[i].title);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	g_ptr_array_unref(table->cells);
	g_free(table);
}

char *table_harmless(const char *text)
{
	char *copy = g_utf8_make_valid(text, -1);

	for (char *at = copy; *at; at = g_utf8_next_char(at)) {
		const gunichar c = g_utf8_get_char(at);

		if (g_unichar_iscntrl(c) || !g_unichar_isprint(c))
			memset(at, '?', (size_t)(g_utf8_next_char(at) - at));
	}
	return copy;
}

void table_add(struct table *table, const char *text)
{
	g_ptr_array_add(table->cells, table_harmless(text));
}

void table_add_number(struct table *table, uint64_t number)
{
	g_ptr_array_add(table->cells, g_strdup_printf("%" PRIu64, number));
}

void table_add_bytes(struct table *table, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	int unit = -1;
	double shown = (double)bytes;

	if (bytes < 1024) {
		table_add_number(table, bytes);
		return;
	}
	for (; shown >= 1024; unit++)
		shown /= 1024;
	g_ptr_array_add(table->cells,
			g_strdup_printf(shown < 10 ? "%.1f%c" : "%.0f%c", shown, units[unit]));
}

void table_add_duration(struct table *table, uint64_t time_s)
{
	static const struct {
		uint64_t below_s, whole_s, part_s;
		const char *format;
	} steps[] = {
		{ 60, 1, 1, "%" PRIu64 "s" },
		{ 3600, 60, 1, "%" PRIu64 "m%02" PRIu64 "s" },
		{ 86400, 3600, 60, "%" PRIu64 "h%02" PRIu64 "m" },
		{ UINT64_MAX, 86400, 3600, "%" PRIu64 "d%02" PRIu64 "h" },
	};
	size_t i = 0;

	while (time_s >= steps[i].below_s && i + 1 < G_N_ELEMENTS(steps))
		i++;
	g_ptr_array_add(table->cells, g_strdup_printf(steps[i].format, time_s / steps[i].whole_s,
						      time_s % steps[i].whole_s / steps[i].part_s));
}

static void print_row(const struct table *table, size_t row, const glong *widths, FILE *to)
{
	for (size_t i = 0; i < table->count; i++) {
		const char *cell = table->cells->pdata[row * table->count + i];
		const int pad = (int)(widths[i] - g_utf8_strlen(cell, -1));
		const bool is_number = table->columns[i].is_number;

		fprintf(to, "%s%*s%s", i > 0 ? GAP : "", is_number ? pad : 0, "", cell);
		if (!is_number && i + 1 < table->count)
			fprintf(to, "%*s", pad, "");
	}
	putc('\n', to);
}

void table_print(const struct table *table, FILE *to)
{
	const size_t rows = table->cells->len / table->count;
	glong widths[TABLE_COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < rows * table->count; i++) {
		glong *width = &widths[i % table->count];

		*width = MAX(*width, g_utf8_strlen(table->cells->pdata[i], -1));
	}
	for (size_t row = 0; row < rows; row++)
		print_row(table, row, widths, to);
}
