#include "app/nsopen.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>

#include "base/log.h"
#include "net/settings.h"
#include "os/netns.h"

/* Nothing tells when a process calls unshare(2) or a namespace is mounted: look again and again. */
#define LOOK_FIRST_MS 10
#define LOOK_LAST_MS 100

static int open_once(const struct settings *settings, struct netns *ret, char *reterr_path)
{
	const char *user_path = settings->userns_path;
	int r;

	if (settings->target == TARGET_PID)
		return netns_open_pid(settings->pid, user_path, ret, reterr_path);
	if (settings->target == TARGET_NETNS_FD)
		r = netns_open_fd(settings->ns_fd, user_path, ret, reterr_path);
	else
		r = netns_open_path(settings->path, user_path, ret, reterr_path);
	/* Refused to who is not above it: then without, as root may well be. */
	if (r == 0 && !settings->compat && !user_path && ret->process_fd < 0)
		(void)netns_open_owner(ret);
	return r;
}

/* A process that is not there will not come, for its pid may be anybody's. */
static bool may_still_come(const struct settings *settings, const struct netns *ns, int error)
{
	if (error < 0)
		return error == -ENOENT && settings->target == TARGET_PATH;
	return !netns_is_made(ns);
}

/* True: told to end. */
static bool pause_ms(int delay_ms, int signal_fd, int exit_fd)
{
	struct pollfd fds[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = exit_fd },
	};

	return poll(fds, G_N_ELEMENTS(fds), delay_ms) > 0;
}

/* A TAP in our own network namespace would take away the host's way out. slirp4netns makes it. */
static bool refuse_own(const struct netns *ns)
{
	const bool is_one = netns_fd_kind(ns->net_fd) == NETNS_FD_NETNS;

	if (is_one && !netns_is_own(ns))
		return false;
	log_line(is_one ? "that is our own network namespace (--wait waits until it is not)" :
			  "that is no network namespace");
	return true;
}

int nsopen(const struct settings *settings, int signal_fd, int exit_fd, struct netns *ret)
{
	struct netns ns = NETNS_NONE;
	char path[NETNS_PATH_MAX] = "";
	int delay_ms = LOOK_FIRST_MS;
	int r = open_once(settings, &ns, path);

	while (settings->wait && may_still_come(settings, &ns, r)) {
		netns_close(&ns);
		if (pause_ms(delay_ms, signal_fd, exit_fd))
			return NSOPEN_TOLD_TO_END;
		delay_ms = MIN(2 * delay_ms, LOOK_LAST_MS);
		r = open_once(settings, &ns, path);
	}
	if (r < 0) {
		log_line("%s: %s", path, strerror(-r));
		return r;
	}
	if (!settings->compat && refuse_own(&ns)) {
		netns_close(&ns);
		return -EINVAL;
	}
	if (settings->exit_with && ns.pidfd < 0) {
		log_line("--exit-with: the kernel does not let us watch that process");
		netns_close(&ns);
		return -EOPNOTSUPP;
	}
	*ret = ns;
	return 0;
}
