#include "os/resolvconf.h"

#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/fd.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define LINKS_MAX 40 /* on the way to the file; the kernel follows no more (path_resolution(7)) */

/* A change of the name in its directory, and one of the file itself. A file system may be
 * unmounted under the watch (IN_UNMOUNT comes unasked).
 */
#define NAME_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)
#define FILE_EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

/* #syscalls:keeper open openat fstat fstat64 newfstatat fstatat64 statx lseek _llseek
 * #syscalls:keeper read readv close
 * #syscalls:engine open openat fstat fstat64 newfstatat fstatat64 statx lseek _llseek
 * #syscalls:engine read readv close
 */
size_t resolvconf_read(char text[RESOLVCONF_MAX])
{
	static const char keyword[] = "nameserver";
	FILE *file = fopen(RESOLV_CONF, "re");
	char line[256];
	size_t used = 0;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		size_t len = strlen(line);

		if (strncmp(line, keyword, sizeof(keyword) - 1) != 0)
			continue;
		if (len == 0 || used + len + 1 > RESOLVCONF_MAX)
			break;
		memcpy(text + used, line, len);
		used += len;
		if (line[len - 1] != '\n')
			text[used++] = '\n';
	}
	fclose(file);
	return used;
}

/* #syscalls:engine stat stat64 newfstatat fstatat64 statx */
void resolvconf_stat(struct stat *ret)
{
	struct stat now;

	if (stat(RESOLV_CONF, &now) == 0)
		*ret = now;
}

/* Watch the directory that each name on the way to @path stands in, links followed, and the file
 * at the end. Where a name is missing the way ends, and its directory will tell when it comes.
 *
 * #syscalls:keeper inotify_add_watch readlink readlinkat
 */
static void watch_way(int fd, const char *path)
{
	g_autoptr(GString) at = g_string_new("/"); /* resolved so far, ends with a slash */
	g_autoptr(GString) rest = g_string_new(path);
	char target[PATH_MAX];
	int links = 0;

	while (rest->len > 0) {
		size_t name = strcspn(rest->str, "/");
		ssize_t len;

		if (name == 0) { /* a slash */
			g_string_erase(rest, 0, 1);
			continue;
		}
		(void)inotify_add_watch(fd, at->str, NAME_EVENTS);
		g_string_append_len(at, rest->str, (gssize)name);
		g_string_erase(rest, 0, (gssize)name);
		len = readlink(at->str, target, sizeof(target));
		if (len >= 0 && links++ == LINKS_MAX)
			return;
		if (len >= 0) {
			g_string_prepend_len(rest, target, len);
			g_string_truncate(at, target[0] == '/' ? 1 : at->len - name);
		} else if (rest->len > 0) {
			g_string_append_c(at, '/'); /* "." and ".." are the kernel's to resolve */
		}
	}
	(void)inotify_add_watch(fd, at->str, FILE_EVENTS);
}

/* #syscalls:keeper inotify_init1 */
int resolvconf_watch(void)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return -errno;
	watch_way(fd, RESOLV_CONF);
	return fd;
}
