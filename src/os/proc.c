#include "os/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <signal.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

static const int end_signals[] = { SIGTERM, SIGINT, SIGHUP };

#define FDS_TRIED 65536
#define END_SIGNALS (sizeof(end_signals) / sizeof(end_signals[0]))

void proc_open_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* open(2) gives the lowest free number, which is this one. */
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", O_RDWR);
	}
}

/* What there is one of in a process, as we have got it. */
static const struct {
	int number;
	void (*handler)(int signal_number); /* ours */
} reset_signals[] = {
	{ SIGCHLD, SIG_DFL },
	{ SIGPIPE, SIG_IGN },
	{ SIGXFSZ, SIG_IGN },
};

static struct {
	struct rlimit open_files;
	bool open_files_raised;
	struct sigaction actions[G_N_ELEMENTS(reset_signals)];
	sigset_t mask;
	bool signals_reset;
} inherited;

void proc_raise_open_files(void)
{
	struct rlimit limit;

	if (inherited.open_files_raised || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	inherited.open_files = limit;
	limit.rlim_cur = limit.rlim_max;
	inherited.open_files_raised = setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void proc_reset_signals(void)
{
	(void)sigprocmask(SIG_SETMASK, NULL, &inherited.mask);
	for (size_t i = 0; i < G_N_ELEMENTS(reset_signals); i++) {
		(void)sigaction(reset_signals[i].number, NULL, &inherited.actions[i]);
		(void)signal(reset_signals[i].number, reset_signals[i].handler);
	}
	inherited.signals_reset = true;
}

void proc_restore_inherited(void)
{
	if (inherited.open_files_raised)
		(void)setrlimit(RLIMIT_NOFILE, &inherited.open_files);
	if (!inherited.signals_reset)
		return;
	for (size_t i = 0; i < G_N_ELEMENTS(reset_signals); i++)
		(void)sigaction(reset_signals[i].number, &inherited.actions[i], NULL);
	(void)sigprocmask(SIG_SETMASK, &inherited.mask, NULL);
}

static bool is_ignored(int signal)
{
	struct sigaction action;

	return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int proc_signals_take(const sigset_t *set)
{
	autofd int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0 || sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return -errno;
	return fd_steal(&fd);
}

int proc_signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < END_SIGNALS; i++) {
		if (!is_ignored(end_signals[i]))
			sigaddset(&set, end_signals[i]);
	}
	return proc_signals_take(&set);
}

/* #syscalls:engine,keeper read */
int proc_signals_read(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/* #syscalls:engine rt_sigaction rt_sigprocmask getpid gettid tgkill tkill */
void proc_die_by_signal(int signal_number)
{
	sigset_t set;

	(void)signal(signal_number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	raise(signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + signal_number); /* not reached, unless we are a pid namespace's init */
}

int proc_pdeathsig(void)
{
	int signal_number = 0;

	return prctl(PR_GET_PDEATHSIG, &signal_number) == 0 ? signal_number : 0;
}

void proc_set_pdeathsig(int signal_number)
{
	(void)prctl(PR_SET_PDEATHSIG, signal_number);
}

int proc_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

bool proc_has_admin(void)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (!caps)
		return false;
	if (cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &value) < 0)
		value = CAP_CLEAR;
	cap_free(caps);
	return value == CAP_SET;
}

void proc_set_undumpable(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
}

void proc_set_name(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

/* Call @fn for each descriptor from 3 on. Without /proc every number up to a limit that nobody
 * reaches by inheritance is tried.
 */
static void for_each_fd(void (*fn)(int fd, const void *data), const void *data)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (!dir) {
		for (int fd = STDERR_FILENO + 1; fd < FDS_TRIED; fd++)
			fn(fd, data);
		return;
	}
	while ((entry = readdir(dir))) {
		guint64 fd;

		if (g_ascii_string_to_unsigned(entry->d_name, 10, STDERR_FILENO + 1, INT_MAX, &fd,
					       NULL) &&
		    (int)fd != dirfd(dir))
			fn((int)fd, data);
	}
	closedir(dir);
}

struct kept {
	const int *fds;
	size_t count;
};

static bool is_kept(const struct kept *kept, int fd)
{
	for (size_t i = 0; i < kept->count; i++) {
		if (kept->fds[i] == fd)
			return true;
	}
	return false;
}

static void close_unless_kept(int fd, const void *data)
{
	if (!is_kept(data, fd))
		close(fd);
}

void proc_close_inherited(const int *keep, size_t count)
{
	const struct kept kept = { keep, count };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (!is_kept(&kept, fd) && (null < 0 || dup3(null, fd, 0) < 0))
			close(fd);
	}
	for_each_fd(close_unless_kept, &kept);
}

static void close_any(int fd, const void *data)
{
	(void)data;
	close(fd);
}

/* Before Linux 5.9 there is no close_range(2) (ENOSYS); an outer sandbox may not know it (EPERM). */
void proc_close_beyond_streams(void)
{
	if (syscall(SYS_close_range, STDERR_FILENO + 1, UINT_MAX, 0) < 0)
		for_each_fd(close_any, NULL);
}

static void close_if_directory(int fd, const void *data)
{
	struct stat st;

	(void)data;
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		close(fd);
}

void proc_close_directories(void)
{
	for_each_fd(close_if_directory, NULL);
}
