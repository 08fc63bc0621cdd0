/* app/guestfiles: what CMD of `run` reads about names. */
#include <glib.h>

#include "app/guestfiles.h"
#include "net/settings.h"

static struct settings some_settings(bool ipv6, bool dns, bool host_loopback)
{
	struct settings settings = { .ipv6 = ipv6, .dns = dns, .host_loopback = host_loopback };
	char error[ADDRPLAN_ERROR_MAX];

	g_assert_true(addrplan_parse("10.0.2.0/24", &settings.plan, error));
	return settings;
}

static const struct {
	bool ipv6, dns;
	const char *host, *expected;
} resolv_confs[] = {
	{ true, true, "", "nameserver 10.0.2.3\nnameserver fd00::3\n" },
	{ false, true, "", "nameserver 10.0.2.3\n" },
	{ false, true, "nameserver 192.0.2.1\nsearch a.test\n",
	  "nameserver 10.0.2.3\nsearch a.test\n" },
	{ false, true, "\toptions ndots:3\ndomain\tb.test\noptionsx\nsearch",
	  "nameserver 10.0.2.3\n\toptions ndots:3\ndomain\tb.test\n" },
	{ false, true, "#search a.test\nsortlist 10.0.0.0\nlookup file\n",
	  "nameserver 10.0.2.3\n" },
	{ true, false, "nameserver 192.0.2.1\nsearch a.test\n", "# --dns=off\n" },
};

static void test_resolv_conf(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(resolv_confs); i++) {
		const struct settings settings =
			some_settings(resolv_confs[i].ipv6, resolv_confs[i].dns, false);
		g_autofree char *text = guestfiles_resolv_conf(&settings, resolv_confs[i].host);

		g_assert_cmpstr(text, ==, resolv_confs[i].expected);
	}
}

#define LOCALHOST "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"

static const struct {
	bool ipv6, host_loopback;
	const char *expected;
} hosts[] = {
	{ false, false, LOCALHOST "10.0.2.100\tme\n" },
	{ true, false, LOCALHOST "10.0.2.100\tme\nfd00::64\tme\n" },
	{ false, true, LOCALHOST "10.0.2.100\tme\n10.0.2.2\thost.gate4netns.internal\n" },
	{ true, true,
	  LOCALHOST "10.0.2.100\tme\nfd00::64\tme\n10.0.2.2\thost.gate4netns.internal\n"
		    "fd00::2\thost.gate4netns.internal\n" },
};

static void test_hosts(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
		const struct settings settings =
			some_settings(hosts[i].ipv6, true, hosts[i].host_loopback);
		g_autofree char *text = guestfiles_hosts(&settings, "me");

		g_assert_cmpstr(text, ==, hosts[i].expected);
	}
}

static const struct {
	const char *host, *expected;
} switches[] = {
	{ "", "hosts: files dns\n" },
	{ "passwd: files\nhosts: mymachines resolve [!UNAVAIL=return] files\ngroup: files",
	  "hosts: files dns\npasswd: files\ngroup: files\n" },
	{ "hosts:files\n  hosts : dns\nhosts.test: files\n",
	  "hosts: files dns\nhosts.test: files\n" },
	{ "# hosts: dns\n\nservices: db\n", "hosts: files dns\n# hosts: dns\nservices: db\n" },
};

static void test_nsswitch(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
		g_autofree char *text = guestfiles_nsswitch(switches[i].host);

		g_assert_cmpstr(text, ==, switches[i].expected);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/guestfiles/resolv_conf", test_resolv_conf);
	g_test_add_func("/guestfiles/hosts", test_hosts);
	g_test_add_func("/guestfiles/nsswitch", test_nsswitch);
	return g_test_run();
}
