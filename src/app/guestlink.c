#include "app/guestlink.h"

#include <glib.h>

#include "base/fd.h"
#include "base/fdpass.h"
#include "os/rtnl.h"

#define LOOPBACK_INDEX 1 /* of lo in every network namespace: the kernel's loopback_net_init() */
#define PREFIX6 64	 /* bits: net/addrplan.h */

struct target_if {
	struct rtnl *rtnl;
	unsigned index; /* of the TAP */
	const struct settings *settings;
};

static int lo_up(const struct target_if *at)
{
	return rtnl_link_up(at->rtnl, LOOPBACK_INDEX);
}

static int set_mtu(const struct target_if *at)
{
	return rtnl_link_set_mtu(at->rtnl, at->index, at->settings->mtu);
}

static int set_mac(const struct target_if *at)
{
	if (!at->settings->has_mac)
		return 0;
	return rtnl_link_set_mac(at->rtnl, at->index, &at->settings->mac);
}

static int tap_up(const struct target_if *at)
{
	return rtnl_link_up(at->rtnl, at->index);
}

static int add_address(const struct target_if *at)
{
	const struct addrplan *plan = &at->settings->plan;

	return rtnl_add_address4(at->rtnl, at->index, &plan->guest, &plan->net);
}

static int add_route(const struct target_if *at)
{
	return rtnl_add_default_route4(at->rtnl, at->index, &at->settings->plan.gateway);
}

/* The kernel's answer to an address where there is no IPv6: EOPNOTSUPP without the module, EACCES
 * with net.ipv6.conf.*.disable_ipv6.
 */
static int add_ipv6(const struct target_if *at)
{
	const struct addrplan *plan = &at->settings->plan;
	int r;

	if (!at->settings->static6)
		return 0;
	r = rtnl_add_address6(at->rtnl, at->index, &plan->guest6, PREFIX6);
	if (r == -EOPNOTSUPP || r == -EACCES)
		return 0;
	return r < 0 ? r : rtnl_add_default_route6(at->rtnl, at->index, &plan->gateway6);
}

/* The MAC before the link is up, so that the IPv6 address made from it is the right one. */
static const struct {
	const char *what;
	int (*run)(const struct target_if *at);
} configure_steps[] = {
	{ "cannot set device up", lo_up },
	{ "cannot set MTU", set_mtu },
	{ "cannot set MAC address", set_mac },
	{ "cannot set device up", tap_up },
	{ "cannot set device address", add_address },
	{ "set route", add_route },
	{ "set IPv6 address and route", add_ipv6 },
};

static int configure(const struct settings *settings, const char *tap_name,
		     const char **reterr_what)
{
	struct target_if at = { .settings = settings, .index = if_nametoindex(tap_name) };
	int r = rtnl_open(&at.rtnl);

	*reterr_what = "cannot open rtnetlink";
	for (size_t i = 0; i < G_N_ELEMENTS(configure_steps) && r == 0; i++) {
		*reterr_what = configure_steps[i].what;
		r = configure_steps[i].run(&at);
	}
	rtnl_close(at.rtnl);
	return r;
}

enum tap_offloads guestlink_offloads(const struct settings *settings)
{
	if (!settings->offloads)
		return TAP_PLAIN;
	return settings->native_udp ? TAP_USO : TAP_VNET_HDR;
}

int guestlink_make(const struct settings *settings, struct tap *ret, const char **reterr_what)
{
	struct tap tap;
	int r = tap_open(settings->tap_name, guestlink_offloads(settings), &tap, reterr_what);

	if (r < 0)
		return r;
	if (settings->configure)
		r = configure(settings, tap.name, reterr_what);
	if (r < 0) {
		if (tap.vnet_hdr)
			tap_reset_offloads(tap.fd);
		fd_close(&tap.fd);
		return r;
	}
	if (settings->configure && settings->has_mac)
		tap.mac = settings->mac;
	*ret = tap;
	return 0;
}

int guestlink_make_tun(const struct settings *settings, const char **reterr_what)
{
	char name[IFNAMSIZ];
	autofd int fd = tun_open(settings->tap_name, name, reterr_what);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && settings->configure)
		r = configure(settings, name, reterr_what);
	return r < 0 ? r : fd_steal(&fd);
}

int guestlink_send(int sock, const struct tap *tap)
{
	return fdpass_send(sock, "T", 1, tap->fd);
}

int guestlink_receive(int sock, const struct settings *settings, struct tap *ret)
{
	autofd int fd = -EBADF;
	int r = fdpass_recv_any(sock, &fd);

	if (r == 0)
		r = tap_adopt(fd, guestlink_offloads(settings), ret);
	if (r == 0)
		(void)fd_steal(&fd); /* *ret owns it */
	return r;
}
