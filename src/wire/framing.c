#include "wire/framing.h"

#include <errno.h>
#include <string.h>

#include "wire/bytes.h"

uint8_t *framing_room(struct framing *framing, size_t *ret_size)
{
	const size_t left = framing->end - framing->start;

	memmove(framing->bytes, framing->bytes + framing->start, left);
	framing->start = 0;
	framing->end = left;
	*ret_size = sizeof(framing->bytes) - left;
	return framing->bytes + left;
}

void framing_filled(struct framing *framing, size_t len)
{
	framing->end += len;
}

static ssize_t look(const struct framing *framing)
{
	const size_t left = framing->end - framing->start;
	uint32_t len;

	if (left < FRAMING_PREFIX)
		return 0;
	len = get32(framing->bytes + framing->start);
	if (len < FRAME_ETHER_HEADER || len > FRAME_MAX)
		return -EPROTO;
	return left - FRAMING_PREFIX < len ? 0 : (ssize_t)len;
}

ssize_t framing_next(struct framing *framing, const uint8_t **ret)
{
	ssize_t len = look(framing);

	if (len <= 0)
		return len;
	*ret = framing->bytes + framing->start + FRAMING_PREFIX;
	framing->start += FRAMING_PREFIX + (size_t)len;
	return len;
}

bool framing_has_next(const struct framing *framing)
{
	return look(framing) != 0;
}

void framing_put_prefix(uint8_t out[FRAMING_PREFIX], size_t len)
{
	put32(out, (uint32_t)len);
}
