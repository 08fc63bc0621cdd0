/* os/idmap.h - who is who in a new user namespace: its uid_map and gid_map.
 *
 * The kernel lets each be written once. A writer with CAP_SETUID (CAP_SETGID) where it lives may map
 * whatever exists there; anybody else one line, its own id, and a group only once setgroups(2) is
 * denied; newuidmap(1) and newgidmap(1), which have these capabilities, what subuid(5) grants.
 * Source: user_namespaces(7).
 */
#ifndef OS_IDMAP_H
#define OS_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct idmap_range {
	uint32_t inside, outside, count;
};

#define IDMAP_RANGES_MAX 340 /* lines of a map; Linux 4.15, five before */

struct idmap {
	struct idmap_range ranges[IDMAP_RANGES_MAX];
	size_t count;
};

/* What idmap_write() is asked for. */
enum idmap_style {
	IDMAP_KEEP, /* everybody is who they are outside: all ids, or ours alone */
	IDMAP_ROOT, /* we are root: 0 is our id and 1.. are subordinate ids; as root, as IDMAP_KEEP */
};

/* What stood in the way of subordinate ids. Each is a reason to go on with 0 alone. */
enum idmap_lack {
	IDMAP_LACKS_NOTHING,
	IDMAP_LACKS_PROGRAMS, /* newuidmap or newgidmap */
	IDMAP_LACKS_RANGES,   /* /etc/subuid or /etc/subgid has none for us */
	IDMAP_LACKS_SUCCESS,  /* the programs failed, and have said why on stderr */
};

/* Write the maps of the user namespace that the child @pid has just made. 0 and *ret_lack; or -errno and
 * the file that was refused (IDMAP_PATH_MAX bytes).
 */
#define IDMAP_PATH_MAX 32
int idmap_write(pid_t pid, enum idmap_style style, enum idmap_lack *ret_lack, char *reterr_path);

/* The map in which the caller lives. False: /proc does not say. */
bool idmap_of_our_groups(struct idmap *ret);

/* Pure from here on.
 *
 * The text of /proc/PID/uid_map, or the part of a subuid(5) that belongs to the user: as many
 * ranges as there is room for. False: it is not such a text, or has none.
 */
bool idmap_parse(const char *text, struct idmap *ret);
bool idmap_parse_subids(const char *text, const char *name, uint32_t id, struct idmap *ret);

/* The ids inside whose outside ones are the lowest and the highest, as text: the kernel compares those
 * where a range of ids is wanted (ping_group_range in icmp(7)).
 */
void idmap_outer_limits(const struct idmap *map, char *ret, size_t size);

/* What is asked of the kernel: everybody in @existing as they are, or @id as root and, if @subids is not
 * NULL, these from 1 on.
 */
void idmap_identity(const struct idmap *existing, struct idmap *ret);
void idmap_root(uint32_t id, const struct idmap *subids, struct idmap *ret);

/* The text that /proc/PID/uid_map takes. To be freed with g_free(). */
char *idmap_format(const struct idmap *map);

#endif
