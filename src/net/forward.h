/* net/forward.h - a TCP port of the host whose clients get a connection to the guest (net/tcp.h). */
#ifndef NET_FORWARD_H
#define NET_FORWARD_H

#include "net/settings.h"
#include "wire/apireq.h"

struct forward;
struct loop;
struct tcp;

/* Listen with the system's largest backlog. Both addresses of @spec are set and of one family; an
 * IPv6 listener takes no IPv4 clients; a guest address of 0.0.0.0 is that of the first DHCP lease.
 * @loop, @tcp and @settings are borrowed. 0, or -errno of socket(2), bind(2) or listen(2).
 */
int forward_listen(struct loop *loop, struct tcp *tcp, const struct settings *settings,
		   const struct forward_spec *spec, struct forward **ret);

/* Stop listening; what has been accepted goes on. NULL is a no-op. */
void forward_close(struct forward *forward);

#endif
