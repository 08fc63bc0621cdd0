/* wire/framing: frames out of a stream, whatever the pieces that it comes in. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "wire/framing.h"

static struct framing *new_framing(void)
{
	struct framing *framing = g_new(struct framing, 1);

	framing->start = framing->end = 0;
	return framing;
}

static void feed(struct framing *framing, const void *bytes, size_t len)
{
	size_t room;
	uint8_t *into = framing_room(framing, &room);

	g_assert_cmpuint(room, >=, len);
	memcpy(into, bytes, len);
	framing_filled(framing, len);
}

static void test_pieces(void)
{
	static const uint8_t stream[] = "\0\0\0\16abcdefghijklmn\0\0\0\17ABCDEFGHIJKLMNO";
	g_autofree struct framing *framing = new_framing();
	const uint8_t *frame = NULL;
	size_t frames = 0;

	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		ssize_t len;

		feed(framing, stream + i, 1);
		g_assert_cmpint(framing_has_next(framing), ==, i == 17 || i == 36);
		len = framing_next(framing, &frame);
		if (len > 0)
			g_assert_cmpint(frame[0], ==, frames++ == 0 ? 'a' : 'A');
	}
	g_assert_cmpuint(frames, ==, 2);
	feed(framing, stream, sizeof(stream) - 1); /* many in one piece */
	g_assert_cmpint(framing_next(framing, &frame), ==, 14);
	g_assert_cmpint(framing_next(framing, &frame), ==, 15);
	g_assert_cmpint(framing_next(framing, &frame), ==, 0);
}

static void test_lengths(void)
{
	static const struct {
		size_t len;
		ssize_t verdict; /* before anything behind the length is there */
	} rows[] = {
		{ 0, -EPROTO },
		{ 13, -EPROTO },
		{ 14, 0 },
		{ FRAME_MAX, 0 },
		{ FRAME_MAX + 1, -EPROTO },
		{ UINT32_MAX, -EPROTO },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree struct framing *framing = new_framing();
		uint8_t prefix[FRAMING_PREFIX];
		const uint8_t *frame;

		framing_put_prefix(prefix, rows[i].len);
		feed(framing, prefix, sizeof(prefix));
		g_assert_cmpint(framing_next(framing, &frame), ==, rows[i].verdict);
		g_assert_cmpint(framing_next(framing, &frame), ==, rows[i].verdict);
	}
}

static void test_longest(void)
{
	g_autofree struct framing *framing = new_framing();
	g_autofree uint8_t *stream = g_malloc0(FRAMING_PREFIX + FRAME_MAX);
	const uint8_t *frame;

	framing_put_prefix(stream, FRAME_MAX);
	for (int i = 0; i < 5; i++) { /* from any place in the buffer */
		feed(framing, stream, 1000);
		g_assert_cmpint(framing_next(framing, &frame), ==, 0);
		feed(framing, stream + 1000, FRAMING_PREFIX + FRAME_MAX - 1000);
		g_assert_cmpint(framing_next(framing, &frame), ==, FRAME_MAX);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/framing/pieces", test_pieces);
	g_test_add_func("/framing/lengths", test_lengths);
	g_test_add_func("/framing/longest", test_longest);
	return g_test_run();
}
