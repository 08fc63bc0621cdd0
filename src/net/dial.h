/* net/dial.h - get a connected TCP socket to somewhere, later.
 *
 * Asynchronous and cancellable; knows nothing of who asks. Today there is one dialer, which
 * connects directly; others go through proxies.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdint.h>

#include "wire/inet.h"

struct dial;
struct loop;

struct dial_target {
	struct ip ip;
	uint16_t port;
	uint32_t scope; /* the interface of a link-local IPv6 address; 0: none */
	struct ip from; /* local address to bind to; IP_NONE: the kernel chooses */
};

/* @fd is connected, non-blocking and CLOEXEC, and the callee's; @error is 0 then. Or @fd is
 * negative and @error says why as a program on the host would have been told: -ECONNREFUSED,
 * -EHOSTUNREACH, -ENETUNREACH, -EACCES, -EPERM, -ETIMEDOUT, -EMFILE, ... Addresses of two families,
 * or of none, are -EAFNOSUPPORT. The dial has ended: no call with it may follow.
 */
typedef void dial_done_fn(int fd, int error, void *data);

/* Start. @done is called once, from the loop and never from in here, unless cancelled before.
 * @target is copied; @loop is borrowed, and is freed after every dial has ended.
 */
struct dial *dial_start(struct loop *loop, const struct dial_target *target, dial_done_fn *done,
			void *data);

/* The same with a socket made elsewhere, owned from the call on: non-blocking, of the family of
 * target->ip; target->from does not count. Or -errno, which is then the outcome.
 */
struct dial *dial_start_on(struct loop *loop, int fd, const struct dial_target *target,
			   dial_done_fn *done, void *data);

/* Give up, in any callback; @done will not be called, even where the outcome is already there. */
void dial_cancel(struct dial *dial); /* NULL is a no-op */

#endif
