/* net/bytequeue.h - bytes waiting in buffers of a pool (net/pool.h).
 *
 * Zero-initialised it is empty, and an empty one holds no buffer. It does not know its pool: every
 * call gets the same one. No call fails but for want of buffers.
 */
#ifndef NET_BYTEQUEUE_H
#define NET_BYTEQUEUE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct pool;
struct pool_buffer;

struct bytequeue {
	struct pool_buffer *first, *last;
	uint32_t len; /* bytes */
};

/* Copy bytes to the end. The count: less than @len when the pool had no more. */
uint32_t bytequeue_append(struct bytequeue *queue, struct pool *pool, const uint8_t *bytes,
			  uint32_t len);

/* Move all of @tail to the end. A first buffer of it that fits into the room left in the last one is
 * copied and goes back: what was many small queues does not stay a buffer for each.
 */
void bytequeue_join(struct bytequeue *queue, struct pool *pool, struct bytequeue *tail);

/* Forget bytes at the front; @len is no more than there are. */
void bytequeue_drop(struct bytequeue *queue, struct pool *pool, uint32_t len);

/* The bytes at @offset that lie together: *len is cut to them. NULL past the end. */
const uint8_t *bytequeue_at(const struct bytequeue *queue, uint32_t offset, uint32_t *len);

/* All bytes from the front for writev(2), in up to @max parts. The number of parts. */
size_t bytequeue_gather(const struct bytequeue *queue, struct iovec *parts, size_t max);

/* Room to read straight into. */
struct bytequeue_room {
	struct pool_buffer *tail;  /* the queue's last buffer, if the first part is in it */
	struct pool_buffer *fresh; /* one for each other part */
};

/* Offer room for up to @len bytes behind the end, in up to @max parts of at most @piece bytes, so
 * that pieces of that size lie together. The number of parts; 0: the pool has nothing. None of the
 * three numbers is 0. Between this and bytequeue_accept() nothing else may be done to the queue.
 */
size_t bytequeue_offer(struct bytequeue *queue, struct pool *pool, uint32_t len, uint32_t piece,
		       struct iovec *parts, size_t max, struct bytequeue_room *ret);

/* @len bytes have been read into what was offered, in the order of @parts; the rest goes back. */
void bytequeue_accept(struct bytequeue *queue, struct pool *pool, struct bytequeue_room *room,
		      const struct iovec *parts, uint32_t len);

#endif
