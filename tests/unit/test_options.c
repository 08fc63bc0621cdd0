/* app/options and the slirp4netns dialect: from argv to settings, without running anything. */
#include <glib.h>
#include <string.h>

#include "app/cli_compat.h"
#include "app/options.h"
#include "app/values.h"
#include "net/settings.h"

#define ARGS_MAX 16

struct parsed {
	enum options_outcome outcome;
	struct values values;
	int count;
	char *argv[ARGS_MAX];
	int first;
};

static void parse(struct parsed *parsed, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", -1);

	*parsed = (struct parsed){ 0 };
	compat_defaults(&parsed->values);
	for (; words[parsed->count]; parsed->count++) {
		g_assert_cmpint(parsed->count, <, ARGS_MAX - 1);
		parsed->argv[parsed->count] = (char *)g_intern_string(words[parsed->count]);
	}
	parsed->outcome = options_parse(compat_opts, 0, parsed->count, parsed->argv,
					&parsed->values, &parsed->first);
}

static void test_permutation(void)
{
	struct parsed p;

	parse(&p, "x 12345 --cidr 10.0.1.0/24 tap0 -c -e3 --ready=4 -m 1400");
	g_assert_cmpint(p.outcome, ==, OPTIONS_OK);
	g_assert_cmpstr(p.argv[p.first], ==, "12345");
	g_assert_cmpstr(p.argv[p.first + 1], ==, "tap0");
	g_assert_true(p.values.configure);
	g_assert_cmpint(p.values.exit_fd, ==, 3);
	g_assert_cmpint(p.values.ready_fd, ==, 4);
	g_assert_cmpint(p.values.mtu, ==, 1400);
	g_assert_cmpstr(p.values.cidr, ==, "10.0.1.0/24");
}

static void test_last_wins(void)
{
	struct parsed p;

	parse(&p, "x -m 1400 -c -c --mtu=1300 1 tap0");
	g_assert_cmpint(p.outcome, ==, OPTIONS_OK);
	g_assert_cmpint(p.values.mtu, ==, 1300);
}

static void test_help_in_order(void)
{
	struct parsed p;

	parse(&p, "x --help --mtu=0");
	g_assert_cmpint(p.outcome, ==, OPTIONS_HELP);
	parse(&p, "x -v --bogus");
	g_assert_cmpint(p.outcome, ==, OPTIONS_VERSION);
}

static void test_numbers(void)
{
	static const struct {
		const char *text;
		int number; /* -1: refused */
	} cases[] = {
		{ "1500", 1500 }, { " 1500", 1500 },	{ "+1500", 1500 },
		{ "1", 1 },	  { "65521", 65521 },	{ "65522", -1 },
		{ "0", -1 },	  { "-1", -1 },		{ "", -1 },
		{ "+", -1 },	  { "0x5dc", -1 },	{ "1500.5", -1 },
		{ "1500x", -1 },  { "4294967297", -1 }, { "99999999999999999999", -1 },
		{ "++1", -1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		int number = -1;

		g_test_message("%s", cases[i].text);
		g_assert_true(options_parse_number(cases[i].text, 1, 65521, &number) ==
			      (cases[i].number != -1));
		g_assert_cmpint(number, ==, cases[i].number);
	}
}

static bool resolve(const char *line, struct settings *settings, struct compat_error *error)
{
	struct parsed p;

	parse(&p, line);
	g_assert_cmpint(p.outcome, ==, OPTIONS_OK);
	*error = (struct compat_error){ 0 };
	return compat_resolve(&p.values, p.count - p.first, p.argv + p.first, settings, error);
}

static void test_settings(void)
{
	struct compat_error error;
	struct settings settings;
	char text[MAC_TEXT_MAX];

	g_assert_true(resolve(
		"x -c --disable-host-loopback --disable-dns -6 --macaddress=0e:d4:18:d9:38:fb "
		"--outbound-addr=127.0.0.1 1 tap0",
		&settings, &error));
	g_assert_cmpint(settings.target, ==, TARGET_PID);
	g_assert_cmpint(settings.pid, ==, 1);
	g_assert_cmpstr(settings.tap_name, ==, "tap0");
	g_assert_true(settings.configure && settings.ipv6 && settings.has_mac);
	g_assert_false(settings.host_loopback || settings.dns || settings.sandbox);
	g_assert_cmpstr(mac_format(&settings.mac, text), ==, "0e:d4:18:d9:38:fb");
	g_assert_cmpint(settings.outbound4.family, ==, IP_V4);
	g_assert_cmpint(settings.outbound6.family, ==, IP_NONE);
	g_assert_true(resolve("x --netns-type=tapfd 7", &settings, &error));
	g_assert_cmpint(settings.tapfd, ==, 7);
	g_assert_true(resolve("x --target-type=bess /tmp/b", &settings, &error));
	g_assert_cmpint(settings.target, ==, TARGET_BESS);
}

static void test_refusals(void)
{
	static const struct {
		const char *line, *text;
		bool usage;
	} cases[] = {
		{ "x", "", true },
		{ "x 1", "", true },
		{ "x 0 tap0", "PID must be a positive integer", true },
		{ "x 4294967297 tap0", "PID must be a positive integer", true },
		{ "x -m 67 1 tap0", "MTU must be 68 or more, not 67", true },
		{ "x --netns-type=path /nonexistent tap0",
		  "existing path expected when --netns-type=path: No such file or directory",
		  true },
		{ "x --netns-type=bogus 1 tap0",
		  "--netns-type must be \"pid\", \"path\" or \"tapfd\", not \"bogus\"", true },
		{ "x --netns-type=tapfd x", "TAPFD must a file descriptor", true },
		{ "x --target-type=bogus 1 tap0",
		  "--target-type must be either \"netns\" or \"bess\"", true },
		{ "x --target-type=bess -c /tmp/b", "--configure conflicts with --target-type=bess",
		  true },
		{ "x --target-type=bess /tmp/b x", "too many arguments", true },
		{ "x --cidr=10.0.2.0/26 1 tap0", "prefix length needs to be 1-25", false },
		{ "x --outbound-addr=::1 1 tap0",
		  "outbound-addr has to be valid ipv4 address or interface name.", false },
		{ "x --macaddress=zz 1 tap0",
		  "--macaddr cannot be specified when --configure or -c is not specified", true },
		{ "x -c --macaddress=zz 1 tap0",
		  "macaddress has to be a valid MAC address (hex string, 6 bytes, each byte "
		  "separated by a ':'), not \"zz\"",
		  false },
		{ "x --pcap-limit=1 1 tap0", "--pcap-limit cannot be specified without --pcap",
		  false },
		{ "x --publish=80 --publish=80/sctp 1 tap0",
		  "--publish=80/sctp: the protocol is not tcp, udp or tcp+udp", false },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct compat_error error;
		struct settings settings;

		g_test_message("%s", cases[i].line);
		g_assert_false(resolve(cases[i].line, &settings, &error));
		g_assert_cmpstr(error.text, ==, cases[i].text);
		g_assert_true(error.usage == cases[i].usage);
	}
}

/* What is no option of slirp4netns is known by its whole name only, wherever it stands, and does not
 * make an abbreviation ambiguous that is none there.
 */
static void test_exact(void)
{
	static const struct {
		const char *line;
		int tcp;
		const char *target_type;
		enum options_outcome outcome;
	} cases[] = {
		{ "x --tcp=slirp 1 tap0", STACK_SLIRP, NULL, OPTIONS_OK },
		{ "x -c --tcp slirp 1 tap0", STACK_SLIRP, NULL, OPTIONS_OK },
		{ "x 1 tap0 --tcp=slirp -c", STACK_SLIRP, NULL, OPTIONS_OK },
		{ "x --tcp=slirp --tcp=native 1 tap0", STACK_NATIVE, NULL, OPTIONS_OK },
		{ "x --t=bess --tcp=slirp --t=netns", STACK_SLIRP, "netns", OPTIONS_OK },
		{ "x --tcp=slirp --t bess", STACK_SLIRP, "bess", OPTIONS_OK },
		{ "x --t --tcp=slirp", STACK_NATIVE, "--tcp=slirp", OPTIONS_OK },
		{ "x 1 tap0 -- --tcp=slirp", STACK_NATIVE, NULL, OPTIONS_OK },
		{ "x -cm 1400 - --tcp=slirp", STACK_SLIRP, NULL, OPTIONS_OK },
		{ "x --tc=slirp", STACK_NATIVE, NULL, OPTIONS_BAD },
		{ "x --tcpx=slirp", STACK_NATIVE, NULL, OPTIONS_BAD },
		{ "x --tcp", STACK_NATIVE, NULL, OPTIONS_BAD },
		{ "x --tcp=", STACK_NATIVE, NULL, OPTIONS_BAD },
		{ "x --tcp=fast", STACK_NATIVE, NULL, OPTIONS_BAD },
		{ "x --pca=file", STACK_NATIVE, NULL, OPTIONS_BAD },
		{ "x --pcap-l=1", STACK_NATIVE, NULL, OPTIONS_BAD },
	};
	struct parsed p;

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].line);
		parse(&p, cases[i].line);
		g_assert_cmpint(p.outcome, ==, cases[i].outcome);
		g_assert_cmpint(p.values.tcp, ==, cases[i].tcp);
		g_assert_cmpstr(p.values.target_type, ==, cases[i].target_type);
	}
	parse(&p, "x --pcap=file --pcap-limit 7 1 tap0");
	g_assert_cmpint(p.outcome, ==, OPTIONS_OK);
	g_assert_cmpstr(p.values.pcap, ==, "file");
	g_assert_cmpint(p.values.pcap_limit, ==, 7);
}

static void test_stack(void)
{
	struct compat_error error;
	struct settings settings;

	g_assert_true(resolve("x 1 tap0", &settings, &error));
	g_assert_true(settings.native_tcp && settings.native_udp && settings.offloads);
	g_assert_true(resolve("x --tcp=slirp 1 tap0", &settings, &error));
	g_assert_true(!settings.native_tcp && settings.native_udp && !settings.offloads);
	g_assert_true(resolve("x --udp=slirp 1 tap0", &settings, &error));
	g_assert_true(settings.native_tcp && !settings.native_udp && settings.offloads);
}

static void test_udp(void)
{
	struct compat_error error;
	struct settings settings;

	g_assert_true(resolve("x 1 tap0", &settings, &error));
	g_assert_cmpint(settings.udp_filter, ==, UDP_FILTER_ENDPOINT);
	g_assert_true(
		resolve("x --udp=native --udp-filter=none --udp-bindings=7 --udp-timeout=9 1 tap0",
			&settings, &error));
	g_assert_true(settings.native_udp);
	g_assert_cmpint(settings.udp_filter, ==, UDP_FILTER_NONE);
	g_assert_cmpuint(settings.udp_bindings, ==, 7);
	g_assert_cmpuint(settings.udp_timeout_s, ==, 9);
}

static void test_pcap(void)
{
	struct compat_error error;
	struct settings settings;

	g_assert_true(resolve("x 1 tap0", &settings, &error));
	g_assert_null(settings.pcap_path);
	g_assert_true(resolve("x --pcap=file 1 tap0", &settings, &error));
	g_assert_cmpstr(settings.pcap_path, ==, "file");
	g_assert_cmpuint(settings.pcap_limit_bytes, ==, 1 << 30);
	g_assert_true(resolve("x --pcap=file --pcap-limit=2147483647 1 tap0", &settings, &error));
	g_assert_cmpuint(settings.pcap_limit_bytes, ==, 2147483647ull << 20);
}

static void test_publish(void)
{
	struct settings settings;
	struct parsed p;
	struct compat_error error;

	parse(&p, "x --publish=8080:80 --publish 0:53/udp 1 tap0 --publish=unix:/x:80");
	g_assert_cmpint(p.outcome, ==, OPTIONS_OK);
	g_assert_true(
		compat_resolve(&p.values, p.count - p.first, p.argv + p.first, &settings, &error));
	g_assert_cmpuint(settings.publish_count, ==, 3);
	g_assert_cmpstr(settings.publish[0], ==, "8080:80");
	g_assert_cmpstr(settings.publish[1], ==, "0:53/udp");
	g_assert_cmpstr(settings.publish[2], ==, "unix:/x:80");
	p.values.publish.count = OPT_LIST_MAX;
	g_assert_cmpint(options_parse(compat_opts, 0, 2,
				      (char *[]){ p.argv[0], (char *)"--publish=1", NULL },
				      &p.values, &p.first),
			==, OPTIONS_BAD);
	g_assert_cmpuint(p.values.publish.count, ==, OPT_LIST_MAX);
	parse(&p, "x --publis=80 1 tap0");
	g_assert_cmpint(p.outcome, ==, OPTIONS_BAD);
}

/* Rows that are shown have what their kind needs; names are there once. */
static void test_table(void)
{
	g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);

	for (const struct opt *opt = compat_opts; opt->name; opt++) {
		g_test_message("%s", opt->name);
		g_assert_true(g_hash_table_add(names, (gpointer)opt->name));
		g_assert_true(opt->help || opt->notice);
		g_assert_true((opt->kind == OPT_NUMBER || opt->kind == OPT_PATH ||
			       opt->kind == OPT_LIST || opt->kind == OPT_TEXT ||
			       opt->kind == OPT_CHOICE) == (opt->argument != NULL));
		g_assert_true(opt->kind != OPT_CHOICE || opt->values);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/options/permutation", test_permutation);
	g_test_add_func("/options/last-wins", test_last_wins);
	g_test_add_func("/options/help-in-order", test_help_in_order);
	g_test_add_func("/options/numbers", test_numbers);
	g_test_add_func("/options/settings", test_settings);
	g_test_add_func("/options/refusals", test_refusals);
	g_test_add_func("/options/exact", test_exact);
	g_test_add_func("/options/stack", test_stack);
	g_test_add_func("/options/udp", test_udp);
	g_test_add_func("/options/pcap", test_pcap);
	g_test_add_func("/options/publish", test_publish);
	g_test_add_func("/options/table", test_table);
	return g_test_run();
}
