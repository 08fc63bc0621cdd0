#include "os/hostaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

static void from_sockaddr(const struct sockaddr *address, struct ip *ret)
{
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		ret->family = IP_V6;
		memcpy(ret->v6.b, &in6.sin6_addr, sizeof(ret->v6.b));
	} else {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		ret->family = IP_V4;
		memcpy(ret->v4.b, &in.sin_addr, sizeof(ret->v4.b));
	}
}

int hostaddr_of_interface(const char *interface, enum ip_family family, struct ip *ret)
{
	const int wanted = family == IP_V6 ? AF_INET6 : AF_INET;
	struct ifaddrs *all;
	int r = -ENODEV;

	if (getifaddrs(&all) < 0)
		return -errno;
	for (const struct ifaddrs *at = all; at && r < 0; at = at->ifa_next) {
		if (!at->ifa_addr || at->ifa_addr->sa_family != wanted ||
		    strcmp(at->ifa_name, interface) != 0)
			continue;
		from_sockaddr(at->ifa_addr, ret);
		r = 0;
	}
	freeifaddrs(all);
	return r;
}

/* connect(2) of a UDP socket looks the route up and does no more. The addresses are of documentation
 * networks (RFC 5737, RFC 3849), which only a default route leads to.
 */
bool hostaddr_has_route(enum ip_family family)
{
	const struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(9),
		.sin_addr = { htonl(0xcb007101) }, /* 203.0.113.1 */
	};
	const struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(9),
		.sin6_addr = { { { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 } } },
	};
	autofd int fd = socket(family == IP_V6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	if (family == IP_V6)
		return connect(fd, (const struct sockaddr *)&in6, sizeof(in6)) == 0;
	return connect(fd, (const struct sockaddr *)&in, sizeof(in)) == 0;
}
