#include "os/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
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
static int open_user(const char *path, struct netns *ns, char *reterr_path)
{
	int fd = open_namespace(path, reterr_path);

	if (fd < 0)
		return fd;
	if (same_namespace(fd, "/proc/self/ns/user"))
		fd_close(&fd);
	ns->user_fd = fd;
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

int netns_open_pid(pid_t pid, const char *user_path, struct netns *ret, char *reterr_path)
{
	/* Before Linux 5.3 there is no pidfd (ENOSYS), and none for a thread that is not a
	 * process (EINVAL): then the window that it closes stays open.
	 */
	autofd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool gone = pidfd < 0 && errno == ESRCH;
	char net[32], user[32];
	struct netns ns = NETNS_NONE;
	int r = 0;

	snprintf(net, sizeof(net), "/proc/%d/ns/net", pid);
	snprintf(user, sizeof(user), "/proc/%d/ns/user", pid);
	if (!gone)
		r = netns_open_path(net, user_path ? user_path : user, &ns, reterr_path);
	if (r < 0)
		return r;
	if (gone || (pidfd >= 0 && !pid_still_owned(pidfd))) {
		snprintf(reterr_path, NETNS_PATH_MAX, "%s", net);
		netns_close(&ns);
		return -ENOENT;
	}
	*ret = ns;
	return 0;
}

int netns_enter(const struct netns *ns)
{
	if (ns->user_fd >= 0)
		(void)setns(ns->user_fd, CLONE_NEWUSER);
	if (setns(ns->net_fd, CLONE_NEWNET) < 0)
		return -errno;
	return 0;
}

void netns_close(struct netns *ns)
{
	fd_close(&ns->net_fd);
	fd_close(&ns->user_fd);
}
