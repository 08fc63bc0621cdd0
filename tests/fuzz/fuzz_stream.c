/* A stream in pieces of any size gives the same frames as the same stream in one piece, none of them
 * shorter or longer than a frame may be, and nothing after a length that no frame has.
 */
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* Where the stream is, as a reader of all of it sees it. */
struct reader {
	const uint8_t *bytes;
	size_t len, at;
};

static ssize_t expected(struct reader *reader, const uint8_t **ret)
{
	uint32_t len;

	if (reader->len - reader->at < FRAMING_PREFIX)
		return 0;
	len = get32(reader->bytes + reader->at);
	if (len < FRAME_ETHER_HEADER || len > FRAME_MAX)
		return -EPROTO;
	if (reader->len - reader->at - FRAMING_PREFIX < len)
		return 0;
	*ret = reader->bytes + reader->at + FRAMING_PREFIX;
	reader->at += FRAMING_PREFIX + len;
	return len;
}

/* Everything that is there; false: no more will come. */
static bool take_frames(struct framing *framing, struct reader *reader)
{
	const uint8_t *got = NULL, *wanted = NULL;
	ssize_t len;

	while ((len = framing_next(framing, &got)) != 0) {
		if (len != expected(reader, &wanted))
			abort();
		if (len < 0)
			return false;
		if (memcmp(got, wanted, (size_t)len) != 0)
			abort();
	}
	return true;
}

/* The first byte of the input says how the rest is cut. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	g_autofree struct framing *framing = g_new(struct framing, 1);
	const size_t piece = len > 0 && bytes[0] > 0 ? bytes[0] * bytes[0] : 1;
	struct reader reader = { bytes, len, 1 };
	size_t at = 1;
	bool more = true;

	framing->start = framing->end = 0;
	while (at < len && more) {
		size_t room;
		uint8_t *into = framing_room(framing, &room);
		size_t here = MIN(MIN(piece, len - at), room);

		if (here == 0)
			abort();
		memcpy(into, bytes + at, here);
		framing_filled(framing, here);
		at += here;
		more = take_frames(framing, &reader);
	}
	if (more && len > 0 && expected(&reader, &bytes) > 0)
		abort();
	return 0;
}
