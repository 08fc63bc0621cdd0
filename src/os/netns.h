/* os/netns.h - the namespaces to enter, found by pid or by path and held by descriptor.
 *
 * Everything is opened before anything is entered, so no later change of a path or a pid
 * matters. Source: namespaces(7), setns(2), user_namespaces(7), pidfd_open(2).
 */
#ifndef OS_NETNS_H
#define OS_NETNS_H

#include <limits.h>
#include <sys/types.h>

struct netns {
	int net_fd;  /* owned; -EBADF if there is nothing to enter */
	int user_fd; /* owned; -EBADF if the user namespace is the caller's own */
};

#define NETNS_NONE ((struct netns){ .net_fd = -EBADF, .user_fd = -EBADF })

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

/* Enter both, the user namespace first: only in it may the caller have the right to enter the
 * other. A refusal of the user namespace alone is no error, for the caller may not need it.
 * The calling thread must be the only one if there is a user namespace to enter (EINVAL).
 * 0 or -errno of the network namespace.
 */
int netns_enter(const struct netns *ns);

void netns_close(struct netns *ns);

#endif
