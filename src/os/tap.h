/* os/tap.h - a TAP device: Ethernet frames by read(2) and write(2), one frame each.
 *
 * Source: the kernel's Documentation/networking/tuntap.rst and drivers/net/tun.c.
 */
#ifndef OS_TAP_H
#define OS_TAP_H

#include <net/if.h>

#include "wire/inet.h"

struct tap {
	int fd;		     /* owned, non-blocking */
	char name[IFNAMSIZ]; /* as the kernel has it */
	struct mac mac;
};

/* Make the TAP @name in the calling thread's network namespace, or attach to it where it is a
 * persistent one that nobody has attached. A longer name is cut as the kernel would; an empty
 * one, or one with %d, is the kernel's choice. *reterr_what: the call that failed.
 */
int tap_open(const char *name, struct tap *ret, const char **reterr_what);

/* Take over a TAP that somebody else opened; owns @fd from then on, on failure it does not.
 * -ENOTTY if it is no TUN/TAP descriptor, -EBADFD if it is attached to nothing, -EINVAL if its
 * frames are not plain Ethernet (IFF_TAP and IFF_NO_PI, no IFF_VNET_HDR).
 */
int tap_adopt(int fd, struct tap *ret);

#endif
