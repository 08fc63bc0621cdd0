/* net/addrplan.h - the addresses of the little network between the guest and us.
 *
 * Offsets from the network address are fixed, for callers know them: gateway +2, DNS +3, DHCP
 * +15 to +30, the guest +100. IPv6, fd00::/64 unless somebody wants another, has gateway ::2 (and fe80::2)
 * and DNS ::3, and ::64 for a guest that does not make its own address.
 * Pure.
 */
#ifndef NET_ADDRPLAN_H
#define NET_ADDRPLAN_H

#include <stddef.h>

#include "wire/inet.h"

struct addrplan {
	struct ip4_net net;
	struct ip4 gateway;
	struct ip4 dns;
	struct ip4 dhcp_begin, dhcp_end;
	struct ip4 guest;   /* what `-c` sets, and the default target of forwards */
	struct ip6 prefix6; /* a /64 */
	struct ip6 gateway6;
	struct ip6 dns6;
	struct ip6 guest6; /* where it is set by hand: 100 like the other, in hexadecimal */
};

#define ADDRPLAN_ERROR_MAX 160

/* The MAC of the gateway, as libslirp answers for it to ARP (IPv4) and neighbour discovery (IPv6): its
 * prefix for the family, then the last four bytes of the address.
 */
struct mac addrplan_gateway_mac(const struct addrplan *plan, enum ip_family family);

struct ip addrplan_gateway(const struct addrplan *plan, enum ip_family family);

/* To whom a forward leads that asks for @guest: 0.0.0.0 stands for the first DHCP lease. */
struct ip addrplan_guest(const struct addrplan *plan, const struct ip *guest);

/* From a CIDR like 10.0.2.0/24, prefix 1-25. False: a text for people in @reterr. */
bool addrplan_parse(const char *cidr, struct addrplan *ret, char reterr[ADDRPLAN_ERROR_MAX]);

/* The IPv6 half of a plan that has been parsed, from a CIDR like fd00::/64; it has to be a /64 of unicast
 * addresses (RFC 4862 section 5.5.3: nothing else goes with SLAAC), not link-local.
 */
bool addrplan_parse6(const char *cidr, struct addrplan *plan, char reterr[ADDRPLAN_ERROR_MAX]);

#endif
