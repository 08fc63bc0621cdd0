/* Role: front. Gets the link, then is the engine, in the process that the caller started.
 * Holds:    the caller's namespaces, and the target's by descriptor.
 * Must:     stay the caller's child; wait for nothing without listening for its end.
 * Must not: enter a namespace itself: the helper does.
 */
#include "app/front.h"

#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "app/banner.h"
#include "app/broker.h"
#include "app/engine.h"
#include "app/guestlink.h"
#include "app/helper.h"
#include "app/nsopen.h"
#include "base/fd.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "net/capture.h"
#include "os/netns.h"
#include "os/proc.h"
#include "os/spawn.h"
#include "os/tap.h"

struct front {
	const struct settings *settings;
	int signal_fd;		    /* owned */
	struct netns ns;	    /* owned */
	struct engine_input engine; /* link, bess and MAC are filled in on the way */
};

/* What the functions below return beside 0 and an error, which they have logged. */
#define TOLD_TO_END NSOPEN_TOLD_TO_END

/* Wait until @fd is readable. 0; TOLD_TO_END when the exit-fd has hung up or a signal is pending,
 * which stays so for run() to see; or -errno.
 */
static int wait_readable(const struct front *front, int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = front->signal_fd, .events = POLLIN },
		{ .fd = front->engine.exit_fd },
	};

	while (poll(fds, G_N_ELEMENTS(fds), -1) < 0) {
		if (errno != EINTR) {
			int error = -errno;

			log_line("poll: %s", strerror(-error));
			return error;
		}
	}
	if (fds[1].revents == 0 && fds[0].revents != 0)
		return 0;
	return TOLD_TO_END;
}

static int receive_tap(struct front *front, int sock)
{
	struct helper_report report;
	struct tap tap = { .fd = -EBADF };
	int r = wait_readable(front, sock);

	if (r != 0)
		return r;
	r = fdpass_recv(sock, &report, sizeof(report), &tap.fd);
	if (r < 0) {
		log_line("cannot get the TAP: %s", strerror(-r));
		return r;
	}
	if (report.error < 0) {
		log_line("%s: %s", report.what, strerror(-report.error));
		return report.error;
	}
	log_line("received tapfd=%d", tap.fd);
	link_attach(&front->engine.link, tap.fd, report.vnet_hdr, report.uso);
	memcpy(front->engine.link_name, report.tap_name, sizeof(report.tap_name));
	front->engine.has_tap_mac = true;
	front->engine.tap_mac = report.tap_mac;
	return 0;
}

/* Before there is a link to let go of, and while we have one thread. */
static int start_broker(struct front *front)
{
	struct broker *broker = &front->engine.broker;
	struct broker_report report = { .error = -EPIPE };
	int unwanted_fd = -EBADF;
	int r;

	if (!front->settings->guest_loopback)
		return 0;
	r = broker_start(&front->ns, broker);
	if (r < 0) {
		log_line("--guest-loopback: fork: %s", strerror(-r));
		return r;
	}
	r = wait_readable(front, broker->sock);
	if (r != 0)
		return r;
	r = fdpass_recv(broker->sock, &report, sizeof(report), &unwanted_fd);
	if (r == 0)
		r = report.error;
	if (r < 0)
		log_line("--guest-loopback: broker: %s: %s", report.what, strerror(-r));
	return r;
}

static int link_from_namespace(struct front *front)
{
	struct helper_order order = { .settings = front->settings };
	struct spawn spawn;
	int r = nsopen(front->settings, front->signal_fd, front->engine.exit_fd, &front->ns);

	if (r != 0)
		return r;
	order.ns = front->ns;
	r = start_broker(front);
	if (r != 0)
		return r;
	r = spawn_start(&spawn, front->ns.user_fd >= 0, helper_main, &order);
	if (r < 0) {
		log_line("fork: %s", strerror(-r));
		return r;
	}
	r = receive_tap(front, spawn.sock);
	spawn_join(&spawn);
	return r;
}

static int link_from_tapfd(struct front *front)
{
	struct tap tap;
	int fd = front->settings->tapfd;
	int r = tap_adopt(fd, guestlink_offloads(front->settings), &tap);

	if (r < 0) {
		log_line("TAPFD %d is not a TAP without packet information: %s", fd, strerror(-r));
		return r;
	}
	link_attach(&front->engine.link, tap.fd, tap.vnet_hdr, tap.uso);
	memcpy(front->engine.link_name, tap.name, sizeof(tap.name));
	front->engine.has_tap_mac = true;
	front->engine.tap_mac = tap.mac;
	return 0;
}

static int link_from_bess(struct front *front)
{
	const char *path = front->settings->path;
	struct unixsock *bess = &front->engine.bess;
	int r = unixsock_listen(path, SOCK_SEQPACKET, UNIXSOCK_MODE_UMASK, 0, bess);
	int fd;

	if (r < 0) {
		log_line("child_bess: bind: %s", strerror(-r));
		return r;
	}
	log_line("Waiting for connection to %s", path);
	r = wait_readable(front, bess->fd);
	if (r != 0)
		return r;
	fd = accept4(bess->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		r = -errno;
		log_line("child_bess: accept: %s", strerror(-r));
		return r;
	}
	log_line("sent \"tapfd\"=%d (not really TAP) for %s", fd, path);
	log_line("received tapfd=%d", fd);
	link_attach(&front->engine.link, fd, false, false);
	g_strlcpy(front->engine.link_name, "bess", sizeof(front->engine.link_name));
	return 0;
}

static int (*const link_from[TARGETS])(struct front *front) = {
	[TARGET_PID] = link_from_namespace,	 [TARGET_PATH] = link_from_namespace,
	[TARGET_NETNS_FD] = link_from_namespace, [TARGET_TAPFD] = link_from_tapfd,
	[TARGET_BESS] = link_from_bess,
};

/* First of all, while a failure leaves nothing behind. */
static int open_capture(struct front *front)
{
	const char *path = front->settings->pcap_path;
	int fd;

	if (!path)
		return 0;
	fd = capture_open(path);
	if (fd < 0) {
		log_line("--pcap: cannot open '%s': %s", path,
			 fd == -ENXIO ? "nobody reads it" : strerror(-fd));
		return fd;
	}
	front->engine.pcap_fd = fd;
	return 0;
}

/* The status as engine_run() has it: 0, 1, or minus a signal. */
static int run(struct front *front)
{
	int r = open_capture(front);
	int end_signal;

	if (r == 0)
		r = link_from[front->settings->target](front);
	front->engine.user_fd = fd_steal(&front->ns.user_fd);
	if (front->settings->exit_with)
		front->engine.target_fd = fd_steal(&front->ns.pidfd);
	netns_close(&front->ns); /* before the sandbox closes directories under our hands */
	if (r == 0) {
		banner_print(front->settings);
		return engine_run(&front->engine);
	}
	broker_end(&front->engine.broker);
	unixsock_unlink(&front->engine.bess);
	fd_close(&front->engine.bess.fd);
	fd_close(&front->engine.pcap_fd);
	fd_close(&front->engine.user_fd);
	fd_close(&front->engine.target_fd);
	if (r < 0)
		return 1;
	end_signal = proc_signals_read(front->signal_fd);
	if (end_signal == 0)
		log_line("exitfd event");
	return -end_signal;
}

/* A descriptor that the caller named. One that is not open is told from now on, before the number
 * comes to one of our own.
 */
static int named_fd(int fd)
{
	return fd == FD_NONE || fcntl(fd, F_GETFD) >= 0 ? fd : -EBADF;
}

int front_run(const struct settings *settings)
{
	struct front front = {
		.settings = settings,
		.ns = NETNS_NONE,
		.engine = {
			.settings = settings,
			.link = LINK_NONE,
			.bess = UNIXSOCK_NONE,
			.pcap_fd = -EBADF,
			.target_fd = -EBADF,
			.broker = BROKER_NONE,
			.ready_fd = named_fd(settings->ready_fd),
			.exit_fd = named_fd(settings->exit_fd),
		},
	};
	int status;

	proc_raise_open_files();
	front.signal_fd = proc_signals_open();
	if (front.signal_fd < 0) {
		log_line("signalfd: %s", strerror(-front.signal_fd));
		return 1;
	}
	front.engine.signal_fd = front.signal_fd;
	status = run(&front);
	netns_close(&front.ns);
	fd_close(&front.signal_fd);
	if (status < 0)
		proc_die_by_signal(-status);
	return status;
}
