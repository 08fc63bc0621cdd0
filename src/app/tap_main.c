#include "app/tap_main.h"

#include <string.h>

#include "app/cli_own.h"
#include "app/diagnose.h"
#include "app/guestlink.h"
#include "app/shuttle.h"
#include "app/resolve.h"
#include "app/values.h"
#include "base/fd.h"
#include "base/log.h"
#include "os/seccomp.h"

/* The engine says "1" when the network is ready (app/linksource.c). */
static int wait_for_engine(int sock)
{
	ssize_t got;
	char byte;

	do
		got = read(sock, &byte, sizeof(byte));
	while (got < 0 && errno == EINTR);
	if (got == 1 && byte == '1')
		return 0;
	if (got < 0)
		log_line("tap: --wait: %s", strerror(errno));
	else
		log_line("tap: --wait: the other side has ended before it was ready");
	return 1;
}

/* The device lives on with the descriptor that is on its way. */
static int send_tap(const struct settings *settings, int sock, bool wait)
{
	const char *what = "";
	struct tap tap;
	int r = guestlink_make(settings, &tap, &what);

	if (r < 0) {
		diagnose(DIAGNOSE_TUN, what, r);
		return 1;
	}
	r = guestlink_send(sock, &tap);
	fd_close(&tap.fd);
	if (r < 0) {
		log_line("tap: --send=%d: %s", sock, strerror(-r));
		return 1;
	}
	return wait ? wait_for_engine(sock) : 0;
}

static int confine(const struct settings *settings)
{
	int r = settings->seccomp ? seccomp_confine(SECCOMP_SHUTTLE) : 0;

	if (r < 0)
		log_line("tap: cannot confine: seccomp: %s", strerror(-r));
	return r;
}

/* A caller that has stopped listening keeps its network. */
static void announce_ready(int fd)
{
	ssize_t sent;

	if (fd == FD_NONE)
		return;
	do
		sent = write(fd, "1", 1);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		log_line("tap: cannot write to ready-fd %d: %s", fd, strerror(errno));
	if (fd > STDERR_FILENO)
		fd_close(&fd);
}

static int carry_packets(const struct settings *settings, int sock)
{
	const char *what = "";
	autofd int tun = guestlink_make_tun(settings, &what);
	int r = tun;

	if (r < 0) {
		diagnose(DIAGNOSE_TUN, what, r);
		return 1;
	}
	r = fd_set_nonblock(sock);
	if (r < 0) {
		log_line("tap: --link=%d: %s", sock, strerror(-r));
		return 1;
	}
	announce_ready(settings->ready_fd);
	if (confine(settings) < 0)
		return 1;
	r = shuttle_run(tun, sock);
	if (r < 0)
		log_line("tap: the TUN has gone: %s", strerror(-r));
	return r < 0 ? 1 : 0;
}

int tap_main(int argc, char **argv)
{
	struct values values;
	struct settings settings;
	int first, status;

	if (!own_parse(COMMAND_TAP, argc, argv, &values, &first, &status))
		return status;
	/* Whether there is IPv6 is the host's to know, not this namespace's, which has no route yet. */
	if (values.ipv6 == IPV6_AUTO && values.mtu >= MTU6_MIN)
		values.ipv6 = IPV6_ON;
	if (!own_settings(&values, &settings))
		return 1;
	if (first < argc || (values.send_fd == FD_NONE) == (values.link_fd == FD_NONE)) {
		log_line("usage: gate4netns tap [OPTIONS] --send=FD|--link=FD");
		return 1;
	}
	if (values.send_fd != FD_NONE)
		return send_tap(&settings, values.send_fd, values.wait);
	if (settings.has_mac) {
		log_line("tap: --link makes a TUN, which has no MAC address");
		return 1;
	}
	return carry_packets(&settings, values.link_fd);
}
