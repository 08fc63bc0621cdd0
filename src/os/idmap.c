#include "os/idmap.h"

#include <errno.h>
#include <glib.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/procfile.h"

#define MAP_TEXT_MAX 16384 /* bytes of a map's file: 340 lines of three numbers in columns of ten */
#define ID_LIMIT INT32_MAX /* of a range: GID_T_MAX in the kernel's sysctl_net_ipv4.c */
#define SUBIDS_TEXT_MAX 65536 /* bytes of /etc/subuid that are looked at */

/* Users and groups differ in these only. */
static const struct kind {
	const char *map; /* of /proc/PID */
	const char *subids;
	const char *program;
	bool needs_setgroups_denied; /* to a writer without capabilities */
} kinds[] = {
	{ "uid_map", "/etc/subuid", "newuidmap", false },
	{ "gid_map", "/etc/subgid", "newgidmap", true },
};

static bool parse_number(const char *text, uint32_t *ret)
{
	guint64 number;

	if (!g_ascii_string_to_unsigned(text, 10, 0, UINT32_MAX, &number, NULL))
		return false;
	*ret = (uint32_t)number;
	return true;
}

/* Three numbers with blanks around them. */
static bool parse_line(const char *line, struct idmap_range *ret)
{
	g_auto(GStrv) words = g_strsplit_set(line, " \t", -1);
	uint32_t *const numbers[] = { &ret->inside, &ret->outside, &ret->count };
	size_t found = 0;

	for (char **word = words; *word; word++) {
		if (**word == '\0')
			continue;
		if (found == G_N_ELEMENTS(numbers) || !parse_number(*word, numbers[found++]))
			return false;
	}
	return found == G_N_ELEMENTS(numbers) && ret->count > 0;
}

bool idmap_parse(const char *text, struct idmap *ret)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	ret->count = 0;
	for (char **line = lines; *line && ret->count < IDMAP_RANGES_MAX; line++) {
		if (**line == '\0')
			continue;
		if (!parse_line(*line, &ret->ranges[ret->count++]))
			return false;
	}
	return ret->count > 0;
}

/* "USER:FIRST:COUNT", where USER is a name or a number (subuid(5)). */
static bool parse_subid_line(const char *line, const char *name, uint32_t id,
			     struct idmap_range *ret)
{
	g_auto(GStrv) words = g_strsplit(line, ":", -1);
	uint32_t number;

	if (g_strv_length(words) != 3)
		return false;
	if (!(name && strcmp(words[0], name) == 0) &&
	    !(parse_number(words[0], &number) && number == id))
		return false;
	ret->inside = 0;
	return parse_number(words[1], &ret->outside) && parse_number(words[2], &ret->count) &&
	       ret->count > 0;
}

bool idmap_parse_subids(const char *text, const char *name, uint32_t id, struct idmap *ret)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	ret->count = 0;
	for (char **line = lines; *line && ret->count < IDMAP_RANGES_MAX; line++) {
		if (parse_subid_line(*line, name, id, &ret->ranges[ret->count]))
			ret->count++;
	}
	return ret->count > 0;
}

void idmap_outer_limits(const struct idmap *map, char *ret, size_t size)
{
	const struct idmap_range *low = &map->ranges[0], *high = low;

	for (const struct idmap_range *at = low; at < map->ranges + map->count; at++) {
		if (at->outside < low->outside)
			low = at;
		if (at->outside > high->outside)
			high = at;
	}
	snprintf(ret, size, "%u %u", MIN(low->inside, ID_LIMIT),
		 (uint32_t)MIN((uint64_t)high->inside + high->count - 1, ID_LIMIT));
}

void idmap_identity(const struct idmap *existing, struct idmap *ret)
{
	for (size_t i = 0; i < existing->count; i++) {
		ret->ranges[i] = existing->ranges[i];
		ret->ranges[i].outside = existing->ranges[i].inside;
	}
	ret->count = existing->count;
}

void idmap_root(uint32_t id, const struct idmap *subids, struct idmap *ret)
{
	uint32_t inside = 1;

	ret->ranges[0] = (struct idmap_range){ .inside = 0, .outside = id, .count = 1 };
	ret->count = 1;
	for (size_t i = 0; subids && i < subids->count && ret->count < IDMAP_RANGES_MAX; i++) {
		struct idmap_range range = subids->ranges[i];

		if (range.count > UINT32_MAX - inside) /* (uint32_t)-1 is nobody's id */
			break;
		range.inside = inside;
		inside += range.count;
		ret->ranges[ret->count++] = range;
	}
}

char *idmap_format(const struct idmap *map)
{
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < map->count; i++)
		g_string_append_printf(text, "%u %u %u\n", map->ranges[i].inside,
				       map->ranges[i].outside, map->ranges[i].count);
	return g_string_free(text, FALSE);
}

static bool read_map(const char *path, struct idmap *ret)
{
	char text[MAP_TEXT_MAX];

	return procfile_read(path, text, sizeof(text)) > 0 && idmap_parse(text, ret);
}

bool idmap_of_our_groups(struct idmap *ret)
{
	return read_map("/proc/self/gid_map", ret);
}

static bool read_subids(const struct kind *kind, struct idmap *ret)
{
	const struct passwd *user = getpwuid(geteuid());
	g_autofree char *text = g_malloc(SUBIDS_TEXT_MAX);

	return procfile_read(kind->subids, text, SUBIDS_TEXT_MAX) > 0 &&
	       idmap_parse_subids(text, user ? user->pw_name : NULL, geteuid(), ret);
}

/* Programs that are set-user-ID are not taken from a PATH of the caller's choice. */
static char *find_program(const char *name)
{
	static const char *const folders[] = { "/usr/bin", "/bin", "/usr/local/bin",
					       "/run/wrappers/bin" /* NixOS */ };

	for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *path = g_build_filename(folders[i], name, NULL);

		if (access(path, X_OK) == 0)
			return g_steal_pointer(&path);
	}
	return NULL;
}

/* With the caller's stderr, so that it says itself what it does not like. */
static bool run_program(const char *path, pid_t pid, const struct idmap *map)
{
	g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
	posix_spawnattr_t attributes;
	int status = -1;
	pid_t child;
	sigset_t set;

	g_ptr_array_add(words, g_strdup(path));
	g_ptr_array_add(words, g_strdup_printf("%d", pid));
	for (size_t i = 0; i < map->count; i++) {
		g_ptr_array_add(words, g_strdup_printf("%u", map->ranges[i].inside));
		g_ptr_array_add(words, g_strdup_printf("%u", map->ranges[i].outside));
		g_ptr_array_add(words, g_strdup_printf("%u", map->ranges[i].count));
	}
	g_ptr_array_add(words, NULL);
	sigemptyset(&set);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &set);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	if (posix_spawn(&child, path, NULL, &attributes, (char **)words->pdata, environ) == 0) {
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	}
	posix_spawnattr_destroy(&attributes);
	return status == 0;
}

/* *ret_mapped: of how many kinds the map is written, which nobody can do again. */
static enum idmap_lack map_subids(pid_t pid, size_t *ret_mapped)
{
	struct idmap subids[G_N_ELEMENTS(kinds)], map;
	char *programs[G_N_ELEMENTS(kinds)];
	const uint32_t ids[] = { geteuid(), getegid() };
	enum idmap_lack lack = IDMAP_LACKS_NOTHING;

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		programs[i] = find_program(kinds[i].program);
		if (!programs[i])
			lack = IDMAP_LACKS_PROGRAMS;
		else if (lack == IDMAP_LACKS_NOTHING && !read_subids(&kinds[i], &subids[i]))
			lack = IDMAP_LACKS_RANGES;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(kinds) && lack == IDMAP_LACKS_NOTHING; i++) {
		idmap_root(ids[i], &subids[i], &map);
		if (run_program(programs[i], pid, &map))
			*ret_mapped = i + 1;
		else
			lack = IDMAP_LACKS_SUCCESS;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		g_free(programs[i]);
	return lack;
}

static int write_map(const char *path, const struct idmap *map)
{
	g_autofree char *text = idmap_format(map);

	return procfile_write(path, text);
}

/* Everybody, if the kernel lets us; a refused attempt leaves the file as it was. */
static int write_kind(pid_t pid, const struct kind *kind, enum idmap_style style, uint32_t id,
		      char *path)
{
	char own[sizeof("/proc/self/") + sizeof("uid_map")], setgroups[IDMAP_PATH_MAX];
	const uint32_t inside = style == IDMAP_ROOT ? 0 : id;
	struct idmap existing, map;
	int r = -EPERM;

	snprintf(own, sizeof(own), "/proc/self/%s", kind->map);
	snprintf(path, IDMAP_PATH_MAX, "/proc/%d/%s", pid, kind->map);
	if (inside == id && read_map(own, &existing)) {
		idmap_identity(&existing, &map);
		r = write_map(path, &map);
	}
	if (r != -EPERM)
		return r;
	if (kind->needs_setgroups_denied) {
		snprintf(setgroups, sizeof(setgroups), "/proc/%d/setgroups", pid);
		r = procfile_write(setgroups, "deny");
		if (r < 0 && r != -ENOENT) /* before Linux 3.19 there is none, and no need */
			return r;
	}
	map.count = 1;
	map.ranges[0] = (struct idmap_range){ .inside = inside, .outside = id, .count = 1 };
	return write_map(path, &map);
}

int idmap_write(pid_t pid, enum idmap_style style, enum idmap_lack *ret_lack, char *reterr_path)
{
	const uint32_t ids[] = { geteuid(), getegid() };
	enum idmap_lack lack = IDMAP_LACKS_NOTHING;
	size_t mapped = 0;
	int r = 0;

	if (style == IDMAP_ROOT && ids[0] != 0)
		lack = map_subids(pid, &mapped);
	for (size_t i = mapped; i < G_N_ELEMENTS(kinds) && r == 0; i++)
		r = write_kind(pid, &kinds[i], style, ids[i], reterr_path);
	if (r == 0)
		*ret_lack = lack;
	return r;
}
