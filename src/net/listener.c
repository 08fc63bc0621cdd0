#include "net/listener.h"

#include <glib.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "net/sockaddr.h"

#define ACCEPTS_PER_TURN 32
#define BUSY_PAUSE_MS 20	     /* who was accepted before has to be served first */
#define BUSY_PAUSE_MAX_MS 1000	     /* each pause is twice as long as the one before */
#define NO_DESCRIPTORS_PAUSE_MS 1000 /* somebody has to end first */

struct listener {
	struct loop *loop;	    /* borrowed */
	int own_fd;		    /* owned; -EBADF: a Unix socket, which is its maker's */
	int fd;			    /* listening: own_fd, or that of the Unix socket */
	struct loop_source *source; /* NULL: somebody else has closed the socket */
	struct loop_timer pause;
	bool busy;	       /* paused because there was no room */
	int64_t busy_pause_ms; /* the last such pause; 0: there has been room since */
	struct listener_owner owner;
};

static void pause_for(struct listener *listener, int64_t ms)
{
	(void)loop_set_events(listener->source, 0);
	loop_timer_arm(listener->loop, &listener->pause, loop_now_ms(listener->loop) + ms);
}

/* A client waits about as long again as it has waited already, and thousands of listeners that clients
 * keep busy do not keep us busy.
 */
static void pause_while_busy(struct listener *listener)
{
	listener->busy_pause_ms =
		CLAMP(2 * listener->busy_pause_ms, BUSY_PAUSE_MS, BUSY_PAUSE_MAX_MS);
	pause_for(listener, listener->busy_pause_ms);
	listener->busy = true;
}

static void resume(void *data)
{
	struct listener *listener = data;

	listener->busy = false;
	(void)loop_set_events(listener->source, EPOLLIN);
}

void listener_resume(struct listener *listener)
{
	if (!listener->busy)
		return;
	loop_timer_disarm(listener->loop, &listener->pause);
	resume(listener);
}

/* #syscalls:engine accept4 setsockopt socketcall
 * 0, or -errno of accept(2).
 */
static int accept_one(struct listener *listener)
{
	union sockaddr_any address = { 0 };
	socklen_t len = sizeof(address);
	int fd = accept4(listener->fd, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	const int on = 1;
	struct listener_client client;

	if (fd < 0)
		return -errno;
	/* Who sends has decided already what goes into one segment. (A Unix socket refuses.) */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	client.ip = sockaddr_ip(&address);
	client.port = sockaddr_port(&address);
	listener->owner.accepted(fd, &client, listener->owner.data);
	return 0;
}

/* Whoever administers the host may close sockets of others (SOCK_DESTROY of sock_diag(7), "ss -K"). One
 * that listened says so for ever.
 */
static void closed_by_others(struct listener *listener)
{
	log_line("port %u: the listening socket has been closed by somebody else",
		 listener_port(listener));
	loop_timer_disarm(listener->loop, &listener->pause);
	listener->busy = false;
	loop_remove(listener->source);
	listener->source = NULL;
}

static void accept_clients(struct listener *listener)
{
	const size_t vacant = listener->owner.room(listener->owner.data);
	const size_t room = MIN(vacant, ACCEPTS_PER_TURN);
	int r = 0;

	if (room == 0) {
		pause_while_busy(listener);
		return;
	}
	listener->busy_pause_ms = 0;
	for (size_t i = 0; i < room && r == 0; i++)
		r = accept_one(listener);
	/* Anything else is of one client, who has gone (accept(2)). */
	if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM)
		pause_for(listener, NO_DESCRIPTORS_PAUSE_MS);
}

static void clients_waiting(uint32_t events, void *data)
{
	struct listener *listener = data;

	if (events & EPOLLHUP)
		closed_by_others(listener);
	else
		accept_clients(listener);
}

/* #syscalls:engine socket socketcall setsockopt bind listen
 * The descriptor or -errno.
 */
static int listen_at(const struct forward_spec *spec)
{
	union sockaddr_any address;
	socklen_t len = sockaddr_fill(&spec->host_addr, spec->host_port, &address);
	autofd int fd =
		socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (spec->host_addr.family == IP_V6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	if (bind(fd, &address.any, len) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return fd_steal(&fd);
}

static int start(struct loop *loop, int own_fd, int fd, const struct listener_owner *owner,
		 struct listener **ret)
{
	struct listener *listener = g_new0(struct listener, 1);
	int r;

	listener->loop = loop;
	listener->own_fd = own_fd;
	listener->fd = fd;
	listener->owner = *owner;
	listener->pause.fn = resume;
	listener->pause.data = listener;
	r = loop_add(loop, fd, EPOLLIN, clients_waiting, listener, &listener->source);
	if (r < 0) {
		listener_free(listener);
		return r;
	}
	*ret = listener;
	return 0;
}

int listener_new(struct loop *loop, const struct forward_spec *spec,
		 const struct listener_owner *owner, struct listener **ret)
{
	int fd = listen_at(spec);

	return fd < 0 ? fd : start(loop, fd, fd, owner, ret);
}

int listener_serve(struct loop *loop, int fd, const struct listener_owner *owner,
		   struct listener **ret)
{
	return start(loop, -EBADF, fd, owner, ret);
}

/* #syscalls:engine getsockname socketcall */
uint16_t listener_port(const struct listener *listener)
{
	union sockaddr_any address = { 0 };
	socklen_t len = sizeof(address);

	(void)getsockname(listener->fd, &address.any, &len); /* cannot fail for a socket of ours */
	return sockaddr_port(&address);
}

void listener_free(struct listener *listener)
{
	if (!listener)
		return;
	loop_timer_disarm(listener->loop, &listener->pause);
	loop_remove(listener->source);
	fd_close(&listener->own_fd);
	g_free(listener);
}
