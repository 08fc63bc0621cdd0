#include "app/resolve.h"

#include <ctype.h>
#include <glib.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app/values.h"
#include "net/settings.h"
#include "os/hostaddr.h"
#include "os/unixsock.h"
#include "wire/portspec.h"

#define PCAP_LIMIT_MIB 1024
#define NAME_MAX_BYTES 64

typedef bool resolve_fn(const struct values *values, struct settings *set, char *reterr);

static bool refuse(char *reterr, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(char *reterr, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reterr, RESOLVE_ERROR_MAX, format, args);
	va_end(args);
	return false;
}

bool check_publish(const char *text, char reterr[OPT_ERROR_MAX])
{
	struct portspec specs[TRANSPORTS];
	const char *error;

	return portspec_parse(text, specs, &error) > 0 || refuse(reterr, "%s", error);
}

bool check_cidr(const char *text, char reterr[OPT_ERROR_MAX])
{
	struct addrplan plan;

	if (!addrplan_parse(text, &plan, reterr))
		return false;
	return plan.net.base.b[0] != 127 || refuse(reterr, "the loopback network");
}

bool check_cidr6(const char *text, char reterr[OPT_ERROR_MAX])
{
	struct addrplan plan = { 0 };

	return addrplan_parse6(text, &plan, reterr);
}

/* dev_valid_name() in the kernel's net/core/dev.c; '%' would be a pattern to choose a number for. */
bool check_interface(const char *text, char reterr[OPT_ERROR_MAX])
{
	bool is_name = *text != '\0' && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;

	for (const char *at = text; *at; at++)
		is_name = is_name && !strchr("/:%", *at) && !isspace((unsigned char)*at);
	if (!is_name || strlen(text) >= IFNAMSIZ)
		return refuse(reterr,
			      "no name of an interface (%d bytes, no '/', ':', '%%' or space)",
			      IFNAMSIZ - 1);
	/* Those of sysctl_dev_name_is_allowed() in the kernel's net/core/sysctl_net_core.c. */
	if (strcmp(text, "all") == 0 || strcmp(text, "default") == 0)
		return refuse(reterr, "a name that the kernel does not allow");
	return strcmp(text, "lo") != 0 || refuse(reterr, "the namespace has one of this name");
}

bool check_mac(const char *text, char reterr[OPT_ERROR_MAX])
{
	struct mac mac;

	if (!mac_parse(text, &mac))
		return refuse(reterr, "no MAC address");
	return (mac.b[0] & 1) == 0 || refuse(reterr, "a group address (IEEE 802)");
}

/* An address of the family, or the name of an interface that has one. */
static bool resolve_outbound(const char *text, enum ip_family family, struct ip *ret)
{
	struct ip ip;

	if (ip_parse(text, &ip)) {
		if (ip.family != family)
			return false;
	} else if (hostaddr_of_interface(text, family, &ip) < 0) {
		return false;
	}
	*ret = ip;
	return true;
}

bool check_outbound4(const char *text, char reterr[OPT_ERROR_MAX])
{
	struct ip ip;

	return resolve_outbound(text, IP_V4, &ip) ||
	       refuse(reterr, "neither an IPv4 address nor an interface that has one");
}

bool check_outbound6(const char *text, char reterr[OPT_ERROR_MAX])
{
	struct ip ip;

	return resolve_outbound(text, IP_V6, &ip) ||
	       refuse(reterr, "neither an IPv6 address nor an interface that has one");
}

bool check_socket_path(const char *text, char reterr[OPT_ERROR_MAX])
{
	if (*text == '\0')
		return refuse(reterr, "empty");
	return strlen(text) < UNIXSOCK_PATH_MAX ||
	       refuse(reterr, "%d bytes or more", UNIXSOCK_PATH_MAX);
}

/* Part of a file name, and told from a path and from an option. */
bool check_name(const char *text, char reterr[OPT_ERROR_MAX])
{
	bool is_name = isalnum((unsigned char)*text);

	for (const char *at = text; *at; at++)
		is_name = is_name && (isalnum((unsigned char)*at) || strchr("-_.", *at));
	return (is_name && strlen(text) < NAME_MAX_BYTES) ||
	       refuse(reterr, "not letters, digits, '-', '_' and '.' (%d bytes)",
		      NAME_MAX_BYTES - 1);
}

bool check_hostname(const char *text, char reterr[OPT_ERROR_MAX])
{
	return check_name(text, reterr);
}

bool resolve_link_kind(const char *text, enum link_kind *ret, const char **ret_where)
{
	static const struct {
		const char *prefix;
		enum link_kind kind;
	} kinds[] = {
		{ "seqpacket:", LINK_SEQPACKET },
		{ "stream:", LINK_STREAM },
		{ "bess:", LINK_BESS },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		if (g_str_has_prefix(text, kinds[i].prefix)) {
			*ret = kinds[i].kind;
			*ret_where = text + strlen(kinds[i].prefix);
			return true;
		}
	}
	return false;
}

bool check_link(const char *text, char reterr[OPT_ERROR_MAX])
{
	enum link_kind kind;
	const char *where;

	if (!resolve_link_kind(text, &kind, &where))
		return refuse(reterr, "does not begin with seqpacket:, stream: or bess:");
	return check_socket_path(where, reterr);
}

static bool resolve_api(const struct values *values, struct settings *set, char *reterr)
{
	const char *path = values->api_socket;

	if (path && strlen(path) >= UNIXSOCK_PATH_MAX)
		return refuse(reterr, "the specified API socket path is too long (>= %d)",
			      UNIXSOCK_PATH_MAX);
	set->api_path = path;
	return true;
}

static bool resolve_cidr(const struct values *values, struct settings *set, char *reterr)
{
	char text[ADDRPLAN_ERROR_MAX];

	if (!addrplan_parse(values->cidr, &set->plan, text))
		return refuse(reterr, "%s", text);
	if (values->configure && set->plan.net.base.b[0] == 127)
		return refuse(reterr,
			      "CIDR is the loopback network, which no interface but lo "
			      "can have: %s",
			      values->cidr);
	return addrplan_parse6(values->cidr6, &set->plan, text) || refuse(reterr, "%s", text);
}

static bool resolve_ipv6(const struct values *values, struct settings *set, char *reterr)
{
	(void)reterr;
	set->ipv6 = values->ipv6 == IPV6_ON ||
		    (values->ipv6 == IPV6_AUTO && hostaddr_has_route(IP_V6));
	return true;
}

static bool resolve_outbounds(const struct values *values, struct settings *set, char *reterr)
{
	if (values->outbound4 && !resolve_outbound(values->outbound4, IP_V4, &set->outbound4))
		return refuse(reterr,
			      "outbound-addr has to be valid ipv4 address or interface name.");
	if (values->outbound6 && !resolve_outbound(values->outbound6, IP_V6, &set->outbound6))
		return refuse(reterr,
			      "outbound-addr has to be valid ipv4 address or iterface name.");
	return true;
}

static bool resolve_mac(const struct values *values, struct settings *set, char *reterr)
{
	const char *text = values->mac;

	if (text && !mac_parse(text, &set->mac))
		return refuse(reterr,
			      "macaddress has to be a valid MAC address (hex string, "
			      "6 bytes, each byte separated by a ':'), not \"%s\"",
			      text);
	set->has_mac = text != NULL;
	return true;
}

static bool resolve_stacks(const struct values *values, struct settings *set, char *reterr)
{
	(void)reterr;
	set->native_tcp = values->tcp == STACK_NATIVE;
	set->native_udp = values->udp == STACK_NATIVE;
	set->udp_filter = (enum udp_filter)values->udp_filter;
	set->offloads = set->native_tcp; /* libslirp's cannot take large segments */
	return true;
}

static bool resolve_pcap(const struct values *values, struct settings *set, char *reterr)
{
	const int limit = values->pcap_limit;

	if (limit != 0 && !values->pcap)
		return refuse(reterr, "--pcap-limit cannot be specified without --pcap");
	set->pcap_path = values->pcap;
	set->pcap_limit_bytes = (uint64_t)(limit != 0 ? limit : PCAP_LIMIT_MIB) << 20;
	return true;
}

bool resolve_network(const struct values *values, struct settings *ret,
		     char reterr[RESOLVE_ERROR_MAX])
{
	/* The order decides which of two mistakes is named; it is the reference's. */
	/* clang-format off */
	static resolve_fn *const steps[] = {
		resolve_api,
		resolve_cidr,
		resolve_ipv6,
		resolve_outbounds,
		resolve_mac,
		resolve_stacks,
		resolve_pcap,
	};
	/* clang-format on */

	ret->configure = values->configure;
	ret->mtu = (unsigned)values->mtu;
	ret->tcp_flows = (unsigned)values->tcp_flows;
	ret->udp_bindings = (unsigned)values->udp_bindings;
	ret->udp_timeout_s = (unsigned)values->udp_timeout_s;
	ret->host_loopback = values->host_loopback;
	ret->guest_loopback = values->guest_loopback;
	ret->dns = values->dns;
	ret->publish = values->publish.items;
	ret->publish_count = values->publish.count;
	ret->ready_fd = values->ready_fd;
	ret->exit_fd = values->exit_fd;
	ret->sandbox = values->sandbox;
	ret->seccomp = values->seccomp;
	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		if (!steps[i](values, ret, reterr))
			return false;
	}
	return true;
}
