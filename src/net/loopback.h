/* net/loopback.h - TCP ports of the host that lead to services on the guest's own loopback.
 *
 * A service that listens on 127.0.0.1 or ::1 of the guest only is out of reach for frames. It is
 * connected to with a socket made in the guest (net/guestsock.h), which is joined to the client's
 * (net/splice.h): the service sees a client of its own loopback.
 */
#ifndef NET_LOOPBACK_H
#define NET_LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "net/splice.h"
#include "wire/portspec.h"

struct loop;
struct loopback;
struct loopback_forward;
struct stats_table;
struct tally;

struct loopback_stats {
	uint64_t accepted;  /* clients */
	uint32_t dialing;   /* that wait for the guest now */
	uint64_t refused;   /* by the guest */
	uint64_t failed;    /* for want of a socket or another reason of our own */
	uint64_t no_broker; /* the broker had gone */
	uint32_t limit;	    /* of clients at once */
	struct splice_stats splice;
};

extern const struct stats_table loopback_stats_table; /* of struct loopback_stats */

/* @broker: the socket to the broker; it and @loop are borrowed. 0 or -errno. */
int loopback_new(struct loop *loop, int broker, struct loopback **ret);
/* Resets every connection; its forwards have been closed before. NULL is a no-op. */
void loopback_free(struct loopback *loopback);

/* Whether a guest address is one of the guest's loopback: in 127/8, or ::1. */
bool loopback_is_meant(const struct ip *guest);

/* Listen at the host's side of @spec (net/listener.h), for a guest address that loopback_is_meant();
 * with host port 0 the kernel chooses one. Takes a reference of @tally, where clients are counted.
 * -EOPNOTSUPP for UDP.
 */
int loopback_forward_listen(struct loopback *loopback, const struct forward_spec *spec,
			    struct tally *tally, struct loopback_forward **ret);

/* Accept from @fd, a listening Unix socket (borrowed until loopback_forward_close()). */
int loopback_forward_serve(struct loopback *loopback, int fd, const struct forward_spec *spec,
			   struct tally *tally, struct loopback_forward **ret);

uint16_t loopback_forward_port(const struct loopback_forward *forward); /* of the host */

/* Stop listening; what has been accepted goes on. NULL is a no-op. */
void loopback_forward_close(struct loopback_forward *forward);

/* Reset the clients that are counted in @tally. */
void loopback_drop(struct loopback *loopback, const struct tally *tally);

struct loopback_stats loopback_stats(const struct loopback *loopback);

#endif
