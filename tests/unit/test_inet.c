/* wire/inet: texts to addresses and back, prefixes, SLAAC. */
#include <glib.h>
#include <string.h>

#include "wire/inet.h"

static void test_ip_parse(void)
{
	static const struct {
		const char *text;
		enum ip_family family; /* IP_NONE: refused */
	} cases[] = {
		{ "10.0.2.3", IP_V4 },	   { "255.255.255.255", IP_V4 },
		{ "0.0.0.0", IP_V4 },	   { "::", IP_V6 },
		{ "fd00::3", IP_V6 },	   { "::ffff:1.2.3.4", IP_V6 },
		{ "", IP_NONE },	   { "10.0.2", IP_NONE },
		{ "10.0.2.256", IP_NONE }, { "010.0.2.3", IP_NONE },
		{ " 10.0.2.3", IP_NONE },  { "10.0.2.3 ", IP_NONE },
		{ "fe80::1%lo", IP_NONE }, { ":::", IP_NONE },
		{ "localhost", IP_NONE },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ip ip = { .family = IP_NONE };
		bool parsed = ip_parse(cases[i].text, &ip);

		g_test_message("%s", cases[i].text);
		g_assert_true(parsed == (cases[i].family != IP_NONE));
		g_assert_cmpint(ip.family, ==, cases[i].family);
	}
}

static void test_ip_format(void)
{
	static const char *const texts[] = { "10.0.2.3", "::1", "2001:db8::100", "0.0.0.0", "::" };
	char text[IP_TEXT_MAX];
	struct ip ip;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_assert_true(ip_parse(texts[i], &ip));
		g_assert_cmpstr(ip_format(&ip, text), ==, texts[i]);
	}
}

static void test_mac(void)
{
	static const char *const good[] = { "0e:d4:18:d9:38:fb", "0E:D4:18:D9:38:FB",
					    "e:4:8:9:8:b" };
	static const char *const bad[] = {
		"",
		"zz",
		"0e:d4",
		"0e:d4:18:d9:38:",
		"0e:d4:18:d9:38:fb:",
		"0e:d4:18:d9:38:fbb",
		"0e:d4:18:d9:38:fb:00",
		"0e-d4-18-d9-38-fb",
		"0e::18:d9:38:fb",
		"0x0e:d4:18:d9:38:fb",
		"0e:d4:18:d9:38:fg",
	};
	char text[MAC_TEXT_MAX];
	struct mac mac;

	for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
		g_assert_true(mac_parse(good[i], &mac));
	g_assert_cmpstr(mac_format(&mac, text), ==, "0e:04:08:09:08:0b");
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_test_message("%s", bad[i]);
		g_assert_false(mac_parse(bad[i], &mac));
	}
	g_assert_cmpstr(mac_format(&mac, text), ==, "0e:04:08:09:08:0b");
}

static void test_prefixes(void)
{
	struct ip4_net net = { { { 10, 0, 2, 128 } }, 25 };
	struct ip4 inside = { { 10, 0, 2, 200 } }, outside = { { 10, 0, 2, 127 } };
	struct ip4 broadcast = ip4_broadcast(&net), mask = ip4_netmask(25), all = ip4_netmask(0);
	struct ip4 carried = ip4_plus(&(struct ip4){ { 10, 0, 2, 255 } }, 3);

	g_assert_true(ip4_in_net(&inside, &net));
	g_assert_false(ip4_in_net(&outside, &net));
	g_assert_cmpuint(broadcast.b[3], ==, 255);
	g_assert_cmpuint(mask.b[3], ==, 128);
	g_assert_cmpuint(ip4_to_host(&all), ==, 0);
	g_assert_cmpuint(carried.b[2], ==, 3);
	g_assert_cmpuint(carried.b[3], ==, 2);
}

static void test_slaac(void)
{
	struct ip6 prefix = { { 0xfd } };
	struct mac mac = { { 0xc2, 0x28, 0x0c, 0x0e, 0x29, 0x06 } };
	struct ip6 ip = ip6_slaac(&prefix, &mac);
	char text[IP_TEXT_MAX];

	g_assert_cmpstr(ip6_format(&ip, text), ==, "fd00::c028:cff:fe0e:2906");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inet/ip-parse", test_ip_parse);
	g_test_add_func("/inet/ip-format", test_ip_format);
	g_test_add_func("/inet/mac", test_mac);
	g_test_add_func("/inet/prefixes", test_prefixes);
	g_test_add_func("/inet/slaac", test_slaac);
	return g_test_run();
}
