/* app/nsopen.h - the namespaces of the target, as the settings name them, waiting for them where that is
 * asked.
 */
#ifndef APP_NSOPEN_H
#define APP_NSOPEN_H

struct netns;
struct settings;

/* What nsopen() returns beside 0 and -errno. */
#define NSOPEN_TOLD_TO_END 1

/* Open the namespaces of TARGET_PID, TARGET_PATH and TARGET_NETNS_FD. With settings->wait a path may not
 * exist yet, or not be a namespace yet (ip-netns(8) makes the file first), and a process may still be in
 * our own network namespace, or in a user namespace without ids (os/netns.h, netns_is_made()). In our own dialect the owner of a namespace that was not found by a process is
 * its user namespace, where we may look for that.
 * 0; NSOPEN_TOLD_TO_END when meanwhile @exit_fd has hung up or @signal_fd is readable (which stays so); or
 * -errno, which has been logged.
 */
int nsopen(const struct settings *settings, int signal_fd, int exit_fd, struct netns *ret);

#endif
