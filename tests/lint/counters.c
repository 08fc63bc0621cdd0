/* The section of the man page about the counters of get_stats, made from the tables. */
#include <stdio.h>

#include "app/engine.h"
#include "net/stats.h"

static void print_elements(const struct stats_row *row)
{
	for (size_t i = 0; i < row->count; i++) {
		if (row->element_name(i))
			printf(".Va %s %s\n", row->element_name(i), i + 1 < row->count ? "," : ".");
	}
}

int main(void)
{
	for (int i = 0; i < STATS_MODULES; i++) {
		const struct stats_table *table = engine_stats_tables[i];

		for (const struct stats_row *row = table->rows; row->name; row++) {
			printf(".It Va %s.%s\n%s%s\n", table->module, row->name, row->help,
			       row->element_name ? ":" : ".");
			if (row->element_name)
				print_elements(row);
		}
	}
	return 0;
}
