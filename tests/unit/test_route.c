/* net/route: where destinations of the guest are on the host. */
#include <errno.h>
#include <glib.h>

#include "net/dial.h"
#include "net/route.h"
#include "net/settings.h"

static bool find_nameserver(enum ip_family family, struct dial_target *ret, void *data)
{
	const char *text = data;
	struct ip ip;

	if (!text)
		return false;
	g_assert_true(ip_parse(text, &ip));
	if (ip.family != family)
		return false;
	ret->ip = ip;
	return true;
}

/* What @dst:@port leads to, or "nowhere". */
static void expect(const char *dst, uint16_t port, const char *nameserver, const char *expected)
{
	struct settings settings = { .host_loopback = true };
	char error[ADDRPLAN_ERROR_MAX], text[IP_TEXT_MAX];
	g_autofree char *name = g_strdup(nameserver);
	struct dial_target target;
	struct ip ip;
	int r;

	g_assert_true(addrplan_parse("10.0.2.0/24", &settings.plan, error));
	g_assert_true(ip_parse(dst, &ip));
	r = route_to_host(&settings, &ip, port, find_nameserver, name, &target);
	g_assert_true(r == 0 || r == -ENETUNREACH);
	g_assert_cmpstr(r == 0 ? ip_format(&target.ip, text) : "nowhere", ==, expected);
	if (r == 0)
		g_assert_cmpuint(target.port, ==, port);
}

static void test_to_host(void)
{
	static const struct {
		const char *dst;
		uint16_t port;
		const char *nameserver, *expected;
	} rows[] = {
		{ "192.0.2.1", 80, NULL, "192.0.2.1" },
		{ "10.0.2.2", 80, NULL, "127.0.0.1" },
		{ "fd00::2", 80, NULL, "::1" },
		{ "10.0.2.3", 53, "192.0.2.53", "192.0.2.53" },
		{ "10.0.2.3", 54, "192.0.2.53", "nowhere" },
		{ "10.0.2.3", 53, NULL, "nowhere" },
		{ "10.0.2.3", 53, "0.0.0.0", "127.0.0.1" }, /* this host, to resolv.conf(5) */
		{ "fd00::3", 53, "::", "::1" },
		{ "fe80::1", 80, NULL, "nowhere" }, /* on which link? */
		{ "febf::1", 80, NULL, "nowhere" },
		{ "fec0::1", 80, NULL, "fec0::1" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		expect(rows[i].dst, rows[i].port, rows[i].nameserver, rows[i].expected);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/route/to-host", test_to_host);
	return g_test_run();
}
