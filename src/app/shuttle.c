/* Role: shuttle. Carries packets.
 * Holds:    a TUN and a connected socket.
 * Must:     be confined before the first packet (app/tap_main.c).
 * Must not: look into a packet.
 */
#include "app/shuttle.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET_MAX (40 + 65535) /* IPv6 does not count its header (RFC 8200) */
#define PACKETS_PER_TURN 64	/* of one direction, before the other has its turn */

enum side { TUN, SOCKET, SIDES };

/* A direction, named by where its packets come from. */
struct lane {
	size_t len; /* of the packet that waits to be written; 0: none */
	uint8_t packet[PACKET_MAX];
};

struct shuttle {
	int fd[SIDES];
	struct lane from[SIDES];
};

/* #syscalls:shuttle read recv recvfrom socketcall
 *
 * Bytes; 0: nothing to carry; -EPIPE: the socket's other end has gone. A message that is no packet by
 * its length alone is passed over.
 */
static ssize_t take(const struct shuttle *shuttle, enum side side, uint8_t *packet)
{
	ssize_t got;

	do {
		if (side == TUN)
			got = read(shuttle->fd[TUN], packet, PACKET_MAX);
		else
			got = recv(shuttle->fd[SOCKET], packet, PACKET_MAX, MSG_TRUNC);
	} while ((got < 0 && errno == EINTR) || got > PACKET_MAX);
	if (got < 0)
		return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
	return got == 0 ? -EPIPE : got;
}

/* #syscalls:shuttle write send sendto socketcall
 *
 * 0: it is gone, or was a packet that the side does not want: a TUN refuses what is no IP packet
 * (EINVAL), one that is down everything (EIO).
 */
static int give(const struct shuttle *shuttle, enum side side, const uint8_t *packet, size_t len)
{
	ssize_t sent;

	do {
		if (side == TUN)
			sent = write(shuttle->fd[TUN], packet, len);
		else
			sent = send(shuttle->fd[SOCKET], packet, len, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return 0;
	if (side == SOCKET)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return errno == EAGAIN || errno == EBADFD ? -errno : 0;
}

/* -EAGAIN: a packet waits. */
static int carry(struct shuttle *shuttle, enum side side)
{
	const enum side to = side == TUN ? SOCKET : TUN;
	struct lane *lane = &shuttle->from[side];

	for (int i = 0; i < PACKETS_PER_TURN; i++) {
		int r;

		if (lane->len == 0) {
			ssize_t got = take(shuttle, side, lane->packet);

			if (got <= 0)
				return (int)got;
			lane->len = (size_t)got;
		}
		r = give(shuttle, to, lane->packet, lane->len);
		if (r < 0)
			return r;
		lane->len = 0;
	}
	return 0;
}

/* #syscalls:shuttle poll ppoll */
static int turn(struct shuttle *shuttle)
{
	struct pollfd fds[SIDES];

	for (int side = 0; side < SIDES; side++) {
		const bool waits_for_it = shuttle->from[SIDES - 1 - side].len > 0;

		fds[side] = (struct pollfd){ .fd = shuttle->fd[side] };
		if (shuttle->from[side].len == 0)
			fds[side].events |= POLLIN;
		if (waits_for_it)
			fds[side].events |= POLLOUT;
	}
	if (poll(fds, SIDES, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[TUN].revents & POLLERR) /* deleted, even while its packet waits for the socket */
		return -EBADFD;
	for (int side = 0; side < SIDES; side++) {
		int r = carry(shuttle, (enum side)side);

		if (r < 0 && r != -EAGAIN)
			return r;
	}
	return 0;
}

int shuttle_run(int tun_fd, int sock_fd)
{
	struct shuttle *shuttle = g_new(struct shuttle, 1);
	int r;

	shuttle->fd[TUN] = tun_fd;
	shuttle->fd[SOCKET] = sock_fd;
	shuttle->from[TUN].len = shuttle->from[SOCKET].len = 0;
	do
		r = turn(shuttle);
	while (r == 0);
	g_free(shuttle);
	return r == -EPIPE ? 0 : r;
}
