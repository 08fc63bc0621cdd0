#include "app/cli_own.h"

#include <glib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "app/config.h"
#include "app/resolve.h"
#include "app/values.h"
#include "app/version.h"
#include "base/log.h"
#include "net/settings.h"

#define INTO(field) offsetof(struct values, field)
#define OWN(letter, name, argument, kind, field, for_commands, ...)                   \
	{                                                                             \
		letter, name, argument, kind, INTO(field), .commands = for_commands,  \
							   .exact = true, __VA_ARGS__ \
	}

#define RUN COMMAND_RUN
#define ATTACH COMMAND_ATTACH
#define EXEC COMMAND_EXEC
#define TAP COMMAND_TAP
#define CTL COMMAND_CTL
#define CHECK COMMAND_CHECK
#define NETWORK (RUN | ATTACH)
#define ALL (RUN | ATTACH | EXEC | TAP | CTL | CHECK)

/* clang-format off */
const struct opt own_opts[] = {
	OWN('p', "publish", "SPEC", OPT_LIST, publish, NETWORK, .check = check_publish,
	    .help = "forward [HOSTADDR:]PORT[-LAST]:[GUESTADDR:]PORT[-LAST][/tcp|/udp|/tcp+udp] or "
		    "unix:PATH:PORT"),
	OWN(0, "mtu", "MTU", OPT_NUMBER, mtu, NETWORK | TAP, .min = MTU_MIN, .max = MTU_MAX,
	    .help = "of the interface in the namespace (default=1500)", .values = "1500 65520"),
	OWN(0, "cidr", "CIDR", OPT_TEXT, cidr, NETWORK | TAP, .check = check_cidr,
	    .help = "IPv4 network of the namespace (default=10.0.2.0/24)"),
	OWN(0, "cidr6", "CIDR", OPT_TEXT, cidr6, NETWORK | TAP, .check = check_cidr6,
	    .help = "IPv6 network of the namespace, a /64 (default=fd00::/64)"),
	OWN(0, "ipv6", "WHEN", OPT_CHOICE, ipv6, NETWORK | TAP, .values = IPV6_WORDS,
	    .help = "IPv6 in the namespace; auto: where the host has a route "
		    "([auto|on|off], default=auto)"),
	OWN(0, "interface", "NAME", OPT_TEXT, interface, NETWORK | TAP, .check = check_interface,
	    .help = "name of the interface in the namespace (default=tap0)"),
	OWN(0, "mac", "MAC", OPT_TEXT, mac, NETWORK | TAP, .check = check_mac,
	    .help = "MAC address of the interface in the namespace"),
	OWN(0, "host-loopback", "SWITCH", OPT_SWITCH, host_loopback, NETWORK, .values = "on off",
	    .help = "the gateway address leads to the host's 127.0.0.1 ([on|off], default=off)"),
	OWN(0, "guest-loopback", "SWITCH", OPT_SWITCH, guest_loopback, NETWORK, .values = "on off",
	    .help = "published ports may lead to the own loopback of the namespace "
		    "([on|off], default=off)"),
	OWN(0, "dns", "SWITCH", OPT_SWITCH, dns, NETWORK, .values = "on off",
	    .help = "the DNS address leads to the host's name server ([on|off], default=on)"),
	OWN(0, "outbound-addr", "IPv4", OPT_TEXT, outbound4, NETWORK, .check = check_outbound4,
	    .help = "address or interface of the host that IPv4 leaves by"),
	OWN(0, "outbound-addr6", "IPv6", OPT_TEXT, outbound6, NETWORK, .check = check_outbound6,
	    .help = "address or interface of the host that IPv6 leaves by"),
	OWN(0, "tcp", "STACK", OPT_CHOICE, tcp, NETWORK, .values = STACK_WORDS,
	    .help = "whose TCP carries connections ([native|slirp], default=native)"),
	OWN(0, "tcp-flows", "N", OPT_NUMBER, tcp_flows, NETWORK, .min = 1, .max = FLOWS_MAX,
	    .help = "allow so many TCP connections at once (default=100000)"),
	OWN(0, "udp", "STACK", OPT_CHOICE, udp, NETWORK, .values = STACK_WORDS,
	    .help = "whose UDP carries datagrams ([native|slirp], default=native)"),
	OWN(0, "udp-filter", "WHO", OPT_CHOICE, udp_filter, NETWORK, .values = UDP_FILTER_WORDS,
	    .help = "who may answer a UDP port: endpoints or addresses that it has sent to, or "
		    "anybody ([endpoint|address|none], default=endpoint)"),
	OWN(0, "udp-bindings", "N", OPT_NUMBER, udp_bindings, NETWORK, .min = 1, .max = FLOWS_MAX,
	    .help = "keep so many UDP ports and clients at once (default=10000)"),
	OWN(0, "udp-timeout", "SECONDS", OPT_NUMBER, udp_timeout_s, NETWORK, .min = 1,
	    .max = UDP_TIMEOUT_MAX_S,
	    .help = "forget a UDP port that nobody uses (default=120)"),
	OWN(0, "pcap", "FILE", OPT_TEXT, pcap, NETWORK, .values = "@path",
	    .help = "write every frame of the namespace to a pcapng file"),
	OWN(0, "pcap-limit", "MIB", OPT_NUMBER, pcap_limit, NETWORK, .min = 1, .max = INT_MAX,
	    .help = "end that file at this size (default=1024)"),
	OWN(0, "sandbox", "SWITCH", OPT_SWITCH, sandbox, NETWORK, .values = "on off",
	    .help = "give up the file system and all capabilities ([on|off], default=on)"),
	OWN(0, "seccomp", "SWITCH", OPT_SWITCH, seccomp, NETWORK, .values = "on off",
	    .help = "allow ourselves no other system calls than needed ([on|off], default=on)"),
	OWN(0, "api-socket", "PATH", OPT_TEXT, api_socket, NETWORK, .check = check_socket_path,
	    .values = "@path",
	    .help = "API socket, or \"none\" (default=$XDG_RUNTIME_DIR/gate4netns/NAME.sock)"),
	OWN(0, "name", "NAME", OPT_TEXT, name, NETWORK, .check = check_name,
	    .help = "NAME of that socket (default=the process id)"),
	OWN(0, "config", "FILE", OPT_TEXT, config, NETWORK | CHECK, .values = "@path",
	    .help = "take options from a file first, see gate4netns.conf(5)"),

	OWN(0, "map", "WHO", OPT_CHOICE, map, RUN, .values = MAP_WORDS,
	    .help = "who CMD is in its user namespace: you, or root ([keep|root], default=keep)"),
	OWN(0, "hostname", "NAME", OPT_TEXT, hostname, RUN, .check = check_hostname,
	    .help = "give CMD a host name of its own"),

	OWN('c', "configure", NULL, OPT_SWITCH, configure, ATTACH, .values = "on off",
	    .help = "bring the interface up, with addresses and routes (default=on)"),
	OWN(0, "userns-path", "PATH", OPT_TEXT, userns_path, ATTACH, .values = "@path",
	    .help = "user namespace to join (default: that of the PID)"),
	OWN('w', "wait", NULL, OPT_SWITCH, wait, ATTACH, .values = "on off",
	    .help = "wait for the namespace to appear"),
	OWN(0, "exit-with", NULL, OPT_SWITCH, exit_with, ATTACH, .values = "on off",
	    .help = "end when the process PID does"),
	OWN('r', "ready-fd", "FD", OPT_NUMBER, ready_fd, ATTACH | TAP, .min = 0, .max = INT_MAX,
	    .help = "write \"1\" there when the network is up"),
	OWN('e', "exit-fd", "FD", OPT_NUMBER, exit_fd, ATTACH, .min = 0, .max = INT_MAX,
	    .help = "end when the other end of it is closed"),
	OWN(0, "link", "KIND:WHERE", OPT_TEXT, link, ATTACH, .check = check_link,
	    .values = "seqpacket: stream: bess:",
	    .help = "frames from a socket, KIND seqpacket, stream or bess, WHERE an FD or a PATH"),
	OWN(0, "tap-from", "FD", OPT_NUMBER, tap_from, ATTACH, .min = 0, .max = INT_MAX,
	    .help = "receive the TAP over this socket, as \"tap --send\" sends it"),

	OWN('u', "user", NULL, OPT_SWITCH, join_user, EXEC, .values = "on off",
	    .help = "join the user namespace too"),
	OWN('m', "mount", NULL, OPT_SWITCH, join_mount, EXEC, .values = "on off",
	    .help = "join the mount namespace too"),
	OWN('t', "timeout", "SECONDS", OPT_NUMBER, timeout_s, EXEC, .min = 1, .max = TIMEOUT_MAX_S,
	    .help = "end CMD after this time, with status 124"),

	OWN(0, "send", "FD", OPT_NUMBER, send_fd, TAP, .min = 0, .max = INT_MAX,
	    .help = "make a TAP here and send it over this socket"),
	OWN(0, "link", "FD", OPT_NUMBER, link_fd, TAP, .min = 0, .max = INT_MAX,
	    .help = "make a TUN here and carry its packets over this socket"),
	OWN('c', "configure", NULL, OPT_SWITCH, configure, TAP, .values = "on off",
	    .help = "bring it up, with addresses and routes"),
	OWN('w', "wait", NULL, OPT_SWITCH, wait, TAP, .values = "on off",
	    .help = "wait until the network is up"),

	OWN('j', "json", NULL, OPT_SWITCH, json, CTL, .values = "on off",
	    .help = "print the answer as one line of JSON"),
	OWN(0, "drop", NULL, OPT_SWITCH, drop, CTL, .values = "on off",
	    .help = "forwards remove: end its connections too"),

	{ 'h', "help", NULL, OPT_HELP, .commands = ALL, .exact = true,
	  .help = "show this help and exit" },
	{ 'v', "version", NULL, OPT_VERSION, .commands = ALL, .exact = true,
	  .help = "show version and exit" },
	{ 0 },
};
/* clang-format on */

static const struct {
	enum command command;
	const char *word, *operands, *about;
	int failed; /* the exit status */
} commands[] = {
	{ RUN, "run", "[--] CMD [ARG]...", "Run CMD with a network of its own.", OWN_FAILED },
	{ ATTACH, "attach", "[PID|PATH|fd:FD]",
	  "Give an existing network namespace, or a sandbox that has a socket to us, a way out.",
	  1 },
	{ EXEC, "exec", "PID|PATH|fd:FD [--] CMD [ARG]...",
	  "Run CMD in an existing network namespace.", OWN_FAILED },
	{ TAP, "tap", "", "Make the interface here for a gate4netns at the other end of a socket.",
	  1 },
	{ CTL, "ctl", "[SOCKET|NAME] VERB [ARG]...",
	  "Ask or tell a running gate4netns: forwards list|add SPEC|remove ID, flows list|kill ID, stats.",
	  1 },
	{ CHECK, "check", "", "Check a configuration file and print what is in effect.", 1 },
};

static size_t place_of(enum command command)
{
	size_t i = 0;

	while (commands[i].command != command)
		i++;
	return i;
}

const char *own_word(enum command command)
{
	return commands[place_of(command)].word;
}

const char *own_operands(enum command command)
{
	return commands[place_of(command)].operands;
}

bool own_option_is_for_files(const struct opt *opt)
{
	return (opt->commands & NETWORK) && opt->kind != OPT_HELP && opt->kind != OPT_VERSION &&
	       opt->into != INTO(config);
}

static void print_usage(size_t place)
{
	printf("Usage: gate4netns %s [OPTION]... %s\n%s\n\n", commands[place].word,
	       commands[place].operands, commands[place].about);
	options_print_help(own_opts, commands[place].command, true);
}

static void set_defaults(enum command command, struct values *ret)
{
	*ret = (struct values){
		.configure = command != TAP,
		.dns = true,
		.mtu = 1500,
		.cidr = "10.0.2.0/24",
		.cidr6 = "fd00::/64",
		.tcp_flows = 100000,
		.udp_bindings = 10000,
		.udp_timeout_s = 120,
		.sandbox = true,
		.seccomp = true,
		.exit_fd = FD_NONE,
		.ready_fd = FD_NONE,
		.tap_from = FD_NONE,
		.send_fd = FD_NONE,
		.link_fd = FD_NONE,
		.interface = "tap0",
	};
}

/* getopt(3) says who complains by argv[0]. */
static enum options_outcome parse(size_t place, int argc, char **argv, struct values *values,
				  int *ret_first)
{
	g_autofree char *program = g_strdup_printf("gate4netns %s", commands[place].word);
	char *word = argv[1];
	enum options_outcome outcome;

	argv[1] = program;
	outcome = options_parse(own_opts, commands[place].command, argc - 1, argv + 1, values,
				ret_first);
	argv[1] = word;
	*ret_first += 1;
	return outcome;
}

bool own_parse(enum command command, int argc, char **argv, struct values *ret, int *ret_first,
	       int *ret_status)
{
	const size_t place = place_of(command);
	const char *config;

	*ret_status = 0;
	set_defaults(command, ret);
	switch (parse(place, argc, argv, ret, ret_first)) {
	case OPTIONS_HELP:
		print_usage(place);
		return false;
	case OPTIONS_VERSION:
		version_print(false);
		return false;
	case OPTIONS_BAD:
		log_line("try \"gate4netns %s --help\"", commands[place].word);
		*ret_status = commands[place].failed;
		return false;
	case OPTIONS_OK:
		break;
	}
	config = ret->config;
	if (!config)
		return true;
	/* Once more, for what the command line says counts more than what the file does. */
	set_defaults(command, ret);
	if (!config_load(config, ret)) {
		*ret_status = commands[place].failed;
		return false;
	}
	(void)parse(place, argc, argv, ret, ret_first);
	return true;
}
