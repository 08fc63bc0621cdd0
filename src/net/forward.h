/* net/forward.h - a TCP port of the host, or a Unix socket, whose clients get a connection to the guest
 * (net/tcp.h).
 */
#ifndef NET_FORWARD_H
#define NET_FORWARD_H

#include "net/settings.h"
#include "wire/portspec.h"

struct forward;
struct loop;
struct tally;
struct tcp;

/* What a listener works with; all borrowed but @tally, of which it takes a reference. */
struct forward_context {
	struct loop *loop;
	struct tcp *tcp;
	const struct settings *settings;
	struct tally *tally; /* where its clients are counted; NULL: nowhere */
};

/* Listen with the system's largest backlog. Both addresses of @spec are set and of one family; an
 * IPv6 listener takes no IPv4 clients; a guest address of 0.0.0.0 is that of the first DHCP lease;
 * with host port 0 the kernel chooses one. 0, or -errno of socket(2), bind(2) or listen(2).
 */
int forward_listen(const struct forward_context *context, const struct forward_spec *spec,
		   struct forward **ret);

/* Accept from @fd, a listening Unix socket (borrowed until forward_close()), for the guest's end of
 * @spec. Its clients appear as the gateway, each with a port of its own. 0 or -errno.
 */
int forward_serve(const struct forward_context *context, int fd, const struct forward_spec *spec,
		  struct forward **ret);

uint16_t forward_port(const struct forward *forward); /* of the host: the one that was chosen */

/* Stop listening; what has been accepted goes on. NULL is a no-op. */
void forward_close(struct forward *forward);

#endif
