/* os/netns.h - the namespaces to enter, found by pid, by path or by descriptor, and held by descriptor.
 *
 * Everything is opened before anything is entered, so no later change of a path or a pid
 * matters. Source: namespaces(7), setns(2), user_namespaces(7), pidfd_open(2), ioctl_ns(2).
 */
#ifndef OS_NETNS_H
#define OS_NETNS_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct netns {
	int net_fd;   /* owned; -EBADF if there is nothing to enter */
	int user_fd;  /* owned; -EBADF if the user namespace is the caller's own */
	int mount_fd; /* owned; -EBADF unless netns_open_mount() found another than the caller's */
	int process_fd; /* owned; the directory in /proc of whom they were found by; or -EBADF */
	int pidfd;	/* owned; of the same process; -EBADF where the kernel has none for it */
};

#define NETNS_NONE                             \
	((struct netns){ .net_fd = -EBADF,     \
			 .user_fd = -EBADF,    \
			 .mount_fd = -EBADF,   \
			 .process_fd = -EBADF, \
			 .pidfd = -EBADF })

#define NETNS_PATH_MAX PATH_MAX

/* Open the namespaces of a process. They are of one process even if the pid is reused
 * meanwhile: a pidfd taken first shows that it was not. @user_path, unless NULL, overrides the
 * process' user namespace. On failure -errno, and the path that could not be opened in
 * @reterr_path (NETNS_PATH_MAX bytes, cut).
 */
int netns_open_pid(pid_t pid, const char *user_path, struct netns *ret, char *reterr_path);

/* Open a network namespace by path; without @user_path no user namespace is entered. */
int netns_open_path(const char *net_path, const char *user_path, struct netns *ret,
		    char *reterr_path);

/* What a descriptor stands for. */
enum netns_fd_kind { NETNS_FD_OTHER, NETNS_FD_NETNS, NETNS_FD_PROCESS };

enum netns_fd_kind netns_fd_kind(int fd);

/* The same of a descriptor that the caller keeps: of a network namespace, as by path, or a pidfd, as by
 * pid. -EINVAL: neither.
 */
int netns_open_fd(int fd, const char *user_path, struct netns *ret, char *reterr_path);

/* Have the mount namespace of the process entered too. -EINVAL: @ns was not found by a process. */
int netns_open_mount(struct netns *ns, char *reterr_path);

/* Have the user namespace entered that owns the network namespace (NS_GET_USERNS). 0 or -errno: EPERM if it
 * is none of those below the caller's own.
 */
int netns_open_owner(struct netns *ns);

bool netns_is_own(const struct netns *ns); /* the network namespace is the caller's */

/* Whether there is a network namespace that is not the caller's own: a launcher's may be so, or its path a
 * mere file, until the launcher has made it. Where it was found by a process, that has ids too: a new user
 * namespace has none until somebody writes its maps, and no file can be made in there before.
 */
bool netns_is_made(const struct netns *ns);

/* Enter user and network namespace, the user namespace first: only in it may the caller have the right to
 * enter the other. A refusal of the user namespace alone is no error, for the caller may not need it.
 * The calling thread must be the only one if there is a user namespace to enter (EINVAL).
 * 0 or -errno of the network namespace.
 */
int netns_enter(const struct netns *ns);

/* Enter all that are open, to stay: in another user namespace we become its root, or who the process there
 * is where it has no root, without supplementary groups as far as the kernel lets go of them. The working
 * directory in another mount namespace is its root. For a process of its own.
 * 0 or -errno, and what failed in @reterr_what: then it is somewhere between, and must end.
 */
int netns_settle(const struct netns *ns, const char **reterr_what);

void netns_close(struct netns *ns);

#endif
