#include "net/ring.h"

#include <glib.h>
#include <string.h>

void ring_init(struct ring *ring, size_t size)
{
	*ring = (struct ring){ .bytes = g_malloc(size), .size = size };
}

void ring_done(struct ring *ring)
{
	g_free(ring->bytes);
	*ring = (struct ring){ 0 };
}

size_t ring_room(const struct ring *ring)
{
	return ring->size - ring->len;
}

static void put_bytes(struct ring *ring, const uint8_t *bytes, size_t len)
{
	size_t end = (ring->start + ring->len) % ring->size;
	size_t first = ring->size - end;

	if (first > len)
		first = len;
	memcpy(ring->bytes + end, bytes, first);
	memcpy(ring->bytes, bytes + first, len - first);
	ring->len += len;
}

void ring_put(struct ring *ring, const struct iovec *parts, int count, size_t skip)
{
	for (int i = 0; i < count; i++) {
		size_t here = skip < parts[i].iov_len ? skip : parts[i].iov_len;

		skip -= here;
		if (here < parts[i].iov_len)
			put_bytes(ring, (const uint8_t *)parts[i].iov_base + here,
				  parts[i].iov_len - here);
	}
}

int ring_view(const struct ring *ring, size_t offset, size_t len, struct iovec ret[2])
{
	size_t at = (ring->start + offset) % ring->size;
	size_t first = ring->size - at;

	if (first >= len) {
		ret[0] = (struct iovec){ ring->bytes + at, len };
		return 1;
	}
	ret[0] = (struct iovec){ ring->bytes + at, first };
	ret[1] = (struct iovec){ ring->bytes, len - first };
	return 2;
}

void ring_take(struct ring *ring, size_t len)
{
	ring->len -= len;
	ring->start = ring->len == 0 ? 0 : (ring->start + len) % ring->size;
}
