/* os/hostaddr.h - the addresses of the host's interfaces, as they are now. */
#ifndef OS_HOSTADDR_H
#define OS_HOSTADDR_H

#include <stdbool.h>

#include "wire/inet.h"

/* The first address of @family on @interface, in the kernel's order. -ENODEV if there is none. */
int hostaddr_of_interface(const char *interface, enum ip_family family, struct ip *ret);

/* Whether the host would know where to send a packet for an address of @family that is not its own. Asked of
 * the routing table: nothing is sent.
 */
bool hostaddr_has_route(enum ip_family family);

#endif
