/* os/tap.h - a TAP device: Ethernet frames by read(2) and write(2), one frame each.
 *
 * With vnet_hdr a struct virtio_net_hdr (ten bytes, integers in the byte order of this machine,
 * little endian or big) stands in front of each frame, in both directions. The kernel then leaves
 * checksums to whoever reads, hands over TCP segments of up to 64 KiB at any MTU, and takes such.
 * With uso (Linux 6.2) it does so with many UDP datagrams of one size, too.
 * Source: the kernel's Documentation/networking/tuntap.rst and drivers/net/tun.c.
 */
#ifndef OS_TAP_H
#define OS_TAP_H

#include <net/if.h>
#include <stdbool.h>

#include "wire/inet.h"

struct tap {
	int fd;		     /* owned, non-blocking */
	char name[IFNAMSIZ]; /* as the kernel has it */
	struct mac mac;
	bool vnet_hdr;
	bool uso; /* with vnet_hdr only */
};

/* What is asked of the kernel. Each one includes what stands before it. */
enum tap_offloads {
	TAP_PLAIN,
	TAP_VNET_HDR, /* partial checksums, and large segments of TCP */
	TAP_USO,      /* and of UDP where the kernel has that */
};

/* Make the TAP @name in the calling thread's network namespace, or attach to it where it is a
 * persistent one that nobody has attached. A longer name is cut as the kernel would; an empty
 * one, or one with %d, is the kernel's choice. The TAP has vnet_hdr if @offloads asks for it and the
 * kernel has all that goes with it, and is a plain one otherwise. *reterr_what: the call that failed.
 */
int tap_open(const char *name, enum tap_offloads offloads, struct tap *ret,
	     const char **reterr_what);

/* Make a TUN: the same for raw IP packets, without packet information or header, non-blocking. Its
 * descriptor, the caller's, and its name in @ret_name; or -errno.
 */
int tun_open(const char *name, char ret_name[IFNAMSIZ], const char **reterr_what);

/* Take over a TAP that somebody else opened; owns @fd from then on, on failure it does not.
 * It has vnet_hdr if it was opened with IFF_VNET_HDR; whether large segments and frames without
 * a checksum come through it is then decided by @offloads.
 * -ENOTTY if it is no TUN/TAP descriptor, -EBADFD if it is attached to nothing, -EINVAL if its
 * frames are known not to be Ethernet without packet information (IFF_TAP and IFF_NO_PI). The
 * latter is known only where a socket filter is attached: IFF_NOFILTER has the same value.
 */
int tap_adopt(int fd, enum tap_offloads offloads, struct tap *ret);

/* Let the device stay when @fd is closed, to go with its namespace: the kernel takes devices out of that
 * at leisure, but lets whoever closes the last descriptor of another one wait 15 ms and more. 0 or -errno.
 */
int tap_persist(int fd);

/* Switch off what tap_open() and tap_adopt() switched on. To be called before the descriptor of
 * a TAP with vnet_hdr is closed: a persistent device keeps its offloads, and its next owner would
 * get frames without checksums that nothing tells from whole ones.
 */
void tap_reset_offloads(int fd);

#endif
