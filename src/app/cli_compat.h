/* app/cli_compat.h - the slirp4netns dialect of the command line.
 *
 * Spoken when the program is called slirp4netns, and by gate4netns with no subcommand word.
 * Messages, their streams and the exit status are the reference's, but for numbers that do not
 * fit, incomplete MACs, unknown namespace types and MTUs below 68, which are refused. Options that
 * the reference does not have are exact rows: what it takes for an abbreviation stays one.
 */
#ifndef APP_CLI_COMPAT_H
#define APP_CLI_COMPAT_H

#include <stdbool.h>

#include "app/options.h"
#include "net/settings.h"

/* Whose TCP and UDP it is, unless --tcp and GATE4NETNS_TCP, --udp and GATE4NETNS_UDP say. */
#define COMPAT_TCP_DEFAULT "native"
#define COMPAT_UDP_DEFAULT "native"

extern const struct opt compat_opts[];

/* What the options said, unchecked but for what their rows check. */
struct compat_values {
	bool configure, ipv6, no_host_loopback, sandbox, seccomp, no_dns;
	bool guest_loopback;
	int exit_fd, ready_fd, mtu;
	const char *api_socket, *cidr, *netns_type, *userns_path, *target_type;
	const char *outbound4, *outbound6, *mac;
	const char *tcp, *udp, *udp_filter, *pcap;
	int tcp_flows, udp_bindings, udp_timeout_s;
	int pcap_limit; /* MiB; 0: not given */
	struct opt_list publish;
};

#define COMPAT_ERROR_MAX 256

/* A bad command line: a text for people, empty where the usage says it all. */
struct compat_error {
	char text[COMPAT_ERROR_MAX];
	bool usage; /* print the usage too */
};

/* Check the values and the operands together; resolve addresses and interfaces in the caller's
 * network namespace. Texts in *ret are borrowed from argv, and lists from @values. False: *reterr.
 */
bool compat_resolve(const struct compat_values *values, int operand_count, char **operands,
		    struct settings *ret, struct compat_error *reterr);

/* The whole dialect: parse, check, run. The exit status. */
int compat_main(int argc, char **argv, bool called_slirp4netns);

#endif
