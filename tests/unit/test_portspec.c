/* wire/portspec: what each text means, and what each mistake in one is called. */
#include <glib.h>
#include <string.h>

#include "wire/portspec.h"

#define DIGITS_60 "123456789012345678901234567890123456789012345678901234567890"

static void test_forms(void)
{
	static const struct {
		const char *text, *host, *guest; /* addresses; "-": left out */
		unsigned host_port, guest_port, count;
		const char *protos;
	} cases[] = {
		{ "80", "-", "-", 80, 80, 1, "tcp" },
		{ "80/udp", "-", "-", 80, 80, 1, "udp" },
		{ "8000-8099", "-", "-", 8000, 8000, 100, "tcp" },
		{ "8080:80", "-", "-", 8080, 80, 1, "tcp" },
		{ "8080:80/tcp", "-", "-", 8080, 80, 1, "tcp" },
		{ "8080:80/tcp+udp", "-", "-", 8080, 80, 1, "tcp udp" },
		{ "0:80", "-", "-", 0, 80, 1, "tcp" },
		{ "0:80/udp", "-", "-", 0, 80, 1, "udp" },
		{ "8000-8099:9000-9099", "-", "-", 8000, 9000, 100, "tcp" },
		{ "1-65535:1-65535", "-", "-", 1, 1, 65535, "tcp" },
		{ "5-5:6", "-", "-", 5, 6, 1, "tcp" },
		{ "127.0.0.1:8080:80", "127.0.0.1", "-", 8080, 80, 1, "tcp" },
		{ "8080:10.0.2.50:80", "-", "10.0.2.50", 8080, 80, 1, "tcp" },
		{ "127.0.0.1:8080:10.0.2.50:80", "127.0.0.1", "10.0.2.50", 8080, 80, 1, "tcp" },
		{ "[::]:8080:80", "::", "-", 8080, 80, 1, "tcp" },
		{ "[::1]:1-3:[fd00::100]:4-6/udp", "::1", "fd00::100", 1, 4, 3, "udp" },
		{ "8080:[fd00::100]:80", "-", "fd00::100", 8080, 80, 1, "tcp" },
		{ "[::1]:8080:10.0.2.50:80", "::1", "10.0.2.50", 8080, 80, 1, "tcp" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(GStrv) protos = g_strsplit(cases[i].protos, " ", -1);
		struct portspec specs[TRANSPORTS];
		const char *error = NULL;
		size_t count = portspec_parse(cases[i].text, specs, &error);

		g_test_message("%s", cases[i].text);
		g_assert_cmpstr(error, ==, NULL);
		g_assert_cmpuint(count, ==, g_strv_length(protos));
		for (size_t n = 0; n < count; n++) {
			const struct portspec *spec = &specs[n];
			char host[IP_TEXT_MAX] = "-", guest[IP_TEXT_MAX] = "-";

			if (spec->host_addr.family != IP_NONE)
				ip_format(&spec->host_addr, host);
			if (spec->guest_addr.family != IP_NONE)
				ip_format(&spec->guest_addr, guest);
			g_assert_cmpstr(transport_name(spec->proto), ==, protos[n]);
			g_assert_cmpstr(host, ==, cases[i].host);
			g_assert_cmpstr(guest, ==, cases[i].guest);
			g_assert_cmpuint(spec->host_port, ==, cases[i].host_port);
			g_assert_cmpuint(spec->guest_port, ==, cases[i].guest_port);
			g_assert_cmpuint(spec->count, ==, cases[i].count);
			g_assert_cmpstr(spec->host_path, ==, "");
		}
	}
}

static void test_unix(void)
{
	struct portspec specs[TRANSPORTS];
	const char *error = NULL;
	g_autofree gchar *longest = g_strnfill(PORTSPEC_PATH_MAX - 1, 'x');
	g_autofree gchar *text = g_strdup_printf("unix:%s:65535", longest);

	g_assert_cmpuint(portspec_parse("unix:/run/a:b/c.sock:80", specs, &error), ==, 1);
	g_assert_cmpint(specs[0].proto, ==, TRANSPORT_TCP);
	g_assert_cmpstr(specs[0].host_path, ==, "/run/a:b/c.sock");
	g_assert_cmpuint(specs[0].guest_port, ==, 80);
	g_assert_cmpuint(specs[0].count, ==, 1);
	g_assert_cmpuint(portspec_parse(text, specs, &error), ==, 1);
	g_assert_cmpstr(specs[0].host_path, ==, longest);
}

#define HOST_PORT "the host port is neither a number from 0 to 65535 nor a range FIRST-LAST"
#define GUEST_PORT "the guest port is neither a number from 1 to 65535 nor a range FIRST-LAST"
#define HOST_ADDRESS "the host address is no IP address, with brackets if it is IPv6"
#define GUEST_ADDRESS "the guest address is no IP address, with brackets if it is IPv6"
#define PARTS "there are too many parts: IPv6 addresses have to stand in brackets"
#define PROTOCOL "the protocol is not tcp, udp or tcp+udp"
#define UNIX_PORT "the guest port of a Unix socket is no number from 1 to 65535"

static void test_mistakes(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", HOST_PORT },
		{ "65536", HOST_PORT },
		{ "-", HOST_PORT },
		{ "80-", HOST_PORT },
		{ "-80", HOST_PORT },
		{ "80-79", HOST_PORT },
		{ "1-2-3", HOST_PORT },
		{ ":80", HOST_PORT },
		{ "000080", HOST_PORT },
		{ "http", HOST_ADDRESS },
		{ "+80:80", HOST_ADDRESS },
		{ " 80", HOST_ADDRESS },
		{ "0", GUEST_PORT },
		{ "80:", GUEST_PORT },
		{ "80:0", GUEST_PORT },
		{ "80:http", GUEST_PORT },
		{ "80:65536", GUEST_PORT },
		{ "0-5:1-6", "the host port range begins at 0" },
		{ "1-3:1-4", "the host port range and the guest port range differ in length" },
		{ "1-3:80", "the host port range and the guest port range differ in length" },
		{ "localhost:80:80", HOST_ADDRESS },
		{ "::1:80:80", PARTS },
		{ "1:2:3:4:5", PARTS },
		{ "1:10.0.2.1:3:4", PARTS },
		{ "[::1:80:80", HOST_ADDRESS },
		{ "[127.0.0.1]:80:80", HOST_ADDRESS },
		{ "[fe80::1%lo]:80:80", HOST_ADDRESS },
		{ "[" DIGITS_60 DIGITS_60 "]:80:80", HOST_ADDRESS },
		{ "127.0.0.1", "the host port is missing" },
		{ "127.0.0.1:80", "the guest port is missing" },
		{ "80:guest:80", GUEST_ADDRESS },
		{ "80::80", GUEST_ADDRESS },
		{ "80:[]:80", GUEST_ADDRESS },
		{ "80/sctp", PROTOCOL },
		{ "80/", PROTOCOL },
		{ "80/TCP", PROTOCOL },
		{ "80/udp+tcp", PROTOCOL },
		{ "0:80/tcp+udp", "host port 0 is not the same one for tcp and udp" },
		{ "unix:/x", "the guest port is missing" },
		{ "unix:", "the guest port is missing" },
		{ "unix::80", "the path of the Unix socket is missing" },
		{ "unix:/x:0", UNIX_PORT },
		{ "unix:/x:80-81", UNIX_PORT },
		{ "unix:/x:80/udp", UNIX_PORT },
		{ "unix:/" DIGITS_60 DIGITS_60 ":80",
		  "the path of the Unix socket is longer than 107 bytes" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct portspec specs[TRANSPORTS];
		const char *error = NULL;

		g_test_message("%s", cases[i].text);
		g_assert_cmpuint(portspec_parse(cases[i].text, specs, &error), ==, 0);
		g_assert_cmpstr(error, ==, cases[i].error);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/portspec/forms", test_forms);
	g_test_add_func("/portspec/unix", test_unix);
	g_test_add_func("/portspec/mistakes", test_mistakes);
	return g_test_run();
}
