#include "net/bytequeue.h"

#include <glib.h>
#include <string.h>

#include "net/pool.h"

#define TAIL_MIN 2048 /* free bytes in the last buffer that are worth a part of their own */

static uint32_t used(const struct pool_buffer *buffer)
{
	return buffer->end - buffer->start;
}

static void link_last(struct bytequeue *queue, struct pool_buffer *buffer)
{
	if (queue->last)
		queue->last->next = buffer;
	else
		queue->first = buffer;
	queue->last = buffer;
}

uint32_t bytequeue_append(struct bytequeue *queue, struct pool *pool, const uint8_t *bytes,
			  uint32_t len)
{
	uint32_t taken = 0;

	while (taken < len) {
		struct pool_buffer *buffer = queue->last;
		uint32_t here;

		if (!buffer || buffer->end == POOL_BUFFER_SIZE) {
			buffer = pool_get(pool);
			if (!buffer)
				break;
			link_last(queue, buffer);
		}
		here = MIN(len - taken, POOL_BUFFER_SIZE - buffer->end);
		memcpy(buffer->data + buffer->end, bytes + taken, here);
		buffer->end += here;
		taken += here;
	}
	queue->len += taken;
	return taken;
}

void bytequeue_join(struct bytequeue *queue, struct pool *pool, struct bytequeue *tail)
{
	struct pool_buffer *first = tail->first, *last = queue->last;

	queue->len += tail->len;
	if (first && last && used(first) <= POOL_BUFFER_SIZE - last->end) {
		memcpy(last->data + last->end, first->data + first->start, used(first));
		last->end += used(first);
		tail->first = first->next;
		pool_put(pool, first);
	}
	if (tail->first) {
		link_last(queue, tail->first);
		queue->last = tail->last;
	}
	*tail = (struct bytequeue){ 0 };
}

void bytequeue_drop(struct bytequeue *queue, struct pool *pool, uint32_t len)
{
	queue->len -= len;
	while (queue->first) {
		struct pool_buffer *buffer = queue->first;
		uint32_t here = MIN(len, used(buffer));

		buffer->start += here;
		len -= here;
		if (buffer->start != buffer->end)
			return;
		queue->first = buffer->next;
		if (!queue->first)
			queue->last = NULL;
		pool_put(pool, buffer);
	}
}

const uint8_t *bytequeue_at(const struct bytequeue *queue, uint32_t offset, uint32_t *len)
{
	const struct pool_buffer *buffer = queue->first;

	while (buffer && offset >= used(buffer)) {
		offset -= used(buffer);
		buffer = buffer->next;
	}
	if (!buffer)
		return NULL;
	*len = MIN(*len, used(buffer) - offset);
	return buffer->data + buffer->start + offset;
}

size_t bytequeue_gather(const struct bytequeue *queue, struct iovec *parts, size_t max)
{
	size_t count = 0;

	for (struct pool_buffer *at = queue->first; at && count < max; at = at->next) {
		parts[count].iov_base = at->data + at->start;
		parts[count++].iov_len = used(at);
	}
	return count;
}

size_t bytequeue_offer(struct bytequeue *queue, struct pool *pool, uint32_t len, uint32_t piece,
		       struct iovec *parts, size_t max, struct bytequeue_room *ret)
{
	struct pool_buffer *last = queue->last;
	struct pool_buffer **at = &ret->fresh;
	size_t count = 0;

	*ret = (struct bytequeue_room){ 0 };
	if (last && POOL_BUFFER_SIZE - last->end >= MIN(len, TAIL_MIN)) {
		ret->tail = last;
		parts[0].iov_base = last->data + last->end;
		parts[0].iov_len = MIN(MIN(len, piece), POOL_BUFFER_SIZE - last->end);
		len -= (uint32_t)parts[count++].iov_len;
	}
	while (len > 0 && count < max && (*at = pool_get(pool))) {
		parts[count].iov_base = (*at)->data;
		parts[count].iov_len = MIN(MIN(len, piece), POOL_BUFFER_SIZE);
		len -= (uint32_t)parts[count++].iov_len;
		at = &(*at)->next;
	}
	return count;
}

void bytequeue_accept(struct bytequeue *queue, struct pool *pool, struct bytequeue_room *room,
		      const struct iovec *parts, uint32_t len)
{
	queue->len += len;
	if (room->tail) {
		uint32_t here = MIN(len, (uint32_t)parts->iov_len);

		room->tail->end += here;
		len -= here;
		parts++;
	}
	for (; room->fresh; parts++) {
		struct pool_buffer *buffer = room->fresh;
		uint32_t here = MIN(len, (uint32_t)parts->iov_len);

		room->fresh = buffer->next;
		buffer->next = NULL;
		if (here == 0) {
			pool_put(pool, buffer);
			continue;
		}
		buffer->end = here;
		len -= here;
		link_last(queue, buffer);
	}
}
