/* net/addrplan: the offsets that callers have hard-coded, and the texts for what is no CIDR. */
#include <glib.h>

#include "net/addrplan.h"

static void check(const struct ip4 *ip, const char *expected)
{
	char text[IP_TEXT_MAX];

	g_assert_cmpstr(ip4_format(ip, text), ==, expected);
}

static void test_offsets(void)
{
	char error[ADDRPLAN_ERROR_MAX], text[IP_TEXT_MAX];
	struct addrplan plan;

	g_assert_true(addrplan_parse("10.0.2.0/24", &plan, error));
	check(&plan.gateway, "10.0.2.2");
	check(&plan.dns, "10.0.2.3");
	check(&plan.dhcp_begin, "10.0.2.15");
	check(&plan.dhcp_end, "10.0.2.30");
	check(&plan.guest, "10.0.2.100");
	g_assert_cmpstr(ip6_format(&plan.prefix6, text), ==, "fd00::");
	g_assert_cmpstr(ip6_format(&plan.gateway6, text), ==, "fd00::2");
	g_assert_cmpstr(ip6_format(&plan.dns6, text), ==, "fd00::3");
	g_assert_true(addrplan_parse("10.0.2.128/25", &plan, error));
	check(&plan.guest, "10.0.2.228");
	g_assert_true(addrplan_parse("128.0.0.0/1", &plan, error));
	check(&plan.gateway, "128.0.0.2");
}

static void test_errors(void)
{
	static const char network[] =
		"CIDR needs to be a network address like 10.0.2.0/24, not like 10.0.2.100/24";
	static const struct {
		const char *cidr, *error;
	} cases[] = {
		{ "", "invalid CIDR: " },
		{ "abc", "invalid CIDR: abc" },
		{ "10.0.2.0", "invalid CIDR: 10.0.2.0" },
		{ "10.0.2.0/", "invalid CIDR: 10.0.2.0/" },
		{ "10.0.2.0/024", "invalid CIDR: 10.0.2.0/024" },
		{ "10.0.2.0/24x", "invalid CIDR: 10.0.2.0/24x" },
		{ " 10.0.2.0/24", "invalid CIDR:  10.0.2.0/24" },
		{ "10.0.2/24", "invalid CIDR: 10.0.2/24" },
		{ "10.0.2.0.1/24", "invalid CIDR: 10.0.2.0.1/24" },
		{ "1000.0.2.0/24", "invalid CIDR: 1000.0.2.0/24" },
		{ "fd00::/64", "invalid CIDR: fd00::/64" },
		{ "256.0.2.0/24", "invalid network address: 256.0.2.0" },
		{ "010.0.2.0/24", "invalid network address: 010.0.2.0" },
		{ "10.0.2.0/0", "prefix length needs to be 1-25" },
		{ "10.0.2.100/26", "prefix length needs to be 1-25" },
		{ "10.0.2.0/33", "prefix length needs to be 1-25" },
		{ "10.0.2.100/24", network },
		{ "10.0.2.0/1", network },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		char error[ADDRPLAN_ERROR_MAX];
		struct addrplan plan;

		g_assert_false(addrplan_parse(cases[i].cidr, &plan, error));
		g_assert_cmpstr(error, ==, cases[i].error);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/addrplan/offsets", test_offsets);
	g_test_add_func("/addrplan/errors", test_errors);
	return g_test_run();
}
