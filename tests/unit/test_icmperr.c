/* wire/icmperr: whole packets with right checksums that quote the segment. */
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/checksum.h"
#include "wire/frame.h"
#include "wire/icmperr.h"

static struct ip parse(const char *text)
{
	struct ip ip;

	g_assert_true(ip_parse(text, &ip));
	return ip;
}

static void test_ip4(void)
{
	static const struct {
		enum icmperr_reason reason;
		uint8_t code;
	} cases[] = { { ICMPERR_NET, 0 }, { ICMPERR_HOST, 1 }, { ICMPERR_PROHIBITED, 13 } };
	struct ip router = parse("10.0.2.2"), src = parse("10.0.2.100"), dst = parse("192.0.2.9");

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t p[ICMPERR_MAX];
		size_t len = icmperr_build(cases[i].reason, &router, &src, &dst, 0x1234, 80,
					   0xabcdef01, p);

		g_assert_cmpuint(len, ==, 20 + 8 + 20 + 8);
		g_assert_cmpuint(checksum_fold(checksum_add(0, p, 20)), ==, 0xffff);
		g_assert_cmpuint(checksum_fold(checksum_add(0, p + 20, len - 20)), ==, 0xffff);
		g_assert_cmpuint(p[20], ==, 3);
		g_assert_cmpuint(p[21], ==, cases[i].code);
		g_assert_cmpmem(p + 12, 4, router.v4.b, 4);
		g_assert_cmpmem(p + 16, 4, src.v4.b, 4);
		g_assert_cmpmem(p + 28 + 16, 4, dst.v4.b, 4);
		g_assert_cmpmem(p + 48, 8, "\x12\x34\0\x50\xab\xcd\xef\x01", 8);
	}
}

static void test_ip6(void)
{
	static const struct {
		enum icmperr_reason reason;
		uint8_t code;
	} cases[] = { { ICMPERR_NET, 0 }, { ICMPERR_HOST, 3 }, { ICMPERR_PROHIBITED, 1 } };
	struct ip router = parse("fd00::2"), src = parse("fd00::64"), dst = parse("2001:db8::9");

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t p[ICMPERR_MAX];
		size_t len = icmperr_build(cases[i].reason, &router, &src, &dst, 1, 80, 5, p);
		uint64_t sum =
			checksum_add_pseudo(0, &router, &src, IPPROTO_ICMPV6, (uint32_t)(len - 40));

		g_assert_cmpuint(len, ==, 40 + 8 + 40 + 8);
		g_assert_cmpuint(checksum_fold(checksum_add(sum, p + 40, len - 40)), ==, 0xffff);
		g_assert_cmpuint(p[40], ==, 1);
		g_assert_cmpuint(p[41], ==, cases[i].code);
		g_assert_cmpmem(p + 48 + 24, 16, dst.v6.b, 16);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/icmperr/ip4", test_ip4);
	g_test_add_func("/icmperr/ip6", test_ip6);
	return g_test_run();
}
