#include "net/route.h"

#include <errno.h>
#include <string.h>

#include "net/addrplan.h"
#include "net/dial.h"
#include "net/settings.h"

#define SPARE_FIRST 49152 /* RFC 6335: ports that nobody is found at */

static bool is_addr(const struct ip *ip, const struct ip4 *v4, const struct ip6 *v6)
{
	if (ip->family == IP_V6)
		return memcmp(ip->v6.b, v6->b, sizeof(v6->b)) == 0;
	return ip4_equal(&ip->v4, v4);
}

static struct ip host_loopback(enum ip_family family)
{
	struct ip ip = { .family = family };

	if (family == IP_V6)
		ip.v6 = (struct ip6){ { [15] = 1 } };
	else
		ip.v4 = (struct ip4){ { 127, 0, 0, 1 } };
	return ip;
}

bool route_is_host_loopback(const struct ip *ip)
{
	const struct ip loopback = host_loopback(ip->family);

	return ip_equal(ip, &loopback);
}

static bool is_link_local6(const struct ip *ip)
{
	return ip->family == IP_V6 && ip6_is_link_local(&ip->v6);
}

bool route_is_dns(const struct addrplan *plan, const struct ip *dst)
{
	return is_addr(dst, &plan->dns, &plan->dns6);
}

struct ip route_dns(const struct addrplan *plan, enum ip_family family)
{
	struct ip dns = { .family = family };

	if (family == IP_V6)
		dns.v6 = plan->dns6;
	else
		dns.v4 = plan->dns;
	return dns;
}

int route_to_host(const struct settings *settings, const struct ip *dst, uint16_t port,
		  route_nameserver_fn *nameserver, void *data, struct dial_target *ret)
{
	const struct addrplan *plan = &settings->plan;
	bool v6 = dst->family == IP_V6;

	*ret = (struct dial_target){ .ip = *dst, .port = port };
	ret->from = v6 ? settings->outbound6 : settings->outbound4;
	if (route_is_dns(plan, dst)) {
		if (port != ROUTE_DNS_PORT || !nameserver || !nameserver(dst->family, ret, data))
			return -ENETUNREACH;
		if (ip_is_any(&ret->ip)) /* resolv.conf(5) has it for this host */
			ret->ip = host_loopback(dst->family);
		return 0;
	}
	if (!is_addr(dst, &plan->gateway, &plan->gateway6))
		return is_link_local6(dst) ? -ENETUNREACH : 0;
	if (!settings->host_loopback)
		return -ENETUNREACH;
	ret->ip = host_loopback(dst->family);
	return 0;
}

bool route_is_multicast(const struct ip *dst)
{
	return dst->family == IP_V6 ? dst->v6.b[0] == 0xff : (dst->v4.b[0] & 0xf0) == 224;
}

bool route_is_broadcast(const struct addrplan *plan, const struct ip *dst)
{
	const struct ip4 broadcast = ip4_broadcast(&plan->net);
	const struct ip4 everybody = { { 255, 255, 255, 255 } };

	return dst->family == IP_V4 &&
	       (ip4_equal(&dst->v4, &everybody) || ip4_equal(&dst->v4, &broadcast));
}

bool route_is_answerable(const struct addrplan *plan, const struct ip *peer)
{
	if (ip_is_within_host(peer))
		return false;
	if (peer->family == IP_V4)
		return !ip4_in_net(&peer->v4, &plan->net);
	return !is_link_local6(peer) && memcmp(peer->v6.b, plan->prefix6.b, 8) != 0;
}

uint16_t route_spare_port(uint32_t index)
{
	return (uint16_t)(SPARE_FIRST + index % (UINT16_MAX + 1 - SPARE_FIRST));
}

struct ip route_seen_as(const struct addrplan *plan, const struct ip *peer)
{
	return route_is_answerable(plan, peer) ? *peer : addrplan_gateway(plan, peer->family);
}
