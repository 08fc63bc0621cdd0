/* app/stacks.h - our own TCP and UDP between the gate and the link, and what they have to be told of
 * the world: the host's name servers, and the MACs of the guest.
 */
#ifndef APP_STACKS_H
#define APP_STACKS_H

#include "net/gate.h"
#include "net/link.h"
#include "net/settings.h"

struct flows;
struct loop;
struct stacks;
struct tcp;
struct udp;

/* Those that the settings ask for. All but @ret are borrowed. @guest_mac: of the guest's interface, NULL
 * if not known. 0 or -errno. Sets the gate's hooks.
 */
int stacks_new(struct loop *loop, const struct settings *settings, const struct mac *guest_mac,
	       struct link *link, struct gate *gate, struct stacks **ret);
void stacks_free(struct stacks *stacks); /* NULL is a no-op */

/* Borrowed. NULL: that is libslirp's. */
struct tcp *stacks_tcp(struct stacks *stacks);
struct udp *stacks_udp(struct stacks *stacks);

struct flows *stacks_flows(struct stacks *stacks); /* borrowed: what both carry */

#endif
