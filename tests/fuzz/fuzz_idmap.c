/* Any text gives maps that have room, whose ranges are not empty, and that read back as they were. */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/idmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(const struct idmap *map)
{
	g_autofree char *text = idmap_format(map);
	struct idmap again;

	if (map->count == 0 || map->count > IDMAP_RANGES_MAX || !idmap_parse(text, &again) ||
	    again.count != map->count ||
	    memcmp(again.ranges, map->ranges, map->count * sizeof(map->ranges[0])) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	g_autofree char *text = g_strndup((const char *)bytes, len);
	struct idmap map, made;

	if (idmap_parse(text, &map)) {
		char limits[32];

		check(&map);
		idmap_identity(&map, &made);
		check(&made);
		idmap_outer_limits(&map, limits, sizeof(limits));
	}
	if (idmap_parse_subids(text, "me", 1000, &map)) {
		idmap_root(1000, &map, &made);
		check(&made);
		/* Without a gap, and nobody has two ids inside. */
		for (size_t i = 1; i < made.count; i++) {
			if (made.ranges[i].inside !=
			    made.ranges[i - 1].inside + made.ranges[i - 1].count)
				abort();
		}
	}
	return 0;
}
