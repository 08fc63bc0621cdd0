/* net/ports.h - the table of forwarded ports.
 *
 * One entry per request, with an id that is never used again: a port, a range of ports, or a Unix
 * socket of the host. It is all there or not at all. What the request left out gets the default: the
 * guest's address is what `-c` configures or, for IPv6, its SLAAC address.
 *
 * An entry on :: without a guest address serves both families, each at the guest's address of that
 * family; so does one without any address, where IPv6 is switched on. Such an entry has two
 * listeners a port, of which the one at 0.0.0.0 gives way to every forward that is asked for at an IPv4
 * address and that port, whichever came first: callers add 0.0.0.0 and :: one after the other. It
 * does not come back when that forward is removed. Every other entry on :: serves IPv6 only.
 */
#ifndef NET_PORTS_H
#define NET_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/stats.h"
#include "wire/portspec.h"

struct loop;
struct loopback;
struct ports;
struct settings;
struct slirp;
struct tally;
struct tcp;
struct udp;

#define PORTS_MAX 4096	    /* entries at once */
#define PORTS_ERROR_MAX 256 /* bytes of a text, with the NUL */

struct ports_entry {
	uint64_t id;		   /* from 1 */
	struct portspec spec;	   /* addresses and port filled in */
	struct ip guest4;	   /* of IPv4 clients on ::; IP_NONE: it serves none */
	const struct tally *tally; /* NULL: not counted, for libslirp listens */
};

/* Who listens; all borrowed. */
struct ports_stacks {
	struct loop *loop;
	struct slirp *slirp;
	struct tcp *tcp;	   /* for TCP; NULL: that is libslirp's */
	struct udp *udp;	   /* for UDP; the same */
	struct loopback *loopback; /* for the guest's own loopback; NULL: not allowed */
	/* A listening, non-blocking Unix socket at @path, which stays the callee's, or -errno.
	 * -ENOSYS: there are none any more. NULL: there are none at all.
	 */
	int (*open_path)(const char *path, void *data);
	void (*close_path)(int fd, void *data); /* what that returned is not used any more */
	void *data;
};

/* @settings is borrowed. @guest6: the guest's IPv6 address, IP_NONE if not known. */
struct ports *ports_new(const struct ports_stacks *stacks, const struct settings *settings,
			const struct ip *guest6);
void ports_free(struct ports *ports); /* NULL is a no-op; leaves libslirp its listeners */

/* 0, -EMFILE at PORTS_MAX or where there are no descriptors for so many ports, -EPROTONOSUPPORT for
 * an IPv6 host address without IPv6, -EAFNOSUPPORT where the guest address is of the other family,
 * or -errno of a listener; *reterr is a text for people then, which names the port.
 */
int ports_add(struct ports *ports, const struct portspec *spec, uint64_t *ret_id,
	      char reterr[PORTS_ERROR_MAX]);

/* 0, or -ENOENT for an id that there is not. Its connections go on; with @drop they are reset at
 * both ends (those of libslirp are not). Clients of a UDP port have no connection that could go on.
 */
int ports_remove(struct ports *ports, uint64_t id, bool drop);

/* Entries in the order of their ids; NULL past the end. Valid until the next add or remove. */
const struct ports_entry *ports_get(const struct ports *ports, size_t index);
const struct ports_entry *ports_find(const struct ports *ports, uint64_t id); /* NULL: none */

enum ports_drop {
	PORTS_DROP_FORWARDS,  /* too many already */
	PORTS_DROP_LISTENERS, /* no descriptors for so many ports */
	PORTS_DROPS
};

struct ports_stats {
	size_t forwards, forwards_limit;
	size_t listeners, listeners_limit;
	uint64_t drops[PORTS_DROPS];
};

extern const struct stats_table ports_stats_table; /* of struct ports_stats */

struct ports_stats ports_stats(const struct ports *ports);

#endif
