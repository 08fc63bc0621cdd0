/* net/ring.h - bytes that wait for a socket, in a buffer of a fixed size.
 *
 * The buffer's pages are the kernel's until they are written to, and the bytes start at its front
 * again whenever it was empty: one that is never used costs nothing. Pure.
 */
#ifndef NET_RING_H
#define NET_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct ring {
	uint8_t *bytes; /* owned; NULL: not initialised */
	size_t size;
	size_t start; /* of the oldest byte */
	size_t len;
};

void ring_init(struct ring *ring, size_t size);
void ring_done(struct ring *ring); /* zeroed: a no-op */

size_t ring_room(const struct ring *ring);

/* Copy @count parts from byte @skip of them on; there must be room. */
void ring_put(struct ring *ring, const struct iovec *parts, int count, size_t skip);

/* Where the @len bytes from @offset on are, all of which must be there. Returns how many of @ret count. */
int ring_view(const struct ring *ring, size_t offset, size_t len, struct iovec ret[2]);

void ring_take(struct ring *ring, size_t len); /* forget the oldest */

#endif
