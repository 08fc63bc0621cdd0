/* The direct dialer: a socket of the host, connect(2), and what SO_ERROR says when it is writable.
 * What fails at once is told from the loop too, by a timer, so that the caller never has to
 * expect its callback while it is starting.
 */
#include "net/dial.h"

#include <glib.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/loop.h"
#include "net/sockaddr.h"

struct dial {
	struct loop *loop; /* borrowed */
	dial_done_fn *done;
	void *data;
	int fd;			    /* owned; -EBADF where error is set */
	struct loop_source *source; /* of fd */
	int error;		    /* what failed at once, for the timer to tell */
	struct loop_timer timer;
};

/* Without IP_BIND_ADDRESS_NO_PORT (Linux 4.2; for IPv6 as well) bind(2) takes a port for itself
 * alone, and all connections from one address share 28,000. Where it fails it is as before.
 */
static int bind_from(int fd, const struct ip *from)
{
	union sockaddr_any address;
	socklen_t len = sockaddr_fill(from, 0, &address);
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, &address.any, len) < 0 ? -errno : 0;
}

/* #syscalls:engine socket socketcall setsockopt bind
 * A socket that may be connected to @target.
 */
static int open_socket(const struct dial_target *target, int *ret_fd)
{
	const struct ip *ip = &target->ip, *from = &target->from;
	autofd int fd = -EBADF;

	if (ip->family == IP_NONE || (from->family != IP_NONE && from->family != ip->family))
		return -EAFNOSUPPORT;
	fd = socket(ip->family == IP_V6 ? AF_INET6 : AF_INET,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (from->family != IP_NONE) {
		int r = bind_from(fd, from);

		if (r < 0)
			return r;
	}
	*ret_fd = fd_steal(&fd);
	return 0;
}

/* #syscalls:engine setsockopt connect socketcall
 * Connected or not yet: it becomes writable.
 */
static int start_connect(int fd, const struct dial_target *target)
{
	union sockaddr_any address;
	socklen_t len = sockaddr_fill(&target->ip, target->port, &address);
	const int on = 1;

	if (target->ip.family == IP_V6)
		address.v6.sin6_scope_id = target->scope;
	/* The guest's TCP has decided already what goes into one segment. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &address.any, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

/* Stop watching and forget @dial; the socket is the caller's. */
static int release(struct dial *dial)
{
	int fd = fd_steal(&dial->fd);

	loop_remove(dial->source);
	loop_timer_disarm(dial->loop, &dial->timer);
	g_free(dial);
	return fd;
}

/* #syscalls:engine getsockopt socketcall */
static int socket_error(int fd)
{
	int error;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static void on_outcome(uint32_t events, void *data)
{
	struct dial *dial = data;
	dial_done_fn *done = dial->done;
	void *done_data = dial->data;
	autofd int fd = release(dial);
	int error = socket_error(fd);

	(void)events;
	if (error < 0)
		fd_close(&fd); /* before the callee wants the next one */
	done(fd_steal(&fd), error, done_data);
}

static void on_failed_at_once(void *data)
{
	struct dial *dial = data;
	dial_done_fn *done = dial->done;
	void *done_data = dial->data;
	int error = dial->error;

	release(dial);
	done(-EBADF, error, done_data);
}

struct dial *dial_start_on(struct loop *loop, int fd, const struct dial_target *target,
			   dial_done_fn *done, void *data)
{
	struct dial *dial = g_new0(struct dial, 1);
	int r = fd < 0 ? fd : start_connect(fd, target);

	*dial = (struct dial){ .loop = loop, .done = done, .data = data, .fd = fd };
	dial->timer.fn = on_failed_at_once;
	dial->timer.data = dial;
	if (r == 0)
		r = loop_add(loop, dial->fd, EPOLLOUT, on_outcome, dial, &dial->source);
	if (r < 0) {
		fd_close(&dial->fd);
		dial->error = r;
		loop_timer_arm(loop, &dial->timer, loop_now_ms(loop));
	}
	return dial;
}

struct dial *dial_start(struct loop *loop, const struct dial_target *target, dial_done_fn *done,
			void *data)
{
	int fd = -EBADF;
	int r = open_socket(target, &fd);

	return dial_start_on(loop, r < 0 ? r : fd, target, done, data);
}

void dial_cancel(struct dial *dial)
{
	int fd;

	if (!dial)
		return;
	fd = release(dial);
	fd_close(&fd);
}
