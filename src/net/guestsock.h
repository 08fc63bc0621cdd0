/* net/guestsock.h - sockets made in the guest's network namespace, asked for one by one.
 *
 * The other end is the broker (app/broker.h). A socket stays in the namespace in which it was made,
 * and connect(2) on it needs no rights there: so an engine without any reaches the guest's loopback.
 */
#ifndef NET_GUESTSOCK_H
#define NET_GUESTSOCK_H

#include <stddef.h>
#include <stdint.h>

struct guestsock;
struct guestsock_ask;
struct loop;

/* One message each; the reply comes with the descriptor if error is 0. Replies are in the order of
 * the requests.
 */
struct guestsock_request {
	int32_t family, type; /* of socket(2) */
};

struct guestsock_reply {
	int32_t error; /* 0 or -errno */
};

/* @fd is a non-blocking CLOEXEC socket and the callee's, and @error is 0. Or @fd is negative, and
 * @error says why: -EPIPE once the broker has gone, -EMFILE where we have no descriptor left for it, or
 * -errno of socket(2).
 */
typedef void guestsock_done_fn(int fd, int error, void *data);

/* @sock: the SOCK_SEQPACKET socket to the broker, borrowed, non-blocking from now on. 0 or -errno. */
int guestsock_new(struct loop *loop, int sock, struct guestsock **ret);
/* Nothing that was asked for may be outstanding, but what was cancelled. NULL is a no-op. */
void guestsock_free(struct guestsock *guestsock);

/* How many may be asked for now. */
size_t guestsock_room(const struct guestsock *guestsock);

/* @done is called once, from the loop and never from in here, unless cancelled before. -EPIPE or
 * -EAGAIN: nothing was asked, now or for ever.
 */
int guestsock_ask(struct guestsock *guestsock, int family, int type, guestsock_done_fn *done,
		  void *data, struct guestsock_ask **ret);
void guestsock_cancel(struct guestsock_ask *ask); /* NULL is a no-op */

#endif
