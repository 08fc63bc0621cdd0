/* wire/inet.h - addresses as byte arrays in network order, their text, and prefixes.
 *
 * Pure. Ports are plain integers in host order. Parsers take complete strings: no space, no
 * scope, nothing behind; they return false and leave *ret untouched otherwise.
 */
#ifndef WIRE_INET_H
#define WIRE_INET_H

#include <stdbool.h>
#include <stdint.h>

struct ip4 {
	uint8_t b[4];
};

struct ip6 {
	uint8_t b[16];
};

struct mac {
	uint8_t b[6];
};

/* An address of either family; an unset one has family IP_NONE. */
enum ip_family { IP_NONE, IP_V4, IP_V6 };

struct ip {
	enum ip_family family;
	union {
		struct ip4 v4;
		struct ip6 v6;
	};
};

struct ip4_net {
	struct ip4 base;
	unsigned prefix; /* bits, 0..32 */
};

#define IP_TEXT_MAX 46 /* longest text of either family with its NUL (INET6_ADDRSTRLEN) */
#define MAC_TEXT_MAX 18

bool ip4_parse(const char *text, struct ip4 *ret); /* dotted quad, no leading zeros */
bool ip6_parse(const char *text, struct ip6 *ret); /* RFC 4291 section 2.2 */
bool ip_parse(const char *text, struct ip *ret);   /* either */
bool mac_parse(const char *text, struct mac *ret); /* six hex bytes of 1-2 digits, ':' between */

/* Into the caller's buffer of IP_TEXT_MAX or MAC_TEXT_MAX bytes; returns it. */
const char *ip4_format(const struct ip4 *ip, char *text);
const char *ip6_format(const struct ip6 *ip, char *text);
const char *ip_format(const struct ip *ip, char *text);
const char *mac_format(const struct mac *mac, char *text);

uint32_t ip4_to_host(const struct ip4 *ip);
struct ip4 ip4_from_host(uint32_t host);
struct ip4 ip4_netmask(unsigned prefix);
struct ip4 ip4_plus(const struct ip4 *ip, uint32_t offset);
bool ip4_equal(const struct ip4 *a, const struct ip4 *b);
bool ip4_in_net(const struct ip4 *ip, const struct ip4_net *net);
struct ip4 ip4_broadcast(const struct ip4_net *net);
bool ip_is_any(const struct ip *ip);
bool ip_equal(const struct ip *a, const struct ip *b); /* family too */
bool ip6_is_link_local(const struct ip6 *ip);	       /* fe80::/10 */

/* Addresses that no packet on a network has as its destination, and that connect(2) takes for this
 * host or turns into such a one: 0/8 and 127/8 (RFC 1122 section 3.2.1.3), ::, ::1, and IPv4-mapped
 * ones (RFC 4291 section 2.5).
 */
bool ip_is_within_host(const struct ip *ip);

/* The address that SLAAC gives an interface in a /64: EUI-64 (RFC 4291 appendix A). */
struct ip6 ip6_slaac(const struct ip6 *prefix64, const struct mac *mac);

#endif
