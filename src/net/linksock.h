/* net/linksock.h - a link over a socket: what net/link.c needs for one that is no TAP.
 *
 * A socket is not a device: it has room for a few frames only, so what it does not take at once waits
 * in a queue here, up to LINKSOCK_QUEUE bytes, and goes when linksock_flush() is called. Never
 * blocks. The descriptor stays the caller's.
 */
#ifndef NET_LINKSOCK_H
#define NET_LINKSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/link.h"

#define LINKSOCK_QUEUE (2 * 1024 * 1024) /* bytes: twice what one flow may have on the way */

struct linksock;

/* @kind is any but LINK_TAP; @stats is borrowed. */
struct linksock *linksock_new(enum link_kind kind, int fd, const struct addrplan *plan,
			      struct link_stats *stats);
void linksock_free(struct linksock *sock); /* NULL is a no-op; what waits is lost */

/* Count there from now on; borrowed. */
void linksock_set_stats(struct linksock *sock, struct link_stats *stats);

/* As link_receive(). */
ssize_t linksock_receive(struct linksock *sock, uint8_t *buffer, size_t size);

/* The frame is in two parts: @parts[0] holds all of its headers. False: it does
 * not go; where that is a drop it has been counted.
 */
bool linksock_send(struct linksock *sock, const struct iovec parts[2]);

bool linksock_has_input(const struct linksock *sock);
bool linksock_has_output(const struct linksock *sock);
void linksock_flush(struct linksock *sock);

/* The other side of a stream takes no more frames, ever, though what it has sent can perhaps be read: of that the
 * end would tell, but it need not come.
 */
bool linksock_is_broken(const struct linksock *sock);

#endif
