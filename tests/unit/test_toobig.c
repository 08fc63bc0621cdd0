/* wire/toobig: what is taken of an ICMP error about a segment, and what is not. */
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/icmperr.h"
#include "wire/toobig.h"

#define IP 14 /* offsets in a frame */
#define ICMP4 34
#define ICMP6 54
#define QUOTE4 (ICMP4 + 8)
#define QUOTE6 (ICMP6 + 8)
#define MORE 12 /* bytes of a quote behind what has to be there */

static struct ip parse(const char *text)
{
	struct ip ip;

	g_assert_true(ip_parse(text, &ip));
	return ip;
}

struct message {
	bool v6;
	uint8_t frame[FRAME_ETHER_HEADER + ICMPERR_MAX];
	size_t len;
};

/* As the kernel of a guest would send it, about a segment from the far end. */
static void make(struct message *m, bool v6)
{
	struct ip router = parse(v6 ? "fd00::64" : "10.0.2.100");
	struct ip src = parse(v6 ? "2001:db8::1" : "192.0.2.1");
	uint8_t *icmp = m->frame + (v6 ? ICMP6 : ICMP4);

	static const uint8_t tcp[] = { 0, 80, 0x9c, 0x40, 0xfe, 0xdc, 0xba, 0x98 };
	const struct icmperr error = {
		.reason = ICMPERR_NET,
		.router = router,
		.src = src,
		.dst = router,
		.proto = IPPROTO_TCP,
		.transport = tcp,
		.transport_len = sizeof(tcp),
		.packet_transport_len = 20,
	};

	*m = (struct message){ .v6 = v6 };
	put16(m->frame + 12, v6 ? 0x86dd : 0x0800);
	m->len = IP + MORE + icmperr_build(&error, m->frame + IP);
	icmp[0] = v6 ? 2 : 3;
	icmp[1] = v6 ? 0 : 4;
	put16(icmp + 6, 1400);
}

/* With lengths and checksum made right, in memory of just that size. */
static bool taken(struct message *m, struct toobig *ret)
{
	uint8_t *icmp = m->frame + (m->v6 ? ICMP6 : ICMP4);
	g_autofree uint8_t *exact = NULL;
	struct frame frame;
	uint64_t sum = 0;

	if (m->v6)
		put16(m->frame + IP + 4, (uint16_t)(m->len - ICMP6));
	else
		put16(m->frame + IP + 2, (uint16_t)(m->len - IP));
	g_assert_cmpint(frame_parse(m->frame, m->len, &frame), ==, FRAME_OK);
	memset(icmp + 2, 0, 2);
	if (m->v6)
		sum = checksum_add_pseudo(0, &frame.src, &frame.dst, frame.proto,
					  (uint32_t)frame.transport_len);
	checksum_store(icmp + 2, checksum_add(sum, icmp, m->len - (size_t)(icmp - m->frame)));
	exact = g_memdup2(m->frame, m->len);
	return toobig_parse(exact, &frame, ret);
}

static void check_taken(bool v6)
{
	struct ip guest = parse(v6 ? "fd00::64" : "10.0.2.100");
	struct ip remote = parse(v6 ? "2001:db8::1" : "192.0.2.1");
	struct toobig report;
	struct message m;

	make(&m, v6);
	g_assert_true(taken(&m, &report));
	g_assert_cmpuint(report.mtu, ==, 1400);
	g_assert_true(ip_equal(&report.src, &remote) && ip_equal(&report.dst, &guest));
	g_assert_cmpuint(report.sport, ==, 80);
	g_assert_cmpuint(report.dport, ==, 40000);
	g_assert_cmphex(report.seq, ==, 0xfedcba98);
}

static void test_taken(void)
{
	check_taken(false);
	check_taken(true);
}

static void test_mtu(void)
{
	static const struct {
		bool v6;
		uint32_t said, taken; /* 0: not at all */
	} cases[] = {
		{ false, 0, 576 },
		{ false, 1, 0 },
		{ false, 67, 0 },
		{ false, 68, 68 },
		{ false, 65535, 65535 },
		{ true, 0, 0 },
		{ true, 1279, 0 },
		{ true, 1280, 1280 },
		{ true, 65535, 65535 },
		{ true, 65536, 65536 },
		{ true, UINT32_MAX, UINT32_MAX },
	};
	struct toobig report;
	struct message m;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%u", cases[i].said);
		make(&m, cases[i].v6);
		if (m.v6)
			put32(m.frame + ICMP6 + 4, cases[i].said);
		else
			put16(m.frame + ICMP4 + 6, (uint16_t)cases[i].said);
		g_assert_cmpint(taken(&m, &report), ==, cases[i].taken != 0);
		if (cases[i].taken != 0)
			g_assert_cmpuint(report.mtu, ==, cases[i].taken);
	}
}

/* One byte is another, and the checksum right for it. */
static void test_others(void)
{
	static const struct {
		const char *what;
		bool v6;
		size_t at;
		uint8_t value;
		bool taken;
	} cases[] = {
		{ "an echo", false, ICMP4, 8, false },
		{ "host unreachable", false, ICMP4 + 1, 1, false },
		{ "length of the quote (RFC 4884)", false, ICMP4 + 5, 7, true },
		{ "unreachable", true, ICMP6, 1, false },
		{ "a code (RFC 4443: ignored)", true, ICMP6 + 1, 1, true },
		{ "ICMPv6 in IPv4", false, IP + 9, IPPROTO_ICMPV6, false },
		{ "ICMP in IPv6", true, IP + 6, IPPROTO_ICMP, false },
		{ "quoted version", false, QUOTE4, 0x65, false },
		{ "quoted header length", false, QUOTE4, 0x44, false },
		{ "quoted options", false, QUOTE4, 0x46, true },
		{ "quoted options beyond the end", false, QUOTE4, 0x4f, false },
		{ "a quoted fragment", false, QUOTE4 + 7, 1, false },
		{ "the first fragment", false, QUOTE4 + 6, 0x20, false },
		{ "quoted UDP", false, QUOTE4 + 9, IPPROTO_UDP, false },
		{ "quoted source", false, QUOTE4 + 12, 193, false },
		{ "quoted version", true, QUOTE6, 0x45, false },
		{ "quoted fragment", true, QUOTE6 + 6, IPPROTO_FRAGMENT, false },
		{ "quoted source", true, QUOTE6 + 23, 2, false },
	};
	struct toobig report;
	struct message m;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("IPv%c, %s", cases[i].v6 ? '6' : '4', cases[i].what);
		make(&m, cases[i].v6);
		m.frame[cases[i].at] = cases[i].value;
		g_assert_cmpint(taken(&m, &report), ==, cases[i].taken);
	}
}

static void test_lengths(void)
{
	struct toobig report;
	struct message m;

	for (int v6 = 0; v6 < 2; v6++) {
		size_t least = v6 ? QUOTE6 + 40 + 8 : QUOTE4 + 20 + 8;

		for (size_t len = v6 ? ICMP6 + 4 : ICMP4 + 4; len <= least + MORE; len++) {
			make(&m, v6);
			m.len = len;
			g_assert_cmpint(taken(&m, &report), ==, len >= least);
		}
	}
}

static void test_checksum(void)
{
	struct toobig report;
	struct frame frame;
	struct message m;

	for (int v6 = 0; v6 < 2; v6++) {
		make(&m, v6);
		g_assert_true(taken(&m, &report));
		g_assert_cmpint(frame_parse(m.frame, m.len, &frame), ==, FRAME_OK);
		g_assert_true(toobig_parse(m.frame, &frame, &report));
		m.frame[m.len - 1] ^= 1;
		g_assert_false(toobig_parse(m.frame, &frame, &report));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/toobig/taken", test_taken);
	g_test_add_func("/toobig/mtu", test_mtu);
	g_test_add_func("/toobig/others", test_others);
	g_test_add_func("/toobig/lengths", test_lengths);
	g_test_add_func("/toobig/checksum", test_checksum);
	return g_test_run();
}
