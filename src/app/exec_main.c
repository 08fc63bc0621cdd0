/* gate4netns exec: a child joins the namespaces and becomes CMD; we stay outside and stand in for it. */
#include "app/exec_main.h"

#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "app/cli_own.h"
#include "app/nstarget.h"
#include "app/supervise.h"
#include "app/values.h"
#include "base/fd.h"
#include "base/log.h"
#include "os/netns.h"
#include "os/proc.h"

#define KILL_AFTER_S 2 /* between SIGTERM and SIGKILL */

struct exec {
	const struct values *values;
	struct nstarget target;
	struct netns ns; /* owned */
};

static void explain_refusal(const struct exec *exec, const char *what, int error)
{
	const bool help = error == -EPERM && !exec->values->join_user;

	log_line("%s: %s%s", what, strerror(-error),
		 help ? "; --user joins its user namespace first" : "");
}

static int open_namespaces(struct exec *exec)
{
	const bool by_process = exec->target.pid > 0 ||
				netns_fd_kind(exec->target.fd) == NETNS_FD_PROCESS;
	char path[NETNS_PATH_MAX] = "";
	int r = nstarget_open(&exec->target, NULL, &exec->ns, path);

	if (r == 0 && exec->values->join_mount)
		r = netns_open_mount(&exec->ns, path);
	if (r == -EINVAL && exec->values->join_mount && !by_process) {
		log_line("--mount: only a PID says which mount namespace");
		return r;
	}
	if (r < 0) {
		log_line("%s: %s", path, strerror(-r));
		return r;
	}
	if (netns_fd_kind(exec->ns.net_fd) != NETNS_FD_NETNS) {
		log_line("'%s' is no network namespace", exec->target.path);
		return -EINVAL;
	}
	if (!exec->values->join_user)
		fd_close(&exec->ns.user_fd);
	else if (!by_process)
		r = netns_open_owner(&exec->ns);
	if (r < 0)
		log_line("--user: whose network namespace that is: %s", strerror(-r));
	return r;
}

/* In another mount namespace the same directory, if there is one. */
static int change_place(const struct exec *exec, const char **reterr_what)
{
	g_autofree char *directory = g_get_current_dir();
	int r = netns_settle(&exec->ns, reterr_what);

	if (r == 0 && exec->ns.mount_fd >= 0 && chdir(directory) < 0 && chdir("/") < 0) {
		*reterr_what = "chdir";
		r = -errno;
	}
	return r;
}

/* A supervise_prepare_fn. Before CMD is loaded nobody in the namespaces that we join may look into us: we hold
 * the caller's descriptors.
 */
static int prepare(void *data)
{
	const struct exec *exec = data;
	const char *what;
	int r;

	proc_set_undumpable();
	r = change_place(exec, &what);
	proc_set_undumpable(); /* a change of credentials sets it anew (proc(5), suid_dumpable) */
	if (r < 0)
		explain_refusal(exec, what, r);
	return r < 0 ? OWN_FAILED : 0;
}

static bool set_timer(int timer, int seconds)
{
	const struct itimerspec at = { .it_value.tv_sec = seconds };

	return timerfd_settime(timer, 0, &at, NULL) == 0;
}

/* CMD itself is told to end, and is not asked a second time. One that is stopped could not hear it. */
static int wait_with_timeout(struct supervise *s, int timer, int seconds)
{
	struct pollfd fds[] = { { .fd = timer, .events = POLLIN } };
	bool told = false;
	int status;

	set_timer(timer, seconds);
	while (!supervise_wait(s, fds, G_N_ELEMENTS(fds), &status)) {
		supervise_kill(s, told ? SIGKILL : SIGTERM);
		supervise_kill(s, SIGCONT);
		set_timer(timer, told ? 0 : KILL_AFTER_S);
		told = true;
	}
	return told ? STATUS_TIMED_OUT : status;
}

static int run(struct exec *exec, char *const *argv)
{
	const int seconds = exec->values->timeout_s;
	autofd int timer = -EBADF;
	struct supervise s;
	int status;
	int r = supervise_init(&s);

	if (r == 0 && seconds > 0) {
		timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
		r = timer < 0 ? -errno : 0;
	}
	if (r == 0)
		r = supervise_start(&s, argv, prepare, exec);
	if (r < 0) {
		log_line("cannot start '%s': %s", argv[0], strerror(-r));
		supervise_done(&s);
		return OWN_FAILED;
	}
	status = wait_with_timeout(&s, timer, seconds);
	supervise_done(&s);
	return status;
}

int exec_main(int argc, char **argv)
{
	struct values values;
	struct exec exec = { .values = &values, .ns = NETNS_NONE };
	int first, status;

	if (!own_parse(COMMAND_EXEC, argc, argv, &values, &first, &status))
		return status;
	if (first < argc && !nstarget_parse(argv[first], &exec.target))
		return OWN_FAILED;
	first++;
	if (first < argc && strcmp(argv[first], "--") == 0)
		first++;
	if (first >= argc) {
		log_line("usage: gate4netns exec [OPTION]... %s", own_operands(COMMAND_EXEC));
		return OWN_FAILED;
	}
	status = open_namespaces(&exec) < 0 ? OWN_FAILED : run(&exec, argv + first);
	netns_close(&exec.ns);
	return status;
}
