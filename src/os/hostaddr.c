#include "os/hostaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

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
