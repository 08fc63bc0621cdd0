/* wire/nameserver: which line of a resolv.conf counts. */
#include <glib.h>
#include <string.h>

#include "wire/nameserver.h"

#define LONG_LINE \
	"nameserver 192.0.2.99999999999999999999999999999999999999999999999999999999999999\n"

static const struct {
	const char *text;
	enum ip_family family;
	const char *ip; /* NULL: none */
	const char *scope;
} rows[] = {
	{ "", IP_V4, NULL, NULL },
	{ "nameserver 192.0.2.1\n", IP_V4, "192.0.2.1", "" },
	{ "nameserver 192.0.2.1\n", IP_V6, NULL, NULL },
	{ "nameserver 192.0.2.1", IP_V4, "192.0.2.1", "" },
	{ "nameserver\t  192.0.2.1 # the first\n", IP_V4, "192.0.2.1", "" },
	{ "nameserver 192.0.2.1\r\n", IP_V4, "192.0.2.1", "" },
	{ "search a.test\nnameserver 2001:db8::1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n",
	  IP_V4, "192.0.2.2", "" },
	{ "nameserver 192.0.2.2\nnameserver 2001:db8::1\n", IP_V6, "2001:db8::1", "" },
	{ "nameserver fe80::1%eth0\n", IP_V6, "fe80::1", "eth0" },
	{ "nameserver fe80::1%\n", IP_V6, "fe80::1", "" },
	{ "nameserver fe80::1%nosuchinterface00\nnameserver ::2\n", IP_V6, "::2", "" },
	{ "#nameserver 192.0.2.1\n;nameserver 192.0.2.1\n", IP_V4, NULL, NULL },
	{ " nameserver 192.0.2.1\n", IP_V4, NULL, NULL },
	{ "nameserver192.0.2.1\nnameservers 192.0.2.1\n", IP_V4, NULL, NULL },
	{ "nameserver example.test\nnameserver 192.0.2.300\nnameserver 192.0.2.4\n", IP_V4,
	  "192.0.2.4", "" },
	{ "nameserver\nnameserver \n\nnameserver 192.0.2.5\n", IP_V4, "192.0.2.5", "" },
	{ LONG_LINE "nameserver 192.0.2.6\n", IP_V4, "192.0.2.6", "" },
	{ "nameserver 127.0.0.53\n", IP_V4, "127.0.0.53", "" },
};

static void test_rows(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct nameserver server;
		char text[IP_TEXT_MAX];
		/* No byte behind the text is looked at. */
		g_autofree char *copy = g_memdup2(rows[i].text, strlen(rows[i].text));

		g_assert_cmpint(nameserver_first(copy, strlen(rows[i].text), rows[i].family,
						 &server),
				==, rows[i].ip != NULL);
		if (!rows[i].ip)
			continue;
		g_assert_cmpstr(ip_format(&server.ip, text), ==, rows[i].ip);
		g_assert_cmpstr(server.scope, ==, rows[i].scope);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/nameserver/rows", test_rows);
	return g_test_run();
}
