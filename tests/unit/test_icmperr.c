/* wire/icmperr: whole packets with right checksums that quote what they are about. */
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/frame.h"
#include "wire/icmperr.h"

static const uint8_t tcp[] = { 0x12, 0x34, 0, 80, 0xab, 0xcd, 0xef, 0x01 };

static struct ip parse(const char *text)
{
	struct ip ip;

	g_assert_true(ip_parse(text, &ip));
	return ip;
}

static struct icmperr about_tcp(bool v6)
{
	return (struct icmperr){
		.router = parse(v6 ? "fd00::2" : "10.0.2.2"),
		.src = parse(v6 ? "fd00::64" : "10.0.2.100"),
		.dst = parse(v6 ? "2001:db8::9" : "192.0.2.9"),
		.proto = IPPROTO_TCP,
		.transport = tcp,
		.transport_len = sizeof(tcp),
		.packet_transport_len = 20,
	};
}

/* What the network layer holds a packet to: lengths and both checksums. */
static void check_packet(const uint8_t *p, size_t len, bool v6)
{
	uint8_t bytes[FRAME_ETHER_HEADER + ICMPERR_MAX] = { [12] = v6 ? 0x86 : 8, v6 ? 0xdd : 0 };
	struct frame frame;
	uint64_t sum = 0;

	g_assert_cmpuint(len, <=, ICMPERR_MAX);
	memcpy(bytes + FRAME_ETHER_HEADER, p, len);
	g_assert_cmpint(frame_parse(bytes, FRAME_ETHER_HEADER + len, &frame), ==, FRAME_OK);
	g_assert_cmpuint(frame.len, ==, FRAME_ETHER_HEADER + len);
	g_assert_cmpuint(frame.proto, ==, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
	if (v6)
		sum = checksum_add_pseudo(0, &frame.src, &frame.dst, IPPROTO_ICMPV6,
					  (uint32_t)frame.transport_len);
	else
		g_assert_cmpuint(checksum_fold(checksum_add(0, p, 20)), ==, 0xffff);
	sum = checksum_add(sum, bytes + frame.transport, frame.transport_len);
	g_assert_cmpuint(checksum_fold(sum), ==, 0xffff);
}

static void test_exact4(void)
{
	static const uint8_t expected[] = {
		/* clang-format off */
		0x45, 0, 0, 56, 0, 0, 0, 0, 64, 1, 0x62, 0x60, 10, 0, 2, 2, 10, 0, 2, 100,
		3, 4, 0x4a, 0x94, 0, 0, 0x05, 0x14,
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0xac, 0x63, 10, 0, 2, 100, 192, 0, 2, 9,
		0x12, 0x34, 0, 80, 0xab, 0xcd, 0xef, 0x01,
		/* clang-format on */
	};
	struct icmperr error = about_tcp(false);
	uint8_t p[ICMPERR_MAX];
	size_t len;

	error.reason = ICMPERR_TOO_BIG;
	error.info = 1300;
	len = icmperr_build(&error, p);
	check_packet(p, len, false);
	g_assert_cmpuint(len, ==, sizeof(expected));
	g_assert_true(memcmp(p, expected, len) == 0);
}

static void test_exact6(void)
{
	static const uint8_t expected[] = {
		/* clang-format off */
		0x60, 0, 0, 0, 0, 56, 58, 64,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64,
		1, 4, 0xc5, 0x52, 0, 0, 0, 0,
		0x60, 0, 0, 0, 0, 20, 6, 64,
		0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64,
		0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
		0x12, 0x34, 0, 80, 0xab, 0xcd, 0xef, 0x01,
		/* clang-format on */
	};
	struct icmperr error = about_tcp(true);
	uint8_t p[ICMPERR_MAX];
	size_t len;

	error.reason = ICMPERR_PORT;
	error.info = 7; /* is nothing here */
	len = icmperr_build(&error, p);
	check_packet(p, len, true);
	g_assert_cmpuint(len, ==, sizeof(expected));
	g_assert_true(memcmp(p, expected, len) == 0);
}

static const struct {
	enum icmperr_reason reason;
	uint8_t type4, code4, type6, code6;
} reasons[] = {
	{ ICMPERR_NET, 3, 0, 1, 0 },	      { ICMPERR_HOST, 3, 1, 1, 3 },
	{ ICMPERR_PROHIBITED, 3, 13, 1, 1 },  { ICMPERR_PROTOCOL, 3, 2, 1, 3 },
	{ ICMPERR_HOST_UNKNOWN, 3, 7, 1, 3 }, { ICMPERR_HOST_ISOLATED, 3, 8, 1, 3 },
	{ ICMPERR_PORT, 3, 3, 1, 4 },	      { ICMPERR_TOO_BIG, 3, 4, 2, 0 },
	{ ICMPERR_TTL, 11, 0, 3, 0 },	      { ICMPERR_REASSEMBLY, 11, 1, 3, 1 },
	{ ICMPERR_RAW, 77, 88, 77, 88 },
};

static void test_reasons(void)
{
	g_assert_cmpuint(G_N_ELEMENTS(reasons), ==, ICMPERR_REASONS);
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(reasons); i++) {
		const bool v6 = i % 2 == 1;
		struct icmperr error = about_tcp(v6);
		uint8_t p[ICMPERR_MAX], *icmp = p + (v6 ? 40 : 20);

		error.reason = reasons[i / 2].reason;
		error.type = 77;
		error.code = 88;
		check_packet(p, icmperr_build(&error, p), v6);
		g_assert_cmpuint(icmp[0], ==, v6 ? reasons[i / 2].type6 : reasons[i / 2].type4);
		g_assert_cmpuint(icmp[1], ==, v6 ? reasons[i / 2].code6 : reasons[i / 2].code4);
	}
}

/* The second word: as it came, or the MTU, of which ICMP has 16 bits. */
static void test_info(void)
{
	static const struct {
		enum icmperr_reason reason;
		bool v6;
		uint32_t info, second;
	} cases[] = {
		{ ICMPERR_RAW, false, 0xfedcba98, 0xfedcba98 },
		{ ICMPERR_RAW, true, 0xfedcba98, 0xfedcba98 },
		{ ICMPERR_TOO_BIG, false, 68, 68 },
		{ ICMPERR_TOO_BIG, false, 65536, 65535 },
		{ ICMPERR_TOO_BIG, true, 65576, 65576 },
		{ ICMPERR_HOST, false, 1400, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct icmperr error = about_tcp(cases[i].v6);
		uint8_t p[ICMPERR_MAX];

		error.reason = cases[i].reason;
		error.info = cases[i].info;
		check_packet(p, icmperr_build(&error, p), cases[i].v6);
		g_assert_cmphex(get32(p + (cases[i].v6 ? 44 : 24)), ==, cases[i].second);
	}
}

/* No more is quoted than there is, nor than the limit; the quoted header tells the whole length. */
static void test_quote(void)
{
	uint8_t datagram[ICMPERR_QUOTED + 1];

	for (size_t i = 0; i < sizeof(datagram); i++)
		datagram[i] = (uint8_t)i;
	for (size_t len = ICMPERR_QUOTED_MIN; len <= sizeof(datagram); len++) {
		for (int v6 = 0; v6 <= 1; v6++) {
			const size_t header = v6 ? 40 : 20, quoted = MIN(len, ICMPERR_QUOTED);
			g_autofree uint8_t *exact = g_memdup2(datagram, quoted);
			struct icmperr error = about_tcp(v6);
			uint8_t p[ICMPERR_MAX], *quote = p + header + 8;

			error.reason = ICMPERR_PORT;
			error.proto = IPPROTO_UDP;
			error.transport = exact;
			error.transport_len = len;
			error.packet_transport_len = 1008;
			g_assert_cmpuint(icmperr_build(&error, p), ==, 2 * header + 8 + quoted);
			check_packet(p, 2 * header + 8 + quoted, v6);
			g_assert_cmpuint(quote[v6 ? 6 : 9], ==, IPPROTO_UDP);
			g_assert_cmpuint(get16(quote + (v6 ? 4 : 2)), ==, v6 ? 1008 : 1028);
			g_assert_true(memcmp(quote + header, datagram, quoted) == 0);
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/icmperr/exact4", test_exact4);
	g_test_add_func("/icmperr/exact6", test_exact6);
	g_test_add_func("/icmperr/reasons", test_reasons);
	g_test_add_func("/icmperr/info", test_info);
	g_test_add_func("/icmperr/quote", test_quote);
	return g_test_run();
}
