/* Role: runner. The process that the caller started; for the shell it is CMD.
 * Holds:    the sockets to its two children, the guest that becomes CMD (app/guest.c) and the engine.
 * Must:     end with CMD and take the engine along, whatever else still runs in the namespace; end
 *           CMD when the engine has ended.
 * Must not: keep the TAP, or anything else that would keep the network alive without the engine.
 *
 * The engine is in a session of its own, so that nothing that the terminal sends ends the network before
 * CMD has decided what it means. Its life line is a socket pair: each end sees when the other one's
 * process has gone.
 */
#include "app/run_main.h"

#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/broker.h"
#include "app/cli_own.h"
#include "app/diagnose.h"
#include "app/engine.h"
#include "app/guest.h"
#include "app/guestlink.h"
#include "app/rundir.h"
#include "app/supervise.h"
#include "app/values.h"
#include "base/fd.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "net/settings.h"
#include "os/idmap.h"
#include "os/netns.h"
#include "os/proc.h"
#include "os/spawn.h"

#define END_WAIT_MS 5000

struct run {
	const struct values *values;
	struct settings settings;
	struct supervise cmd;
	int guest_sock;	     /* owned: the guest's reports; -EBADF once CMD runs */
	int life_sock;	     /* owned: the engine's life line; -EBADF: there is none yet */
	pid_t engine_pid;    /* 0: there is none */
	int end_fd;	     /* owned: the engine's pidfd, readable once it has ended; or -EBADF */
	struct unixsock api; /* its API socket's file, for when nobody else removes it */
	bool furnished, networked; /* what CMD waits for */
};

struct engine_order {
	const struct settings *settings; /* borrowed */
	pid_t guest_pid;
	struct tap tap; /* owned by the engine */
	int life_sock;	/* its end; owned */
};

static int start_broker(const struct engine_order *order, struct engine_input *input)
{
	struct netns ns = NETNS_NONE;
	char path[NETNS_PATH_MAX];
	int r;

	if (!order->settings->guest_loopback)
		return 0;
	r = netns_open_pid(order->guest_pid, NULL, &ns, path);
	if (r < 0) {
		log_line("--guest-loopback: %s: %s", path, strerror(-r));
		return r;
	}
	r = broker_start(&ns, &input->broker);
	netns_close(&ns);
	return r == 0 ? broker_hear(&input->broker) : r;
}

static void engine_main(const void *data)
{
	struct engine_order order = *(const struct engine_order *)data;
	struct engine_input input = ENGINE_INPUT_NONE;
	/* A descriptor of the caller's would stay open as long as the network is there, and CMD is to be the
	 * last one that has it.
	 */
	int kept[] = { STDERR_FILENO, order.tap.fd, order.life_sock, -EBADF };
	static const int not_ours[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t none;
	int status;

	input.settings = order.settings;
	input.has_tap_mac = true;
	input.tap_mac = order.tap.mac;
	input.exit_fd = order.life_sock;
	(void)setsid();
	/* Who tells all of a service or of a session to end tells CMD, which decides when. */
	for (size_t i = 0; i < G_N_ELEMENTS(not_ours); i++)
		(void)signal(not_ours[i], SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (engine_open_capture(&input) < 0)
		return; /* the runner sees that we have ended */
	kept[G_N_ELEMENTS(kept) - 1] = input.pcap_fd;
	proc_close_inherited(kept, G_N_ELEMENTS(kept));
	input.signal_fd = proc_signals_open();
	input.ready_fd = fcntl(order.life_sock, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	link_attach(&input.link, order.tap.fd, order.tap.vnet_hdr, order.tap.uso);
	g_strlcpy(input.link_name, order.tap.name, sizeof(input.link_name));
	if (start_broker(&order, &input) < 0)
		return;
	status = engine_run(&input);
	if (status < 0)
		proc_die_by_signal(-status);
}

static int start_engine(struct run *run, const struct tap *tap)
{
	struct engine_order order = {
		.settings = &run->settings,
		.guest_pid = run->cmd.pid,
		.tap = *tap,
	};
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	order.life_sock = pair[1];
	pid = spawn_detached(engine_main, &order);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return pid;
	}
	run->life_sock = pair[0];
	run->engine_pid = pid;
	run->end_fd = proc_pidfd(pid);
	return 0;
}

/* Wait for its end, but not for ever: it may be stopped, or hang in the file system of a capture. True: it was
 * killed.
 */
static bool reap_engine(struct run *run)
{
	struct pollfd end = { .fd = run->end_fd, .events = POLLIN };
	int status = 0;

	if (run->engine_pid == 0)
		return false;
	if (run->end_fd >= 0 && poll(&end, 1, END_WAIT_MS) == 0)
		(void)kill(run->engine_pid, SIGKILL);
	while (waitpid(run->engine_pid, &status, 0) < 0 && errno == EINTR)
		;
	fd_close(&run->end_fd);
	run->engine_pid = 0;
	return WIFSIGNALED(status);
}

/* One that cannot hear it has died, which supervise_wait() tells. */
static void say_go(const struct run *run)
{
	const char go = GUEST_GO;

	(void)send(run->guest_sock, &go, 1, MSG_NOSIGNAL);
}

/* Why --map=root is no more than one id; nothing to end for. */
static const struct {
	bool explained;
	enum diagnose_step step;
} lacks[] = {
	[IDMAP_LACKS_NOTHING] = { false, 0 },
	[IDMAP_LACKS_PROGRAMS] = { true, DIAGNOSE_SUBIDS_PROGRAMS },
	[IDMAP_LACKS_RANGES] = { true, DIAGNOSE_SUBIDS_RANGES },
	[IDMAP_LACKS_SUCCESS] = { false, 0 },
};

static bool map_ids(struct run *run)
{
	const enum idmap_style style = run->values->map == MAP_ROOT ? IDMAP_ROOT : IDMAP_KEEP;
	char path[IDMAP_PATH_MAX];
	enum idmap_lack lack;
	int r = idmap_write(run->cmd.pid, style, &lack, path);

	if (r < 0) {
		diagnose(DIAGNOSE_ID_MAP, path, r);
		return false;
	}
	if (lacks[lack].explained)
		diagnose(lacks[lack].step, NULL, 0);
	say_go(run);
	return true;
}

static bool take_link(struct run *run)
{
	struct tap tap = { .fd = -EBADF };
	int r = guestlink_receive(run->guest_sock, &run->settings, &tap);

	if (r == 0)
		r = start_engine(run, &tap);
	if (r < 0)
		log_line("cannot start the network: %s", strerror(-r));
	fd_close(&tap.fd);
	return r == 0;
}

/* When both are done: the guest executes CMD and nobody speaks on this socket again. */
static void start_when_ready(struct run *run)
{
	if (run->furnished && run->networked) {
		say_go(run);
		fd_close(&run->guest_sock);
	}
}

static bool receive_report(const struct run *run, struct guest_report *ret)
{
	return recv(run->guest_sock, ret, sizeof(*ret), MSG_DONTWAIT) == sizeof(*ret);
}

static void explain(const struct guest_report *report)
{
	diagnose(report->refused, report->what[0] != '\0' ? report->what : NULL, report->error);
}

/* What the child had to say before it ended, if it has not become CMD. The TAP's message may be among that,
 * which is no report.
 */
static void hear_last_words(const struct run *run)
{
	struct guest_report report;
	ssize_t got;

	while ((got = recv(run->guest_sock, &report, sizeof(report), MSG_DONTWAIT)) > 0) {
		if (got == sizeof(report) && report.error < 0)
			explain(&report);
	}
}

/* False: there will be no CMD, and the reason has been logged. */
static bool hear_guest(struct run *run)
{
	struct guest_report report;

	if (!receive_report(run, &report)) {
		fd_close(&run->guest_sock); /* it has died, which supervise_wait() tells */
		return true;
	}
	if (report.error < 0) {
		explain(&report);
		return false;
	}
	switch (report.step) {
	case GUEST_NAMESPACED:
		return map_ids(run);
	case GUEST_LINKED:
		return take_link(run);
	case GUEST_FURNISHED:
		run->furnished = true;
		start_when_ready(run);
		return true;
	}
	return false;
}

/* The ready byte, or the end. One that could not even start has said why, unless it was killed. */
static bool hear_engine(struct run *run)
{
	char byte;

	if (recv(run->life_sock, &byte, 1, 0) != 1) {
		if (reap_engine(run) || run->networked)
			log_line("the network has ended");
		return false;
	}
	run->networked = true;
	if (run->settings.api_path)
		unixsock_find(run->settings.api_path, &run->api);
	start_when_ready(run);
	return true;
}

static int wait_for_cmd(struct run *run)
{
	int status;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = run->guest_sock, .events = POLLIN },
			{ .fd = run->life_sock, .events = POLLIN },
		};
		bool ok = true;

		if (supervise_wait(&run->cmd, fds, G_N_ELEMENTS(fds), &status)) {
			hear_last_words(run);
			if (status > STATUS_SIGNAL && !(run->furnished && run->networked))
				log_line("killed before it was CMD");
			return status;
		}
		if (fds[0].revents != 0)
			ok = hear_guest(run);
		if (ok && fds[1].revents != 0)
			ok = hear_engine(run);
		if (!ok)
			break;
	}
	supervise_kill(&run->cmd, SIGKILL);
	(void)supervise_wait(&run->cmd, NULL, 0, &status);
	hear_last_words(run);
	return OWN_FAILED;
}

static int run_cmd(struct run *run, char **argv)
{
	struct guest_order order = { .settings = &run->settings,
				     .hostname = run->values->hostname };
	int pair[2], status, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		r = -errno;
	else
		r = supervise_init(&run->cmd);
	if (r < 0) {
		log_line("cannot start: %s", strerror(-r));
		return OWN_FAILED;
	}
	order.sock = pair[1];
	run->guest_sock = pair[0];
	r = supervise_start(&run->cmd, argv, guest_prepare, &order);
	close(pair[1]);
	if (r < 0) {
		log_line("fork: %s", strerror(-r));
		status = OWN_FAILED;
	} else {
		status = wait_for_cmd(run);
	}
	fd_close(&run->life_sock); /* which tells the engine to end */
	(void)reap_engine(run);
	unixsock_unlink(&run->api); /* what a killed keeper could not */
	supervise_done(&run->cmd);
	fd_close(&run->guest_sock);
	return status;
}

int run_main(int argc, char **argv)
{
	struct values values;
	struct run run = {
		.values = &values,
		.cmd = SUPERVISE_NONE,
		.guest_sock = -EBADF,
		.life_sock = -EBADF,
		.end_fd = -EBADF,
		.api = UNIXSOCK_NONE,
	};
	char api_path[UNIXSOCK_PATH_MAX];
	int first, status;

	if (!own_parse(COMMAND_RUN, argc, argv, &values, &first, &status))
		return status;
	if (first >= argc) {
		log_line("usage: gate4netns run %s", own_operands(COMMAND_RUN));
		return OWN_FAILED;
	}
	/* What a file may say for attach: the namespaces of run are its own, and so is their end. */
	values.configure = true;
	values.exit_with = false;
	values.link = NULL;
	values.ready_fd = values.exit_fd = values.tap_from = FD_NONE;
	if (!own_settings(&values, &run.settings))
		return OWN_FAILED;
	proc_raise_open_files(); /* CMD gets the caller's limit */
	rundir_choose(&values, api_path, &run.settings);
	run.settings.target = TARGET_TAPFD;
	return run_cmd(&run, argv + first);
}
