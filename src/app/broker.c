/* Role: broker. Makes sockets in the guest's network namespace.
 * Holds:    its namespaces, and one socket to the engine.
 * Must:     be confined before it reports; end when that socket does.
 * Must not: keep a descriptor that it was born with (a caller waits for the end of fd 1 and 2); be of
 *           use to the guest, in whose namespaces it lives: it is not dumpable, so that no capability
 *           there gives anybody its memory or its descriptors; make anything but sockets for TCP.
 */
#include "app/broker.h"

#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "net/guestsock.h"
#include "os/netns.h"
#include "os/proc.h"
#include "os/sandbox.h"
#include "os/seccomp.h"
#include "os/spawn.h"

#define END_WAIT_MS 1000

#define BROKER_WHAT_MAX 64

/* Its first message. */
struct broker_report {
	int error;		    /* 0 or -errno */
	char what[BROKER_WHAT_MAX]; /* the step that failed */
};

struct birth { /* what the child gets through fork(2) */
	struct netns ns;
	int sock;
	pid_t parent;
};

/* #syscalls:broker socket socketcall
 * The seccomp list lets the families through that have an address in a namespace of their own; the
 * types that listen to others' traffic (SOCK_RAW, SOCK_PACKET) need a capability.
 */
static int make_socket(const struct guestsock_request *request)
{
	int fd;

	if ((request->family != AF_INET && request->family != AF_INET6) ||
	    request->type != SOCK_STREAM)
		return -EINVAL;
	fd = socket(request->family, request->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* Any message of another shape ends it too: there is nobody to tell. */
static void serve(int sock)
{
	struct guestsock_request request;
	int unwanted_fd;

	while (fdpass_recv(sock, &request, sizeof(request), &unwanted_fd) == 0) {
		autofd int fd = make_socket(&request);
		const struct guestsock_reply reply = { .error = fd < 0 ? fd : 0 };

		fd_close(&unwanted_fd);
		if (fdpass_send(sock, &reply, sizeof(reply), fd) < 0)
			return;
	}
}

/* Entering the user namespace makes the kernel forget a parent death signal (prctl(2)), so that one is
 * set after it, and kept by what follows.
 */
static int confine(const struct birth *birth, const char **reterr_what)
{
	const int kept[] = { birth->sock, birth->ns.net_fd, birth->ns.user_fd };
	struct netns ns = birth->ns;
	int r;

	proc_set_undumpable();
	proc_set_name("gate4ns-broker");
	proc_close_inherited(kept, G_N_ELEMENTS(kept));
	*reterr_what = "setns(CLONE_NEWNET)";
	r = netns_enter(&ns);
	netns_close(&ns);
	if (r < 0)
		return r;
	proc_set_undumpable(); /* a change of credentials sets it anew (proc(5), suid_dumpable) */
	proc_set_pdeathsig(SIGKILL);
	if (getppid() != birth->parent) /* it died before that was armed */
		return -ECHILD;
	r = sandbox_enter_empty(reterr_what);
	if (r < 0)
		return r;
	*reterr_what = "seccomp";
	return seccomp_confine(SECCOMP_BROKER);
}

static void broker_main(const void *data)
{
	const struct birth *birth = data;
	struct broker_report report = { 0 };
	const char *what = "";

	report.error = confine(birth, &what);
	if (report.error < 0)
		g_strlcpy(report.what, what, sizeof(report.what));
	if (fdpass_send(birth->sock, &report, sizeof(report), -EBADF) == 0 && report.error == 0)
		serve(birth->sock);
}

int broker_start(const struct netns *ns, struct broker *ret)
{
	struct birth birth = { .ns = *ns, .parent = getpid() };
	autofd int near = -EBADF, far = -EBADF;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		pid = -errno;
	} else {
		near = pair[0];
		far = pair[1];
		birth.sock = far;
		pid = spawn_detached(broker_main, &birth);
	}
	if (pid < 0) {
		log_line("--guest-loopback: fork: %s", strerror(-pid));
		return pid;
	}
	*ret = (struct broker){ .pid = pid, .sock = fd_steal(&near) };
	return 0;
}

int broker_hear(const struct broker *broker)
{
	struct broker_report report = { .what = "" };
	int unwanted_fd = -EBADF;
	int r = fdpass_recv(broker->sock, &report, sizeof(report), &unwanted_fd);

	fd_close(&unwanted_fd);
	if (r == 0)
		r = report.error;
	if (r < 0)
		log_line("--guest-loopback: broker: %s: %s", report.what, strerror(-r));
	return r;
}

/* #syscalls:engine shutdown socketcall wait4 waitpid
 * It reads the end of file, and ends. One that is stopped is not waited for longer than a moment: it dies
 * with us.
 */
void broker_end(struct broker *broker)
{
	struct pollfd end = { .fd = broker->sock };
	bool ended;

	if (broker->pid <= 0)
		return;
	(void)shutdown(broker->sock, SHUT_WR);
	ended = poll(&end, 1, END_WAIT_MS) > 0;
	fd_close(&broker->sock);
	(void)waitpid(broker->pid, NULL, ended ? 0 : WNOHANG);
	broker->pid = 0;
}
