/* net/gate: what passes, what is dropped and that it is counted, and what is changed on the way. */
#include "gate_world.h"
#include "wire/checksum.h"

static void complete_ip4(uint8_t *frame)
{
	uint16_t sum;

	put16(frame + IP_OFFSET + 10, 0);
	sum = (uint16_t)~checksum_fold(checksum_add(0, frame + IP_OFFSET, 20));
	memcpy(frame + IP_OFFSET + 10, &sum, sizeof(sum));
}

static bool ip4_checksum_is_right(const uint8_t *frame)
{
	return checksum_fold(checksum_add(0, frame + IP_OFFSET, 20)) == 0xffff;
}

/* The pseudo header's sum, of a frame whose transport header is at @at. */
static uint64_t pseudo(const uint8_t *frame, size_t at, size_t len)
{
	struct frame parsed;

	g_assert_cmpint(frame_parse(frame, len, &parsed), ==, FRAME_OK);
	return checksum_add_pseudo(0, &parsed.src, &parsed.dst, parsed.proto, (uint32_t)(len - at));
}

static bool checksum_is_right(const uint8_t *frame, size_t at, size_t len)
{
	uint64_t sum = checksum_add(pseudo(frame, at, len), frame + at, len - at);

	return checksum_fold(sum) == 0xffff;
}

/* What a kernel leaves in the field of a packet with a partial checksum. */
static void put_partial(uint8_t *frame, size_t at, size_t field, size_t len)
{
	uint16_t sum = checksum_fold(pseudo(frame, at, len));

	memcpy(frame + at + field, &sum, sizeof(sum));
}

static void test_destinations(void)
{
	static const struct {
		const char *dst;
		bool dns, passes;
	} cases[] = {
		{ "192.0.2.2", true, true },	   { "10.0.2.2", true, true },
		{ "10.0.2.3", true, true },	   { "10.0.2.3", false, false },
		{ "10.0.2.77", true, false },	   { "10.0.2.100", true, false },
		{ "10.0.2.0", true, false },	   { "10.0.2.255", true, true },
		{ "255.255.255.255", true, true }, { "10.0.3.77", true, true },
		{ "127.0.0.1", true, false },	   { "127.255.255.255", true, false },
		{ "0.0.0.0", true, false },	   { "0.1.2.3", true, false },
		{ "128.0.0.1", true, true },
	};
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t frame[] = UDP4_FRAME;

		g_test_message("%s dns %d", cases[i].dst, cases[i].dns);
		make_world(&world);
		world.gate.dns = cases[i].dns;
		put_ip4(frame + IP_OFFSET + 16, cases[i].dst);
		gate_input(&world.gate, frame, sizeof(frame), &plain);
		g_assert_cmpuint(world.stack_frames, ==, cases[i].passes);
		g_assert_cmpuint(world.gate.passed, ==, cases[i].passes);
		g_assert_cmpuint(world.gate.drops[GATE_NOWHERE], ==, !cases[i].passes);
	}
}

static void test_sources(void)
{
	static const struct {
		const char *src;
		unsigned dport;
		enum gate_drop drop;
	} cases[] = {
		{ "10.0.2.100", 53, GATE_OK },	   { "10.0.2.7", 53, GATE_OK },
		{ "10.0.2.2", 53, GATE_SOURCE },   { "10.0.2.3", 53, GATE_SOURCE },
		{ "10.0.3.100", 53, GATE_SOURCE }, { "192.0.2.9", 53, GATE_SOURCE },
		{ "127.0.0.1", 53, GATE_SOURCE },  { "0.0.0.0", 53, GATE_SOURCE },
		{ "0.0.0.0", 67, GATE_OK },
	};
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t frame[] = UDP4_FRAME;

		g_test_message("%s to port %u", cases[i].src, cases[i].dport);
		put_ip4(frame + IP_OFFSET + 12, cases[i].src);
		put16(frame + UDP_OFFSET + 2, cases[i].dport);
		g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, cases[i].drop);
	}
}

static void test_sources6(void)
{
	static const struct {
		const char *src;
		enum gate_drop drop;
	} cases[] = {
		{ "fd00::64", GATE_OK },
		{ "fd00::1:2:3:4", GATE_OK },
		{ "fe80::1", GATE_OK },
		{ "febf::1", GATE_OK },
		{ "::", GATE_OK },
		{ "fd00:0:0:1::64", GATE_SOURCE },
		{ "2001:db8::1", GATE_SOURCE },
		{ "::1", GATE_SOURCE },
		{ "fec0::1", GATE_SOURCE },
	};
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t frame[] = UDP6_FRAME;

		g_test_message("%s", cases[i].src);
		put_ip6(frame + IP_OFFSET + 8, cases[i].src);
		g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, cases[i].drop);
	}
}

static void test_destinations6(void)
{
	static const struct {
		const char *dst;
		enum gate_drop drop;
	} cases[] = {
		{ "2001:db8::2", GATE_OK },
		{ "fd00::2", GATE_OK },
		{ "fd00::3", GATE_OK },
		{ "fd00::4", GATE_NOWHERE },
		{ "fe80::2", GATE_OK },
		{ "ff02::2", GATE_OK },
		{ "fd00:0:0:1::4", GATE_OK },
		{ "::", GATE_NOWHERE },
		{ "::1", GATE_NOWHERE },
		{ "::2", GATE_OK },
		{ "::ffff:127.0.0.1", GATE_NOWHERE },
	};
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t frame[] = UDP6_FRAME;

		g_test_message("%s", cases[i].dst);
		put_ip6(frame + IP_OFFSET + 24, cases[i].dst);
		g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, cases[i].drop);
	}
}

/* An address in ARP is not looked at: a guest asks before it has one (RFC 5227). */
/* Without IPv6 its frames go to neither stack, and are not reported: a guest sends some in any case. */
static void test_ipv6_off(void)
{
	uint8_t udp[] = UDP6_FRAME, tcp[] = TCP6_FRAME, foreign[] = UDP6_FRAME, udp4[] = UDP4_FRAME;
	struct world world;
	char text[64];

	make_world(&world);
	world.gate.ipv6 = false;
	world.gate.tcp = take_tcp;
	put_ip6(foreign + IP_OFFSET + 8, "2001:db8::1");
	gate_input(&world.gate, udp, sizeof(udp), &plain);
	gate_input(&world.gate, tcp, sizeof(tcp), &plain);
	gate_input(&world.gate, foreign, sizeof(foreign), &plain);
	g_assert_cmpuint(world.stack_frames + world.tcp_frames, ==, 0);
	g_assert_cmpuint(world.gate.ipv6_ignored, ==, 3);
	gate_input(&world.gate, udp4, sizeof(udp4), &plain);
	g_assert_cmpuint(world.stack_frames, ==, 1);
	g_assert_cmpuint(stats_describe_drops(&gate_stats_table, &world.gate, text, sizeof(text)),
			 ==, 0);
}

static void test_arp(void)
{
	uint8_t frame[] = ARP_FRAME;
	struct world world;

	put_ip4(frame + IP_OFFSET + 14, "0.0.0.0");
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OK);
}

static void test_faults(void)
{
	uint8_t frame[64] = UDP4_FRAME;
	struct world world;
	char text[256];

	make_world(&world);
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	g_assert_cmpuint(world.last_len, ==, 46); /* without the padding */
	gate_input(&world.gate, frame, 3, &plain);
	gate_input(&world.gate, frame, 20, &plain);
	frame[IP_OFFSET] = 0x15;
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	frame[IP_OFFSET] = 0x45;
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.77");
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	g_assert_cmpuint(world.stack_frames, ==, 1);
	g_assert_cmpuint(world.gate.faults[FRAME_TOO_SHORT], ==, 2);
	g_assert_cmpuint(world.gate.faults[FRAME_BAD_IP_HEADER], ==, 1);
	g_assert_cmpuint(stats_describe_drops(&gate_stats_table, &world.gate, text, sizeof(text)),
			 ==, 4);
	g_assert_cmpstr(text, ==, "1 to_nowhere, 2 too_short, 1 bad_ip_header");
}

static bool send_fragment(struct world *world, uint8_t *frame, unsigned field, unsigned len)
{
	put16(frame + IP_OFFSET + 6, field);
	put16(frame + IP_OFFSET + 2, 20 + len);
	complete_ip4(frame);
	gate_input(&world->gate, frame, 34 + len, &plain);
	return world->gate.drops[GATE_FRAGMENT] == 0;
}

/* What passes is the datagram that they were made of. */
static void test_fragments(void)
{
	uint8_t first[64] = UDP4_FRAME, second[64] = UDP4_FRAME;
	struct world world;

	make_world(&world);
	put16(first + UDP_OFFSET + 4, 16 + 5);
	memcpy(second + UDP_OFFSET, "third", 5);
	g_assert_true(send_fragment(&world, first, 0x2000, 16));
	g_assert_cmpuint(world.gate.held, ==, 1);
	g_assert_cmpuint(world.stack_frames, ==, 0);
	g_assert_true(send_fragment(&world, second, 0x0002, 5));
	g_assert_cmpuint(world.gate.passed, ==, 1);
	g_assert_cmpuint(world.last_len, ==, 34 + 16 + 5);
	g_assert_cmpmem(world.last + 34 + 16, 5, "third", 5);
	g_assert_true(ip4_checksum_is_right(world.last));
	g_assert_false(send_fragment(&world, second, 0x0002, 5)); /* nothing is held any more */
	g_assert_cmpuint(world.stack_frames, ==, 1);
	gate_done(&world.gate);
}

/* The packet is looked at as one that came whole. */
static void test_fragments_of_a_lie(void)
{
	uint8_t frame[64] = UDP4_FRAME;
	struct world world;

	make_world(&world);
	put16(frame + UDP_OFFSET + 4, 25); /* UDP length: one more than there will be */
	g_assert_true(send_fragment(&world, frame, 0x2000, 16));
	g_assert_true(send_fragment(&world, frame, 0x0002, 8));
	g_assert_cmpuint(world.gate.faults[FRAME_BAD_TRANSPORT], ==, 1);
	g_assert_cmpuint(world.stack_frames, ==, 0);
}

/* Larger than the MTU: that is what fragments are for. Each of them is not. */
static void test_fragments_and_mtu(void)
{
	uint8_t frame[FRAME_ETHER_HEADER + 1508] = UDP4_FRAME;
	struct world world;

	make_world(&world);
	put16(frame + UDP_OFFSET + 4, 2960);
	g_assert_true(send_fragment(&world, frame, 0x2000, 1480));
	g_assert_true(send_fragment(&world, frame, 185, 1480));
	g_assert_cmpuint(world.last_len, ==, 34 + 2960);
	g_assert_true(send_fragment(&world, frame, 0x2000, 1488));
	g_assert_cmpuint(world.gate.drops[GATE_OVER_MTU], ==, 1);
}

static void test_fragments6(void)
{
	uint8_t frame[] = UDP6_FRAME;
	struct world world;

	frame[IP_OFFSET + 6] = 44; /* the twelve bytes of UDP as a fragment header and its data */
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_FRAGMENT);
}

static void test_tftp(void)
{
	uint8_t frame[] = UDP4_FRAME, frame6[] = UDP6_FRAME;
	struct world world;

	put16(frame + UDP_OFFSET + 2, 69);
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OK);
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.2");
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_TFTP);
	put16(frame + UDP_OFFSET + 2, 70);
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OK);

	put16(frame6 + UDP6_OFFSET + 2, 69);
	g_assert_cmpint(judge(&world, frame6, sizeof(frame6), &plain), ==, GATE_TFTP);
	put_ip6(frame6 + IP_OFFSET + 24, "2001:db8::2");
	g_assert_cmpint(judge(&world, frame6, sizeof(frame6), &plain), ==, GATE_OK);
}

static void test_tftp_in_fragments(void)
{
	uint8_t frame[64] = UDP4_FRAME;
	struct world world;

	make_world(&world);
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.2");
	put16(frame + UDP_OFFSET + 2, 69);
	put16(frame + UDP_OFFSET + 4, 24);
	g_assert_true(send_fragment(&world, frame, 0x2000, 8));
	g_assert_true(send_fragment(&world, frame, 0x0001, 16));
	g_assert_cmpuint(world.gate.drops[GATE_TFTP], ==, 1);
	g_assert_cmpuint(world.stack_frames, ==, 0);
}

static void test_dhcp6(void)
{
	static const char *const dsts[] = { "ff02::1:2", "ff05::1:3", "fd00::2", "fe80::2" };
	uint8_t frame4[] = UDP4_FRAME;
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(dsts); i++) {
		uint8_t frame[] = UDP6_FRAME;

		put_ip6(frame + IP_OFFSET + 24, dsts[i]);
		put16(frame + UDP6_OFFSET + 2, 547);
		g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_DHCP6);
	}
	put16(frame4 + UDP_OFFSET + 2, 547);
	g_assert_cmpint(judge(&world, frame4, sizeof(frame4), &plain), ==, GATE_OK);
}

static void test_ncsi(void)
{
	uint8_t frame[64] = UDP4_FRAME;
	struct world world;

	put16(frame + 12, 0x88f8);
	make_world(&world);
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	g_assert_cmpuint(world.gate.faults[FRAME_BAD_ETHERTYPE], ==, 1);
	g_assert_cmpuint(world.stack_frames, ==, 0);
}

/* The data stay where they are, and both checksums stay right. */
static void test_urgent(void)
{
	uint8_t frame[] = URGENT4_FRAME;
	uint16_t sum;
	struct world world;

	complete_ip4(frame);
	sum = (uint16_t)~checksum_fold(checksum_add(pseudo(frame, TCP4_OFFSET, sizeof(frame)),
						    frame + TCP4_OFFSET,
						    sizeof(frame) - TCP4_OFFSET));
	memcpy(frame + TCP4_OFFSET + 16, &sum, sizeof(sum));
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OK);
	g_assert_cmphex(world.last[TCP4_OFFSET + 13], ==, 0x18);
	g_assert_cmpuint(world.last[TCP4_OFFSET + 19], ==, 0);
	g_assert_cmpmem(world.last + TCP4_OFFSET + 20, 4, "data", 4);
	g_assert_true(checksum_is_right(world.last, TCP4_OFFSET, sizeof(frame)));
	g_assert_cmpuint(world.gate.urgent_cleared, ==, 1);

	frame[TCP4_OFFSET + 13] &= 0xdf; /* a pointer without the flag says nothing */
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OK);
	g_assert_cmpmem(world.last, sizeof(frame), frame, sizeof(frame));
	g_assert_cmpuint(world.gate.urgent_cleared, ==, 0);
}

static void test_low_delay(void)
{
	struct world world;

	for (unsigned tos = 0; tos < 256; tos++) {
		uint8_t frame[] = UDP4_FRAME, frame6[] = UDP6_FRAME;

		frame[IP_OFFSET + 1] = (uint8_t)tos;
		complete_ip4(frame);
		g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OK);
		g_assert_cmphex(world.last[IP_OFFSET + 1], ==, tos & 0xef);
		g_assert_true(ip4_checksum_is_right(world.last));

		frame6[IP_OFFSET] = (uint8_t)(0x60 | tos >> 4);
		frame6[IP_OFFSET + 1] = (uint8_t)(tos << 4);
		g_assert_cmpint(judge(&world, frame6, sizeof(frame6), &plain), ==, GATE_OK);
		g_assert_cmphex(world.last[IP_OFFSET], ==, 0x60 | (tos >> 4 & 0xe));
		g_assert_cmphex(world.last[IP_OFFSET + 1], ==, (tos << 4) & 0xff);
	}
}

static void test_partial_checksum(void)
{
	uint8_t udp[] = UDP4_FRAME, tcp[] = URGENT4_FRAME, tcp6[] = TCP6_FRAME;
	struct link_info info = { .checksum_partial = true, .checksum_valid = true };
	struct world world;

	put_partial(udp, UDP_OFFSET, 6, sizeof(udp));
	info.csum_start = UDP_OFFSET;
	info.csum_offset = 6;
	g_assert_cmpint(judge(&world, udp, sizeof(udp), &info), ==, GATE_OK);
	g_assert_true(checksum_is_right(world.last, UDP_OFFSET, sizeof(udp)));

	put_partial(tcp, TCP4_OFFSET, 16, sizeof(tcp)); /* and its urgent pointer is cleared */
	info.csum_start = TCP4_OFFSET;
	info.csum_offset = 16;
	g_assert_cmpint(judge(&world, tcp, sizeof(tcp), &info), ==, GATE_OK);
	g_assert_true(checksum_is_right(world.last, TCP4_OFFSET, sizeof(tcp)));

	put_partial(tcp6, TCP_OFFSET, 16, sizeof(tcp6));
	info.csum_start = TCP_OFFSET;
	g_assert_cmpint(judge(&world, tcp6, sizeof(tcp6), &info), ==, GATE_OK);
	g_assert_true(checksum_is_right(world.last, TCP_OFFSET, sizeof(tcp6)));
}

/* A UDP checksum that comes to 0 is sent as 0xffff: 0 says that there is none. */
static void test_partial_checksum_zero(void)
{
	uint8_t frame[] = UDP4_FRAME;
	const struct link_info info = { .checksum_partial = true,
					.csum_start = UDP_OFFSET,
					.csum_offset = 6 };
	uint16_t sum;
	struct world world;

	put16(frame + UDP_OFFSET + 8, 0);
	put_partial(frame, UDP_OFFSET, 6, sizeof(frame));
	sum = (uint16_t)~checksum_fold(checksum_add(0, frame + UDP_OFFSET, 12));
	memcpy(frame + UDP_OFFSET + 8, &sum, sizeof(sum));
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &info), ==, GATE_OK);
	g_assert_cmphex(world.last[UDP_OFFSET + 6], ==, 0xff);
	g_assert_cmphex(world.last[UDP_OFFSET + 7], ==, 0xff);
}

static void test_misplaced_checksum(void)
{
	static const struct {
		uint16_t start, offset;
	} cases[] = {
		{ 0, 0 },   { 14, 2 }, { 34, 16 },	 { 34, 4 }, { 33, 6 },
		{ 34, 12 }, { 46, 0 }, { 65535, 65535 }, { 0, 40 }, { 40, 0 },
	};
	static const uint8_t udp[] = UDP4_FRAME, arp[] = ARP_FRAME;
	uint8_t fragment[64] = UDP4_FRAME;
	struct link_info info = { .checksum_partial = true };
	struct world world;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%u + %u", cases[i].start, cases[i].offset);
		info.csum_start = cases[i].start;
		info.csum_offset = cases[i].offset;
		g_assert_cmpint(judge(&world, udp, sizeof(udp), &info), ==, GATE_CHECKSUM);
	}
	info.csum_start = 0;
	info.csum_offset = 6;
	g_assert_cmpint(judge(&world, arp, sizeof(arp), &info), ==, GATE_CHECKSUM);
	put16(fragment + IP_OFFSET + 6, 0x2000);
	put16(fragment + IP_OFFSET + 2, 36);
	info.csum_start = UDP_OFFSET;
	g_assert_cmpint(judge(&world, fragment, sizeof(fragment), &info), ==, GATE_CHECKSUM);
}

static void test_large(void)
{
	static const uint8_t frame[] = URGENT4_FRAME;
	const struct link_info info = { .gso_size = 2, .gso_type = 1 };
	const struct link_info no_size = { .gso_type = 3 };
	struct world world;

	g_assert_cmpint(judge(&world, frame, sizeof(frame), &info), ==, GATE_LARGE);
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &no_size), ==, GATE_LARGE);
}

static void test_mtu(void)
{
	uint8_t frame[FRAME_ETHER_HEADER + 1501] = UDP4_FRAME;
	struct world world;

	put16(frame + IP_OFFSET + 2, 1500);
	put16(frame + UDP_OFFSET + 4, 1480);
	g_assert_cmpint(judge(&world, frame, sizeof(frame) - 1, &plain), ==, GATE_OK);
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OK); /* padding */
	put16(frame + IP_OFFSET + 2, 1501);
	g_assert_cmpint(judge(&world, frame, sizeof(frame), &plain), ==, GATE_OVER_MTU);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gate/destinations", test_destinations);
	g_test_add_func("/gate/destinations6", test_destinations6);
	g_test_add_func("/gate/sources", test_sources);
	g_test_add_func("/gate/sources6", test_sources6);
	g_test_add_func("/gate/ipv6-off", test_ipv6_off);
	g_test_add_func("/gate/arp", test_arp);
	g_test_add_func("/gate/faults", test_faults);
	g_test_add_func("/gate/fragments", test_fragments);
	g_test_add_func("/gate/fragments-of-a-lie", test_fragments_of_a_lie);
	g_test_add_func("/gate/fragments-and-mtu", test_fragments_and_mtu);
	g_test_add_func("/gate/fragments6", test_fragments6);
	g_test_add_func("/gate/tftp", test_tftp);
	g_test_add_func("/gate/tftp-in-fragments", test_tftp_in_fragments);
	g_test_add_func("/gate/dhcp6", test_dhcp6);
	g_test_add_func("/gate/ncsi", test_ncsi);
	g_test_add_func("/gate/urgent", test_urgent);
	g_test_add_func("/gate/low-delay", test_low_delay);
	g_test_add_func("/gate/partial-checksum", test_partial_checksum);
	g_test_add_func("/gate/partial-checksum-zero", test_partial_checksum_zero);
	g_test_add_func("/gate/misplaced-checksum", test_misplaced_checksum);
	g_test_add_func("/gate/large", test_large);
	g_test_add_func("/gate/mtu", test_mtu);
}
