/* net/sockaddr.h - an address and a port as the socket calls have them, of either family. Pure. */
#ifndef NET_SOCKADDR_H
#define NET_SOCKADDR_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "wire/inet.h"

union sockaddr_any {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* The length of it. */
static inline socklen_t sockaddr_fill(const struct ip *ip, uint16_t port, union sockaddr_any *ret)
{
	*ret = (union sockaddr_any){ 0 };
	if (ip->family == IP_V6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		memcpy(&ret->v6.sin6_addr, ip->v6.b, sizeof(ip->v6.b));
		return sizeof(ret->v6);
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons(port);
	memcpy(&ret->v4.sin_addr, ip->v4.b, sizeof(ip->v4.b));
	return sizeof(ret->v4);
}

/* IP_NONE where it is of another family. The bytes behind an IPv4 address are 0. */
static inline struct ip sockaddr_ip(const union sockaddr_any *address)
{
	struct ip ip = { .family = IP_NONE, .v6 = { { 0 } } };

	if (address->any.sa_family == AF_INET6) {
		ip.family = IP_V6;
		memcpy(ip.v6.b, &address->v6.sin6_addr, sizeof(ip.v6.b));
	} else if (address->any.sa_family == AF_INET) {
		ip.family = IP_V4;
		memcpy(ip.v4.b, &address->v4.sin_addr, sizeof(ip.v4.b));
	}
	return ip;
}

static inline uint16_t sockaddr_port(const union sockaddr_any *address)
{
	return ntohs(address->any.sa_family == AF_INET6 ? address->v6.sin6_port :
							  address->v4.sin_port);
}

/* Address, port, and the scope of an IPv6 address; what is behind them is not looked at. */
static inline bool sockaddr_equal(const union sockaddr_any *a, const union sockaddr_any *b)
{
	const struct ip ip = sockaddr_ip(a), other = sockaddr_ip(b);

	return ip_equal(&ip, &other) && sockaddr_port(a) == sockaddr_port(b) &&
	       (ip.family != IP_V6 || a->v6.sin6_scope_id == b->v6.sin6_scope_id);
}

#endif
