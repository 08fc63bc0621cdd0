/* os/rtnl.h - configure an interface of the calling thread's network namespace.
 *
 * One rtnetlink socket, one request at a time, each acknowledged by the kernel before the
 * call returns. Flags that are not named keep their value (IFF_MULTICAST survives).
 * Errors: -errno as the kernel gave it. Source: rtnetlink(7), libmnl.
 */
#ifndef OS_RTNL_H
#define OS_RTNL_H

#include "wire/inet.h"

struct rtnl;

int rtnl_open(struct rtnl **ret);
void rtnl_close(struct rtnl *rtnl); /* NULL is a no-op */

int rtnl_link_up(struct rtnl *rtnl, unsigned ifindex);
int rtnl_link_set_mtu(struct rtnl *rtnl, unsigned ifindex, unsigned mtu);
int rtnl_link_set_mac(struct rtnl *rtnl, unsigned ifindex, const struct mac *mac);

/* @address within @net; the broadcast address is the net's last. Scope global, permanent. */
int rtnl_add_address4(struct rtnl *rtnl, unsigned ifindex, const struct ip4 *address,
		      const struct ip4_net *net);

/* Main table, protocol boot, metric 0. An equal route that exists already is no error. */
int rtnl_add_default_route4(struct rtnl *rtnl, unsigned ifindex, const struct ip4 *gateway);

/* @address in a network of @prefix bits, for good, usable at once: nobody else is on the link to have it
 * (no duplicate address detection, RFC 4862 section 5.4).
 */
int rtnl_add_address6(struct rtnl *rtnl, unsigned ifindex, const struct ip6 *address,
		      unsigned prefix);

/* As for IPv4. The kernel puts those that routers advertise beside it. */
int rtnl_add_default_route6(struct rtnl *rtnl, unsigned ifindex, const struct ip6 *gateway);

#endif
