/* net/ports.h - the table of forwarded ports.
 *
 * One entry per request, with an id that is never used again. An address that the request left
 * out gets the default: host 0.0.0.0 or ::, guest the address that `-c` configures or, for
 * IPv6, its SLAAC address. A forward on `::` serves IPv6 only, so that 0.0.0.0 may have the
 * same port.
 */
#ifndef NET_PORTS_H
#define NET_PORTS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/apireq.h"

struct loop;
struct loopback;
struct ports;
struct settings;
struct slirp;
struct tcp;

#define PORTS_MAX 4096 /* entries at once */

struct ports_entry {
	uint64_t id;		     /* from 1 */
	struct forward_spec forward; /* addresses filled in */
};

/* Who listens; all borrowed. */
struct ports_stacks {
	struct loop *loop;
	struct slirp *slirp;
	struct tcp *tcp;	   /* for TCP; NULL: that is libslirp's too */
	struct loopback *loopback; /* for the guest's own loopback; NULL: not allowed */
};

/* @settings is borrowed. @guest6: the guest's IPv6 address, IP_NONE if not known. */
struct ports *ports_new(const struct ports_stacks *stacks, const struct settings *settings,
			const struct ip *guest6);
void ports_free(struct ports *ports); /* NULL is a no-op; leaves libslirp its listeners */

/* 0, -EMFILE at PORTS_MAX, -EPROTONOSUPPORT for an IPv6 host address without IPv6,
 * -EAFNOSUPPORT where the guest address is of the other family, or -errno of the listener.
 */
int ports_add(struct ports *ports, const struct forward_spec *forward, uint64_t *ret_id);

/* 0, or -ENOENT for an id that there is not, or -errno. */
int ports_remove(struct ports *ports, uint64_t id);

/* Entries in the order of their ids; NULL past the end. Valid until the next add or remove. */
const struct ports_entry *ports_get(const struct ports *ports, size_t index);

#endif
