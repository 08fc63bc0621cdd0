#include "app/diagnose.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "os/procfile.h"

#define BIT(step) (1u << (step))
#define TUN BIT(DIAGNOSE_TUN)
#define USERNS BIT(DIAGNOSE_USER_NAMESPACE)
#define MAPS BIT(DIAGNOSE_ID_MAP)
#define NETNS BIT(DIAGNOSE_NETWORK_NAMESPACE)
#define MOUNT BIT(DIAGNOSE_MOUNT)
#define IN_USERNS (MAPS | NETNS | MOUNT) /* what one needs the capabilities there for */

typedef bool match_fn(const struct diagnose_facts *facts);

static bool no_tun(const struct diagnose_facts *facts)
{
	return facts->tun_error == -ENOENT;
}

static bool no_tun_in_container(const struct diagnose_facts *facts)
{
	return no_tun(facts) && facts->in_container;
}

static bool tun_closed(const struct diagnose_facts *facts)
{
	return facts->tun_error == -EACCES;
}

/* The node's mode allows it, and yet: the cgroup of devices (cgroups(7)). */
static bool tun_forbidden(const struct diagnose_facts *facts)
{
	return facts->tun_error == -EPERM;
}

static bool tun_forbidden_in_container(const struct diagnose_facts *facts)
{
	return tun_forbidden(facts) && facts->in_container;
}

static bool tun_without_driver(const struct diagnose_facts *facts)
{
	return facts->tun_error == -ENODEV || facts->tun_error == -ENXIO;
}

static bool tun_is_no_device(const struct diagnose_facts *facts)
{
	return facts->tun_is_other;
}

static bool is_refusal(const struct diagnose_facts *facts)
{
	return facts->error == -EPERM || facts->error == -EACCES;
}

static bool userns_clone_off(const struct diagnose_facts *facts)
{
	return facts->error == -EPERM && facts->userns_clone == 0 && !facts->is_root;
}

static bool apparmor_restricts(const struct diagnose_facts *facts)
{
	return is_refusal(facts) && facts->apparmor > 0 && !facts->is_root;
}

static bool chrooted(const struct diagnose_facts *facts)
{
	return facts->error == -EPERM && facts->chrooted;
}

static bool filtered(const struct diagnose_facts *facts)
{
	return (facts->error == -EPERM || facts->error == -ENOSYS) && facts->filtered;
}

static bool apparmor_of_container(const struct diagnose_facts *facts)
{
	return facts->error == -EACCES && facts->in_container;
}

static bool not_built_in(const struct diagnose_facts *facts)
{
	return facts->error == -EINVAL || facts->error == -ENOSYS;
}

static bool at_limit(const struct diagnose_facts *facts)
{
	return facts->error == -ENOSPC || facts->error == -EUSERS; /* the latter before Linux 4.9 */
}

static bool no_user_namespaces(const struct diagnose_facts *facts)
{
	return at_limit(facts) && facts->max_user == 0;
}

static bool no_network_namespaces(const struct diagnose_facts *facts)
{
	return at_limit(facts) && facts->max_net == 0;
}

static bool no_mount_namespaces(const struct diagnose_facts *facts)
{
	return at_limit(facts) && facts->max_mnt == 0;
}

static bool root_without_capabilities(const struct diagnose_facts *facts)
{
	return facts->error == -EPERM && facts->is_root;
}

static bool not_there(const struct diagnose_facts *facts)
{
	return facts->error == -ENOENT;
}

static bool not_there_but_linked(const struct diagnose_facts *facts)
{
	return not_there(facts) && facts->what_is_link;
}

static bool always(const struct diagnose_facts *facts)
{
	return facts != NULL;
}

/* In a fix: */
#define WHAT "@WHAT"	   /* the file that failed */
#define USER "@USER"	   /* the caller */
#define INSTALL "@INSTALL" /* the command that installs newuidmap */

/* The first that matches counts: the surer ones come first. */
static const struct {
	unsigned steps;
	match_fn *match;
	const char *why, *fix; /* a fix of "": nothing helps */
} rows[] = {
	{ TUN, no_tun_in_container, "this container was not given /dev/net/tun",
	  "start the container with --device=/dev/net/tun" },
	{ TUN, no_tun, "the kernel's tun module is not loaded", "sudo modprobe tun" },
	{ TUN, tun_closed, "/dev/net/tun is not open to " USER, "sudo chmod 0666 /dev/net/tun" },
	{ TUN, tun_forbidden_in_container, "the cgroup of this container forbids /dev/net/tun",
	  "start the container with --device=/dev/net/tun" },
	{ TUN, tun_forbidden, "a cgroup of devices forbids /dev/net/tun",
	  "set DeviceAllow=/dev/net/tun in the systemd unit" },
	{ TUN, tun_without_driver, "/dev/net/tun has no driver behind it", "sudo modprobe tun" },
	{ TUN, tun_is_no_device, "/dev/net/tun is not the TUN device",
	  "sudo rm /dev/net/tun && sudo mknod -m 0666 /dev/net/tun c 10 200" },

	{ USERNS, no_user_namespaces, "user.max_user_namespaces is 0",
	  "sudo sysctl -w user.max_user_namespaces=15000" },
	{ USERNS, at_limit,
	  "there are as many user namespaces as user.max_user_namespaces allows here or "
	  "further out, or they are nested 33 deep",
	  "sudo sysctl -w user.max_user_namespaces=100000" },
	{ USERNS, userns_clone_off, "kernel.unprivileged_userns_clone is 0",
	  "sudo sysctl -w kernel.unprivileged_userns_clone=1" },
	{ USERNS | IN_USERNS, apparmor_restricts,
	  "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns)",
	  "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
	{ USERNS, chrooted, "this is a chroot, where the kernel makes none",
	  "use pivot_root(2), as bwrap and podman do, in place of chroot(2)" },
	{ USERNS | IN_USERNS, filtered, "a seccomp filter of the container or sandbox around us",
	  "start the container with --security-opt=seccomp=unconfined" },
	{ USERNS | NETNS, not_built_in, "this kernel is built without such namespaces", "" },

	{ NETNS, no_network_namespaces, "user.max_net_namespaces is 0",
	  "sudo sysctl -w user.max_net_namespaces=15000" },
	{ NETNS, no_mount_namespaces, "user.max_mnt_namespaces is 0",
	  "sudo sysctl -w user.max_mnt_namespaces=15000" },
	{ NETNS, at_limit,
	  "there are as many as user.max_net_namespaces or user.max_mnt_namespaces allows here "
	  "or further out",
	  "sudo sysctl -w user.max_net_namespaces=100000 user.max_mnt_namespaces=100000" },

	{ MAPS, not_there, "/proc is not that of this pid namespace",
	  "sudo mount -t proc proc /proc" },
	{ MAPS, root_without_capabilities,
	  "root has not all of CAP_SETUID, CAP_SETGID and CAP_SETFCAP here",
	  "start the container with --cap-add=SETUID,SETGID,SETFCAP" },

	{ MOUNT, not_there_but_linked, "it is a symbolic link that leads nowhere",
	  "sudo rm " WHAT " && sudo touch " WHAT },
	{ MOUNT, not_there, "without it names would be asked of the host's loopback",
	  "sudo touch " WHAT },
	{ MOUNT, apparmor_of_container, "AppArmor's profile of the container forbids mounts",
	  "start the container with --security-opt=apparmor=unconfined" },

	{ BIT(DIAGNOSE_SUBIDS_PROGRAMS), always, "newuidmap and newgidmap are not installed",
	  INSTALL },
	{ BIT(DIAGNOSE_SUBIDS_RANGES), always,
	  "/etc/subuid and /etc/subgid have no range for " USER,
	  "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " USER },
};

static const char *const refused[DIAGNOSE_STEPS] = {
	[DIAGNOSE_USER_NAMESPACE] = "cannot make a user namespace",
	[DIAGNOSE_ID_MAP] = "cannot map ids",
	[DIAGNOSE_NETWORK_NAMESPACE] = "cannot make a network and a mount namespace",
	[DIAGNOSE_TUN] = "cannot make a network interface",
	[DIAGNOSE_MOUNT] = "cannot mount",
	[DIAGNOSE_SUBIDS_PROGRAMS] = "only id 0 is there with --map=root",
	[DIAGNOSE_SUBIDS_RANGES] = "only id 0 is there with --map=root",
};

/* @text with its @WORDs replaced. */
static char *expand(const char *text, const struct diagnose_facts *facts)
{
	const char *const words[][2] = {
		{ WHAT, facts->what ? facts->what : "" },
		{ USER, facts->user },
		{ INSTALL, facts->install_uidmap },
	};
	GString *expanded = g_string_new(text);

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		g_string_replace(expanded, words[i][0], words[i][1], 0);
	return g_string_free(expanded, FALSE);
}

void diagnose_explain(const struct diagnose_facts *facts, char ret_why[DIAGNOSE_TEXT_MAX],
		      char ret_fix[DIAGNOSE_TEXT_MAX])
{
	g_autofree char *why = NULL, *fix = NULL;
	const char *error = facts->error < 0 ? strerror(-facts->error) : NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(rows) && !why; i++) {
		if ((rows[i].steps & BIT(facts->step)) && rows[i].match(facts)) {
			why = expand(rows[i].why, facts);
			fix = expand(rows[i].fix, facts);
		}
	}
	snprintf(ret_why, DIAGNOSE_TEXT_MAX, "%s%s%s%s%s%s%s", refused[facts->step],
		 facts->what ? ": " : "", facts->what ? facts->what : "", error ? ": " : "",
		 error ? error : "", why ? ": " : "", why ? why : "");
	snprintf(ret_fix, DIAGNOSE_TEXT_MAX, "%s", fix ? fix : "");
}

/* -1: there is no such file. */
static long read_number(const char *path)
{
	char text[32];
	gint64 number;

	if (procfile_read(path, text, sizeof(text)) < 0 ||
	    !g_ascii_string_to_signed(g_strchomp(text), 10, 0, G_MAXINT, &number, NULL))
		return -1;
	return (long)number;
}

/* Its numbers are fixed: the kernel's Documentation/admin-guide/devices.txt. */
static bool tun_is_other(void)
{
	struct stat st;

	return stat("/dev/net/tun", &st) == 0 &&
	       !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(10, 200));
}

static int try_tun(void)
{
	autofd int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : 0;
}

static bool is_link(const char *path)
{
	struct stat st;

	return path && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* The fifth word of a line of mountinfo is where that is mounted (proc(5)): of a chroot there is none. */
static bool is_chrooted(void)
{
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
		return false;
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		g_auto(GStrv) words = g_strsplit(*line, " ", 6);

		if (g_strv_length(words) == 6 && strcmp(words[4], "/") == 0)
			return false;
	}
	return true;
}

static bool is_filtered(void)
{
	char text[4096]; /* of /proc/self/status, a line of which says so; about 1500 bytes */

	return procfile_read("/proc/self/status", text, sizeof(text)) > 0 &&
	       strstr(text, "\nSeccomp:\t2\n");
}

static bool is_in_container(void)
{
	return g_getenv("container") || access("/run/.containerenv", F_OK) == 0 ||
	       access("/.dockerenv", F_OK) == 0;
}

/* A number will do where there is no account of that number. */
static char *name_of_user(void)
{
	const struct passwd *user = getpwuid(geteuid());

	return user ? g_strdup(user->pw_name) : g_strdup_printf("%u", geteuid());
}

static const char *install_uidmap(void)
{
	static const struct {
		const char *manager, *command;
	} systems[] = {
		{ "/usr/bin/apt-get", "sudo apt-get install uidmap" },
		{ "/usr/bin/dnf", "sudo dnf install shadow-utils" },
		{ "/sbin/apk", "sudo apk add shadow-uidmap" },
		{ "/usr/bin/zypper", "sudo zypper install shadow" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(systems); i++) {
		if (access(systems[i].manager, X_OK) == 0)
			return systems[i].command;
	}
	return "install the package that has newuidmap (shadow)";
}

void diagnose(enum diagnose_step step, const char *what, int error)
{
	g_autofree char *user = name_of_user();
	const struct diagnose_facts facts = {
		.step = step,
		.what = what,
		.error = error,
		.what_is_link = is_link(what),
		.tun_error = try_tun(),
		.tun_is_other = tun_is_other(),
		.in_container = is_in_container(),
		.chrooted = is_chrooted(),
		.filtered = is_filtered(),
		.userns_clone = read_number("/proc/sys/kernel/unprivileged_userns_clone"),
		.apparmor = read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
		.max_user = read_number("/proc/sys/user/max_user_namespaces"),
		.max_net = read_number("/proc/sys/user/max_net_namespaces"),
		.max_mnt = read_number("/proc/sys/user/max_mnt_namespaces"),
		.is_root = geteuid() == 0,
		.user = user,
		.install_uidmap = install_uidmap(),
	};
	char why[DIAGNOSE_TEXT_MAX], fix[DIAGNOSE_TEXT_MAX];

	diagnose_explain(&facts, why, fix);
	log_line("%s", why);
	if (fix[0] != '\0')
		log_line("fix: %s", fix);
}
