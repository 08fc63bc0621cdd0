#include "net/linksock.h"

#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net/iplink.h"
#include "net/ring.h"
#include "wire/bytes.h"
#include "wire/framing.h"

/* Asked for; the kernel gives up to net.core.wmem_max. The more, the fewer frames wait here. */
#define SOCKET_BUFFER (1024 * 1024)

struct kind {
	ssize_t (*receive)(struct linksock *sock, uint8_t *buffer, size_t size);
	bool (*send)(struct linksock *sock, const struct iovec *parts, size_t len);
	bool (*flush)(struct linksock *sock); /* false: the socket takes no more */
};

struct linksock {
	const struct kind *kind;
	int fd;			  /* borrowed */
	struct ring out;	  /* frames, each behind its length as in a stream */
	struct link_stats *stats; /* borrowed */
	struct iplink *ip;	  /* owned; LINK_SEQPACKET only */
	struct framing *framing;  /* owned; LINK_STREAM only */
	bool is_broken;		  /* a stream that takes no more, ever */
};

/* #syscalls:engine poll ppoll
 *
 * A message may be empty: recv(2) says the same of it as of the end (recv(2)).
 */
static bool is_at_end(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLRDHUP };

	return poll(&poll_fd, 1, 0) != 0;
}

/* #syscalls:engine recv recvfrom socketcall
 *
 * MSG_DONTWAIT: O_NONBLOCK is of the open file, which the other side may share and change.
 */
static ssize_t receive_bytes(int fd, uint8_t *buffer, size_t size)
{
	ssize_t got;

	do
		got = recv(fd, buffer, size, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return got;
}

/* -EBADMSG: it was no frame. */
static ssize_t drop(struct linksock *sock, enum link_drop why)
{
	sock->stats->drops[why]++;
	return -EBADMSG;
}

static ssize_t receive_message(struct linksock *sock, uint8_t *buffer, size_t size)
{
	ssize_t got = receive_bytes(sock->fd, buffer, size);

	if (got == 0)
		return is_at_end(sock->fd) ? -EPIPE : drop(sock, LINK_DROP_NOT_IP);
	return got;
}

static ssize_t receive_ip(struct linksock *sock, uint8_t *buffer, size_t size)
{
	ssize_t got = (ssize_t)iplink_answer(sock->ip, buffer);

	if (got > 0)
		return got;
	got = receive_message(sock, buffer + FRAME_ETHER_HEADER, size - FRAME_ETHER_HEADER);
	if (got < 0)
		return got;
	switch (iplink_from_guest(sock->ip, buffer, (size_t)got)) {
	case IPLINK_PASS:
		return got + FRAME_ETHER_HEADER;
	case IPLINK_DISCOVERY:
		return drop(sock, LINK_DROP_DISCOVERY);
	case IPLINK_NOT_IP:
	case IPLINK_ANSWERED:
	case IPLINK_TOO_MANY:
		break;
	}
	return drop(sock, LINK_DROP_NOT_IP);
}

static ssize_t receive_stream(struct linksock *sock, uint8_t *buffer, size_t size)
{
	const uint8_t *frame = NULL;
	ssize_t len = framing_next(sock->framing, &frame);

	if (len == 0) {
		size_t room;
		uint8_t *into = framing_room(sock->framing, &room);
		ssize_t got = receive_bytes(sock->fd, into, room);

		if (got <= 0)
			return got < 0 ? got : -EPIPE;
		framing_filled(sock->framing, (size_t)got);
		len = framing_next(sock->framing, &frame);
	}
	if (len <= 0)
		return len < 0 ? len : -EAGAIN;
	if ((size_t)len > size)
		return -EPROTO;
	memcpy(buffer, frame, (size_t)len);
	return len;
}

/* #syscalls:engine sendmsg socketcall */
static ssize_t send_parts(int fd, const struct iovec *parts, size_t count)
{
	const struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts,
					.msg_iovlen = count };
	ssize_t sent;

	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static bool no_room(struct linksock *sock)
{
	sock->stats->send_drops++;
	return false;
}

/* From byte @skip of prefix and frame on. */
static bool queue(struct linksock *sock, const struct iovec *parts, size_t len, size_t skip)
{
	uint8_t prefix[FRAMING_PREFIX];
	const struct iovec all[] = { { prefix, sizeof(prefix) }, parts[0], parts[1] };

	if (ring_room(&sock->out) < sizeof(prefix) + len - skip)
		return no_room(sock);
	framing_put_prefix(prefix, len);
	ring_put(&sock->out, all, 3, skip);
	return true;
}

static bool send_message(struct linksock *sock, const struct iovec *parts, size_t len)
{
	ssize_t r = -EAGAIN;

	if (sock->out.len == 0)
		r = send_parts(sock->fd, parts, 2);
	if (r == -EAGAIN)
		return queue(sock, parts, len, 0);
	return r >= 0 || no_room(sock);
}

static bool send_ip(struct linksock *sock, const struct iovec *parts, size_t len)
{
	const struct iovec packet[] = {
		{ (uint8_t *)parts[0].iov_base + FRAME_ETHER_HEADER,
		  parts[0].iov_len - FRAME_ETHER_HEADER },
		parts[1],
	};

	switch (iplink_to_guest(sock->ip, parts[0].iov_base, parts[0].iov_len)) {
	case IPLINK_PASS:
		return send_message(sock, packet, len - FRAME_ETHER_HEADER);
	case IPLINK_ANSWERED:
		return false;
	case IPLINK_DISCOVERY:
		sock->stats->drops[LINK_DROP_DISCOVERY]++;
		return false;
	case IPLINK_TOO_MANY:
		return no_room(sock);
	case IPLINK_NOT_IP:
		break;
	}
	sock->stats->drops[LINK_DROP_NOT_IP]++;
	return false;
}

/* A frame of which a part has gone has to follow in whole: there is room, for nothing waits. */
static bool send_stream(struct linksock *sock, const struct iovec *parts, size_t len)
{
	uint8_t prefix[FRAMING_PREFIX];
	const struct iovec all[] = { { prefix, sizeof(prefix) }, parts[0], parts[1] };
	ssize_t sent = 0;

	framing_put_prefix(prefix, len);
	if (sock->out.len == 0)
		sent = send_parts(sock->fd, all, 3);
	if (sent == -EAGAIN)
		sent = 0;
	if (sent < 0) {
		sock->is_broken = true;
		return no_room(sock);
	}
	return (size_t)sent == sizeof(prefix) + len || queue(sock, parts, len, (size_t)sent);
}

static bool flush_message(struct linksock *sock)
{
	struct iovec parts[2];
	uint8_t prefix[FRAMING_PREFIX];
	size_t len;
	int count = ring_view(&sock->out, 0, sizeof(prefix), parts);
	ssize_t r;

	memcpy(prefix, parts[0].iov_base, parts[0].iov_len);
	if (count == 2)
		memcpy(prefix + parts[0].iov_len, parts[1].iov_base, parts[1].iov_len);
	len = get32(prefix);
	count = ring_view(&sock->out, sizeof(prefix), len, parts);
	r = send_parts(sock->fd, parts, (size_t)count);
	if (r == -EAGAIN)
		return false;
	if (r < 0)
		(void)no_room(sock);
	ring_take(&sock->out, sizeof(prefix) + len);
	return true;
}

static bool flush_stream(struct linksock *sock)
{
	struct iovec parts[2];
	int count = ring_view(&sock->out, 0, sock->out.len, parts);
	ssize_t sent = send_parts(sock->fd, parts, (size_t)count);

	if (sent < 0 && sent != -EAGAIN)
		sock->is_broken = true;
	if (sent <= 0)
		return false;
	ring_take(&sock->out, (size_t)sent);
	return true;
}

static const struct kind kinds[] = {
	[LINK_SEQPACKET] = { receive_ip, send_ip, flush_message },
	[LINK_STREAM] = { receive_stream, send_stream, flush_stream },
	[LINK_BESS] = { receive_message, send_message, flush_message },
};

struct linksock *linksock_new(enum link_kind kind, int fd, const struct addrplan *plan,
			      struct link_stats *stats)
{
	struct linksock *sock = g_new0(struct linksock, 1);
	const int size = SOCKET_BUFFER;

	*sock = (struct linksock){ .kind = &kinds[kind], .fd = fd, .stats = stats };
	ring_init(&sock->out, LINKSOCK_QUEUE);
	if (kind == LINK_SEQPACKET) {
		sock->ip = g_new(struct iplink, 1);
		iplink_init(sock->ip, plan);
	}
	if (kind == LINK_STREAM) {
		sock->framing = g_new(struct framing, 1);
		sock->framing->start = sock->framing->end = 0;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return sock;
}

void linksock_set_stats(struct linksock *sock, struct link_stats *stats)
{
	sock->stats = stats;
}

void linksock_free(struct linksock *sock)
{
	if (!sock)
		return;
	ring_done(&sock->out);
	g_free(sock->ip);
	g_free(sock->framing);
	g_free(sock);
}

ssize_t linksock_receive(struct linksock *sock, uint8_t *buffer, size_t size)
{
	return sock->kind->receive(sock, buffer, size);
}

bool linksock_send(struct linksock *sock, const struct iovec parts[2])
{
	return sock->kind->send(sock, parts, parts[0].iov_len + parts[1].iov_len);
}

bool linksock_has_input(const struct linksock *sock)
{
	return (sock->ip && sock->ip->count > 0) ||
	       (sock->framing && framing_has_next(sock->framing));
}

bool linksock_has_output(const struct linksock *sock)
{
	return sock->out.len > 0;
}

bool linksock_is_broken(const struct linksock *sock)
{
	return sock->is_broken;
}

void linksock_flush(struct linksock *sock)
{
	while (sock->out.len > 0 && sock->kind->flush(sock))
		;
}
