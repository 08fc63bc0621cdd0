/* Role: helper. Makes the TAP.
 * Holds:    the target's namespaces, then the TAP until it is sent.
 * Must:     send exactly one report, and end.
 * Must not: touch anything in the namespace but the TAP, unless it is asked to configure.
 */
#include "app/helper.h"

#include <glib.h>
#include <string.h>

#include "app/guestlink.h"
#include "base/fd.h"
#include "base/fdpass.h"
#include "base/log.h"

static int make_tap(const struct helper_order *order, struct tap *ret, bool *ret_entered,
		    const char **reterr_what)
{
	int r = netns_enter(&order->ns);

	*reterr_what = "setns(CLONE_NEWNET)";
	*ret_entered = r == 0;
	return r < 0 ? r : guestlink_make(order->settings, ret, reterr_what);
}

void helper_main(int sock, const void *data)
{
	const struct helper_order *order = data;
	struct helper_report report = { 0 };
	struct tap tap = { .fd = -EBADF };
	const char *what = "";

	report.error = make_tap(order, &tap, &report.entered, &what);
	if (report.error < 0)
		g_strlcpy(report.what, what, sizeof(report.what));
	memcpy(report.tap_name, tap.name, sizeof(report.tap_name));
	report.tap_mac = tap.mac;
	report.vnet_hdr = tap.vnet_hdr;
	report.uso = tap.uso;
	/* Before the descriptor goes, so that this line is before the one of who receives it. */
	if (report.error == 0 && order->settings->compat)
		log_line("sent tapfd=%d for %s", tap.fd, order->settings->tap_name);
	(void)fdpass_send(sock, &report, sizeof(report), tap.fd);
	fd_close(&tap.fd);
	fd_close(&sock);
}
