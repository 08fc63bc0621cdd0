#include "app/banner.h"

#include <stdio.h>

#include "net/settings.h"
#include "os/seccomp.h"

static void print_ip4(const char *label, const struct ip4 *ip)
{
	char text[IP_TEXT_MAX];

	printf("* %-16s %s\n", label, ip4_format(ip, text));
}

static void print_plan(const struct addrplan *plan)
{
	struct ip4 mask = ip4_netmask(plan->net.prefix);

	print_ip4("Network:", &plan->net.base);
	print_ip4("Netmask:", &mask);
	print_ip4("Gateway:", &plan->gateway);
	print_ip4("DNS:", &plan->dns);
	print_ip4("DHCP begin:", &plan->dhcp_begin);
	print_ip4("DHCP end:", &plan->dhcp_end);
	print_ip4("Recommended IP:", &plan->guest);
}

void banner_print(const struct settings *settings)
{
	char text[IP_TEXT_MAX];

	printf("Starting slirp\n* %-16s %u\n", "MTU:", settings->mtu);
	print_plan(&settings->plan);
	if (settings->api_path)
		printf("* %-16s %s\n", "API Socket:", settings->api_path);
	if (settings->outbound4.family != IP_NONE)
		printf("* %-17s %s\n", "Outbound IPv4:", ip_format(&settings->outbound4, text));
	if (settings->outbound6.family != IP_NONE)
		printf("* %-17s %s\n", "Outbound IPv6:", ip_format(&settings->outbound6, text));
	if (settings->has_mac)
		printf("* %-16s %s\n", "MAC address:", mac_format(&settings->mac, text));
	if (settings->host_loopback) {
		printf("WARNING: 127.0.0.1:* on the host is accessible as %s (set "
		       "--disable-host-loopback to prohibit connecting to 127.0.0.1:*)\n",
		       ip4_format(&settings->plan.gateway, text));
	}
	if (settings->seccomp) {
		printf("seccomp: The following syscalls are blocked:");
		for (const char *const *name = seccomp_killed(); *name; name++)
			printf(" %s", *name);
		printf("\n");
	}
}
