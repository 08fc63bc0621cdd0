#include "app/cli_compat.h"

#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "app/front.h"
#include "app/options.h"
#include "app/resolve.h"
#include "app/values.h"
#include "app/version.h"
#include "base/log.h"
#include "net/settings.h"

#define INTO(field) offsetof(struct values, field)
#define FD_ERROR(name) name " must be a non-negative integer"
#define EXPERIMENTAL(what) "WARNING: Support for " what " is experimental"
#define DEPRECATED(old, new)                                                        \
	"WARNING: --" old " is deprecated and will be removed in future releases, " \
	"please use --" new " instead."

/* clang-format off */
const struct opt compat_opts[] = {
	{ 'c', "configure", NULL, OPT_FLAG, INTO(configure),
	  .help = "bring up the interface" },
	{ 'e', "exit-fd", "FD", OPT_NUMBER, INTO(exit_fd), 0, INT_MAX,
	  .help = "specify the FD for terminating slirp4netns",
	  .error = FD_ERROR("exit-fd") },
	{ 'r', "ready-fd", "FD", OPT_NUMBER, INTO(ready_fd), 0, INT_MAX,
	  .help = "specify the FD to write to when the network is configured",
	  .error = FD_ERROR("ready-fd") },
	{ 'm', "mtu", "MTU", OPT_NUMBER, INTO(mtu), 1, MTU_MAX,
	  .help = "specify MTU (default=1500, max=65521)",
	  .error = "MTU must be a positive integer (< 65522)",
	  .values = "1500 65520" },
	{ '6', "enable-ipv6", NULL, OPT_SET, INTO(ipv6), IPV6_ON,
	  .help = "enable IPv6 (experimental)",
	  .notice = EXPERIMENTAL("IPv6") },
	{ 'a', "api-socket", "PATH", OPT_TEXT, INTO(api_socket),
	  .help = "specify API socket path", .values = "@path" },
	{ 0, "cidr", "CIDR", OPT_TEXT, INTO(cidr),
	  .help = "specify network address CIDR (default=10.0.2.0/24)" },
	{ 0, "disable-host-loopback", NULL, OPT_UNFLAG, INTO(host_loopback),
	  .help = "prohibit connecting to 127.0.0.1:* on the host namespace" },
	{ 0, "no-host-loopback", NULL, OPT_UNFLAG, INTO(host_loopback),
	  .notice = DEPRECATED("no-host-loopback", "disable-host-loopback") },
	{ 0, "netns-type", "TYPE", OPT_TEXT, INTO(netns_type),
	  .help = "specify network namespace type ([path|pid|tapfd], default=pid)",
	  .values = "path pid tapfd" },
	{ 0, "userns-path", "PATH", OPT_PATH, INTO(userns_path),
	  .help = "specify user namespace path",
	  .error = "userns path doesn't exist: %s", .values = "@path" },
	{ 0, "create-sandbox", NULL, OPT_FLAG, INTO(sandbox),
	  .notice = DEPRECATED("create-sandbox", "enable-sandbox") },
	{ 0, "enable-sandbox", NULL, OPT_FLAG, INTO(sandbox),
	  .help = "create a new mount namespace (and drop all caps except CAP_NET_BIND_SERVICE "
		  "if running as the root)" },
	{ 0, "enable-seccomp", NULL, OPT_FLAG, INTO(seccomp),
	  .help = "enable seccomp to limit syscalls (experimental)",
	  .notice = EXPERIMENTAL("seccomp") },
	{ 0, "outbound-addr", "IPv4", OPT_TEXT, INTO(outbound4),
	  .help = "sets outbound ipv4 address to bound to (experimental)",
	  .notice = EXPERIMENTAL("--outbound-addr") },
	{ 0, "outbound-addr6", "IPv6", OPT_TEXT, INTO(outbound6),
	  .help = "sets outbound ipv6 address to bound to (experimental)",
	  .notice = EXPERIMENTAL("--outbound-addr6") },
	{ 0, "disable-dns", NULL, OPT_UNFLAG, INTO(dns),
	  .help = "disables 10.0.2.3 (or configured internal ip) to host dns redirect "
		  "(experimental)" },
	{ 0, "macaddress", "MAC", OPT_TEXT, INTO(mac),
	  .help = "specify the MAC address of the TAP (only valid with -c)" },
	{ 0, "target-type", "TYPE", OPT_TEXT, INTO(target_type),
	  .help = "specify the target type ([netns|bess], default=netns)",
	  .values = "netns bess" },
	{ 'h', "help", NULL, OPT_HELP, .help = "show this help and exit" },
	{ 'v', "version", NULL, OPT_VERSION, .help = "show version and exit" },
	{ 0, "tcp", "STACK", OPT_CHOICE, INTO(tcp), .exact = true, .values = STACK_WORDS,
	  .help = "whose TCP carries connections of the namespace ([native|slirp], "
		  "default=native)" },
	{ 0, "tcp-flows", "N", OPT_NUMBER, INTO(tcp_flows), 1, FLOWS_MAX, .exact = true,
	  .help = "allow so many TCP connections at once (default=100000)" },
	{ 0, "udp", "STACK", OPT_CHOICE, INTO(udp), .exact = true, .values = STACK_WORDS,
	  .help = "whose UDP carries datagrams of the namespace ([native|slirp], "
		  "default=native)" },
	{ 0, "udp-filter", "WHO", OPT_CHOICE, INTO(udp_filter), .exact = true,
	  .help = "who may answer a UDP port: endpoints or addresses that it has sent to, or "
		  "anybody ([endpoint|address|none], default=endpoint)",
	  .values = UDP_FILTER_WORDS },
	{ 0, "udp-bindings", "N", OPT_NUMBER, INTO(udp_bindings), 1, FLOWS_MAX, .exact = true,
	  .help = "keep so many UDP ports and clients at once (default=10000)" },
	{ 0, "udp-timeout", "SECONDS", OPT_NUMBER, INTO(udp_timeout_s), 1, UDP_TIMEOUT_MAX_S,
	  .exact = true, .help = "forget a UDP port that nobody uses (default=120)" },
	{ 0, "guest-loopback", NULL, OPT_FLAG, INTO(guest_loopback), .exact = true,
	  .help = "forwards may lead to the own loopback of the namespace" },
	{ 0, "pcap", "FILE", OPT_TEXT, INTO(pcap), .exact = true,
	  .help = "write every frame of the TAP to a pcapng file", .values = "@path" },
	{ 0, "pcap-limit", "MIB", OPT_NUMBER, INTO(pcap_limit), 1, INT_MAX, .exact = true,
	  .help = "end that file at this size (default=1024)" },
	{ 0, "publish", "SPEC", OPT_LIST, INTO(publish), .exact = true,
	  .help = "forward [HOSTADDR:]PORT[-LAST]:[GUESTADDR:]PORT[-LAST][/tcp|/udp|/tcp+udp] or "
		  "unix:PATH:PORT" },
	{ 0 },
};
/* clang-format on */

static void print_usage(const char *program)
{
	printf("Usage: %s [OPTION]... PID|PATH|FD [TAPNAME]\n"
	       "User-mode networking for unprivileged network namespaces.\n\n",
	       program);
	options_print_help(compat_opts, 0, false);
	puts("\nNot in slirp4netns, and not to be abbreviated:");
	options_print_help(compat_opts, 0, true);
}

void compat_defaults(struct values *ret)
{
	*ret = (struct values){
		.exit_fd = FD_NONE,
		.ready_fd = FD_NONE,
		.mtu = 1500,
		.cidr = "10.0.2.0/24",
		.cidr6 = "fd00::/64",
		.ipv6 = IPV6_OFF,
		.host_loopback = true,
		.dns = true,
		.tcp_flows = 100000,
		.udp_bindings = 10000,
		.udp_timeout_s = 120,
	};
}

/* False: logged, under the name of the variable where it is one of an option. */
static bool take_environment(struct values *values)
{
	static const struct {
		const char *variable, *option;
	} stacks[] = {
		{ "GATE4NETNS_TCP", "tcp" },
		{ "GATE4NETNS_UDP", "udp" },
	};
	const char *config = getenv("GATE4NETNS_CONFIG");
	char error[OPT_ERROR_MAX];

	if (config && !config_load(config, values))
		return false;
	if (values->api_socket && strcmp(values->api_socket, API_SOCKET_NONE) == 0)
		values->api_socket = NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(stacks); i++) {
		const char *text = getenv(stacks[i].variable);
		const struct opt *opt = options_find(compat_opts, 0, stacks[i].option);

		if (text && !options_store(opt, text, values, error)) {
			log_line("%s%s", stacks[i].variable, error + strlen(opt->name));
			return false;
		}
	}
	return true;
}

/* What the environment says comes first, so that options count more; what is wrong with it comes after
 * --help, which callers ask to learn what we are.
 */
int compat_main(int argc, char **argv, bool called_slirp4netns)
{
	struct compat_error error = { .usage = true };
	struct settings settings;
	struct values values;
	bool environment_ok;
	int first;

	compat_defaults(&values);
	environment_ok = take_environment(&values);
	switch (options_parse(compat_opts, 0, argc, argv, &values, &first)) {
	case OPTIONS_HELP:
		print_usage(argv[0]);
		return 0;
	case OPTIONS_VERSION:
		version_print(called_slirp4netns);
		return 0;
	case OPTIONS_BAD:
		print_usage(argv[0]);
		return 1;
	case OPTIONS_OK:
		break;
	}
	if (!environment_ok)
		return 1;
	if (!compat_resolve(&values, argc - first, argv + first, &settings, &error)) {
		if (error.text[0] != '\0')
			log_line("%s", error.text);
		if (error.usage)
			print_usage(argv[0]);
		return 1;
	}
	return front_run(&settings);
}
