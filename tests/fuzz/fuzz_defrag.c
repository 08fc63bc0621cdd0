/* Any sequence of frames: what is put together is within its bounds, is inside what was sent, and is a
 * frame or is named as none; no more is held than may be. An input is a row of frames, each behind
 * the two bytes of its length, big endian, whose highest bit has time pass.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "net/defrag.h"
#include "wire/bytes.h"

#define LATER_FLAG 0x8000
#define LATER_MS (DEFRAG_AGE_MAX_MS / 2)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check_held(const struct defrag *defrag, size_t sent)
{
	size_t held = 0, incomplete = 0;

	for (size_t i = 0; i < DEFRAG_PACKETS; i++) {
		const struct defrag_packet *packet = &defrag->packets[i];

		if (!packet->frame)
			continue;
		held++;
		incomplete += packet->len;
		if (packet->len > FRAME_MAX || packet->header >= packet->len)
			abort();
	}
	if (held != defrag->held || incomplete > sent)
		abort();
}

static void check_whole(const uint8_t *whole, size_t len, size_t sent)
{
	struct frame frame;

	if (len > FRAME_MAX || len > sent)
		abort();
	if (frame_parse(whole, len, &frame) == FRAME_OK && frame.len != len)
		abort();
}

/* In memory of just its size. */
static void send(struct defrag *defrag, const uint8_t *bytes, size_t len, int64_t now_ms,
		 size_t sent)
{
	g_autofree uint8_t *exact = g_memdup2(bytes, len);
	g_autofree uint8_t *whole = NULL;
	struct frame frame;
	ssize_t r;

	defrag_expire(defrag, now_ms);
	if (frame_parse(exact, len, &frame) != FRAME_OK || !frame.fragment)
		return;
	r = defrag_input(defrag, exact, &frame, now_ms, &whole);
	if ((r > 0) != (whole != NULL))
		abort();
	if (r > 0)
		check_whole(whole, (size_t)r, sent);
	check_held(defrag, sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct defrag defrag = { 0 };
	int64_t now_ms = 0;
	size_t sent = 0;

	while (len > 2) {
		const uint16_t field = get16(bytes);
		size_t frame_len = field & (LATER_FLAG - 1);

		bytes += 2;
		len -= 2;
		frame_len = MIN(frame_len, len);
		if (field & LATER_FLAG)
			now_ms += LATER_MS;
		sent += frame_len;
		send(&defrag, bytes, frame_len, now_ms, sent);
		bytes += frame_len;
		len -= frame_len;
	}
	defrag_done(&defrag);
	return 0;
}
