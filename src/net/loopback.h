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
#include "wire/apireq.h"

struct loop;
struct loopback;
struct loopback_forward;
struct settings;
struct stats_table;

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

/* Whether a forward leads to the guest's loopback: its guest address is in 127/8, or ::1. */
bool loopback_is_meant(const struct forward_spec *spec);

/* Listen, as forward_listen() does (net/forward.h); the guest address of @spec is one that
 * loopback_is_meant(). -EOPNOTSUPP for UDP.
 */
int loopback_forward_listen(struct loop *loop, struct loopback *loopback,
			    const struct settings *settings, const struct forward_spec *spec,
			    struct loopback_forward **ret);

/* Stop listening; what has been accepted goes on. NULL is a no-op. */
void loopback_forward_close(struct loopback_forward *forward);

struct loopback_stats loopback_stats(const struct loopback *loopback);

#endif
