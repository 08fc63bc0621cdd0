/* wire/tcpseg: segments of either family come apart as they were put together, options are taken
 * for what they are, and those that lie are refused.
 */
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "frames.h"
#include "wire/checksum.h"
#include "wire/tcpseg.h"

#define IP6_OFFSET_NEXT 20 /* of the next header field in a frame */

static const struct mac guest_mac = { { 2, 0, 0, 0, 0, 1 } };
static const struct mac gateway_mac = { { 0x52, 0x55, 10, 0, 2, 2 } };

static void check_bytes(const void *a, size_t a_len, const void *b, size_t b_len)
{
	g_assert_cmpuint(a_len, ==, b_len);
	g_assert_true(a_len == 0 || memcmp(a, b, a_len) == 0);
}

/* A TCP header of ports 4000 and 80 with options, and what follows it. */
static size_t put_tcp(uint8_t *p, uint8_t flags, const void *options, size_t options_len,
		      const char *payload)
{
	static const uint8_t header[20] = {
		0x0f, 0xa0, 0, 80, 1, 2, 3, 4, 0xfe, 0xdc, 0xba, 0x98, 0, 0, 0x12, 0x34,
	};
	size_t len = sizeof(header) + options_len;

	g_assert_cmpuint(options_len % 4, ==, 0);
	memcpy(p, header, sizeof(header));
	p[12] = (uint8_t)(len / 4 << 4);
	p[13] = flags;
	memcpy(p + sizeof(header), options, options_len);
	memcpy(p + len, payload, strlen(payload));
	return len + strlen(payload);
}

/* From 10.0.2.100 to 192.0.2.2. */
static size_t put_ip4(uint8_t *p, const void *ip_options, size_t ip_options_len, size_t len)
{
	static const uint8_t header[] = UDP4_FRAME;
	size_t ip = 20 + ip_options_len;

	memcpy(p, header, UDP_OFFSET);
	p[IP_OFFSET] = (uint8_t)(0x40 | ip / 4);
	p[IP_OFFSET + 2] = (uint8_t)((ip + len) >> 8);
	p[IP_OFFSET + 3] = (uint8_t)(ip + len);
	p[IP_OFFSET + 9] = IPPROTO_TCP;
	memcpy(p + UDP_OFFSET, ip_options, ip_options_len);
	return UDP_OFFSET + ip_options_len;
}

/* Write the checksum as every sender does, with the loop of RFC 1071. */
static void put_checksum(uint8_t *bytes, const struct frame *frame)
{
	uint8_t *tcp = bytes + frame->transport;
	const uint8_t *addresses = bytes + (frame->kind == FRAME_IP4 ? 26 : 22);
	size_t addresses_len = frame->kind == FRAME_IP4 ? 8 : 32;
	uint32_t sum = IPPROTO_TCP + (uint32_t)frame->transport_len;

	tcp[16] = tcp[17] = 0;
	for (size_t i = 0; i < addresses_len; i++)
		sum += i % 2 == 0 ? (uint32_t)addresses[i] << 8 : addresses[i];
	for (size_t i = 0; i < frame->transport_len; i++)
		sum += i % 2 == 0 ? (uint32_t)tcp[i] << 8 : tcp[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	tcp[16] = (uint8_t)(~sum >> 8);
	tcp[17] = (uint8_t)~sum;
}

static void check_common(const uint8_t *bytes, const struct frame *frame, const char *src,
			 const char *dst)
{
	char text[IP_TEXT_MAX];
	struct tcpseg seg;

	g_assert_true(tcpseg_parse(bytes, frame, &seg));
	g_assert_cmpstr(ip_format(&seg.src, text), ==, src);
	g_assert_cmpstr(ip_format(&seg.dst, text), ==, dst);
	g_assert_cmpuint(seg.sport, ==, 4000);
	g_assert_cmpuint(seg.dport, ==, 80);
	g_assert_cmphex(seg.seq, ==, 0x01020304);
	g_assert_cmphex(seg.ack, ==, 0xfedcba98);
	g_assert_cmphex(seg.window, ==, 0x1234);
	g_assert_cmphex(seg.flags, ==, TCPSEG_PSH | TCPSEG_ACK);
	check_bytes(seg.payload, seg.len, "odd", 3);
}

/* The header is found behind IPv4 options, the end of the data before the padding. */
static void test_ip4_options(void)
{
	uint8_t nops[40];

	memset(nops, 1, sizeof(nops));
	for (size_t options = 0; options <= sizeof(nops); options += 4) {
		uint8_t bytes[160] = { 0 };
		struct frame frame;
		size_t tcp = put_ip4(bytes, nops, options, 23);

		put_tcp(bytes + tcp, TCPSEG_PSH | TCPSEG_ACK, "", 0, "odd");
		g_assert_cmpint(frame_parse(bytes, sizeof(bytes), &frame), ==, FRAME_OK);
		g_assert_cmpuint(frame.transport, ==, tcp);
		g_assert_cmpuint(frame.transport_len, ==, 23);
		check_common(bytes, &frame, "10.0.2.100", "192.0.2.2");
	}
}

/* It is found behind IPv6 extension headers too; the flags of ECN are not ours. */
static void test_ip6_extensions(void)
{
	static const uint8_t extensions[] = {
		43, 0, 1,    4, 0, 0, 0, 0, /* hop-by-hop, padded; next: routing */
		60, 0, 253,  0, 0, 0, 0, 0, /* routing, no segments left; next: destination */
		6,  1, 0x1e, 12		    /* destination options of 16 bytes; next: TCP */
	};
	const size_t tcp = TCP_OFFSET + 32;
	uint8_t bytes[160] = TCP6_FRAME;
	struct frame frame;

	bytes[IP6_OFFSET_NEXT] = 0;
	memset(bytes + TCP_OFFSET, 0, 32);
	memcpy(bytes + TCP_OFFSET, extensions, sizeof(extensions));
	bytes[IP_OFFSET + 5] = 32 + 23;
	put_tcp(bytes + tcp, 0xc0 | TCPSEG_PSH | TCPSEG_ACK, "", 0, "odd");
	g_assert_cmpint(frame_parse(bytes, sizeof(bytes), &frame), ==, FRAME_OK);
	g_assert_cmpuint(frame.transport, ==, tcp);
	g_assert_cmpuint(frame.transport_len, ==, 23);
	check_common(bytes, &frame, "fd00::64", "2001:db8::2");
	put_checksum(bytes, &frame);
	g_assert_true(tcpseg_checksum_ok(bytes, &frame));
}

static void test_no_transport(void)
{
	uint8_t fragment[] = UDP4_FRAME;
	static const uint8_t arp[] = ARP_FRAME;
	struct frame frame;

	fragment[IP_OFFSET + 7] = 1;
	g_assert_cmpint(frame_parse(fragment, sizeof(fragment), &frame), ==, FRAME_OK);
	g_assert_cmpuint(frame.transport + frame.transport_len, ==, 0);
	g_assert_cmpint(frame_parse(arp, sizeof(arp), &frame), ==, FRAME_OK);
	g_assert_cmpuint(frame.transport + frame.transport_len, ==, 0);
}

struct options {
	const char *what;
	uint8_t flags;
	const char *bytes;
	size_t len;
	bool good;
	uint16_t mss;
	uint8_t wscale;
	bool sack_permitted;
	unsigned sack_count;
};

#define BYTES(text) text, sizeof(text) - 1
#define SYN TCPSEG_SYN
#define ACK TCPSEG_ACK
#define NONE TCPSEG_WSCALE_NONE
#define NOP8 "\x01\x01\x01\x01\x01\x01\x01\x01"
#define BLOCK "\xff\xff\xff\x00\x00\x00\x01\x00" /* [0xffffff00, 0x100) */

/* clang-format off */
static const struct options options[] = {
	{ "none", SYN, BYTES(""), true, 0, NONE, false, 0 },
	{ "as Linux sends them", SYN,
	  BYTES("\x02\x04\x05\xb4\x04\x02\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x01\x03\x03\x07"),
	  true, 1460, 7, true, 0 },
	{ "only NOP", SYN, BYTES("\x01\x01\x01\x01"), true, 0, NONE, false, 0 },
	{ "40 bytes of NOP", SYN, BYTES(NOP8 NOP8 NOP8 NOP8 NOP8), true, 0, NONE, false, 0 },
	{ "nothing counts behind EOL", SYN,
	  BYTES("\x00\x02\x04\x05\x02\x00\xff\xff"), true, 0, NONE, false, 0 },
	{ "unknown before a known one", SYN,
	  BYTES("\xfe\x04\x00\x00\x02\x04\x05\xb4"), true, 1460, NONE, false, 0 },
	{ "unknown without content", SYN, BYTES("\xfe\x02\x04\x02"), true, 0, NONE, true, 0 },
	{ "MSS", SYN, BYTES("\x02\x04\xff\xff"), true, 65535, NONE, false, 0 },
	{ "MSS twice", SYN, BYTES("\x02\x04\x00\x01\x02\x04\x00\x02"), true, 2, NONE, false, 0 },
	{ "MSS of 0", SYN, BYTES("\x02\x04\x00\x00"), true, 0, NONE, false, 0 },
	{ "MSS without SYN", ACK, BYTES("\x02\x04\x05\xb4"), true, 0, NONE, false, 0 },
	{ "MSS too short", SYN, BYTES("\x02\x03\x05\x01"), false },
	{ "MSS too long", SYN, BYTES("\x02\x05\x05\xb4\x01\x01\x01\x01"), false },
	{ "MSS too short without SYN", ACK, BYTES("\x02\x03\x05\x01"), false },
	{ "MSS cut by the end of the header", SYN, BYTES("\x01\x02\x04\x05"), false },
	{ "wscale of 0", SYN, BYTES("\x01\x03\x03\x00"), true, 0, 0, false, 0 },
	{ "wscale of 14", SYN, BYTES("\x01\x03\x03\x0e"), true, 0, 14, false, 0 },
	{ "wscale of 15", SYN, BYTES("\x01\x03\x03\x0f"), true, 0, 14, false, 0 },
	{ "wscale of 255", SYN, BYTES("\x03\x03\xff\x00"), true, 0, 14, false, 0 },
	{ "wscale without SYN", ACK, BYTES("\x01\x03\x03\x07"), true, 0, NONE, false, 0 },
	{ "wscale too short", SYN, BYTES("\x03\x02\x07\x01"), false },
	{ "wscale too long", SYN, BYTES("\x03\x04\x07\x01"), false },
	{ "wscale cut by the end of the header", SYN, BYTES("\x01\x01\x03\x03"), false },
	{ "SACK permitted, with ACK", SYN | ACK,
	  BYTES("\x01\x01\x04\x02"), true, 0, NONE, true, 0 },
	{ "SACK permitted without SYN", ACK, BYTES("\x01\x01\x04\x02"), true, 0, NONE, false, 0 },
	{ "SACK permitted too long", SYN, BYTES("\x04\x03\x00\x01"), false },
	{ "SACK of one block", ACK, BYTES("\x01\x01\x05\x0a" BLOCK), true, 0, NONE, false, 1 },
	{ "SACK of two blocks", ACK,
	  BYTES("\x01\x01\x05\x12" BLOCK BLOCK), true, 0, NONE, false, 2 },
	{ "SACK of four blocks", ACK,
	  BYTES("\x05\x22" BLOCK BLOCK BLOCK BLOCK "\x01\x01"), true, 0, NONE, false, 4 },
	{ "SACK of three blocks and one", ACK,
	  BYTES("\x05\x1a" BLOCK BLOCK BLOCK "\x05\x0a" BLOCK), true, 0, NONE, false, 4 },
	{ "SACK with SYN", SYN, BYTES("\x01\x01\x05\x0a" BLOCK), true, 0, NONE, false, 0 },
	{ "SACK of no block", ACK, BYTES("\x05\x02\x01\x01"), false },
	{ "SACK of half a block", ACK, BYTES("\x05\x06\x00\x00\x00\x01\x01\x01"), false },
	{ "SACK of one block and a byte", ACK, BYTES("\x05\x0b" BLOCK "\x00\x00"), false },
	{ "SACK cut by the end of the header", ACK, BYTES("\x05\x12" BLOCK "\x00\x00"), false },
	{ "length of zero", SYN, BYTES("\x02\x00\x05\xb4"), false },
	{ "length of zero of an unknown one", SYN, BYTES("\xfe\x00\x01\x01"), false },
	{ "length of one", SYN, BYTES("\xfe\x01\x01\x01"), false },
	{ "length one too many", SYN, BYTES("\xfe\x05\x01\x01"), false },
	{ "length of 255", SYN, BYTES("\xfe\xff\x01\x01"), false },
	{ "kind at the end without a length", SYN, BYTES("\x01\x01\x01\x02"), false },
	{ "unknown kind at the end without a length", SYN, BYTES("\x01\x01\x01\xfe"), false },
};
/* clang-format on */

/* In memory of the frame's own size, so that the address sanitizer sees a read behind it. */
static void check_options(const struct options *row, const char *payload)
{
	uint8_t bytes[100];
	size_t tcp = put_ip4(bytes, "", 0, 20 + row->len + strlen(payload));
	size_t len = tcp + put_tcp(bytes + tcp, row->flags, row->bytes, row->len, payload);
	g_autofree uint8_t *exact = g_memdup2(bytes, len);
	struct tcpseg seg = { .sport = 7 };
	struct frame frame;

	g_assert_cmpint(frame_parse(exact, len, &frame), ==, FRAME_OK);
	g_assert_cmpint(tcpseg_parse(exact, &frame, &seg), ==, row->good);
	if (!row->good) {
		g_assert_cmpuint(seg.sport, ==, 7);
		return;
	}
	g_assert_cmpuint(seg.mss, ==, row->mss);
	g_assert_cmpuint(seg.wscale, ==, row->wscale);
	g_assert_cmpint(seg.sack_permitted, ==, row->sack_permitted);
	g_assert_cmpuint(seg.sack_count, ==, row->sack_count);
	for (unsigned i = 0; i < seg.sack_count; i++) {
		g_assert_cmphex(seg.sacks[i].left, ==, 0xffffff00);
		g_assert_cmphex(seg.sacks[i].right, ==, 0x100);
	}
	check_bytes(seg.payload, seg.len, payload, strlen(payload));
}

static void test_options(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
		g_test_message("%s", options[i].what);
		check_options(&options[i], "");
		check_options(&options[i], "data");
	}
}

/* A wrong bit anywhere in the segment or its addresses shows; one in the padding does not count. */
static void test_checksum(void)
{
	uint8_t bytes[70] = { 0 };
	struct frame frame;
	size_t tcp = put_ip4(bytes, "", 0, 23);

	put_tcp(bytes + tcp, TCPSEG_PSH | TCPSEG_ACK, "", 0, "odd");
	g_assert_cmpint(frame_parse(bytes, sizeof(bytes), &frame), ==, FRAME_OK);
	g_assert_false(tcpseg_checksum_ok(bytes, &frame));
	put_checksum(bytes, &frame);
	g_assert_true(tcpseg_checksum_ok(bytes, &frame));
	for (size_t i = IP_OFFSET + 12; i < sizeof(bytes); i++) {
		struct frame spoiled;

		bytes[i] ^= 0x10;
		if (frame_parse(bytes, sizeof(bytes), &spoiled) == FRAME_OK)
			g_assert_cmpint(tcpseg_checksum_ok(bytes, &spoiled), ==, i >= frame.len);
		bytes[i] ^= 0x10;
	}
}

/* A SYN-ACK byte by byte, its sums worked out by other code. */
static void test_build_exact(void)
{
	static const uint8_t expected[] = {
		/* clang-format off */
		2, 0, 0, 0, 0, 1, 0x52, 0x55, 10, 0, 2, 2, 0x08, 0x00,
		0x45, 0, 0, 52, 0, 0, 0x40, 0, 64, 6, 0x6c, 0x5e, 192, 0, 2, 2, 10, 0, 2, 100,
		0, 80, 0x0f, 0xa0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 2, 0x80, 0x12, 0xff, 0xff, 0xf3, 0x0a, 0, 0,
		2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 8,
		/* clang-format on */
	};
	struct tcpseg seg = {
		.sport = 80,
		.dport = 4000,
		.seq = 0xdeadbeef,
		.ack = 2,
		.flags = TCPSEG_SYN | TCPSEG_ACK,
		.window = 65535,
		.mss = 1460,
		.wscale = 8,
		.sack_permitted = true,
	};
	uint8_t out[TCPSEG_HEADER_MAX];
	size_t len;

	g_assert_true(ip_parse("192.0.2.2", &seg.src) && ip_parse("10.0.2.100", &seg.dst));
	len = tcpseg_build(&seg, &gateway_mac, &guest_mac, false, out);
	check_bytes(out, len, expected, sizeof(expected));
}

static void check_equal(const struct tcpseg *a, const struct tcpseg *b)
{
	size_t address = a->src.family == IP_V4 ? 4 : 16;

	g_assert_cmpint(a->src.family, ==, b->src.family);
	g_assert_cmpint(a->dst.family, ==, b->dst.family);
	check_bytes(a->src.v6.b, address, b->src.v6.b, address);
	check_bytes(a->dst.v6.b, address, b->dst.v6.b, address);
	g_assert_cmpuint(a->sport, ==, b->sport);
	g_assert_cmpuint(a->dport, ==, b->dport);
	g_assert_cmphex(a->seq, ==, b->seq);
	g_assert_cmphex(a->ack, ==, b->ack);
	g_assert_cmphex(a->flags, ==, b->flags);
	g_assert_cmpuint(a->window, ==, b->window);
	g_assert_cmpuint(a->mss, ==, b->mss);
	g_assert_cmpuint(a->wscale, ==, b->wscale);
	g_assert_cmpint(a->sack_permitted, ==, b->sack_permitted);
	g_assert_cmpuint(a->sack_count, ==, b->sack_count);
	check_bytes(a->sacks, a->sack_count * sizeof(a->sacks[0]), b->sacks,
		    b->sack_count * sizeof(b->sacks[0]));
	check_bytes(a->payload, a->len, b->payload, b->len);
}

/* What the kernel does with VIRTIO_NET_HDR_F_NEEDS_CSUM. */
static void complete(uint8_t *bytes, size_t len, size_t csum_start)
{
	uint16_t sum =
		(uint16_t)~checksum_fold(checksum_add(0, bytes + csum_start, len - csum_start));

	memcpy(bytes + csum_start + 16, &sum, sizeof(sum));
}

static void check_round_trip(const struct tcpseg *seg, bool partial)
{
	g_autofree uint8_t *bytes = g_malloc(TCPSEG_HEADER_MAX + seg->len);
	struct frame frame;
	struct tcpseg parsed;
	size_t len = tcpseg_build(seg, &gateway_mac, &guest_mac, partial, bytes);

	g_assert_cmpuint(len, <=, TCPSEG_HEADER_MAX);
	if (seg->len > 0)
		memcpy(bytes + len, seg->payload, seg->len);
	len += seg->len;
	check_bytes(bytes, 6, guest_mac.b, 6);
	check_bytes(bytes + 6, 6, gateway_mac.b, 6);
	g_assert_cmpint(frame_parse(bytes, len, &frame), ==, FRAME_OK);
	g_assert_cmpuint(frame.len, ==, len);
	g_assert_cmpuint(frame.proto, ==, IPPROTO_TCP);
	g_assert_cmpuint(frame.transport, ==, tcpseg_transport_offset(seg));
	if (frame.kind == FRAME_IP4) {
		g_assert_cmphex(bytes[IP_OFFSET + 6], ==, 0x40); /* DF */
		g_assert_cmphex(checksum_fold(checksum_add(0, bytes + IP_OFFSET, 20)), ==, 0xffff);
	}
	if (partial)
		complete(bytes, len, frame.transport);
	g_assert_true(tcpseg_checksum_ok(bytes, &frame));
	g_assert_true(tcpseg_parse(bytes, &frame, &parsed));
	check_equal(seg, &parsed);
}

static void check_between(struct tcpseg *seg, const char *src, const char *dst)
{
	g_assert_true(ip_parse(src, &seg->src) && ip_parse(dst, &seg->dst));
	check_round_trip(seg, false);
	check_round_trip(seg, true);
}

static void check_both_families(struct tcpseg *seg)
{
	check_between(seg, "192.0.2.2", "10.0.2.100");
	check_between(seg, "2001:db8::2", "fd00::64");
}

/* Every set of the options of a SYN, and every number of SACK blocks. */
static void test_round_trip_options(void)
{
	for (unsigned set = 0; set < 8; set++) {
		struct tcpseg seg = {
			.sport = 80,
			.dport = 65535,
			.seq = 0x80000001,
			.flags = TCPSEG_SYN,
			.window = 1,
			.mss = set & 1 ? 1460 : 0,
			.wscale = set & 2 ? TCPSEG_WSCALE_MAX : TCPSEG_WSCALE_NONE,
			.sack_permitted = set & 4,
		};

		check_both_families(&seg);
	}
	for (unsigned count = 0; count <= TCPSEG_SACKS_MAX; count++) {
		struct tcpseg seg = {
			.flags = TCPSEG_ACK | TCPSEG_FIN,
			.ack = 0x7fffffff,
			.wscale = TCPSEG_WSCALE_NONE,
			.sacks = { { 1, 2 }, { 0xfffffff0, 3 }, { 4, 0x80000000 }, { 5, 6 } },
			.sack_count = count,
		};

		memset(seg.sacks + count, 0, (TCPSEG_SACKS_MAX - count) * sizeof(seg.sacks[0]));
		check_both_families(&seg);
	}
}

/* Even and odd, and the largest that fits each family's packet. */
static void test_round_trip_payload(void)
{
	enum { MAX4 = 65535 - 20 - 20, MAX6 = 65535 - 40 - 20 };
	static const size_t lens[] = { 1, 2, 3, 1459, 1460, 32767, MAX6 - 1, MAX6 };
	g_autofree uint8_t *payload = g_malloc(MAX4);
	struct tcpseg seg = {
		.flags = TCPSEG_ACK | TCPSEG_PSH,
		.window = 65535,
		.wscale = TCPSEG_WSCALE_NONE,
		.payload = payload,
	};

	for (size_t i = 0; i < MAX4; i++)
		payload[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; i < G_N_ELEMENTS(lens); i++) {
		seg.len = lens[i];
		check_both_families(&seg);
	}
	seg.len = MAX4;
	check_between(&seg, "192.0.2.2", "10.0.2.100");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tcpseg/ip4-options", test_ip4_options);
	g_test_add_func("/tcpseg/ip6-extensions", test_ip6_extensions);
	g_test_add_func("/tcpseg/no-transport", test_no_transport);
	g_test_add_func("/tcpseg/options", test_options);
	g_test_add_func("/tcpseg/checksum", test_checksum);
	g_test_add_func("/tcpseg/build-exact", test_build_exact);
	g_test_add_func("/tcpseg/round-trip-options", test_round_trip_options);
	g_test_add_func("/tcpseg/round-trip-payload", test_round_trip_payload);
	return g_test_run();
}
