#include "wire/inet.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool ip4_parse(const char *text, struct ip4 *ret)
{
	return inet_pton(AF_INET, text, ret->b) == 1;
}

bool ip6_parse(const char *text, struct ip6 *ret)
{
	return inet_pton(AF_INET6, text, ret->b) == 1;
}

bool ip_parse(const char *text, struct ip *ret)
{
	struct ip parsed = { .family = IP_V4 };

	if (!ip4_parse(text, &parsed.v4)) {
		parsed.family = IP_V6;
		if (!ip6_parse(text, &parsed.v6))
			return false;
	}
	*ret = parsed;
	return true;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool mac_parse(const char *text, struct mac *ret)
{
	struct mac mac;

	for (int i = 0; i < 6; i++) {
		int high = hex_value(*text), low;

		if (high < 0)
			return false;
		text++;
		low = hex_value(*text);
		mac.b[i] = (uint8_t)high;
		if (low >= 0) {
			mac.b[i] = (uint8_t)(high << 4 | low);
			text++;
		}
		if (*text != (i < 5 ? ':' : '\0'))
			return false;
		text++;
	}
	*ret = mac;
	return true;
}

const char *ip4_format(const struct ip4 *ip, char *text)
{
	return inet_ntop(AF_INET, ip->b, text, IP_TEXT_MAX);
}

const char *ip6_format(const struct ip6 *ip, char *text)
{
	return inet_ntop(AF_INET6, ip->b, text, IP_TEXT_MAX);
}

const char *ip_format(const struct ip *ip, char *text)
{
	return ip->family == IP_V6 ? ip6_format(&ip->v6, text) : ip4_format(&ip->v4, text);
}

const char *mac_format(const struct mac *mac, char *text)
{
	const uint8_t *b = mac->b;

	snprintf(text, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return text;
}

uint32_t ip4_to_host(const struct ip4 *ip)
{
	return (uint32_t)ip->b[0] << 24 | (uint32_t)ip->b[1] << 16 | (uint32_t)ip->b[2] << 8 |
	       ip->b[3];
}

struct ip4 ip4_from_host(uint32_t host)
{
	struct ip4 ip = { { (uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8),
			    (uint8_t)host } };

	return ip;
}

struct ip4 ip4_netmask(unsigned prefix)
{
	return ip4_from_host(prefix == 0 ? 0 : UINT32_MAX << (32 - prefix));
}

struct ip4 ip4_plus(const struct ip4 *ip, uint32_t offset)
{
	return ip4_from_host(ip4_to_host(ip) + offset);
}

bool ip4_equal(const struct ip4 *a, const struct ip4 *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool ip4_in_net(const struct ip4 *ip, const struct ip4_net *net)
{
	struct ip4 mask = ip4_netmask(net->prefix);

	return ((ip4_to_host(ip) ^ ip4_to_host(&net->base)) & ip4_to_host(&mask)) == 0;
}

struct ip4 ip4_broadcast(const struct ip4_net *net)
{
	struct ip4 mask = ip4_netmask(net->prefix);

	return ip4_from_host(ip4_to_host(&net->base) | ~ip4_to_host(&mask));
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return false;
	return a->family == IP_V6 ? memcmp(a->v6.b, b->v6.b, sizeof(a->v6.b)) == 0 :
				    ip4_equal(&a->v4, &b->v4);
}

bool ip6_is_link_local(const struct ip6 *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

bool ip_is_within_host(const struct ip *ip)
{
	static const uint8_t zeros[15], mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *b = ip->v6.b;

	if (ip->family == IP_V4)
		return ip->v4.b[0] == 0 || ip->v4.b[0] == 127;
	return (memcmp(b, zeros, sizeof(zeros)) == 0 && b[15] <= 1) ||
	       memcmp(b, mapped, sizeof(mapped)) == 0;
}

bool ip_is_any(const struct ip *ip)
{
	static const struct ip6 any6;

	if (ip->family == IP_V6)
		return memcmp(ip->v6.b, any6.b, sizeof(any6.b)) == 0;
	return ip4_to_host(&ip->v4) == 0;
}

struct ip6 ip6_slaac(const struct ip6 *prefix64, const struct mac *mac)
{
	struct ip6 ip = *prefix64;
	const uint8_t *m = mac->b;
	const uint8_t eui64[8] = { m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5] };

	memcpy(ip.b + 8, eui64, sizeof(eui64));
	return ip;
}
