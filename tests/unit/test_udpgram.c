/* wire/udpgram: datagrams of either family come apart as they were put together, whole and in
 * fragments of any size.
 */
#include <glib.h>
#include <string.h>

#include "frames.h"
#include "net/defrag.h"
#include "wire/checksum.h"
#include "wire/udpgram.h"

static const struct mac guest_mac = { { 2, 0, 0, 0, 0, 1 } };
static const struct mac gateway_mac = { { 0x52, 0x55, 10, 0, 2, 2 } };

static void check_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	g_assert_cmpuint(a_len, ==, b_len);
	g_assert_true(a_len == 0 || memcmp(a, b, a_len) == 0);
}

static struct udpgram make(bool v6, const uint8_t *payload, size_t len)
{
	struct udpgram gram = {
		.sport = 53,
		.dport = 4000,
		.ttl = 7,
		.tos = 0xbb, /* EF, ECN CE */
		.dont_fragment = v6,
		.id = v6 ? 0 : 0x1234,
		.payload = payload,
		.len = len,
	};

	g_assert_true(ip_parse(v6 ? "2001:db8::2" : "192.0.2.2", &gram.src));
	g_assert_true(ip_parse(v6 ? "fd00::64" : "10.0.2.100", &gram.dst));
	return gram;
}

static void check_equal(const struct udpgram *a, const struct udpgram *b)
{
	g_assert_true(ip_equal(&a->src, &b->src) && ip_equal(&a->dst, &b->dst));
	g_assert_cmpuint(a->sport, ==, b->sport);
	g_assert_cmpuint(a->dport, ==, b->dport);
	g_assert_cmpuint(a->ttl, ==, b->ttl);
	g_assert_cmphex(a->tos, ==, b->tos);
	g_assert_cmpint(a->dont_fragment, ==, b->dont_fragment);
	g_assert_cmphex(a->id, ==, b->id);
	check_bytes(a->payload, a->len, b->payload, b->len);
}

/* Byte by byte, the sums worked out by other code. */
static void test_build_exact(void)
{
	static const uint8_t expected4[] = {
		/* clang-format off */
		2, 0, 0, 0, 0, 1, 0x52, 0x55, 10, 0, 2, 2, 0x08, 0x00,
		0x45, 0xbb, 0, 31, 0x12, 0x34, 0, 0, 7, 17, 0xd2, 0x79, 192, 0, 2, 2, 10, 0, 2, 100,
		0, 53, 0x0f, 0xa0, 0, 11, 0x4e, 0x38, 'o', 'd', 'd',
		/* clang-format on */
	};
	static const uint8_t expected6[] = {
		/* clang-format off */
		2, 0, 0, 0, 0, 1, 0x52, 0x55, 10, 0, 2, 2, 0x86, 0xdd,
		0x6b, 0xb0, 0, 0, 0, 11, 17, 7,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64,
		0, 53, 0x0f, 0xa0, 0, 11, 0xf1, 0x7e, 'o', 'd', 'd',
		/* clang-format on */
	};

	for (int v6 = 0; v6 <= 1; v6++) {
		struct udpgram gram = make(v6, (const uint8_t *)"odd", 3);
		uint8_t out[UDPGRAM_HEADER_MAX + 3];
		size_t len = udpgram_build(&gram, &gateway_mac, &guest_mac, false, out);

		memcpy(out + len, "odd", 3);
		if (v6)
			check_bytes(out, len + 3, expected6, sizeof(expected6));
		else
			check_bytes(out, len + 3, expected4, sizeof(expected4));
	}
}

/* Built, in memory of just its size. */
static uint8_t *build(const struct udpgram *gram, bool partial, struct frame *ret)
{
	uint8_t header[UDPGRAM_HEADER_MAX];
	size_t len = udpgram_build(gram, &gateway_mac, &guest_mac, partial, header);
	uint8_t *bytes = g_malloc(len + gram->len);

	memcpy(bytes, header, len);
	if (gram->len > 0)
		memcpy(bytes + len, gram->payload, gram->len);
	g_assert_cmpuint(len, ==, udpgram_transport_offset(gram) + 8);
	g_assert_cmpint(frame_parse(bytes, len + gram->len, ret), ==, FRAME_OK);
	g_assert_cmpuint(ret->transport, ==, udpgram_transport_offset(gram));
	g_assert_cmpuint(ret->len, ==, len + gram->len);
	if (ret->kind == FRAME_IP4)
		g_assert_cmphex(checksum_fold(checksum_add(0, bytes + IP_OFFSET, 20)), ==, 0xffff);
	return bytes;
}

static void test_round_trip(void)
{
	static const size_t lens[] = { 0, 1, 2, 7, 8, 1400, 65506, UDPGRAM_MAX4, UDPGRAM_MAX6 };
	g_autofree uint8_t *payload = g_malloc(UDPGRAM_MAX6);

	memset(payload, 0xa5, UDPGRAM_MAX6);
	for (size_t i = 0; i < 4 * G_N_ELEMENTS(lens); i++) {
		const bool v6 = i % 2 == 1;
		struct udpgram gram = make(v6, payload, lens[i / 4]), again;
		g_autofree uint8_t *bytes = NULL;
		struct frame frame;

		if (!v6 && gram.len > UDPGRAM_MAX4)
			continue;
		gram.dont_fragment = v6 || (i & 2) != 0;
		bytes = build(&gram, false, &frame);
		g_assert_true(udpgram_checksum_ok(bytes, &frame));
		g_assert_true(udpgram_parse(bytes, &frame, &again));
		check_equal(&gram, &again);
	}
}

/* What the kernel does with VIRTIO_NET_HDR_F_NEEDS_CSUM makes the same of it. */
static void test_partial(void)
{
	for (int v6 = 0; v6 <= 1; v6++) {
		struct udpgram gram = make(v6, (const uint8_t *)"odd", 3);
		struct frame frame;
		g_autofree uint8_t *whole = build(&gram, false, &frame);
		g_autofree uint8_t *bytes = build(&gram, true, &frame);
		uint8_t *udp = bytes + frame.transport;

		checksum_store(udp + UDPGRAM_CHECKSUM_OFFSET, checksum_add(0, udp, 11));
		check_bytes(bytes, frame.len, whole, frame.len);
	}
}

/* One in 65,536 has a sum of 0, which is sent as 0xffff: 0 says that there is none. */
static void test_checksum_zero(void)
{
	for (int v6 = 0; v6 <= 1; v6++) {
		uint8_t payload[2] = { 0 };
		struct udpgram gram = make(v6, payload, 2);
		struct frame frame;
		g_autofree uint8_t *first = build(&gram, false, &frame);
		g_autofree uint8_t *bytes = NULL;
		uint8_t *field;

		memcpy(payload, first + frame.transport + 6, 2); /* a sum of nothing but ones */
		bytes = build(&gram, false, &frame);
		field = bytes + frame.transport + 6;
		g_assert_cmphex(field[0] << 8 | field[1], ==, 0xffff);
		g_assert_true(udpgram_checksum_ok(bytes, &frame));
		field[0] = field[1] = 0;
		g_assert_cmpint(udpgram_checksum_ok(bytes, &frame), ==, !v6);
	}
}

/* A wrong bit anywhere in the datagram or its addresses shows. */
static void test_checksum_wrong(void)
{
	for (int v6 = 0; v6 <= 1; v6++) {
		struct udpgram gram = make(v6, (const uint8_t *)"odd", 3);
		struct frame frame, spoiled;
		g_autofree uint8_t *bytes = build(&gram, false, &frame);

		for (size_t i = IP_OFFSET + (v6 ? 8 : 12); i < frame.len; i++) {
			bytes[i] ^= 0x10;
			if (frame_parse(bytes, frame.len, &spoiled) == FRAME_OK)
				g_assert_false(udpgram_checksum_ok(bytes, &spoiled));
			bytes[i] ^= 0x10;
		}
	}
}

/* IPv4 options and IPv6 extension headers are stepped over; what is behind the datagram is no part
 * of it, in the packet and behind that.
 */
static void test_parse(void)
{
	static const uint8_t whole[] = UDP4_FRAME;
	uint8_t bytes[80] = { 0 };
	struct udpgram gram = { .sport = 9 };
	struct frame frame;

	memcpy(bytes, whole, 34);
	memset(bytes + 34, 1, 4); /* no operation, four times */
	memcpy(bytes + 38, whole + 34, sizeof(whole) - 34);
	bytes[IP_OFFSET] = 0x46;
	bytes[IP_OFFSET + 3] = 36 + 5;
	bytes[IP_OFFSET + 6] = 0x40;
	g_assert_cmpint(frame_parse(bytes, sizeof(bytes), &frame), ==, FRAME_OK);
	g_assert_true(udpgram_parse(bytes, &frame, &gram));
	check_bytes(gram.payload, gram.len, "data", 4);
	g_assert_cmpuint(gram.sport, ==, 4000);
	g_assert_cmpuint(gram.dport, ==, 53);
	g_assert_cmpuint(gram.ttl, ==, 64);
	g_assert_true(gram.dont_fragment);

	bytes[38 + 6] = 1; /* a checksum, of what UDP's own length has */
	g_assert_false(udpgram_checksum_ok(bytes, &frame));
	bytes[38 + 6] = 0;
	checksum_store(bytes + 38 + 6,
		       checksum_add(checksum_add_pseudo(0, &frame.src, &frame.dst, 17, 12),
				    bytes + 38, 12));
	g_assert_true(udpgram_checksum_ok(bytes, &frame));
	bytes[38 + 12] = 0xee; /* behind it */
	g_assert_true(udpgram_checksum_ok(bytes, &frame));

	gram.sport = 9;
	bytes[38 + 3] = 0; /* to port 0 */
	g_assert_false(udpgram_parse(bytes, &frame, &gram));
	g_assert_cmpuint(gram.sport, ==, 9);
}

/* Fragments on the wire, in memory of just their size, and put together again by net/defrag. */
static void check_fragments(const struct udpgram *gram, uint16_t mtu, struct defrag *defrag)
{
	const size_t link_max = FRAME_ETHER_HEADER + (size_t)mtu;
	const uint8_t *payload;
	uint8_t header[UDPGRAM_FRAGMENT_HEADER_MAX];
	g_autofree uint8_t *whole = NULL;
	struct udpgram_fragments it;
	struct udpgram again;
	struct frame frame;
	size_t header_len, payload_len;
	ssize_t joined = 0;

	udpgram_fragment_begin(&it, gram, mtu, 0xabcd1234, &gateway_mac, &guest_mac);
	while ((header_len = udpgram_fragment_next(&it, header, &payload, &payload_len)) > 0) {
		const size_t len = header_len + payload_len;
		g_autofree uint8_t *bytes = g_malloc(len);

		g_assert_cmpint(joined, ==, 0);
		g_assert_cmpuint(len, <=, link_max);
		memcpy(bytes, header, header_len);
		memcpy(bytes + header_len, payload, payload_len);
		g_assert_cmpint(frame_parse(bytes, len, &frame), ==, FRAME_OK);
		g_assert_cmpuint(frame.len, ==, len);
		if (!frame.fragment) {
			joined = (ssize_t)len;
			whole = g_steal_pointer(&bytes);
			continue;
		}
		joined = defrag_input(defrag, bytes, &frame, 0, &whole);
		g_assert_cmpint(joined, >=, 0);
		if (joined == 0) /* no smaller than they have to be */
			g_assert_cmpuint(len + 8, >, link_max);
	}
	g_assert_cmpint(joined, >, 0);
	g_assert_cmpint(frame_parse(whole, (size_t)joined, &frame), ==, FRAME_OK);
	g_assert_true(udpgram_checksum_ok(whole, &frame));
	g_assert_true(udpgram_parse(whole, &frame, &again));
	check_equal(gram, &again);
	g_assert_cmpuint(defrag->held + defrag->incomplete, ==, 0);
}

static void test_fragments(void)
{
	static const uint16_t mtus[] = { 68, 576, 1280, 1281, 1287, 1288, 1500, 65520, 65535 };
	g_autofree uint8_t *payload = g_malloc(UDPGRAM_MAX6);
	struct defrag defrag = { 0 };

	for (size_t i = 0; i < UDPGRAM_MAX6; i++)
		payload[i] = (uint8_t)(i * 7 ^ i >> 8);
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(mtus); i++) {
		const uint16_t mtu = mtus[i / 2];
		const bool v6 = i % 2 == 1;
		struct udpgram gram = make(v6, payload, 0);

		gram.id = v6 ? 0 : 0x1234;
		for (gram.len = 0; gram.len <= 3000; gram.len++)
			check_fragments(&gram, mtu, &defrag);
		gram.len = v6 ? UDPGRAM_MAX6 : UDPGRAM_MAX4;
		check_fragments(&gram, mtu, &defrag);
	}
	defrag_done(&defrag);
}

/* A link that takes nothing still comes to an end. */
static void test_tiny_mtu(void)
{
	static const uint8_t payload[100];

	for (int v6 = 0; v6 <= 1; v6++) {
		struct udpgram gram = make(v6, payload, sizeof(payload));
		uint8_t header[UDPGRAM_FRAGMENT_HEADER_MAX];
		struct udpgram_fragments it;
		const uint8_t *piece;
		size_t len, count = 0;

		udpgram_fragment_begin(&it, &gram, 0, 1, &gateway_mac, &guest_mac);
		while (udpgram_fragment_next(&it, header, &piece, &len) > 0)
			count++;
		g_assert_cmpuint(count, ==, 14);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/udpgram/build-exact", test_build_exact);
	g_test_add_func("/udpgram/round-trip", test_round_trip);
	g_test_add_func("/udpgram/partial", test_partial);
	g_test_add_func("/udpgram/checksum-zero", test_checksum_zero);
	g_test_add_func("/udpgram/checksum-wrong", test_checksum_wrong);
	g_test_add_func("/udpgram/parse", test_parse);
	g_test_add_func("/udpgram/fragments", test_fragments);
	g_test_add_func("/udpgram/tiny-mtu", test_tiny_mtu);
	return g_test_run();
}
