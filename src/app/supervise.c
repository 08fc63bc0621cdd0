#include "app/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "os/proc.h"
#include "os/spawn.h"

/* What the child gets through fork(2). */
struct birth {
	char *const *argv;
	supervise_prepare_fn *prepare;
	void *data;
	pid_t parent;
};

/* Signals that stay what they are to us: those of our own faults and limits, those that CPU time which we
 * have used brings, and SIGCONT, which continues us in any case.
 */
static const int own_signals[] = {
	SIGABRT, SIGBUS,    SIGFPE,  SIGILL,  SIGSEGV, SIGSYS,	SIGTRAP,
	SIGPROF, SIGVTALRM, SIGXCPU, SIGXFSZ, SIGPIPE, SIGCONT,
};

/* Those that a terminal sends to a whole process group. */
static const int terminal_signals[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGWINCH,
};

static bool is_among(const int *set, size_t count, int signal_number)
{
	for (size_t i = 0; i < count; i++) {
		if (set[i] == signal_number)
			return true;
	}
	return false;
}

int supervise_init(struct supervise *s)
{
	sigset_t set;
	int fd;

	*s = SUPERVISE_NONE;
	sigfillset(&set);
	for (size_t i = 0; i < G_N_ELEMENTS(own_signals); i++)
		sigdelset(&set, own_signals[i]);
	fd = proc_signals_take(&set);
	if (fd < 0)
		return fd;
	s->signal_fd = fd;
	return 0;
}

/* False: the parent has died before that was armed. */
static bool die_with_parent(pid_t parent)
{
	proc_set_pdeathsig(SIGKILL);
	return getppid() == parent;
}

/* @program is a name without a path. execvp(3) says EACCES also where one of PATH's directories may not be searched and none has the program: to
 * shells that is a program that was not found.
 */
static bool is_nowhere(const char *program)
{
	const char *path = getenv("PATH");
	g_auto(GStrv) directories = g_strsplit(path ? path : "/bin:/usr/bin", ":", -1);

	for (char **directory = directories; *directory; directory++) {
		g_autofree char *file =
			g_build_filename(**directory ? *directory : ".", program, NULL);

		if (access(file, F_OK) == 0)
			return false;
	}
	return true;
}

static int child_main(void *data)
{
	const struct birth *birth = data;
	int status = 0, error;

	if (!die_with_parent(birth->parent))
		return 1; /* to nobody */
	if (birth->prepare)
		status = birth->prepare(birth->data);
	if (status != 0)
		return status;
	/* Again: the kernel has forgotten it if credentials have changed (prctl(2)). */
	if (!die_with_parent(birth->parent))
		return 1; /* to nobody */
	proc_close_beyond_streams();
	proc_restore_inherited();
	execvp(birth->argv[0], birth->argv);
	error = errno;
	if (error == EACCES && !strchr(birth->argv[0], '/') && is_nowhere(birth->argv[0]))
		error = ENOENT;
	status = error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXECUTE;
	(void)signal(SIGPIPE, SIG_IGN); /* a stderr that nobody reads must not change the status */
	log_line("cannot run '%s': %s", birth->argv[0], strerror(error));
	return status;
}

/* What has come before there was a child to have it, from wherever. */
static sigset_t take_pending(const struct supervise *s)
{
	struct signalfd_siginfo info;
	sigset_t set;

	sigemptyset(&set);
	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGCHLD)
			sigaddset(&set, (int)info.ssi_signo);
	}
	return set;
}

int supervise_start(struct supervise *s, char *const *argv, supervise_prepare_fn *prepare,
		    void *data)
{
	struct birth birth = {
		.argv = argv,
		.prepare = prepare,
		.data = data,
		.parent = getpid(),
	};
	const sigset_t early = take_pending(s);
	pid_t pid = spawn_child(child_main, &birth);

	if (pid < 0)
		return pid;
	s->pid = pid;
	for (int number = 1; number <= SIGRTMAX; number++) {
		if (sigismember(&early, number) == 1)
			supervise_kill(s, number);
	}
	return 0;
}

/* Whether the child has this signal without us. What the terminal sends went to its whole process
 * group, but SIGHUP to a session's leader goes to that one process; what the child itself has sent
 * (programs stop with kill(0, SIGTSTP)) is no news to it.
 */
static bool child_has(const struct supervise *s, const struct signalfd_siginfo *info)
{
	const int number = (int)info->ssi_signo;

	if (info->ssi_code != SI_KERNEL)
		return (pid_t)info->ssi_pid == s->pid;
	if (number == SIGHUP && getsid(0) == getpid())
		return false;
	return is_among(terminal_signals, G_N_ELEMENTS(terminal_signals), number);
}

static void pass_signals_on(const struct supervise *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGCHLD && !child_has(s, &info))
			supervise_kill(s, (int)info.ssi_signo);
	}
}

/* Whether a person is at the child's terminal, whose shell would continue us. */
static bool is_in_foreground(const struct supervise *s)
{
	autofd int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	pid_t group = tcgetpgrp(terminal);

	return group >= 0 && (group == getpgrp() || group == getpgid(s->pid));
}

/* Stop as the child was stopped, return when we are continued, and continue it.
 *
 * Of the signals by which it stops, those of the terminal have no effect on an orphaned process group,
 * which nobody would continue; then it goes on at once. SIGSTOP has, and where nobody is at the terminal
 * whoever has stopped the child knows nothing of us: then it is left to him.
 */
static void stop_with_child(const struct supervise *s, int signal_number)
{
	sigset_t set;

	if (signal_number == SIGSTOP && !is_in_foreground(s))
		return;
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	raise(signal_number); /* pending: the signals of the terminal are blocked */
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	supervise_kill(s, SIGCONT);
}

/* A child that had the terminal and was killed leaves it to a process group without a process: then
 * whoever of our own group comes next could not read from it.
 */
static void take_terminal_back(void)
{
	autofd int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	pid_t group = tcgetpgrp(terminal); /* 0: of another pid namespace */

	if (group > 0 && kill(-group, 0) < 0 && errno == ESRCH)
		(void)tcsetpgrp(terminal, getpgrp());
}

/* True: it has ended. */
static bool reap(struct supervise *s, int *ret_status)
{
	int status;

	while (s->pid > 0 && waitpid(s->pid, &status, WNOHANG | WUNTRACED) == s->pid) {
		if (WIFSTOPPED(status)) {
			stop_with_child(s, WSTOPSIG(status));
			continue;
		}
		s->pid = 0;
		*ret_status = WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) :
						    WEXITSTATUS(status);
		take_terminal_back();
		return true;
	}
	return false;
}

bool supervise_wait(struct supervise *s, struct pollfd *fds, size_t count, int *ret_status)
{
	struct pollfd all[1 + SUPERVISE_FDS_MAX] = { { .fd = s->signal_fd, .events = POLLIN } };

	g_assert(count <= SUPERVISE_FDS_MAX);
	for (;;) {
		int ready;

		if (count > 0)
			memcpy(all + 1, fds, count * sizeof(*fds));
		ready = poll(all, 1 + count, -1);
		if (ready <= 0) /* a moment without memory, at worst */
			continue;
		if (all[0].revents != 0) {
			pass_signals_on(s);
			if (reap(s, ret_status))
				return true;
			ready--;
		}
		if (ready > 0) {
			memcpy(fds, all + 1, count * sizeof(*fds));
			return false;
		}
	}
}

void supervise_kill(const struct supervise *s, int signal_number)
{
	if (s->pid > 0)
		(void)kill(s->pid, signal_number);
}

void supervise_done(struct supervise *s)
{
	fd_close(&s->signal_fd);
}
