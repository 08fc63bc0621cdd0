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
	uint8_t bytes[34 + MAX_LEN];
	uint8_t *whole; /* what was completed last */
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
	r = defrag_input(&world->defrag, bytes, &frame, &world->whole);
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
	g_assert_cmpint(send_fragment(world, 1, 8, 16, MORE), ==, -ENOENT); /* overlaps */
	g_assert_cmpint(send_fragment(world, 1, 24, 8, 0), ==, -ENOENT);    /* leaves a hole */
	g_assert_cmpint(send_fragment(world, 9, 16, 8, 0), ==, -ENOENT);    /* of another one */
	g_assert_cmpint(send_fragment(world, 1, 16, 8, 0), ==, 34 + 24);
	check_whole(world, 1, 24);
	free_world(world);
}

static void test_begun_anew(void)
{
	struct world *world = make_world();

	g_assert_cmpint(send_fragment(world, 1, 0, 800, MORE), ==, 0);
	g_assert_cmpint(send_fragment(world, 1, 0, 8, MORE), ==, 0);
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
	g_assert_cmpint(send_fragment(world, 1, 65512, 3, 0), ==, FRAME_MAX);
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
	g_assert_cmpint(defrag_input(&world->defrag, first, &frame, &world->whole), ==, 0);
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
	g_assert_cmpint(defrag_input(&world->defrag, world->bytes, &frame, &world->whole), ==,
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
	free_world(world);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/defrag/in-order", test_in_order);
	g_test_add_func("/defrag/not-the-next", test_not_the_next);
	g_test_add_func("/defrag/begun-anew", test_begun_anew);
	g_test_add_func("/defrag/sizes", test_sizes);
	g_test_add_func("/defrag/options", test_options);
	g_test_add_func("/defrag/bad-checksum", test_bad_checksum);
	g_test_add_func("/defrag/oldest-makes-room", test_oldest_makes_room);
	return g_test_run();
}
