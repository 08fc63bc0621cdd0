#include <glib.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli_compat.h"
#include "app/options.h"
#include "os/hostaddr.h"
#include "os/unixsock.h"
#include "wire/portspec.h"

#define PCAP_LIMIT_MIB 1024
#define MTU_MIN 68 /* RFC 791 section 3.2; libslirp takes no less either */

struct input {
	const struct compat_values *values;
	int count;
	char **operands;
};

typedef bool resolve_fn(const struct input *in, struct settings *set, struct compat_error *err);

static bool refuse(struct compat_error *err, bool usage, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool refuse(struct compat_error *err, bool usage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->usage = usage;
	return false;
}

static bool resolve_bess(const struct input *in, struct settings *set, struct compat_error *err)
{
	static const char conflict[] = "%s conflicts with --target-type=bess";
	const struct compat_values *values = in->values;

	if (in->count < 1)
		return refuse(err, true, "%s", "");
	if (in->count > 1)
		return refuse(err, true, "too many arguments");
	if (values->configure)
		return refuse(err, true, conflict, "--configure");
	if (values->netns_type)
		return refuse(err, true, conflict, "--netns-type");
	if (values->userns_path)
		return refuse(err, true, conflict, "--userns-path");
	if (strlen(in->operands[0]) >= UNIXSOCK_PATH_MAX)
		return refuse(err, false, "the specified BESS socket path is too long (>= %d)",
			      UNIXSOCK_PATH_MAX);
	set->target = TARGET_BESS;
	set->path = in->operands[0];
	puts("WARNING: BESS mode is experimental");
	return true;
}

static bool resolve_pid(const struct input *in, struct settings *set, struct compat_error *err)
{
	int pid;

	if (in->count < 2)
		return refuse(err, true, "%s", "");
	if (!options_parse_number(in->operands[0], 1, INT_MAX, &pid))
		return refuse(err, true, "PID must be a positive integer");
	set->target = TARGET_PID;
	set->pid = pid;
	set->tap_name = in->operands[1];
	return true;
}

static bool resolve_path(const struct input *in, struct settings *set, struct compat_error *err)
{
	if (in->count < 2)
		return refuse(err, true, "%s", "");
	if (access(in->operands[0], F_OK) != 0)
		return refuse(err, true, "existing path expected when --netns-type=path: %s",
			      g_strerror(errno));
	set->target = TARGET_PATH;
	set->path = in->operands[0];
	set->tap_name = in->operands[1];
	return true;
}

static bool resolve_tapfd(const struct input *in, struct settings *set, struct compat_error *err)
{
	if (in->count < 1)
		return refuse(err, true, "%s", "");
	if (!options_parse_number(in->operands[0], 0, INT_MAX, &set->tapfd))
		return refuse(err, true, "TAPFD must a file descriptor");
	set->target = TARGET_TAPFD;
	return true;
}

static const struct {
	const char *word; /* of --netns-type; the first is the default */
	resolve_fn *resolve;
	int operands; /* more get a warning */
} netns_types[] = {
	{ "pid", resolve_pid, 2 },
	{ "path", resolve_path, 2 },
	{ "tapfd", resolve_tapfd, 1 },
};

static bool resolve_netns(const struct input *in, struct settings *set, struct compat_error *err)
{
	const char *word = in->values->netns_type;

	for (size_t i = 0; i < G_N_ELEMENTS(netns_types); i++) {
		if (strcmp(word ? word : netns_types[0].word, netns_types[i].word) != 0)
			continue;
		if (in->count > netns_types[i].operands)
			puts("WARNING: too many arguments");
		return netns_types[i].resolve(in, set, err);
	}
	return refuse(err, true, "--netns-type must be \"pid\", \"path\" or \"tapfd\", not \"%s\"",
		      word);
}

static bool resolve_target(const struct input *in, struct settings *set, struct compat_error *err)
{
	const char *word = in->values->target_type;
	bool bess = word && strcmp(word, "bess") == 0;

	if (word && !bess && strcmp(word, "netns") != 0)
		return refuse(err, true, "--target-type must be either \"netns\" or \"bess\"");
	set->userns_path = in->values->userns_path;
	return bess ? resolve_bess(in, set, err) : resolve_netns(in, set, err);
}

static bool resolve_mtu(const struct input *in, struct settings *set, struct compat_error *err)
{
	if (in->values->mtu < MTU_MIN)
		return refuse(err, true, "MTU must be %d or more, not %d", MTU_MIN,
			      in->values->mtu);
	set->mtu = (unsigned)in->values->mtu;
	return true;
}

static bool resolve_api(const struct input *in, struct settings *set, struct compat_error *err)
{
	const char *path = in->values->api_socket;

	if (path && strlen(path) >= UNIXSOCK_PATH_MAX)
		return refuse(err, false, "the specified API socket path is too long (>= %d)",
			      UNIXSOCK_PATH_MAX);
	set->api_path = path;
	return true;
}

static bool resolve_cidr(const struct input *in, struct settings *set, struct compat_error *err)
{
	char text[ADDRPLAN_ERROR_MAX];

	if (!addrplan_parse(in->values->cidr, &set->plan, text))
		return refuse(err, false, "%s", text);
	if (in->values->configure && set->plan.net.base.b[0] == 127)
		return refuse(err, false,
			      "CIDR is the loopback network, which no interface but lo "
			      "can have: %s",
			      in->values->cidr);
	return true;
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

static bool resolve_outbounds(const struct input *in, struct settings *set,
			      struct compat_error *err)
{
	const struct compat_values *values = in->values;

	if (values->outbound4 && !resolve_outbound(values->outbound4, IP_V4, &set->outbound4))
		return refuse(err, false,
			      "outbound-addr has to be valid ipv4 address or interface name.");
	if (values->outbound6 && !resolve_outbound(values->outbound6, IP_V6, &set->outbound6))
		return refuse(err, false,
			      "outbound-addr has to be valid ipv4 address or iterface name.");
	return true;
}

/* By the option, else by the environment, which is for callers whose arguments are fixed. */
static bool is_native(const char *option, const char *value, const char *variable,
		      const char *otherwise, bool *ret, struct compat_error *err)
{
	const char *env = getenv(variable);
	const char *word = value ? value : env;

	if (!word)
		word = otherwise;
	if (strcmp(word, "native") != 0 && strcmp(word, "slirp") != 0)
		return refuse(err, false, "%s must be \"native\" or \"slirp\", not \"%s\"",
			      value ? option : variable, word);
	*ret = strcmp(word, "native") == 0;
	return true;
}

static bool resolve_stacks(const struct input *in, struct settings *set, struct compat_error *err)
{
	if (!is_native("--tcp", in->values->tcp, "GATE4NETNS_TCP", COMPAT_TCP_DEFAULT,
		       &set->native_tcp, err) ||
	    !is_native("--udp", in->values->udp, "GATE4NETNS_UDP", COMPAT_UDP_DEFAULT,
		       &set->native_udp, err))
		return false;
	set->offloads = set->native_tcp; /* libslirp's cannot take large segments */
	return true;
}

static bool resolve_udp_filter(const struct input *in, struct settings *set,
			       struct compat_error *err)
{
	static const char *const words[] = {
		[UDP_FILTER_ENDPOINT] = "endpoint",
		[UDP_FILTER_ADDRESS] = "address",
		[UDP_FILTER_NONE] = "none",
	};
	const char *word = in->values->udp_filter;

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
		if (word && strcmp(word, words[i]) == 0) {
			set->udp_filter = (enum udp_filter)i;
			return true;
		}
	}
	if (word)
		return refuse(err, false,
			      "--udp-filter must be \"endpoint\", \"address\" or \"none\", not "
			      "\"%s\"",
			      word);
	set->udp_filter = UDP_FILTER_ENDPOINT;
	return true;
}

static bool resolve_guest_loopback(const struct input *in, struct settings *set,
				   struct compat_error *err)
{
	static const char *const without_namespace[] = {
		[TARGET_PID] = NULL,
		[TARGET_PATH] = NULL,
		[TARGET_TAPFD] = "--netns-type=tapfd",
		[TARGET_BESS] = "--target-type=bess",
	};
	const char *option = without_namespace[set->target];

	set->guest_loopback = in->values->guest_loopback;
	if (set->guest_loopback && option)
		return refuse(err, false,
			      "--guest-loopback conflicts with %s: there is no namespace to join",
			      option);
	return true;
}

static bool resolve_pcap(const struct input *in, struct settings *set, struct compat_error *err)
{
	const int limit = in->values->pcap_limit;

	if (limit != 0 && !in->values->pcap)
		return refuse(err, false, "--pcap-limit cannot be specified without --pcap");
	set->pcap_path = in->values->pcap;
	set->pcap_limit_bytes = (uint64_t)(limit != 0 ? limit : PCAP_LIMIT_MIB) << 20;
	return true;
}

static bool resolve_publish(const struct input *in, struct settings *set, struct compat_error *err)
{
	const struct opt_list *list = &in->values->publish;
	struct portspec specs[TRANSPORTS];
	const char *error;

	for (size_t i = 0; i < list->count; i++) {
		if (portspec_parse(list->items[i], specs, &error) == 0)
			return refuse(err, false, "--publish=%s: %s", list->items[i], error);
	}
	set->publish = list->items;
	set->publish_count = list->count;
	return true;
}

static bool resolve_mac(const struct input *in, struct settings *set, struct compat_error *err)
{
	const char *text = in->values->mac;

	if (text && !mac_parse(text, &set->mac))
		return refuse(err, false,
			      "macaddress has to be a valid MAC address (hex string, "
			      "6 bytes, each byte separated by a ':'), not \"%s\"",
			      text);
	set->has_mac = text != NULL;
	return true;
}

static bool resolve_mac_needs_configure(const struct input *in, struct settings *set,
					struct compat_error *err)
{
	(void)set;
	if (in->values->mac && !in->values->configure)
		return refuse(err, true,
			      "--macaddr cannot be specified when --configure or -c is "
			      "not specified");
	return true;
}

bool compat_resolve(const struct compat_values *values, int operand_count, char **operands,
		    struct settings *ret, struct compat_error *reterr)
{
	/* The order decides which of two mistakes is named; it is the reference's. */
	/* clang-format off */
	static resolve_fn *const steps[] = {
		resolve_mac_needs_configure,
		resolve_target,
		resolve_mtu,
		resolve_api,
		resolve_cidr,
		resolve_outbounds,
		resolve_mac,
		resolve_stacks,
		resolve_udp_filter,
		resolve_guest_loopback,
		resolve_pcap,
		resolve_publish,
	};
	/* clang-format on */
	const struct input in = { values, operand_count, operands };
	struct settings set = {
		.configure = values->configure,
		.tcp_flows = (unsigned)values->tcp_flows,
		.udp_bindings = (unsigned)values->udp_bindings,
		.udp_timeout_s = (unsigned)values->udp_timeout_s,
		.ipv6 = values->ipv6,
		.host_loopback = !values->no_host_loopback,
		.dns = !values->no_dns,
		.ready_fd = values->ready_fd,
		.exit_fd = values->exit_fd,
		.sandbox = values->sandbox,
		.seccomp = values->seccomp,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		if (!steps[i](&in, &set, reterr))
			return false;
	}
	*ret = set;
	return true;
}
