/* Role: helper. Makes the TAP.
 * Holds:    the target's namespaces, then the TAP until it is sent.
 * Must:     send exactly one report, and end.
 * Must not: touch anything in the namespace but the TAP, unless it is asked to configure.
 */
#include "app/helper.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "os/rtnl.h"

struct target_if {
	struct rtnl *rtnl;
	unsigned index; /* of the TAP */
	const struct settings *settings;
};

static int lo_up(const struct target_if *at)
{
	return rtnl_link_up(at->rtnl, if_nametoindex("lo"));
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

enum tap_offloads helper_offloads(const struct settings *settings)
{
	if (!settings->offloads)
		return TAP_PLAIN;
	return settings->native_udp ? TAP_USO : TAP_VNET_HDR;
}

static int make_tap(const struct helper_order *order, struct tap *ret, const char **reterr_what)
{
	const struct settings *settings = order->settings;
	struct tap tap;
	int r;

	*reterr_what = "setns(CLONE_NEWNET)";
	r = netns_enter(&order->ns);
	if (r == 0)
		r = tap_open(settings->tap_name, helper_offloads(settings), &tap, reterr_what);
	if (r < 0)
		return r;
	if (settings->configure) {
		r = configure(settings, tap.name, reterr_what);
		if (r < 0) {
			if (tap.vnet_hdr)
				tap_reset_offloads(tap.fd);
			fd_close(&tap.fd);
			return r;
		}
		if (settings->has_mac)
			tap.mac = settings->mac;
	}
	*ret = tap;
	return 0;
}

void helper_main(int sock, const void *data)
{
	const struct helper_order *order = data;
	struct helper_report report = { 0 };
	struct tap tap = { .fd = -EBADF };
	const char *what = "";

	report.error = make_tap(order, &tap, &what);
	if (report.error < 0)
		g_strlcpy(report.what, what, sizeof(report.what));
	memcpy(report.tap_name, tap.name, sizeof(report.tap_name));
	report.tap_mac = tap.mac;
	report.vnet_hdr = tap.vnet_hdr;
	report.uso = tap.uso;
	/* Before the descriptor goes, so that this line is before the one of who receives it. */
	if (report.error == 0)
		log_line("sent tapfd=%d for %s", tap.fd, order->settings->tap_name);
	(void)fdpass_send(sock, &report, sizeof(report), tap.fd);
	fd_close(&tap.fd);
	fd_close(&sock);
}
