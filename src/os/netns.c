#include "os/netns.h"

#include <fcntl.h>
#include <glib.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

static int open_namespace(const char *path, char *reterr_path)
{
	/* O_NONBLOCK: a path of the caller's choice may be a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		int error = -errno;

		snprintf(reterr_path, NETNS_PATH_MAX, "%s", path);
		return error;
	}
	return fd;
}

static bool same_namespace(int fd, const char *path)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* setns(2) refuses the user namespace that one is in already (EINVAL): leave that one out. */
static void drop_own_user(struct netns *ns)
{
	if (same_namespace(ns->user_fd, "/proc/self/ns/user"))
		fd_close(&ns->user_fd);
}

static int open_user(const char *path, struct netns *ns, char *reterr_path)
{
	int fd = open_namespace(path, reterr_path);

	if (fd < 0)
		return fd;
	ns->user_fd = fd;
	drop_own_user(ns);
	return 0;
}

int netns_open_path(const char *net_path, const char *user_path, struct netns *ret,
		    char *reterr_path)
{
	struct netns ns = NETNS_NONE;
	int r = open_namespace(net_path, reterr_path);

	if (r < 0)
		return r;
	ns.net_fd = r;
	if (user_path) {
		r = open_user(user_path, &ns, reterr_path);
		if (r < 0) {
			netns_close(&ns);
			return r;
		}
	}
	*ret = ns;
	return 0;
}

/* Whether the process of this pidfd still owns its pid. A dead one that nobody has waited for
 * does; so does one that we may not signal (EPERM).
 */
static bool pid_still_owned(int pidfd)
{
	return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) == 0 || errno != ESRCH;
}

static int open_process(pid_t pid, const char *user_path, struct netns *ret, char *reterr_path)
{
	struct netns ns = NETNS_NONE;
	char directory[32], net[32], user[32];
	int r;

	snprintf(directory, sizeof(directory), "/proc/%d", pid);
	snprintf(net, sizeof(net), "/proc/%d/ns/net", pid);
	snprintf(user, sizeof(user), "/proc/%d/ns/user", pid);
	r = netns_open_path(net, user_path ? user_path : user, &ns, reterr_path);
	if (r < 0)
		return r;
	ns.process_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ns.process_fd < 0) {
		r = -errno;
		snprintf(reterr_path, NETNS_PATH_MAX, "%s", directory);
		netns_close(&ns);
		return r;
	}
	*ret = ns;
	return 0;
}

int netns_open_pid(pid_t pid, const char *user_path, struct netns *ret, char *reterr_path)
{
	/* Before Linux 5.3 there is no pidfd (ENOSYS), and none for a thread that is not a
	 * process (EINVAL): then the window that it closes stays open.
	 */
	autofd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool gone = pidfd < 0 && errno == ESRCH;
	struct netns ns = NETNS_NONE;
	int r = 0;

	if (!gone)
		r = open_process(pid, user_path, &ns, reterr_path);
	if (r < 0)
		return r;
	if (gone || (pidfd >= 0 && !pid_still_owned(pidfd))) {
		snprintf(reterr_path, NETNS_PATH_MAX, "/proc/%d/ns/net", pid);
		netns_close(&ns);
		return -ENOENT;
	}
	ns.pidfd = fd_steal(&pidfd);
	*ret = ns;
	return 0;
}

/* The "Pid:" line of proc(5), fdinfo: 0 or -1 for a process that has ended or that is of another pid
 * namespace, and none at all for a descriptor that is no pidfd.
 */
static bool read_pid(int pidfd, int *ret)
{
	char path[40], line[128];
	bool found = false;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	info = fopen(path, "re");
	while (info && !found && fgets(line, sizeof(line), info)) {
		found = strncmp(line, "Pid:", 4) == 0;
		*ret = found ? (int)g_ascii_strtoll(line + 4, NULL, 10) : 0;
	}
	if (info)
		fclose(info);
	return found;
}

enum netns_fd_kind netns_fd_kind(int fd)
{
	int pid;

	if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET)
		return NETNS_FD_NETNS;
	return read_pid(fd, &pid) ? NETNS_FD_PROCESS : NETNS_FD_OTHER;
}

static int open_pidfd(int fd, const char *user_path, struct netns *ret, char *reterr_path)
{
	int pid = 0;
	int r;

	if (!read_pid(fd, &pid) || pid <= 0)
		return -ESRCH;
	r = netns_open_pid(pid, user_path, ret, reterr_path);
	if (r == 0 && !pid_still_owned(fd)) { /* it is not that process whose pid this is now */
		netns_close(ret);
		return -ESRCH;
	}
	return r;
}

int netns_open_fd(int fd, const char *user_path, struct netns *ret, char *reterr_path)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(reterr_path, NETNS_PATH_MAX, "%s", path);
	switch (netns_fd_kind(fd)) {
	case NETNS_FD_NETNS:
		return netns_open_path(path, user_path, ret, reterr_path);
	case NETNS_FD_PROCESS:
		return open_pidfd(fd, user_path, ret, reterr_path);
	case NETNS_FD_OTHER:
		break;
	}
	return -EINVAL;
}

int netns_open_mount(struct netns *ns, char *reterr_path)
{
	snprintf(reterr_path, NETNS_PATH_MAX, "ns/mnt");
	if (ns->process_fd < 0)
		return -EINVAL;
	ns->mount_fd = openat(ns->process_fd, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (ns->mount_fd < 0)
		return -errno;
	if (same_namespace(ns->mount_fd, "/proc/self/ns/mnt"))
		fd_close(&ns->mount_fd);
	return 0;
}

int netns_open_owner(struct netns *ns)
{
	int fd = ioctl(ns->net_fd, NS_GET_USERNS);

	if (fd < 0)
		return -errno;
	fd_close(&ns->user_fd);
	ns->user_fd = fd;
	drop_own_user(ns);
	return 0;
}

static bool has_map(const struct netns *ns, const char *name)
{
	autofd int fd = openat(ns->process_fd, name, O_RDONLY | O_CLOEXEC);
	char byte;

	return fd >= 0 && read(fd, &byte, 1) == 1;
}

bool netns_is_own(const struct netns *ns)
{
	return same_namespace(ns->net_fd, "/proc/self/ns/net");
}

bool netns_is_made(const struct netns *ns)
{
	return ioctl(ns->net_fd, NS_GET_NSTYPE) == CLONE_NEWNET && !netns_is_own(ns) &&
	       (ns->process_fd < 0 || (has_map(ns, "uid_map") && has_map(ns, "gid_map")));
}

static int enter(int fd, int type)
{
	return fd < 0 || setns(fd, type) == 0 ? 0 : -errno;
}

int netns_enter(const struct netns *ns)
{
	(void)enter(ns->user_fd, CLONE_NEWUSER);
	return enter(ns->net_fd, CLONE_NEWNET);
}

/* A capability of the user namespace lets us be anybody who has a number in it. */
static int become_member(const struct netns *ns)
{
	struct stat process;

	(void)setgroups(0, NULL); /* EPERM: it denies that to all (user_namespaces(7)) */
	if (setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0)
		return 0;
	if (ns->process_fd < 0) /* no root and nobody to be like: we stay who we are */
		return 0;
	if (fstat(ns->process_fd, &process) < 0 ||
	    setresgid(process.st_gid, process.st_gid, process.st_gid) < 0 ||
	    setresuid(process.st_uid, process.st_uid, process.st_uid) < 0)
		return -errno;
	return 0;
}

int netns_settle(const struct netns *ns, const char **reterr_what)
{
	int r;

	/* Root's groups too mean nothing there, and inside it may be too late to let go of them. */
	if (ns->user_fd >= 0)
		(void)setgroups(0, NULL);
	*reterr_what = "setns(CLONE_NEWUSER)";
	r = enter(ns->user_fd, CLONE_NEWUSER);
	if (r < 0)
		return r;
	*reterr_what = "setns(CLONE_NEWNET)";
	r = enter(ns->net_fd, CLONE_NEWNET);
	if (r < 0)
		return r;
	*reterr_what = "setns(CLONE_NEWNS)";
	r = enter(ns->mount_fd, CLONE_NEWNS);
	if (r < 0 || ns->user_fd < 0)
		return r;
	*reterr_what = "setresuid";
	return become_member(ns);
}

void netns_close(struct netns *ns)
{
	fd_close(&ns->net_fd);
	fd_close(&ns->user_fd);
	fd_close(&ns->mount_fd);
	fd_close(&ns->process_fd);
	fd_close(&ns->pidfd);
}
