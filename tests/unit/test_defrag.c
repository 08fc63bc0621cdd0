/* net/defrag: fragments in order are a packet, all others are refused. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "frames.h"
#include "net/defrag.h"
#include "wire/checksum.h"

#define MORE 0x2000
#define MAX_LEN 65544

struct world {
	struct defrag defrag;
	uint8_t bytes[54 + 32 + MAX_LEN];
	uint8_t *whole; /* what was completed last */
	int64_t now_ms;
};

static void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* A fragment of packet @id with @len bytes that count up from their offset in the packet. */
static ssize_t send_fragment(struct world *world, unsigned id, size_t offset, size_t len,
			     unsigned more)
{
	static const uint8_t head[] = UDP4_FRAME;
	uint8_t *bytes = world->bytes, *packet = bytes + IP_OFFSET;
	struct frame frame;
	uint16_t sum;
	ssize_t r;

	memcpy(bytes, head, 34);
	put16(packet + 2, 20 + len);
	put16(packet + 4, id);
	put16(packet + 6, offset / 8 | more);
	sum = (uint16_t)~checksum_fold(checksum_add(0, packet, 20));
	memcpy(packet + 10, &sum, sizeof(sum));
	for (size_t i = 0; i < len; i++)
		bytes[34 + i] = (uint8_t)((offset + i) * 7 + id);
	g_assert_cmpint(frame_parse(bytes, 34 + len, &frame), ==, FRAME_OK);
	g_assert_true(frame.fragment);
	g_clear_pointer(&world->whole, g_free);
	r = defrag_input(&world->defrag, bytes, &frame, world->now_ms, &world->whole);
	g_assert_cmpint(r > 0, ==, world->whole != NULL);
	return r;
}

static void check_whole(const struct world *world, unsigned id, size_t len)
{
	const uint8_t *packet = world->whole + IP_OFFSET;

	g_assert_cmpuint((size_t)packet[2] << 8 | packet[3], ==, 20 + len);
	g_assert_cmpuint(packet[6] | packet[7], ==, 0);
	g_assert_cmphex(checksum_fold(checksum_add(0, packet, 20)), ==, 0xffff);
	for (size_t i = 0; i < len; i++)
		g_assert_cmpuint(packet[20 + i], ==, (uint8_t)(i * 7 + id));
}

static struct world *make_world(void)
{
	return g_new0(struct world, 1);
}

static void free_world(struct world *world)
{
	defrag_done(&world->defrag);
	g_free(world->whole);
	g_free(world);
}

static void test_in_order(void)
{
	struct world *world = make_world();

	g_assert_cmpint(send_fragment(world, 1, 0, 1480, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 2, 0, 8, MORE), ==, 0); /* two at the same time */
	g_assert_cmpint(send_fragment(world, 1, 1480, 1480, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 2, 8, 3, 0), ==, 34 + 11);
	check_whole(world, 2, 11);
	g_assert_cmpint(send_fragment(world, 1, 2960, 1, 0), ==, 34 + 2961);
	check_whole(world, 1, 2961);
	g_assert_cmpint(send_fragment(world, 1, 2960, 1, 0), ==, -ENOENT);
	free_world(world);
}

static void test_not_the_next(void)
{
	struct world *world = make_world();

	g_assert_cmpint(send_fragment(world, 1, 8, 8, MORE), ==, -ENOENT); /* not begun */
	g_assert_cmpint(send_fragment(world, 1, 0, 16, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 1, 24, 8, 0), ==, -ENOENT); /* leaves a hole */
	g_assert_cmpint(send_fragment(world, 9, 16, 8, 0), ==, -ENOENT); /* of another one */
	g_assert_cmpint(send_fragment(world, 1, 16, 8, 0), ==, 34 + 24);
	check_whole(world, 1, 24);
	g_assert_cmpuint(world->defrag.incomplete, ==, 0);
	free_world(world);
}

/* Whatever part of what is there comes again, nothing of the packet is believed any more. */
static void test_overlap(void)
{
	static const struct {
		size_t offset, len;
	} cases[] = { { 8, 8 }, { 8, 16 }, { 16, 8 }, { 16, 800 } };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct world *world = make_world();

		g_assert_cmpint(send_fragment(world, 1, 0, 24, MORE), ==, 0);
		g_assert_cmpint(send_fragment(world, 1, cases[i].offset, cases[i].len, MORE), ==,
				-ENOENT);
		g_assert_cmpuint(world->defrag.incomplete, ==, 1);
		g_assert_cmpuint(world->defrag.held, ==, 0);
		g_assert_cmpint(send_fragment(world, 1, 24, 8, 0), ==, -ENOENT);
		free_world(world);
	}
}

static void test_begun_anew(void)
{
	struct world *world = make_world();

	g_assert_cmpint(send_fragment(world, 1, 0, 800, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 1, 0, 8, MORE), ==, 0);
	g_assert_cmpuint(world->defrag.incomplete, ==, 1);
	g_assert_cmpint(send_fragment(world, 1, 8, 8, 0), ==, 34 + 16);
	check_whole(world, 1, 16);
	free_world(world);
}

static void test_sizes(void)
{
	struct world *world = make_world();

	g_assert_cmpint(send_fragment(world, 1, 0, 0, MORE), ==, -EINVAL);
	g_assert_cmpint(send_fragment(world, 1, 0, 15, MORE), ==, -EINVAL);
	g_assert_cmpint(send_fragment(world, 1, 0, 65512, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 1, 65512, 4, 0), ==, -EINVAL);
	g_assert_cmpint(send_fragment(world, 1, 65528, 1400, MORE), ==, -EINVAL);
	g_assert_cmpint(send_fragment(world, 1, 65512, 3, 0), ==, 34 + 65515);
	check_whole(world, 1, 65515);
	free_world(world);
}

/* The header of the first is that of the packet, and what does not fit behind it is refused. */
static void test_options(void)
{
	struct world *world = make_world();
	uint8_t first[24 + 34 + 8] = UDP4_FRAME, *packet = first + IP_OFFSET;
	struct frame frame;
	uint16_t sum;

	packet[0] = 0x46;
	put16(packet + 2, 24 + 8);
	put16(packet + 4, 1);
	put16(packet + 6, MORE);
	memset(packet + 20, 1, 4); /* no operation, four times */
	sum = (uint16_t)~checksum_fold(checksum_add(0, packet, 24));
	memcpy(packet + 10, &sum, sizeof(sum));
	g_assert_cmpint(frame_parse(first, sizeof(first), &frame), ==, FRAME_OK);
	g_assert_cmpint(defrag_input(&world->defrag, first, &frame, 0, &world->whole), ==, 0);
	g_assert_cmpint(send_fragment(world, 1, 8, 65504, MORE), ==, -EINVAL);
	g_assert_cmpint(send_fragment(world, 1, 8, 3, 0), ==, 38 + 11);
	g_assert_cmphex(world->whole[IP_OFFSET], ==, 0x46);
	free_world(world);
}

static void test_bad_checksum(void)
{
	struct world *world = make_world();
	struct frame frame;

	g_assert_cmpint(send_fragment(world, 1, 0, 8, MORE), ==, 0);
	world->bytes[IP_OFFSET + 8]--; /* time to live */
	g_assert_cmpint(frame_parse(world->bytes, 42, &frame), ==, FRAME_OK);
	g_assert_cmpint(defrag_input(&world->defrag, world->bytes, &frame, 0, &world->whole), ==,
			-EINVAL);
	free_world(world);
}

static void test_oldest_makes_room(void)
{
	struct world *world = make_world();

	for (unsigned id = 0; id <= DEFRAG_PACKETS; id++)
		g_assert_cmpint(send_fragment(world, id, 0, 8, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 0, 8, 8, 0), ==, -ENOENT);
	for (unsigned id = 1; id <= DEFRAG_PACKETS; id++)
		g_assert_cmpint(send_fragment(world, id, 8, 8, 0), ==, 34 + 16);
	g_assert_cmpuint(world->defrag.incomplete, ==, 1);
	g_assert_cmpuint(world->defrag.held, ==, 0);
	free_world(world);
}

static void test_age(void)
{
	struct world *world = make_world();

	g_assert_cmpint(send_fragment(world, 1, 0, 8, MORE), ==, 0);
	world->now_ms = 1;
	g_assert_cmpint(send_fragment(world, 2, 0, 8, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 1, 8, 8, MORE), ==, 0); /* makes it no younger */
	defrag_expire(&world->defrag, DEFRAG_AGE_MAX_MS);
	g_assert_cmpuint(world->defrag.held, ==, 2);
	defrag_expire(&world->defrag, DEFRAG_AGE_MAX_MS + 1);
	g_assert_cmpuint(world->defrag.held, ==, 1);
	g_assert_cmpuint(world->defrag.incomplete, ==, 1);
	g_assert_cmpint(send_fragment(world, 1, 16, 8, 0), ==, -ENOENT);
	g_assert_cmpint(send_fragment(world, 2, 8, 8, 0), ==, 34 + 16);
	free_world(world);
}

/* Over IPv6: hop-by-hop options in front of the fragment header, or none, and a number of 32 bits. */
struct piece6 {
	uint32_t id;
	size_t extension; /* bytes in front of the fragment header, of hop-by-hop options */
	uint8_t proto;
	size_t offset, len;
	bool more;
};

static ssize_t send6(struct world *world, const struct piece6 *piece)
{
	static const uint8_t head[] = TCP6_FRAME;
	const size_t data = 54 + piece->extension + 8;
	uint8_t *bytes = world->bytes, *fragment = bytes + 54 + piece->extension;
	struct frame frame;
	ssize_t r;

	memcpy(bytes, head, 54);
	put16(bytes + 18, piece->extension + 8 + piece->len);
	bytes[20] = piece->extension != 0 ? 0 : 44;
	if (piece->extension != 0) {
		memset(bytes + 54, 0, piece->extension);
		bytes[54] = 44;
		bytes[55] = (uint8_t)(piece->extension / 8 - 1);
	}
	fragment[0] = piece->proto;
	fragment[1] = 0xff; /* reserved: not looked at */
	put16(fragment + 2, piece->offset | 6 | piece->more);
	put16(fragment + 4, piece->id >> 16);
	put16(fragment + 6, piece->id & 0xffff);
	for (size_t i = 0; i < piece->len; i++)
		bytes[data + i] = (uint8_t)((piece->offset + i) * 7 + piece->id);
	g_assert_cmpint(frame_parse(bytes, data + piece->len, &frame), ==, FRAME_OK);
	g_assert_true(frame.fragment);
	g_assert_cmpuint(frame.fragment_header, ==, 54 + piece->extension);
	g_assert_cmpuint(frame.fragment_next, ==, piece->extension != 0 ? 54 : 20);
	g_clear_pointer(&world->whole, g_free);
	r = defrag_input(&world->defrag, bytes, &frame, world->now_ms, &world->whole);
	g_assert_cmpint(r > 0, ==, world->whole != NULL);
	return r;
}

/* The fragment header is gone and all that named it is true without it. */
static void check_whole6(const struct world *world, const struct piece6 *first, size_t len)
{
	const size_t data = 54 + first->extension;
	const uint8_t *bytes = world->whole;

	g_assert_cmpuint((size_t)bytes[18] << 8 | bytes[19], ==, first->extension + len);
	g_assert_cmpuint(bytes[first->extension != 0 ? 54 : 20], ==, first->proto);
	for (size_t i = 0; i < len; i++)
		g_assert_cmpuint(bytes[data + i], ==, (uint8_t)(i * 7 + first->id));
}

static void test_in_order6(void)
{
	for (size_t extension = 0; extension <= 24; extension += 8) {
		struct piece6 first = { 0x12345678, extension, 99, 0, 1232, true };
		struct piece6 second = { 0x12345678, 0, 98, 1232, 1232, true }; /* other headers */
		struct piece6 third = { 0x12345678, 16, 97, 2464, 1, false };
		struct piece6 other = { 0x22345678, 0, 99, 0, 8, true };
		const ssize_t expected = 54 + (ssize_t)extension + 2465;
		struct world *world = make_world();

		g_assert_cmpint(send6(world, &first), ==, 0);
		g_assert_cmpint(send6(world, &other), ==, 0);
		g_assert_cmpint(send6(world, &second), ==, 0);
		g_assert_cmpint(send6(world, &third), ==, expected);
		check_whole6(world, &first, 2465);
		g_assert_cmpint(send6(world, &third), ==, -ENOENT);
		g_assert_cmpuint(world->defrag.held, ==, 1);
		free_world(world);
	}
}

/* All of a packet, whatever is held under its number (RFC 6946). */
static void test_atomic(void)
{
	struct piece6 first = { 7, 0, 17, 0, 8, true }, second = { 7, 0, 17, 8, 8, false };
	struct piece6 atomic = { 7, 8, 99, 0, 13, false };
	struct world *world = make_world();

	g_assert_cmpint(send6(world, &first), ==, 0);
	g_assert_cmpint(send6(world, &atomic), ==, 62 + 13);
	check_whole6(world, &atomic, 13);
	g_assert_cmpint(send6(world, &second), ==, 54 + 16);
	check_whole6(world, &first, 16);
	g_assert_cmpuint(world->defrag.begun, ==, 1);
	free_world(world);
}

/* The first one again is an overlap here: numbers do not come round. */
static void test_overlap6(void)
{
	struct piece6 first = { 7, 0, 17, 0, 16, true }, again = first, inside = first;
	struct piece6 last = { 7, 0, 17, 16, 8, false };
	struct world *world = make_world();

	inside.offset = 8;
	for (int i = 0; i < 2; i++) {
		g_assert_cmpint(send6(world, &first), ==, 0);
		g_assert_cmpint(send6(world, i == 0 ? &again : &inside), ==, -ENOENT);
		g_assert_cmpint(send6(world, &last), ==, -ENOENT);
		g_assert_cmpuint(world->defrag.held, ==, 0);
	}
	g_assert_cmpuint(world->defrag.incomplete, ==, 2);
	free_world(world);
}

static void test_sizes6(void)
{
	static const struct {
		struct piece6 piece;
		ssize_t result;
	} cases[] = {
		{ { 1, 0, 17, 0, 0, true }, -EINVAL },
		{ { 1, 0, 17, 0, 0, false }, -EINVAL },
		{ { 1, 0, 17, 0, 9, true }, -EINVAL },
		{ { 1, 0, 17, 65528, 8, true }, -EINVAL },
		{ { 1, 8, 17, 65520, 8, false }, -EINVAL }, /* with what it has in front of it */
		{ { 2, 8, 17, 0, 65512, true }, 0 },
		{ { 2, 0, 17, 65512, 16, false }, -EINVAL },
		{ { 2, 0, 17, 65512, 15, false }, FRAME_MAX },
		{ { 3, 0, 17, 0, 65520, true }, 0 },
		{ { 3, 0, 17, 65520, 15, false }, FRAME_MAX },
	};
	struct world *world = make_world();

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%zu", i);
		g_assert_cmpint(send6(world, &cases[i].piece), ==, cases[i].result);
	}
	free_world(world);
}

/* Packets of both families with the same number are two. */
static void test_families(void)
{
	struct piece6 first = { 1, 0, 17, 0, 8, true }, last = { 1, 0, 17, 8, 8, false };
	struct world *world = make_world();

	g_assert_cmpint(send6(world, &first), ==, 0);
	g_assert_cmpint(send_fragment(world, 1, 0, 8, MORE), ==, 0);
	g_assert_cmpint(send6(world, &last), ==, 54 + 16);
	g_assert_cmpint(send_fragment(world, 1, 8, 8, 0), ==, 34 + 16);
	check_whole(world, 1, 16);
	free_world(world);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/defrag/in-order", test_in_order);
	g_test_add_func("/defrag/not-the-next", test_not_the_next);
	g_test_add_func("/defrag/overlap", test_overlap);
	g_test_add_func("/defrag/begun-anew", test_begun_anew);
	g_test_add_func("/defrag/sizes", test_sizes);
	g_test_add_func("/defrag/options", test_options);
	g_test_add_func("/defrag/bad-checksum", test_bad_checksum);
	g_test_add_func("/defrag/oldest-makes-room", test_oldest_makes_room);
	g_test_add_func("/defrag/age", test_age);
	g_test_add_func("/defrag/in-order6", test_in_order6);
	g_test_add_func("/defrag/atomic", test_atomic);
	g_test_add_func("/defrag/overlap6", test_overlap6);
	g_test_add_func("/defrag/sizes6", test_sizes6);
	g_test_add_func("/defrag/families", test_families);
	return g_test_run();
}
