#include "os/resolvconf.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/fd.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define LINKS_MAX 8 /* on the way to the file; more is a loop */

/* A change of the name in its directory, and one of the file itself. A file system may be
 * unmounted under the watch (IN_UNMOUNT comes unasked).
 */
#define NAME_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)
#define FILE_EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

/* #syscalls:keeper open openat fstat fstat64 newfstatat fstatat64 statx lseek _llseek read close */
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

/* The directory part of @path, "." if it has none. */
static void directory_of(const char *path, char *directory)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	snprintf(directory, PATH_MAX, "%.*s", (int)len, path);
	if (len == 0)
		snprintf(directory, PATH_MAX, ".");
}

/* Replace @path by what the link there points to. False if it is no link. */
static bool follow_link(char *path)
{
	char target[PATH_MAX], directory[PATH_MAX], joined[2 * PATH_MAX];
	ssize_t len = readlink(path, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	directory_of(path, directory);
	snprintf(joined, sizeof(joined), "%s%s", target[0] == '/' ? "" : directory, target);
	snprintf(path, PATH_MAX, "%.*s", PATH_MAX - 1, joined);
	return true;
}

/* #syscalls:keeper inotify_init1 inotify_add_watch readlink readlinkat */
int resolvconf_watch(void)
{
	autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[PATH_MAX] = RESOLV_CONF, directory[PATH_MAX];

	if (fd < 0)
		return -errno;
	for (int i = 0; i < LINKS_MAX; i++) {
		directory_of(path, directory);
		(void)inotify_add_watch(fd, directory, NAME_EVENTS);
		(void)inotify_add_watch(fd, path, FILE_EVENTS);
		if (!follow_link(path))
			break;
	}
	return fd_steal(&fd);
}
