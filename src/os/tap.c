#include "os/tap.h"

#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fd.h"

/* The descriptor itself answers for the device: no socket in its namespace is needed. */
static int read_mac(int fd, struct mac *ret)
{
	struct ifreq ifr = { 0 };

	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return -errno;
	memcpy(ret->b, ifr.ifr_hwaddr.sa_data, sizeof(ret->b));
	return 0;
}

int tap_open(const char *name, struct tap *ret, const char **reterr_what)
{
	autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	struct tap tap = { .fd = -EBADF };
	int r;

	*reterr_what = "open(\"/dev/net/tun\")";
	if (fd < 0)
		return -errno;
	*reterr_what = "ioctl(TUNSETIFF)";
	memcpy(ifr.ifr_name, name, strnlen(name, IFNAMSIZ - 1));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	memcpy(tap.name, ifr.ifr_name, sizeof(tap.name));
	*reterr_what = "ioctl(SIOCGIFHWADDR)";
	r = read_mac(fd, &tap.mac);
	if (r < 0)
		return r;
	tap.fd = fd_steal(&fd);
	*ret = tap;
	return 0;
}

int tap_adopt(int fd, struct tap *ret)
{
	struct ifreq ifr = { 0 };
	struct tap tap = { .fd = fd };
	int r;

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return -errno;
	if ((ifr.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) != (IFF_TAP | IFF_NO_PI))
		return -EINVAL;
	memcpy(tap.name, ifr.ifr_name, sizeof(tap.name));
	r = read_mac(fd, &tap.mac);
	if (r == 0)
		r = fd_set_nonblock(fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	*ret = tap;
	return 0;
}
