/* net/listener.h - a listening TCP or Unix socket of the host, whose clients are accepted some at a time.
 *
 * Clients wait in the kernel's backlog for as long as there is a reason not to accept them: a turn
 * takes only some, the owner has room for only some, and a process without descriptors leaves the
 * socket alone for a while instead of being woken for it for ever. One whose socket somebody else has
 * closed says so in the log, and has no more clients.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "wire/portspec.h"

struct listener;
struct loop;

struct listener_client {
	struct ip ip; /* IP_NONE: of a Unix socket, where they have none */
	uint16_t port;
};

struct listener_owner {
	/* How many clients there is room for now. With none, it is asked again after a moment, or
	 * at listener_resume().
	 */
	size_t (*room)(void *data);
	/* A client, and its address: @fd is connected, non-blocking, and the callee's. Not to free the
	 * listener in.
	 */
	void (*accepted)(int fd, const struct listener_client *client, void *data);
	void *data;
};

/* Listen at the host's side of @spec, with the system's largest backlog; an IPv6 listener takes no
 * IPv4 clients; with port 0 the kernel chooses one. @loop is borrowed. 0, or -errno of socket(2), bind(2) or listen(2).
 */
int listener_new(struct loop *loop, const struct forward_spec *spec,
		 const struct listener_owner *owner, struct listener **ret);

/* The same for @fd, a listening Unix socket, borrowed. */
int listener_serve(struct loop *loop, int fd, const struct listener_owner *owner,
		   struct listener **ret);
void listener_free(struct listener *listener); /* NULL is a no-op */

uint16_t listener_port(const struct listener *listener); /* 0: a Unix socket */

/* There may be room again. */
void listener_resume(struct listener *listener);

#endif
