#include "app/linksource.h"

#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "app/broker.h"
#include "app/diagnose.h"
#include "app/guestlink.h"
#include "app/helper.h"
#include "app/nsopen.h"
#include "base/fd.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "net/iplink.h"
#include "os/spawn.h"
#include "os/tap.h"

/* Wait until @fd is readable. 0; LINKSOURCE_TOLD_TO_END when the exit-fd has hung up or a signal is pending,
 * which stays so for run() to see; or -errno.
 */
static int wait_readable(const struct linksource *source, int fd)
{
	struct pollfd fds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = source->signal_fd, .events = POLLIN },
		{ .fd = source->engine->exit_fd },
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
	return LINKSOURCE_TOLD_TO_END;
}

static void attach_tap(struct linksource *source, const struct tap *tap)
{
	struct engine_input *engine = source->engine;

	link_attach(&engine->link, tap->fd, tap->vnet_hdr, tap->uso);
	memcpy(engine->link_name, tap->name, sizeof(tap->name));
	engine->has_tap_mac = true;
	engine->tap_mac = tap->mac;
}

/* In slirp4netns' words, or with what helps. */
static void explain_refusal(const struct settings *settings, const struct helper_report *report)
{
	if (settings->compat || !report->entered)
		log_line("%s: %s", report->what, strerror(-report->error));
	else
		diagnose(DIAGNOSE_TUN, report->what, report->error);
}

static int receive_tap(struct linksource *source, int sock)
{
	struct helper_report report;
	struct tap tap = { .fd = -EBADF };
	int r = wait_readable(source, sock);

	if (r != 0)
		return r;
	r = fdpass_recv(sock, &report, sizeof(report), &tap.fd);
	if (r < 0) {
		log_line("cannot get the TAP: %s", strerror(-r));
		return r;
	}
	if (report.error < 0) {
		explain_refusal(source->settings, &report);
		return report.error;
	}
	if (source->settings->compat)
		log_line("received tapfd=%d", tap.fd);
	tap.vnet_hdr = report.vnet_hdr;
	tap.uso = report.uso;
	tap.mac = report.tap_mac;
	memcpy(tap.name, report.tap_name, sizeof(tap.name));
	attach_tap(source, &tap);
	return 0;
}

/* Before there is a link to let go of, and while we have one thread. */
static int start_broker(struct linksource *source)
{
	struct broker *broker = &source->engine->broker;
	int r;

	if (!source->settings->guest_loopback)
		return 0;
	r = broker_start(&source->ns, broker);
	if (r == 0)
		r = wait_readable(source, broker->sock);
	return r == 0 ? broker_hear(broker) : r;
}

static int link_from_namespace(struct linksource *source)
{
	struct helper_order order = { .settings = source->settings };
	struct spawn spawn;
	int r = nsopen(source->settings, source->signal_fd, source->engine->exit_fd, &source->ns);

	if (r != 0)
		return r;
	order.ns = source->ns;
	r = start_broker(source);
	if (r != 0)
		return r;
	r = spawn_start(&spawn, source->ns.user_fd >= 0, helper_main, &order);
	if (r < 0) {
		log_line("fork: %s", strerror(-r));
		return r;
	}
	r = receive_tap(source, spawn.sock);
	spawn_join(&spawn);
	return r;
}

static int link_from_tapfd(struct linksource *source)
{
	struct tap tap;
	int fd = source->settings->tapfd;
	int r = tap_adopt(fd, guestlink_offloads(source->settings), &tap);

	if (r < 0) {
		log_line("TAPFD %d is not a TAP without packet information: %s", fd, strerror(-r));
		return r;
	}
	attach_tap(source, &tap);
	return 0;
}

/* The socket stays: it is told when the network is ready. */
static int link_from_sender(struct linksource *source)
{
	int sock = source->settings->tap_from;
	struct tap tap;
	int r = wait_readable(source, sock);

	if (r != 0)
		return r;
	r = guestlink_receive(sock, source->settings, &tap);
	if (r < 0) {
		log_line("--tap-from=%d: %s", sock,
			 r == -EPIPE   ? "the sender has gone and sent no TAP" :
			 r == -EBADMSG ? "a message without exactly one descriptor" :
			 r == -EINVAL || r == -ENOTTY ?
					 "the descriptor is no TAP without packet information" :
					 strerror(-r));
		return r;
	}
	attach_tap(source, &tap);
	source->engine->sender_fd = sock;
	return 0;
}

/* What differs between the kinds of sockets. */
static const struct {
	int type;
	const char *name; /* of the interface in a capture, too */
} sockets[] = {
	[LINK_SEQPACKET] = { SOCK_SEQPACKET, "seqpacket" },
	[LINK_STREAM] = { SOCK_STREAM, "stream" },
	[LINK_BESS] = { SOCK_SEQPACKET, "bess" },
};

static void attach_socket(struct linksource *source, int fd)
{
	struct engine_input *engine = source->engine;
	enum link_kind kind = settings_link_kind(source->settings);

	link_attach_socket(&engine->link, kind, fd, &source->settings->plan);
	g_strlcpy(engine->link_name, sockets[kind].name, sizeof(engine->link_name));
	engine->has_tap_mac = kind == LINK_SEQPACKET;
	engine->tap_mac = iplink_guest_mac;
}

/* What slirp4netns says of its BESS socket begins so. */
static void log_socket_error(const struct linksource *source, const char *call, int error)
{
	log_line("%s: %s: %s", source->settings->compat ? "child_bess" : "link", call,
		 strerror(-error));
}

static int accept_client(struct linksource *source)
{
	int fd = -EBADF, r = wait_readable(source, source->engine->link_sock.fd);

	if (r != 0)
		return r;
	fd = accept4(source->engine->link_sock.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		r = -errno;
		log_socket_error(source, "accept", r);
		return r;
	}
	attach_socket(source, fd);
	return 0;
}

static int link_from_path(struct linksource *source, const char *path)
{
	const struct settings *settings = source->settings;
	const int type = sockets[settings_link_kind(settings)].type;
	const mode_t mode = settings->compat ? UNIXSOCK_MODE_UMASK : UNIXSOCK_MODE_PRIVATE;
	int r = -EADDRINUSE;

	if (settings->compat || !unixsock_is_used(path))
		r = unixsock_listen(path, type, mode, 0, &source->engine->link_sock);
	if (r < 0) {
		log_socket_error(source, "bind", r);
		return r;
	}
	if (settings->compat)
		log_line("Waiting for connection to %s", path);
	r = accept_client(source);
	if (r == 0 && settings->compat) {
		log_line("sent \"tapfd\"=%d (not really TAP) for %s", source->engine->link.fd,
			 path);
		log_line("received tapfd=%d", source->engine->link.fd);
	}
	return r;
}

static int link_from_bess(struct linksource *source)
{
	return link_from_path(source, source->settings->path);
}

static int get_option(int fd, int option, int *ret)
{
	socklen_t len = sizeof(*ret);

	return getsockopt(fd, SOL_SOCKET, option, ret, &len) < 0 ? -errno : 0;
}

/* What the caller has given us: *ret_listening, or connected; of that type, or -EPROTOTYPE. */
static int take_socket(int fd, int type, bool *ret_listening)
{
	int its_type = 0, listening = 0;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int r = get_option(fd, SO_TYPE, &its_type);

	if (r == 0)
		r = get_option(fd, SO_ACCEPTCONN, &listening);
	if (r < 0)
		return r;
	if (its_type != type)
		return -EPROTOTYPE;
	if (!listening && getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
		return -errno;
	*ret_listening = listening;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return fd_set_nonblock(fd);
}

static int link_from_socket(struct linksource *source)
{
	const struct settings *settings = source->settings;
	bool listening = false;
	int r;

	if (settings->link_path)
		return link_from_path(source, settings->link_path);
	r = take_socket(settings->link_fd, sockets[settings->link].type, &listening);
	if (r < 0) {
		log_line("--link=%s:%d: %s", sockets[settings->link].name, settings->link_fd,
			 r == -EPROTOTYPE ? "a socket of another type" : strerror(-r));
		return r;
	}
	if (listening) {
		source->engine->link_sock.fd = settings->link_fd;
		return accept_client(source);
	}
	attach_socket(source, settings->link_fd);
	return 0;
}

static int (*const link_from[TARGETS])(struct linksource *source) = {
	[TARGET_PID] = link_from_namespace,	 [TARGET_PATH] = link_from_namespace,
	[TARGET_NETNS_FD] = link_from_namespace, [TARGET_TAPFD] = link_from_tapfd,
	[TARGET_BESS] = link_from_bess,		 [TARGET_TAP_FROM] = link_from_sender,
	[TARGET_LINK] = link_from_socket,
};

int linksource_open(struct linksource *source)
{
	return link_from[source->settings->target](source);
}
