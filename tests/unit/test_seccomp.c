/* os/seccomp: what a confined role may do, what fails, and what ends it. Each probe runs in a child
 * that confines itself first.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/if_tun.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/seccomp.h"

/* Returns 0 or an errno; the child's exit status. */
typedef int probe_fn(void);

static int check(long r)
{
	return r < 0 ? errno : 0;
}

static int inet_socket(void)
{
	return check(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int unix_socket(void)
{
	return check(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int netlink_socket(void)
{
	return check(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int connect_inet(void)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	return check(connect(STDIN_FILENO, &nowhere, sizeof(nowhere)));
}

static int open_to_read(void)
{
	return check(open("/etc/passwd", O_RDONLY));
}

static int open_to_write(void)
{
	return check(open("/dev/null", O_WRONLY));
}

static int open_to_create(void)
{
	return check(open("/tmp", O_RDONLY | O_CREAT | O_EXCL, 0600));
}

static int fork_child(void)
{
	return check(fork());
}

static int setup_io_uring(void)
{
	return check(syscall(SYS_io_uring_setup, 1, NULL));
}

static int signal_parent(void)
{
	return check(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int signal_by_fcntl(void)
{
	return check(fcntl(STDIN_FILENO, F_SETOWN, getppid()));
}

static int make_nonblocking(void)
{
	return check(fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK));
}

static int set_tap_offloads(void)
{
	return check(ioctl(STDIN_FILENO, TUNSETOFFLOAD, 0UL));
}

static int make_tap_persistent(void)
{
	return check(ioctl(STDIN_FILENO, TUNSETPERSIST, 1UL));
}

static int execute(void)
{
	char *const argv[] = { (char *)"true", NULL };

	return check(execve("/bin/true", argv, argv));
}

static int change_process(void)
{
	return check(prctl(PR_SET_DUMPABLE, 1));
}

static int enter_namespace(void)
{
	return check(syscall(SYS_unshare, 0));
}

#ifdef __x86_64__
static int call_as_x32(void)
{
	return check(syscall(0x40000000 | SYS_getppid));
}

static int call_as_i386(void)
{
	int r;

	__asm__ volatile("int $0x80" : "=a"(r) : "0"(20 /* getpid */) : "memory");
	return r < 0 ? -r : 0;
}
#endif

static const struct {
	const char *name;
	probe_fn *probe;
	int expected; /* 0: works; an errno; or minus the signal that ends it */
} probes[] = {
	{ "inet socket", inet_socket, 0 },
	{ "unix socket", unix_socket, ENOSYS },
	{ "netlink socket", netlink_socket, ENOSYS },
	{ "open to read", open_to_read, 0 },
	{ "open to write", open_to_write, ENOSYS },
	{ "open to create", open_to_create, ENOSYS },
	{ "fork", fork_child, ENOSYS },
	{ "io_uring", setup_io_uring, ENOSYS },
	{ "signal to another", signal_parent, ENOSYS },
	{ "signal by fcntl", signal_by_fcntl, ENOSYS },
	{ "non-blocking", make_nonblocking, 0 },
	{ "offloads of a tap", set_tap_offloads, ENOTTY }, /* stdin is none */
	{ "persistence of a tap", make_tap_persistent, ENOSYS },
	{ "execve", execute, -SIGSYS },
	{ "prctl", change_process, -SIGSYS },
	{ "unshare", enter_namespace, -SIGSYS },
#ifdef __x86_64__
	{ "x32 call", call_as_x32, -SIGSYS },
	{ "i386 call", call_as_i386, -SIGSYS },
#endif
};

/* The outcome of a probe in a confined child, as in the table. */
static int outcome_of(probe_fn *probe, enum seccomp_role role)
{
	const struct rlimit no_core = { 0, 0 };
	pid_t pid = fork();
	int status;

	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &no_core);
		_exit(seccomp_confine(role) < 0 ? 255 : probe());
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void test_engine(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(probes); i++) {
		g_test_message("%s", probes[i].name);
		g_assert_cmpint(outcome_of(probes[i].probe, SECCOMP_ENGINE), ==,
				probes[i].expected);
	}
}

static void test_keeper(void)
{
	g_assert_cmpint(outcome_of(open_to_read, SECCOMP_KEEPER), ==, 0);
	g_assert_cmpint(outcome_of(inet_socket, SECCOMP_KEEPER), ==, ENOSYS);
	g_assert_cmpint(outcome_of(execute, SECCOMP_KEEPER), ==, -SIGSYS);
}

/* Nothing but sockets of its namespace: not even a path can be named. */
static void test_broker(void)
{
	g_assert_cmpint(outcome_of(inet_socket, SECCOMP_BROKER), ==, 0);
	g_assert_cmpint(outcome_of(unix_socket, SECCOMP_BROKER), ==, ENOSYS);
	g_assert_cmpint(outcome_of(netlink_socket, SECCOMP_BROKER), ==, ENOSYS);
	g_assert_cmpint(outcome_of(connect_inet, SECCOMP_BROKER), ==, ENOSYS);
	g_assert_cmpint(outcome_of(fork_child, SECCOMP_BROKER), ==, ENOSYS);
	g_assert_cmpint(outcome_of(make_nonblocking, SECCOMP_BROKER), ==, ENOSYS);
	g_assert_cmpint(outcome_of(execute, SECCOMP_BROKER), ==, -SIGSYS);
	g_assert_cmpint(outcome_of(enter_namespace, SECCOMP_BROKER), ==, -SIGSYS);
#ifndef __SANITIZE_ADDRESS__ /* needs these itself */
	g_assert_cmpint(outcome_of(open_to_read, SECCOMP_BROKER), ==, ENOSYS);
#endif
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/seccomp/engine", test_engine);
	g_test_add_func("/seccomp/keeper", test_keeper);
	g_test_add_func("/seccomp/broker", test_broker);
	return g_test_run();
}
