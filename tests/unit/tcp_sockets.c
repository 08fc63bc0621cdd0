/* The sockets of tcp_world.h: what the calls of our TCP on them do, and the program behind them. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tcp_world.h"

static struct world_host *host_of(int fd)
{
	guint index = (guint)(fd - WORLD_FIRST_FD);
	struct world_host *host;

	world_check(fd >= WORLD_FIRST_FD && index < world_now()->hosts->len,
		    "a call on descriptor %d", fd);
	host = g_ptr_array_index(world_now()->hosts, index);
	world_check(host->fd == fd, "a call on a descriptor that is closed");
	return host;
}

uint64_t world_host_room(const struct world_host *host)
{
	uint64_t used = host->received - host->consumed;

	return host->capacity > used ? host->capacity - used : 0;
}

/* Linux says so when a third is free: sk_stream_is_writeable(). */
static bool has_room(const struct world_host *host)
{
	return world_host_room(host) >= (host->received - host->consumed) / 2 &&
	       world_host_room(host) > 0;
}

uint32_t world_host_poll(struct world_host *host)
{
	uint32_t events = 0;

	if (host->error != 0)
		events |= EPOLLERR;
	if (host->broken || (host->finished && host->end_seen))
		events |= EPOLLHUP;
	if (host->broken || host->finished)
		events |= EPOLLIN | EPOLLRDHUP;
	if (host->written > host->taken)
		events |= EPOLLIN;
	if (host->broken || host->end_seen || has_room(host))
		events |= EPOLLOUT;
	else
		host->no_space = true;
	return events;
}

static ssize_t fail_with(int error)
{
	errno = error;
	return -1;
}

static ssize_t socket_error(struct world_host *host)
{
	int error = host->error;

	host->error = 0;
	return fail_with(error);
}

static ssize_t take_vector(int fd, const struct iovec *iov, size_t count)
{
	struct world_host *host = host_of(fd);
	size_t got = 0, wanted = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t left = host->written - host->taken;
		size_t here = MIN(iov[i].iov_len, left);

		wanted += iov[i].iov_len;
		world_bytes(TO_GUEST, host->taken, iov[i].iov_base, here);
		host->taken += here;
		got += here;
	}
	world_check(wanted > 0, "a read of nothing");
	if (got > 0)
		return (ssize_t)got;
	if (host->error != 0)
		return socket_error(host);
	return host->finished || host->broken ? 0 : fail_with(EAGAIN);
}

static ssize_t give_vector(int fd, const struct iovec *iov, size_t count, int flags)
{
	struct world_host *host = host_of(fd);
	size_t given = 0, wanted = 0;

	world_check(flags & MSG_NOSIGNAL, "a send that may raise SIGPIPE");
	world_check(!host->end_seen, "a send after shutdown");
	for (size_t i = 0; i < count; i++)
		wanted += iov[i].iov_len;
	world_check(wanted > 0, "a send of nothing");
	if (host->error != 0)
		return socket_error(host);
	if (host->broken)
		return fail_with(EPIPE);
	for (size_t i = 0; i < count; i++) {
		size_t here = MIN(iov[i].iov_len, world_host_room(host));

		world_check(world_now()->any_bytes ||
				    world_is_bytes(TO_HOST, host->received, iov[i].iov_base, here),
			    "wrong bytes for the host at %" G_GUINT64_FORMAT, host->received);
		host->received += here;
		given += here;
	}
	if (given < wanted)
		host->no_space = true;
	return given > 0 ? (ssize_t)given : fail_with(EAGAIN);
}

ssize_t __wrap_recv(int fd, void *buffer, size_t len, int flags);
ssize_t __wrap_recvfrom(int fd, void *buffer, size_t len, int flags, void *from, void *from_len);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int count);
ssize_t __wrap_send(int fd, const void *buffer, size_t len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_shutdown(int fd, int how);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_close(int fd);
int __real_close(int fd);

ssize_t __wrap_recv(int fd, void *buffer, size_t len, int flags)
{
	const struct iovec iov = { buffer, len };
	struct world_host *host = host_of(fd);
	const uint64_t taken = host->taken;
	ssize_t got;

	world_check((flags & ~(MSG_DONTWAIT | MSG_PEEK)) == 0, "recv() with flags %x",
		    (unsigned)flags);
	got = take_vector(fd, &iov, 1);
	if (flags & MSG_PEEK) /* an error it does take: sock_error() */
		host->taken = taken;
	return got;
}

ssize_t __wrap_recvfrom(int fd, void *buffer, size_t len, int flags, void *from, void *from_len)
{
	world_check(!from && !from_len, "recvfrom() with an address");
	return __wrap_recv(fd, buffer, len, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	world_check((flags & ~MSG_DONTWAIT) == 0, "recvmsg() with flags %x", (unsigned)flags);
	return take_vector(fd, message->msg_iov, message->msg_iovlen);
}

ssize_t __wrap_readv(int fd, const struct iovec *iov, int count)
{
	return take_vector(fd, iov, (size_t)count);
}

ssize_t __wrap_send(int fd, const void *buffer, size_t len, int flags)
{
	const struct iovec iov = { (void *)(uintptr_t)buffer, len };

	return give_vector(fd, &iov, 1, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	return give_vector(fd, message->msg_iov, message->msg_iovlen, flags);
}

int __wrap_shutdown(int fd, int how)
{
	struct world_host *host = host_of(fd);

	world_check(how == SHUT_WR, "shutdown() of what is not ours to end");
	world_check(!host->end_seen, "shutdown() twice");
	if (host->broken)
		return (int)fail_with(ENOTCONN);
	host->end_seen = true;
	host->edge = true;
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct world_host *host = host_of(fd);
	struct linger linger;

	if (level != SOL_SOCKET || name != SO_LINGER)
		return 0;
	world_check(len == sizeof(linger), "SO_LINGER of a wrong size");
	memcpy(&linger, value, sizeof(linger));
	host->reset_linger = linger.l_onoff && linger.l_linger == 0;
	return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct world_host *host = host_of(fd);

	world_check(level == SOL_SOCKET && name == SO_ERROR && *len == sizeof(int),
		    "getsockopt() %d %d", level, name);
	memcpy(value, &host->error, sizeof(int));
	host->error = 0;
	return 0;
}

int __wrap_close(int fd)
{
	struct world_host *host;

	if (fd < WORLD_FIRST_FD)
		return __real_close(fd);
	host = host_of(fd);
	world_check(!host->source, "close() of a descriptor that is watched");
	host->fd = -1;
	host->closed = true;
	host->aborted = host->reset_linger;
	world_now()->open_fds--;
	if (!host->aborted && !host->broken)
		world_check(host->end_seen && host->finished && host->taken == host->written,
			    "a connection is closed that has not ended");
	return 0;
}

/* ---- what the program on the other side does ---- */

void world_host_write(struct world_host *host, uint64_t len)
{
	if (host->finished || host->broken || len == 0)
		return;
	host->written += len;
	host->edge = true;
}

void world_host_finish(struct world_host *host)
{
	if (host->finished || host->broken)
		return;
	host->finished = true;
	host->edge = true;
}

void world_host_read(struct world_host *host, uint64_t len)
{
	host->consumed += MIN(len, host->received - host->consumed);
	if (!host->no_space || !has_room(host))
		return;
	host->no_space = false;
	host->edge = true;
}

void world_host_fail(struct world_host *host, int error)
{
	if (host->fd < 0 || host->broken)
		return;
	host->broken = true;
	host->error = error;
	host->edge = true;
}
