/* Role: guest. Becomes CMD.
 * Holds:    namespaces of its own, all capabilities in them until it executes CMD, the TAP until it is
 *           sent.
 * Must:     have sent the TAP before CMD runs; ask for the id maps before it mounts anything.
 * Must not: leave a trace outside: no mount, no file.
 */
#include "app/guest.h"

#include <glib.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/cli_own.h"
#include "app/guestfiles.h"
#include "app/guestlink.h"
#include "app/rundir.h"
#include "base/fd.h"
#include "base/fdpass.h"
#include "net/settings.h"
#include "os/idmap.h"
#include "os/mounts.h"
#include "os/procfile.h"
#include "os/tap.h"

#define HOST_TEXT_MAX 65536 /* bytes of a file of the host's that are looked at */
#define HOSTNAME_MAX 65	    /* with the NUL: __NEW_UTS_LEN, uname(2) */

/* Where answers about names come from that no resolv.conf and no network namespace turns away: sockets of
 * daemons outside. (Abstract ones belong to the network namespace.) Not here: daemons that know users
 * above all (sssd, nslcd, userdb), which nsswitch.conf no longer asks for hosts.
 */
static const char *const hidden[] = {
	"/run/nscd",		/* glibc asks it before it looks into any file */
	"/var/run/nscd",	/* where /var/run is no link to /run */
	"/run/systemd/resolve", /* nss-resolve and its varlink socket */
	"/run/systemd/machine", /* nss-mymachines */
	"/run/avahi-daemon",	/* nss-mdns */
	"/var/run/avahi-daemon",
	"/run/dbus", /* the system bus, over which resolved, avahi and NetworkManager are asked */
	"/var/run/dbus",
};

static bool send_report(const struct guest_order *order, const struct guest_report *report)
{
	return fdpass_send(order->sock, report, sizeof(*report), -EBADF) == 0;
}

/* The status to end with. */
static int fail(const struct guest_order *order, enum guest_step step, enum diagnose_step refused,
		const char *what, int error)
{
	struct guest_report report = { .step = step, .refused = refused, .error = error };

	g_strlcpy(report.what, what ? what : "", sizeof(report.what));
	(void)send_report(order, &report);
	return OWN_FAILED;
}

static bool done(const struct guest_order *order, enum guest_step step)
{
	const struct guest_report report = { .step = step };

	return send_report(order, &report);
}

/* False: the parent has gone, or wants us to go. */
static bool wait_for_go(const struct guest_order *order)
{
	char answer;
	ssize_t got;

	do
		got = recv(order->sock, &answer, 1, 0);
	while (got < 0 && errno == EINTR);
	return got == 1 && answer == GUEST_GO;
}

static int make_namespaces(const struct guest_order *order)
{
	const int others = CLONE_NEWNET | CLONE_NEWNS | (order->hostname ? CLONE_NEWUTS : 0);
	int r = 0;

	if (unshare(CLONE_NEWUSER) < 0)
		return fail(order, GUEST_NAMESPACED, DIAGNOSE_USER_NAMESPACE, NULL, -errno);
	if (!done(order, GUEST_NAMESPACED))
		return OWN_FAILED;
	/* The maps are written meanwhile: a network namespace takes the kernel a while. The answer is read in
	 * any case, for a socket that is closed with something unread is an error to its peer.
	 */
	if (unshare(others) < 0)
		r = -errno;
	if (!wait_for_go(order))
		return OWN_FAILED;
	return r == 0 ? 0 : fail(order, GUEST_LINKED, DIAGNOSE_NETWORK_NAMESPACE, NULL, r);
}

static int make_link(const struct guest_order *order)
{
	struct tap tap = { .fd = -EBADF };
	const char *what = NULL;
	int r = guestlink_make(order->settings, &tap, &what);

	if (r < 0)
		return fail(order, GUEST_LINKED, DIAGNOSE_TUN, what, r);
	(void)tap_persist(
		tap.fd); /* the namespace is ours alone, and does not outlive CMD for long */
	r = done(order, GUEST_LINKED) && guestlink_send(order->sock, &tap) == 0 ? 0 : OWN_FAILED;
	fd_close(&tap.fd);
	return r;
}

/* Nobody else has this network namespace, so CMD may ping without a capability, and serve at any port,
 * whoever it is. Where /proc/sys is read-only, as in many containers, it stays as it was.
 */
static void open_network(void)
{
	struct idmap groups;
	char text[32];

	(void)procfile_write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
	if (!idmap_of_our_groups(&groups))
		return;
	idmap_outer_limits(&groups, text, sizeof(text));
	(void)procfile_write("/proc/sys/net/ipv4/ping_group_range", text);
}

static char *read_host_text(const char *path)
{
	char *text = g_malloc(HOST_TEXT_MAX);

	if (procfile_read(path, text, HOST_TEXT_MAX) < 0)
		text[0] = '\0';
	return text;
}

static int replace_files(const struct guest_order *order, const char **reterr_path)
{
	const struct settings *settings = order->settings;
	g_autofree char *host_resolv = read_host_text("/etc/resolv.conf");
	g_autofree char *host_nsswitch = read_host_text("/etc/nsswitch.conf");
	char hostname[HOSTNAME_MAX] = "";
	g_autofree char *resolv = guestfiles_resolv_conf(settings, host_resolv);
	g_autofree char *nsswitch = guestfiles_nsswitch(host_nsswitch);
	g_autofree char *hosts = NULL;
	struct mounts_file files[] = {
		{ .path = "/etc/resolv.conf", .text = resolv, .optional = !settings->dns },
		{ .path = "/etc/nsswitch.conf", .text = nsswitch, .optional = true },
		{ .path = "/etc/hosts", .optional = true },
	};
	char sockets[UNIXSOCK_PATH_MAX];
	const struct mounts_plan plan = {
		/* Through the API CMD would have what nobody has given it: ports of the host, other networks. */
		.closed = rundir_directory(sockets) == 0 ? sockets : NULL,
		.hidden = hidden,
		.hidden_count = G_N_ELEMENTS(hidden),
		.files = files,
		.file_count = G_N_ELEMENTS(files),
	};

	(void)gethostname(hostname, sizeof(hostname) - 1);
	hosts = guestfiles_hosts(settings, hostname);
	files[G_N_ELEMENTS(files) - 1].text = hosts;
	return mounts_replace(&plan, reterr_path);
}

static int furnish(const struct guest_order *order)
{
	const char *what = "sethostname";
	int r = 0;

	if (order->hostname && sethostname(order->hostname, strlen(order->hostname)) < 0)
		r = -errno;
	if (r == 0)
		r = replace_files(order, &what);
	if (r < 0)
		return fail(order, GUEST_FURNISHED, DIAGNOSE_MOUNT, what, r);
	open_network();
	return done(order, GUEST_FURNISHED) && wait_for_go(order) ? 0 : OWN_FAILED;
}

int guest_prepare(void *data)
{
	struct guest_order *order = data;
	int status = make_namespaces(order);

	if (status == 0)
		status = make_link(order);
	if (status == 0)
		status = furnish(order);
	fd_close(&order->sock);
	return status;
}
