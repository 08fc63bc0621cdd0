/* net/route.h - where a destination of the guest is on the host, and as whom the guest sees the host's.
 *
 * The gateway's address stands for the host's loopback, the DNS address for its name server, everything
 * else for itself. One answer for TCP and UDP. Pure, but for the name server, which is asked for.
 */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/inet.h"

struct addrplan;
struct dial_target;
struct settings;

#define ROUTE_DNS_PORT 53

/* The host's first name server of a family: address and scope into *ret. False: it has none. */
typedef bool route_nameserver_fn(enum ip_family family, struct dial_target *ret, void *data);

/* Where the host finds @dst:@port of the guest. @nameserver may be NULL: then there is none. 0, or
 * -ENETUNREACH: nowhere, for the host's loopback is closed to the guest, or the DNS address is asked for
 * something else than names, or has no name server behind it, or @dst is link-local, which is to say
 * somewhere on a link that the guest cannot name.
 */
int route_to_host(const struct settings *settings, const struct ip *dst, uint16_t port,
		  route_nameserver_fn *nameserver, void *data, struct dial_target *ret);

bool route_is_dns(const struct addrplan *plan, const struct ip *dst);
struct ip route_dns(const struct addrplan *plan, enum ip_family family); /* the DNS address */

/* Groups, and everybody: 255.255.255.255, and the broadcast address of the guest's network. */
bool route_is_multicast(const struct ip *dst);
bool route_is_broadcast(const struct addrplan *plan, const struct ip *dst);

bool route_is_host_loopback(const struct ip *ip); /* the address that the gateway's stands for */

/* Whether an answer of the guest to that address of the host's world would come to us, and be let
 * through: not to loopback, link-local ones, and the guest's own network.
 */
bool route_is_answerable(const struct addrplan *plan, const struct ip *peer);

/* As whom the guest sees somebody of the host's world: itself, or the gateway if it is not answerable. */
struct ip route_seen_as(const struct addrplan *plan, const struct ip *peer);

/* The port at which the guest is to see a client that has none, or whose own is taken: those that no
 * service has, one after the other and round again.
 */
#define ROUTE_SPARE_TRIES 1024 /* of an index, before there is none */
uint16_t route_spare_port(uint32_t index);

#endif
