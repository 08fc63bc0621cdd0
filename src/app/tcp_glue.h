/* app/tcp_glue.h - our own TCP between the gate and the link, and what it has to be told of the world:
 * the host's name servers, and the MACs of the guest.
 */
#ifndef APP_TCP_GLUE_H
#define APP_TCP_GLUE_H

#include "net/gate.h"
#include "net/link.h"
#include "net/settings.h"

struct loop;
struct tcp;
struct tcp_glue;

/* All but @ret are borrowed. @guest_mac: of the guest's interface, NULL if not known. 0 or -errno. Sets
 * itself as the gate's TCP hook.
 */
int tcp_glue_new(struct loop *loop, const struct settings *settings, const struct mac *guest_mac,
		 struct link *link, struct gate *gate, struct tcp_glue **ret);
void tcp_glue_free(struct tcp_glue *glue); /* NULL is a no-op */

struct tcp *tcp_glue_tcp(struct tcp_glue *glue); /* borrowed; NULL for NULL */

#endif
