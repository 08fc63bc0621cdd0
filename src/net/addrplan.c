#include "net/addrplan.h"

#include <stdio.h>
#include <string.h>

#define PREFIX6_LEN 8 /* bytes of a /64 */
#define DOTTED_MAX 15 /* bytes of the longest dotted quad */

/* Digits and dots of the shape D.D.D.D with D of 1-3 digits, as long as that goes on. */
static size_t dotted_length(const char *text)
{
	const char *at = text;

	for (int octet = 0; octet < 4; octet++) {
		size_t digits = strspn(at, "0123456789");

		if (digits < 1 || digits > 3)
			return 0;
		at += digits;
		if (octet < 3 && *at++ != '.')
			return 0;
	}
	return (size_t)(at - text);
}

/* One or two digits up to the end of the text, or -1. */
static int parse_prefix(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 2 || text[digits] != '\0')
		return -1;
	return digits == 1 ? text[0] - '0' : (text[0] - '0') * 10 + (text[1] - '0');
}

static bool parse_net(const char *cidr, struct ip4_net *ret, char *reterr)
{
	size_t len = dotted_length(cidr);
	char base[DOTTED_MAX + 1] = "";
	struct ip4 mask;
	int prefix = -1;

	if (len > 0 && cidr[len] == '/')
		prefix = parse_prefix(cidr + len + 1);
	if (prefix < 0) {
		snprintf(reterr, ADDRPLAN_ERROR_MAX, "invalid CIDR: %s", cidr);
		return false;
	}
	memcpy(base, cidr, len);
	if (!ip4_parse(base, &ret->base)) {
		snprintf(reterr, ADDRPLAN_ERROR_MAX, "invalid network address: %s", base);
		return false;
	}
	if (prefix < 1 || prefix > 25) {
		snprintf(reterr, ADDRPLAN_ERROR_MAX, "prefix length needs to be 1-25");
		return false;
	}
	ret->prefix = (unsigned)prefix;
	mask = ip4_netmask(ret->prefix);
	if ((ip4_to_host(&ret->base) & ~ip4_to_host(&mask)) != 0) {
		snprintf(reterr, ADDRPLAN_ERROR_MAX,
			 "CIDR needs to be a network address like 10.0.2.0/24, "
			 "not like 10.0.2.100/24");
		return false;
	}
	return true;
}

static void set_prefix6(struct addrplan *plan, const struct ip6 *prefix)
{
	plan->prefix6 = plan->gateway6 = plan->dns6 = plan->guest6 = *prefix;
	plan->gateway6.b[15] = 2;
	plan->dns6.b[15] = 3;
	plan->guest6.b[15] = 100;
}

bool addrplan_parse(const char *cidr, struct addrplan *ret, char reterr[ADDRPLAN_ERROR_MAX])
{
	struct addrplan plan = { 0 };

	if (!parse_net(cidr, &plan.net, reterr))
		return false;
	plan.gateway = ip4_plus(&plan.net.base, 2);
	plan.dns = ip4_plus(&plan.net.base, 3);
	plan.dhcp_begin = ip4_plus(&plan.net.base, 15);
	plan.dhcp_end = ip4_plus(&plan.net.base, 30);
	plan.guest = ip4_plus(&plan.net.base, 100);
	set_prefix6(&plan, &(struct ip6){ { 0xfd } });
	*ret = plan;
	return true;
}

bool addrplan_parse6(const char *cidr, struct addrplan *plan, char reterr[ADDRPLAN_ERROR_MAX])
{
	const char *slash = strchr(cidr, '/');
	char base[IP_TEXT_MAX] = "";
	struct ip prefix = { .family = IP_V6 };

	if (slash && (size_t)(slash - cidr) < sizeof(base))
		memcpy(base, cidr, (size_t)(slash - cidr));
	if (!slash || strcmp(slash, "/64") != 0 || !ip6_parse(base, &prefix.v6)) {
		snprintf(reterr, ADDRPLAN_ERROR_MAX, "not an IPv6 network like fd00::/64: %s",
			 cidr);
		return false;
	}
	if (memcmp(prefix.v6.b + PREFIX6_LEN, (uint8_t[PREFIX6_LEN]){ 0 }, PREFIX6_LEN) != 0) {
		snprintf(reterr, ADDRPLAN_ERROR_MAX,
			 "needs to be a network address like fd00::/64, not like fd00::1/64");
		return false;
	}
	if (ip_is_within_host(&prefix) || ip6_is_link_local(&prefix.v6) || prefix.v6.b[0] == 0xff) {
		snprintf(reterr, ADDRPLAN_ERROR_MAX, "no network of unicast addresses: %s", cidr);
		return false;
	}
	set_prefix6(plan, &prefix.v6);
	return true;
}

struct mac addrplan_gateway_mac(const struct addrplan *plan, enum ip_family family)
{
	struct mac mac = { { 0x52, family == IP_V6 ? 0x56 : 0x55 } };

	memcpy(mac.b + 2, family == IP_V6 ? plan->gateway6.b + 12 : plan->gateway.b, 4);
	return mac;
}

struct ip addrplan_guest(const struct addrplan *plan, const struct ip *guest)
{
	struct ip ip = *guest;

	if (ip.family == IP_V4 && ip_is_any(&ip))
		ip.v4 = plan->dhcp_begin;
	return ip;
}

struct ip addrplan_gateway(const struct addrplan *plan, enum ip_family family)
{
	struct ip gateway = { .family = family };

	if (family == IP_V6)
		gateway.v6 = plan->gateway6;
	else
		gateway.v4 = plan->gateway;
	return gateway;
}
