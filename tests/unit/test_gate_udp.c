/* net/gate: what is offered to our own UDP, and what a hostile guest cannot get through to it. */
#include "gate_world.h"
#include "wire/checksum.h"
#include "wire/udpgram.h"

#define LARGE_MAX (54 + 8 + 65535)

static void make_udp_world(struct world *world)
{
	make_world(world);
	world->gate.tcp = take_tcp;
	world->gate.udp = take_udp;
}

/* Into a new gate with the hook, in memory of just its size: what it is dropped for. */
static enum gate_drop offer(struct world *world, const uint8_t *bytes, size_t len,
			    const struct link_info *info)
{
	g_autofree uint8_t *frame = g_memdup2(bytes, len);
	enum gate_drop drop = GATE_OK;
	uint64_t drops = 0;

	make_udp_world(world);
	gate_input(&world->gate, frame, len, info);
	for (int i = 0; i < GATE_DROPS; i++) {
		drops += world->gate.drops[i];
		if (world->gate.drops[i] != 0)
			drop = (enum gate_drop)i;
	}
	for (int i = 0; i < FRAME_FAULTS; i++)
		drops += world->gate.faults[i];
	g_assert_cmpuint(world->gate.taken_udp, ==, world->udp_frames);
	g_assert_cmpuint(world->gate.passed, ==, world->stack_frames);
	g_assert_cmpuint(drops + world->udp_frames + world->stack_frames, ==, 1);
	return drop;
}

/* UDP goes there as it is, TFTP and low delay and all, and nothing else does. */
static void test_hook(void)
{
	uint8_t frame[] = UDP4_FRAME, frame6[] = UDP6_FRAME, tcp[] = URGENT4_FRAME;
	const struct link_info partial = { .checksum_partial = true,
					   .csum_start = 34,
					   .csum_offset = 6 };
	struct world world;

	frame[IP_OFFSET + 1] = 0x10; /* low delay */
	put16(frame + UDP_OFFSET + 2, 69);
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.2");
	g_assert_cmpint(offer(&world, frame, sizeof(frame), &partial), ==, GATE_OK);
	g_assert_cmpuint(world.udp_frames, ==, 1);
	g_assert_cmpuint(world.last_len, ==, sizeof(frame));
	g_assert_cmpmem(world.last, sizeof(frame), frame, sizeof(frame));
	g_assert_cmpint(offer(&world, frame6, sizeof(frame6), &plain), ==, GATE_OK);
	g_assert_cmpuint(world.udp_frames, ==, 1);

	make_udp_world(&world);
	gate_input(&world.gate, tcp, sizeof(tcp), &plain);
	g_assert_cmpuint(world.tcp_frames, ==, 1);
	g_assert_cmpuint(world.udp_frames, ==, 0);
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.77");
	g_assert_cmpint(offer(&world, frame, sizeof(frame), &partial), ==, GATE_NOWHERE);
	put_ip4(frame + IP_OFFSET + 12, "192.0.2.9");
	g_assert_cmpint(offer(&world, frame, sizeof(frame), &partial), ==, GATE_SOURCE);
}

/* DHCP stays with libslirp, at the addresses at which it answers; what is said elsewhere on that
 * port is a datagram like any other.
 */
static void test_dhcp(void)
{
	static const struct {
		const char *src, *dst;
		bool dhcp;
		enum gate_drop drop;
	} cases[] = {
		{ "0.0.0.0", "255.255.255.255", true, GATE_OK },
		{ "10.0.2.100", "255.255.255.255", true, GATE_OK },
		{ "10.0.2.100", "10.0.2.255", true, GATE_OK },
		{ "10.0.2.100", "10.0.2.2", true, GATE_OK },
		{ "10.0.2.100", "10.0.2.3", false, GATE_OK },
		{ "10.0.2.100", "192.0.2.2", false, GATE_OK },
		{ "0.0.0.0", "192.0.2.2", false, GATE_SOURCE },
	};
	uint8_t dhcp6[] = UDP6_FRAME;
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t frame[] = UDP4_FRAME;

		put16(frame + UDP_OFFSET + 2, 67);
		put_ip4(frame + IP_OFFSET + 12, cases[i].src);
		put_ip4(frame + IP_OFFSET + 16, cases[i].dst);
		g_assert_cmpint(offer(&world, frame, sizeof(frame), &plain), ==, cases[i].drop);
		g_assert_cmpuint(world.stack_frames, ==, cases[i].dhcp);
	}
	put16(dhcp6 + UDP6_OFFSET + 2, 547);
	g_assert_cmpint(offer(&world, dhcp6, sizeof(dhcp6), &plain), ==, GATE_DHCP6);
	put16(dhcp6 + UDP6_OFFSET + 2, 67);
	g_assert_cmpint(offer(&world, dhcp6, sizeof(dhcp6), &plain), ==, GATE_OK);
	g_assert_cmpuint(world.udp_frames, ==, 1);
	put_ip6(dhcp6 + IP_OFFSET + 8, "::"); /* as for neighbour discovery */
	g_assert_cmpint(offer(&world, dhcp6, sizeof(dhcp6), &plain), ==, GATE_SOURCE);
}

/* A frame of @len bytes of payload, its lengths true. */
static size_t make_large(uint8_t *frame, bool v6, size_t len)
{
	static const uint8_t head4[] = UDP4_FRAME, head6[] = UDP6_FRAME;
	const size_t transport = v6 ? UDP6_OFFSET : UDP_OFFSET;

	memcpy(frame, v6 ? head6 : head4, transport + 8);
	memset(frame + transport + 8, 'x', len);
	put16(frame + transport + 4, (unsigned)(8 + len));
	if (v6)
		put16(frame + IP_OFFSET + 4, (unsigned)(8 + len));
	else
		put16(frame + IP_OFFSET + 2, (unsigned)(20 + 8 + len));
	return transport + 8 + len;
}

#define USO LINK_GSO_UDP
#define TSO4 1
#define UFO 3

/* Many datagrams in one frame: of a size that the link has, and not more than a kernel would cut. */
static void test_segments(void)
{
	static const struct {
		bool v6;
		uint16_t type, size;
		size_t len;
		enum gate_drop drop;
	} cases[] = {
		{ false, USO, 1472, 1473, GATE_OK },
		{ false, USO, 1472, 60000, GATE_OK },
		{ false, USO, 1473, 60000, GATE_OVER_MTU },
		{ true, USO, 1452, 60000, GATE_OK },
		{ true, USO, 1453, 60000, GATE_OVER_MTU },
		{ false, USO, 65535, 60000, GATE_LARGE },
		{ false, USO, 1, 2, GATE_OK },
		{ false, USO, 1, 1, GATE_LARGE }, /* are not several */
		{ false, USO, 1, 0, GATE_LARGE },
		{ false, USO, 0, 1000, GATE_LARGE },
		{ false, USO, 0, 0, GATE_LARGE },
		{ false, USO, 1000, 1000, GATE_LARGE },
		{ false, USO, 1001, 1000, GATE_LARGE },
		{ false, USO, 1, GATE_UDP_SEGMENTS, GATE_OK },
		{ false, USO, 1, GATE_UDP_SEGMENTS + 1, GATE_LARGE },
		{ true, USO, 100, 100 * GATE_UDP_SEGMENTS, GATE_OK },
		{ true, USO, 100, 100 * GATE_UDP_SEGMENTS + 1, GATE_LARGE },
		{ false, 0, 1000, 1400, GATE_LARGE }, /* of no kind */
		{ false, TSO4, 1000, 1400, GATE_LARGE },
		{ false, UFO, 1000, 1400, GATE_LARGE },
		{ false, USO | 0x80, 1000, 1400, GATE_LARGE },
		{ false, 0xffff, 1000, 1400, GATE_LARGE },
		{ false, 0, 0, 1472, GATE_OK },
		{ false, 0, 0, 1473, GATE_OVER_MTU },
		{ true, 0, 0, 1452, GATE_OK },
		{ true, 0, 0, 1453, GATE_OVER_MTU },
	};
	g_autofree uint8_t *frame = g_malloc(LARGE_MAX);
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct link_info info = {
			.checksum_partial = true,
			.checksum_valid = true,
			.csum_start = cases[i].v6 ? UDP6_OFFSET : UDP_OFFSET,
			.csum_offset = 6,
			.gso_type = cases[i].type,
			.gso_size = cases[i].size,
		};
		const size_t len = make_large(frame, cases[i].v6, cases[i].len);

		g_test_message("%zu", i);
		g_assert_cmpint(offer(&world, frame, len, &info), ==, cases[i].drop);
		g_assert_cmpuint(world.udp_frames, ==, cases[i].drop == GATE_OK);
	}
}

/* Without the hook, and for DHCP, such a frame is what it was before: too large. */
static void test_segments_for_slirp(void)
{
	const struct link_info info = { .gso_type = USO, .gso_size = 100 };
	uint8_t frame[UDP_OFFSET + 8 + 200];
	struct world world;

	make_large(frame, false, 200);
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &info), ==, GATE_LARGE);
	put16(frame + UDP_OFFSET + 2, 67);
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.2");
	g_assert_cmpint(offer(&world, frame, sizeof(frame), &info), ==, GATE_LARGE);
}

/* A length of UDP that its packet does not have is none; one that is shorter cuts, and does not lie
 * about how much there is to cut up.
 */
static void test_lengths(void)
{
	static const struct {
		uint16_t udp, gso_size;
		bool fault;
		enum gate_drop drop;
		size_t payload;
	} cases[] = {
		{ 208, 0, false, GATE_OK, 200 },    { 209, 0, true, GATE_OK, 0 },
		{ 0xffff, 0, true, GATE_OK, 0 },    { 7, 0, true, GATE_OK, 0 },
		{ 0, 0, true, GATE_OK, 0 },	    { 8, 0, false, GATE_OK, 0 },
		{ 9, 0, false, GATE_OK, 1 },	    { 8, 1, false, GATE_LARGE, 0 },
		{ 9, 1, false, GATE_LARGE, 0 },	    { 10, 1, false, GATE_OK, 2 },
		{ 108, 100, false, GATE_LARGE, 0 }, { 109, 100, false, GATE_OK, 101 },
		{ 209, 100, true, GATE_OK, 0 },
	};

	for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
		const bool v6 = i % 2 == 1;
		const size_t transport = v6 ? UDP6_OFFSET : UDP_OFFSET;
		const struct link_info info = { .gso_type = cases[i / 2].gso_size != 0 ? USO : 0,
						.gso_size = cases[i / 2].gso_size };
		uint8_t bytes[UDP6_OFFSET + 8 + 200];
		const size_t len = make_large(bytes, v6, 200);
		struct frame frame;
		struct udpgram gram;
		struct world world;

		g_test_message("%zu", i);
		put16(bytes + transport + 4, cases[i / 2].udp);
		g_assert_cmpint(offer(&world, bytes, len, &info), ==, cases[i / 2].drop);
		g_assert_cmpuint(world.gate.faults[FRAME_BAD_TRANSPORT], ==, cases[i / 2].fault);
		if (world.udp_frames == 0)
			continue;
		g_assert_cmpint(frame_parse(world.last, world.last_len, &frame), ==, FRAME_OK);
		g_assert_true(udpgram_parse(world.last, &frame, &gram));
		g_assert_cmpuint(gram.len, ==, cases[i / 2].payload);
	}
}

/* A packet that ends before its UDP header does, and the ports 0. */
static void test_cut_and_ports(void)
{
	static const uint8_t whole[] = UDP4_FRAME;
	uint8_t bytes[] = UDP4_FRAME;
	struct udpgram gram;
	struct frame frame;
	struct world world;

	for (size_t len = 0; len < sizeof(whole); len++) {
		memcpy(bytes, whole, sizeof(whole));
		(void)offer(&world, bytes, len, &plain); /* what there is, is less than is said */
		g_assert_cmpuint(world.udp_frames, ==, 0);
		if (len < UDP_OFFSET)
			continue;
		put16(bytes + IP_OFFSET + 2, (unsigned)(len - IP_OFFSET));
		(void)offer(&world, bytes, len, &plain);
		g_assert_cmpuint(world.gate.faults[FRAME_BAD_TRANSPORT], ==, 1);
	}
	memcpy(bytes, whole, sizeof(whole));
	put16(bytes + UDP_OFFSET, 0);
	g_assert_cmpint(offer(&world, bytes, sizeof(bytes), &plain), ==, GATE_OK);
	g_assert_cmpint(frame_parse(bytes, sizeof(bytes), &frame), ==, FRAME_OK);
	g_assert_true(udpgram_parse(bytes, &frame, &gram));
	put16(bytes + UDP_OFFSET + 2, 0);
	g_assert_false(udpgram_parse(bytes, &frame, &gram));
}

/* A checksum that is left to us stands where UDP has it, or the frame is a lie. */
static void test_misplaced_checksum(void)
{
	static const struct {
		uint16_t start, offset;
		enum gate_drop drop;
	} cases[] = {
		{ 34, 6, GATE_OK },
		{ 34, 16, GATE_CHECKSUM },
		{ 34, 7, GATE_CHECKSUM },
		{ 33, 7, GATE_CHECKSUM },
		{ 14, 10, GATE_CHECKSUM },
		{ 40, 0, GATE_CHECKSUM },
		{ 0, 40, GATE_CHECKSUM },
		{ 0xffff, 6, GATE_CHECKSUM },
		{ 34, 0xffff, GATE_CHECKSUM },
		{ 0xffff, 0xffff, GATE_CHECKSUM },
		{ 54, 6, GATE_CHECKSUM },
	};
	static const uint8_t frame[] = UDP4_FRAME;
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct link_info info = { .checksum_partial = true,
						.checksum_valid = true,
						.csum_start = cases[i].start,
						.csum_offset = cases[i].offset };

		g_assert_cmpint(offer(&world, frame, sizeof(frame), &info), ==, cases[i].drop);
		g_assert_cmpmem(frame, sizeof(frame), (const uint8_t[])UDP4_FRAME, sizeof(frame));
	}
}

/* Send the fragments of a datagram of @len bytes through; what came out is it. */
static void send_in_fragments(struct world *world, bool v6, size_t len)
{
	static const struct mac mac = { { 2, 0, 0, 0, 0, 1 } };
	g_autofree uint8_t *bytes = g_malloc(LARGE_MAX);
	uint8_t out[UDPGRAM_FRAGMENT_HEADER_MAX];
	struct udpgram_fragments it;
	const uint8_t *payload;
	struct udpgram gram;
	struct frame frame;
	size_t header, piece;

	g_assert_cmpint(frame_parse(bytes, make_large(bytes, v6, len), &frame), ==, FRAME_OK);
	g_assert_true(udpgram_parse(bytes, &frame, &gram));
	udpgram_fragment_begin(&it, &gram, 1500, 9, &mac, &mac);
	while ((header = udpgram_fragment_next(&it, out, &payload, &piece)) > 0) {
		uint8_t *fragment = g_malloc(header + piece);

		memcpy(fragment, out, header);
		memcpy(fragment + header, payload, piece);
		gate_input(&world->gate, fragment, header + piece, &plain);
		g_free(fragment);
	}
}

/* Both families are put together for the hook; without it, IPv6 is not for libslirp. */
static void test_fragments(void)
{
	for (int v6 = 0; v6 <= 1; v6++) {
		struct world world;

		make_udp_world(&world);
		send_in_fragments(&world, v6, 3000);
		g_assert_cmpuint(world.udp_frames, ==, 1);
		g_assert_cmpuint(world.last_len, ==, (v6 ? UDP6_OFFSET : UDP_OFFSET) + 8 + 3000);
		g_assert_cmpuint(world.gate.held, ==, 2);
		send_in_fragments(&world, v6, 65507);
		g_assert_cmpuint(world.udp_frames, ==, 2);
		gate_done(&world.gate);

		make_world(&world);
		send_in_fragments(&world, v6, 3000);
		g_assert_cmpuint(world.stack_frames, ==, v6 ? 0 : 1);
		g_assert_cmpuint(world.gate.drops[GATE_FRAGMENT], ==, v6 ? 1 : 0);
		gate_done(&world.gate);
	}
}

/* IPv6 of @len bytes behind its header. */
static void send6(struct world *world, uint8_t next, const void *bytes, size_t len)
{
	static const uint8_t head[] = UDP6_FRAME;
	g_autofree uint8_t *frame = g_malloc(UDP6_OFFSET + len);

	memcpy(frame, head, UDP6_OFFSET);
	memcpy(frame + UDP6_OFFSET, bytes, len);
	put16(frame + IP_OFFSET + 4, (unsigned)len);
	frame[IP_OFFSET + 6] = next;
	gate_input(&world->gate, frame, UDP6_OFFSET + len, &plain);
}

/* A packet that says that it is a fragment and is all of it; a fragment in one; one that has no UDP
 * header in it.
 */
static void test_atomic(void)
{
	static const uint8_t atomic[] = { 17, 0, 0, 0, 0, 0, 0, 1, 0x0f, 0xa0, 0, 53, 0, 8, 0, 0 };
	static const uint8_t nested[] = { 44, 0, 0, 0, 0,    0,	   0, 1,  17, 0, 0, 0,
					  0,  0, 0, 1, 0x0f, 0xa0, 0, 53, 0,  8, 0, 0 };
	static const uint8_t cut[] = { 17, 0, 0, 0, 0, 0, 0, 1, 0x0f, 0xa0, 0, 53 };
	static const uint8_t empty[] = { 17, 0, 0, 0, 0, 0, 0, 1 };
	struct world world;

	make_udp_world(&world);
	send6(&world, 44, atomic, sizeof(atomic));
	g_assert_cmpuint(world.udp_frames, ==, 1);
	g_assert_cmpuint(world.last_len, ==, UDP6_OFFSET + 8);
	send6(&world, 44, nested, sizeof(nested));
	g_assert_cmpuint(world.gate.drops[GATE_FRAGMENT], ==, 1);
	send6(&world, 44, cut, sizeof(cut));
	g_assert_cmpuint(world.gate.faults[FRAME_BAD_TRANSPORT], ==, 1);
	send6(&world, 44, empty, sizeof(empty));
	g_assert_cmpuint(world.gate.drops[GATE_FRAGMENT], ==, 2);
	g_assert_cmpuint(world.udp_frames, ==, 1);
	g_assert_cmpuint(world.gate.held, ==, 0);
	gate_done(&world.gate);
}

/* A fragment that is never followed is given up by whatever comes after its time. */
static void test_fragment_age(void)
{
	static const uint8_t first[16] = { 17, 0, 0, 1, 0, 0, 0, 1, 0x0f, 0xa0, 0, 53, 0, 16 };
	uint8_t arp[] = ARP_FRAME;
	struct world world;
	char text[64];

	make_udp_world(&world);
	world.gate.now_ms = 1000;
	send6(&world, 44, first, sizeof(first));
	g_assert_cmpuint(world.gate.held, ==, 1);
	world.gate.now_ms += DEFRAG_AGE_MAX_MS + 1;
	gate_input(&world.gate, arp, sizeof(arp), &plain);
	g_assert_cmpuint(world.gate.defrag.held, ==, 0);
	g_assert_cmpuint(stats_describe_drops(&gate_stats_table, &world.gate, text, sizeof(text)),
			 ==, 1);
	g_assert_cmpstr(text, ==, "1 incomplete");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gate/udp/hook", test_hook);
	g_test_add_func("/gate/udp/dhcp", test_dhcp);
	g_test_add_func("/gate/udp/segments", test_segments);
	g_test_add_func("/gate/udp/segments-for-slirp", test_segments_for_slirp);
	g_test_add_func("/gate/udp/lengths", test_lengths);
	g_test_add_func("/gate/udp/cut-and-ports", test_cut_and_ports);
	g_test_add_func("/gate/udp/misplaced-checksum", test_misplaced_checksum);
	g_test_add_func("/gate/udp/fragments", test_fragments);
	g_test_add_func("/gate/udp/atomic", test_atomic);
	g_test_add_func("/gate/udp/fragment-age", test_fragment_age);
	return g_test_run();
}
