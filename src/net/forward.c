/* Clients wait in the kernel's backlog for as long as there is a reason not to accept them: a turn
 * takes only some, the guest has to answer those that are on their way to it, and a process without
 * descriptors leaves the listener alone for a while instead of being woken for it for ever.
 */
#include "net/forward.h"

#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"
#include "net/tally.h"
#include "net/tcp.h"

#define ACCEPTS_PER_TURN 32
#define BUSY_PAUSE_MS 20	     /* the guest has to answer first */
#define NO_DESCRIPTORS_PAUSE_MS 1000 /* somebody has to end first */
#define NAMELESS_PORT_FIRST 49152    /* RFC 6335: ports that nobody is found at */

struct forward {
	struct loop *loop;   /* borrowed */
	struct tcp *tcp;     /* borrowed */
	struct tally *tally; /* a reference; NULL: nobody counts */
	int own_fd;	     /* owned; -EBADF: a Unix socket, which is its maker's */
	int fd;		     /* listening: own_fd, or that of the Unix socket */
	struct loop_source *source;
	struct loop_timer pause;
	struct ip guest;
	uint16_t guest_port, host_port;
	struct ip gateway;	/* own_fd is none: the client of everybody */
	uint16_t nameless_port; /* the same: of the last client */
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void pause_for(struct forward *forward, int64_t ms)
{
	(void)loop_set_events(forward->source, 0);
	loop_timer_arm(forward->loop, &forward->pause, loop_now_ms(forward->loop) + ms);
}

static void resume(void *data)
{
	struct forward *forward = data;

	(void)loop_set_events(forward->source, EPOLLIN);
}

/* The client of a Unix socket has no address. The ports go round, so that the guest does not see the
 * one of a connection that it may not have forgotten yet.
 */
static void name_client(struct forward *forward, struct tcp_endpoints *ends)
{
	if (forward->nameless_port++ < NAMELESS_PORT_FIRST || forward->nameless_port == 0)
		forward->nameless_port = NAMELESS_PORT_FIRST;
	ends->client = forward->gateway;
	ends->client_port = forward->nameless_port;
}

static struct tcp_endpoints endpoints(struct forward *forward, const union address *client)
{
	struct tcp_endpoints ends = {
		.guest = forward->guest,
		.guest_port = forward->guest_port,
		.tally = forward->tally,
	};

	if (forward->own_fd < 0) {
		name_client(forward, &ends);
		return ends;
	}
	ends.client.family = forward->guest.family;
	if (ends.client.family == IP_V6) {
		memcpy(ends.client.v6.b, &client->v6.sin6_addr, sizeof(ends.client.v6.b));
		ends.client_port = ntohs(client->v6.sin6_port);
	} else {
		memcpy(ends.client.v4.b, &client->v4.sin_addr, sizeof(ends.client.v4.b));
		ends.client_port = ntohs(client->v4.sin_port);
	}
	return ends;
}

/* #syscalls:engine accept4 setsockopt socketcall
 * 0, or -errno of accept(2).
 */
static int accept_one(struct forward *forward)
{
	union address client = { 0 };
	socklen_t len = sizeof(client);
	const int on = 1;
	struct tcp_endpoints ends;
	int fd = accept4(forward->fd, &client.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* The guest's TCP has decided already what goes into one segment. (A Unix socket refuses.) */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ends = endpoints(forward, &client);
	(void)tcp_open_to_guest(forward->tcp, fd, &ends); /* the client has been told */
	return 0;
}

static void clients_waiting(uint32_t events, void *data)
{
	struct forward *forward = data;
	const struct tcp_endpoints guest = { .guest = forward->guest,
					     .guest_port = forward->guest_port };
	size_t room = MIN(tcp_open_room(forward->tcp, &guest), ACCEPTS_PER_TURN);
	int r = 0;

	(void)events;
	if (room == 0)
		pause_for(forward, BUSY_PAUSE_MS);
	for (; room > 0 && r == 0; room--)
		r = accept_one(forward);
	/* Anything else is of one client, who has gone (accept(2)). */
	if (r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM)
		pause_for(forward, NO_DESCRIPTORS_PAUSE_MS);
}

static socklen_t host_address(const struct forward_spec *spec, union address *ret)
{
	*ret = (union address){ 0 };
	if (spec->host_addr.family == IP_V6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(spec->host_port);
		memcpy(&ret->v6.sin6_addr, spec->host_addr.v6.b, sizeof(spec->host_addr.v6.b));
		return sizeof(ret->v6);
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons(spec->host_port);
	memcpy(&ret->v4.sin_addr, spec->host_addr.v4.b, sizeof(spec->host_addr.v4.b));
	return sizeof(ret->v4);
}

/* #syscalls:engine socket socketcall setsockopt bind listen
 * The descriptor or -errno.
 */
static int listen_at(const struct forward_spec *spec)
{
	union address address;
	socklen_t len = host_address(spec, &address);
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

/* #syscalls:engine getsockname
 * Which port the kernel has chosen.
 */
static uint16_t bound_port(int fd)
{
	union address address = { 0 };
	socklen_t len = sizeof(address);

	(void)getsockname(fd, &address.any, &len); /* cannot fail for a socket of ours */
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port :
							 address.v4.sin_port);
}

static struct forward *forward_new(const struct forward_context *context,
				   const struct forward_spec *spec)
{
	struct forward *forward = g_new0(struct forward, 1);

	forward->loop = context->loop;
	forward->tcp = context->tcp;
	forward->tally = tally_ref(context->tally);
	forward->own_fd = -EBADF;
	forward->guest = spec->guest_addr;
	forward->guest_port = spec->guest_port;
	forward->gateway = addrplan_gateway(&context->settings->plan, spec->guest_addr.family);
	if (spec->guest_addr.family == IP_V4 && ip_is_any(&spec->guest_addr))
		forward->guest.v4 = context->settings->plan.dhcp_begin;
	forward->pause.fn = resume;
	forward->pause.data = forward;
	tcp_note_listener(forward->tcp, true);
	return forward;
}

static int start(struct forward *forward, int fd, struct forward **ret)
{
	int r;

	forward->fd = fd;
	r = loop_add(forward->loop, fd, EPOLLIN, clients_waiting, forward, &forward->source);
	if (r < 0) {
		forward_close(forward);
		return r;
	}
	*ret = forward;
	return 0;
}

int forward_listen(const struct forward_context *context, const struct forward_spec *spec,
		   struct forward **ret)
{
	int fd = listen_at(spec);
	struct forward *forward;

	if (fd < 0)
		return fd;
	forward = forward_new(context, spec);
	forward->own_fd = fd;
	forward->host_port = spec->host_port != 0 ? spec->host_port : bound_port(fd);
	return start(forward, fd, ret);
}

int forward_serve(const struct forward_context *context, int fd, const struct forward_spec *spec,
		  struct forward **ret)
{
	return start(forward_new(context, spec), fd, ret);
}

uint16_t forward_port(const struct forward *forward)
{
	return forward->host_port;
}

void forward_close(struct forward *forward)
{
	if (!forward)
		return;
	loop_timer_disarm(forward->loop, &forward->pause);
	loop_remove(forward->source);
	tcp_note_listener(forward->tcp, false);
	fd_close(&forward->own_fd);
	tally_unref(forward->tally);
	g_free(forward);
}
