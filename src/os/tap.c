#include "os/tap.h"

#include <endian.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"

#ifndef TUN_F_USO4 /* kernel headers before 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* The descriptor itself answers for the device: no socket in its namespace is needed. */
static int read_mac(int fd, struct mac *ret)
{
	struct ifreq ifr = { 0 };

	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return -errno;
	memcpy(ret->b, ifr.ifr_hwaddr.sa_data, sizeof(ret->b));
	return 0;
}

/* A new device has what is asked for here. A persistent one has what its last owner left. */
static int set_header(int fd)
{
	int size = sizeof(struct virtio_net_hdr);
	int little_endian = BYTE_ORDER == LITTLE_ENDIAN;

	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 || ioctl(fd, TUNSETVNETLE, &little_endian) < 0)
		return -errno;
	return 0;
}

/* The kernel takes all of a set or nothing. *ret_uso: UDP was among what it took. */
static int set_offloads(int fd, enum tap_offloads wanted, bool *ret_uso)
{
	static const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	static const unsigned long udp = TUN_F_USO4 | TUN_F_USO6;
	static const unsigned long sets[] = { tcp | TUN_F_TSO_ECN | udp, tcp | udp,
					      tcp | TUN_F_TSO_ECN, tcp };
	int r = -EINVAL;

	for (size_t i = wanted == TAP_USO ? 0 : 2; i < sizeof(sets) / sizeof(sets[0]); i++) {
		if (ioctl(fd, TUNSETOFFLOAD, sets[i]) == 0) {
			*ret_uso = sets[i] & udp;
			return 0;
		}
		r = -errno;
	}
	return r;
}

/* #syscalls:engine ioctl
 *
 * A device that cannot do this has no offloads to switch off.
 */
void tap_reset_offloads(int fd)
{
	(void)ioctl(fd, TUNSETOFFLOAD, 0UL);
}

static int open_device(const char *name, int flags, char ret_name[IFNAMSIZ],
		       const char **reterr_what)
{
	autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq ifr = { .ifr_flags = (short)(flags | IFF_NO_PI) };

	*reterr_what = "open(\"/dev/net/tun\")";
	if (fd < 0)
		return -errno;
	*reterr_what = "ioctl(TUNSETIFF)";
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	memcpy(ret_name, ifr.ifr_name, IFNAMSIZ);
	return fd_steal(&fd);
}

int tun_open(const char *name, char ret_name[IFNAMSIZ], const char **reterr_what)
{
	return open_device(name, IFF_TUN, ret_name, reterr_what);
}

/* The flags of TUNSETIFF are those of the one who attaches, whatever the last owner's were; the
 * offloads are the device's own, so a plain owner has to reset what one that was killed has left.
 */
static int attach(const char *name, enum tap_offloads offloads, struct tap *ret,
		  const char **reterr_what)
{
	struct tap tap = { .fd = -EBADF, .vnet_hdr = offloads != TAP_PLAIN };
	const int flags = IFF_TAP | (tap.vnet_hdr ? IFF_VNET_HDR : 0);
	autofd int fd = open_device(name, flags, tap.name, reterr_what);
	int r = 0;

	if (fd < 0)
		return fd;
	*reterr_what = "ioctl(TUNSETOFFLOAD)";
	tap_reset_offloads(fd);
	if (tap.vnet_hdr)
		r = set_header(fd);
	if (tap.vnet_hdr && r == 0)
		r = set_offloads(fd, offloads, &tap.uso);
	if (r < 0)
		return r;
	*reterr_what = "ioctl(SIOCGIFHWADDR)";
	r = read_mac(fd, &tap.mac);
	if (r < 0)
		return r;
	tap.fd = fd_steal(&fd);
	*ret = tap;
	return 0;
}

int tap_open(const char *name, enum tap_offloads offloads, struct tap *ret,
	     const char **reterr_what)
{
	/* Whatever it is that fails: with a plain device it works, or fails for the better reason. */
	if (offloads != TAP_PLAIN && attach(name, offloads, ret, reterr_what) == 0)
		return 0;
	return attach(name, TAP_PLAIN, ret, reterr_what);
}

int tap_persist(int fd)
{
	return ioctl(fd, TUNSETPERSIST, 1UL) < 0 ? -errno : 0;
}

int tap_adopt(int fd, enum tap_offloads offloads, struct tap *ret)
{
	struct ifreq ifr = { 0 };
	struct tap tap = { .fd = fd };
	int r;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	if ((ifr.ifr_flags & (IFF_TAP | IFF_NO_PI)) != (IFF_TAP | IFF_NO_PI))
		return -EINVAL;
	tap.vnet_hdr = ifr.ifr_flags & IFF_VNET_HDR;
	memcpy(tap.name, ifr.ifr_name, sizeof(tap.name));
	r = read_mac(fd, &tap.mac);
	if (r == 0)
		r = fd_set_nonblock(fd);
	if (r == 0 && tap.vnet_hdr)
		r = set_header(fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	if (!tap.vnet_hdr || offloads == TAP_PLAIN || set_offloads(fd, offloads, &tap.uso) < 0)
		tap_reset_offloads(fd);
	*ret = tap;
	return 0;
}
