/* app/diagnose: each reason is told from the others by the facts. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "app/diagnose.h"

/* A row says once more what is different on its machine. */
#pragma GCC diagnostic ignored "-Woverride-init"

/* A machine on which nothing is wrong, as its user "me" sees it. */
#define FACTS(...)                                                                         \
	{                                                                                  \
		.userns_clone = -1, .apparmor = -1, .max_user = 1000, .max_net = 1000,     \
		.max_mnt = 1000, .user = "me", .install_uidmap = "get uidmap", __VA_ARGS__ \
	}
#define TUN(...) FACTS(.step = DIAGNOSE_TUN, __VA_ARGS__)
#define USERNS(...) FACTS(.step = DIAGNOSE_USER_NAMESPACE, __VA_ARGS__)
#define MAPS(...) FACTS(.step = DIAGNOSE_ID_MAP, __VA_ARGS__)
#define NETNS(...) FACTS(.step = DIAGNOSE_NETWORK_NAMESPACE, __VA_ARGS__)
#define MOUNT(...) FACTS(.step = DIAGNOSE_MOUNT, __VA_ARGS__)

/* clang-format off */
static const struct {
	struct diagnose_facts facts;
	const char *why; /* is in the text */
	const char *fix; /* is all of it */
} rows[] = {
	{ TUN(.error = -ENOENT, .tun_error = -ENOENT), "tun module is not loaded",
	  "sudo modprobe tun" },
	{ TUN(.error = -ENOENT, .tun_error = -ENOENT, .in_container = true), "this container",
	  "start the container with --device=/dev/net/tun" },
	{ TUN(.error = -EACCES, .tun_error = -EACCES), "not open to me",
	  "sudo chmod 0666 /dev/net/tun" },
	{ TUN(.error = -EPERM, .tun_error = -EPERM), "cgroup of devices",
	  "set DeviceAllow=/dev/net/tun in the systemd unit" },
	{ TUN(.error = -EPERM, .tun_error = -EPERM, .in_container = true), "cgroup of this container",
	  "start the container with --device=/dev/net/tun" },
	{ TUN(.error = -ENODEV, .tun_error = -ENODEV), "no driver", "sudo modprobe tun" },
	{ TUN(.error = -ENOTTY, .tun_is_other = true), "not the TUN device",
	  "sudo rm /dev/net/tun && sudo mknod -m 0666 /dev/net/tun c 10 200" },
	{ TUN(.error = -EBUSY, .what = "ioctl(TUNSETIFF)"),
	  "interface: ioctl(TUNSETIFF): Device or resource busy", "" },

	{ USERNS(.error = -ENOSPC, .max_user = 0), "max_user_namespaces is 0",
	  "sudo sysctl -w user.max_user_namespaces=15000" },
	{ USERNS(.error = -ENOSPC), "33 deep", "sudo sysctl -w user.max_user_namespaces=100000" },
	{ USERNS(.error = -EUSERS), "33 deep", "sudo sysctl -w user.max_user_namespaces=100000" },
	{ USERNS(.error = -EPERM, .userns_clone = 0), "unprivileged_userns_clone is 0",
	  "sudo sysctl -w kernel.unprivileged_userns_clone=1" },
	{ USERNS(.error = -EPERM, .userns_clone = 0, .is_root = true, .filtered = true), "seccomp",
	  "start the container with --security-opt=seccomp=unconfined" },
	{ USERNS(.error = -EACCES, .apparmor = 1), "AppArmor",
	  "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
	{ USERNS(.error = -EPERM, .apparmor = 0, .filtered = true), "seccomp",
	  "start the container with --security-opt=seccomp=unconfined" },
	{ USERNS(.error = -ENOSYS, .filtered = true), "seccomp",
	  "start the container with --security-opt=seccomp=unconfined" },
	{ USERNS(.error = -EPERM, .chrooted = true, .filtered = true), "chroot",
	  "use pivot_root(2), as bwrap and podman do, in place of chroot(2)" },
	{ USERNS(.error = -EINVAL), "built without", "" },
	{ USERNS(.error = -EPERM), "user namespace: Operation not permitted", "" },
	{ USERNS(.error = -ENOMEM), "Cannot allocate memory", "" },

	{ MAPS(.error = -EPERM, .apparmor = 1), "AppArmor",
	  "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
	{ MAPS(.error = -EPERM, .is_root = true), "CAP_SETFCAP",
	  "start the container with --cap-add=SETUID,SETGID,SETFCAP" },
	{ MAPS(.error = -ENOENT, .what = "/proc/5/uid_map"), "/proc/5/uid_map: No such file",
	  "sudo mount -t proc proc /proc" },
	{ MAPS(.error = -EPERM, .filtered = true), "seccomp",
	  "start the container with --security-opt=seccomp=unconfined" },

	{ NETNS(.error = -ENOSPC, .max_net = 0), "max_net_namespaces is 0",
	  "sudo sysctl -w user.max_net_namespaces=15000" },
	{ NETNS(.error = -ENOSPC, .max_mnt = 0), "max_mnt_namespaces is 0",
	  "sudo sysctl -w user.max_mnt_namespaces=15000" },
	{ NETNS(.error = -ENOSPC), "as many as",
	  "sudo sysctl -w user.max_net_namespaces=100000 user.max_mnt_namespaces=100000" },
	{ NETNS(.error = -EPERM, .apparmor = 1), "AppArmor",
	  "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
	{ NETNS(.error = -EINVAL), "built without", "" },

	{ MOUNT(.error = -ENOENT, .what = "/etc/resolv.conf"), "/etc/resolv.conf: No such file",
	  "sudo touch /etc/resolv.conf" },
	{ MOUNT(.error = -ENOENT, .what = "/etc/resolv.conf", .what_is_link = true), "leads nowhere",
	  "sudo rm /etc/resolv.conf && sudo touch /etc/resolv.conf" },
	{ MOUNT(.error = -EACCES, .what = "/", .in_container = true), "AppArmor's profile",
	  "start the container with --security-opt=apparmor=unconfined" },
	{ MOUNT(.error = -EPERM, .what = "/", .filtered = true), "seccomp",
	  "start the container with --security-opt=seccomp=unconfined" },

	{ FACTS(.step = DIAGNOSE_SUBIDS_PROGRAMS), "--map=root: newuidmap and newgidmap are not",
	  "get uidmap" },
	{ FACTS(.step = DIAGNOSE_SUBIDS_RANGES), "no range for me",
	  "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 me" },
};
/* clang-format on */

static void test_rows(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		char why[DIAGNOSE_TEXT_MAX], fix[DIAGNOSE_TEXT_MAX];

		diagnose_explain(&rows[i].facts, why, fix);
		if (!strstr(why, rows[i].why))
			g_error("row %zu: '%s' is not in '%s'", i, rows[i].why, why);
		g_assert_cmpstr(fix, ==, rows[i].fix);
		g_assert_null(strchr(why, '@'));
	}
}

/* Whatever the facts are, the texts end where they have to. */
static void test_long_words(void)
{
	char why[DIAGNOSE_TEXT_MAX], fix[DIAGNOSE_TEXT_MAX], what[2 * DIAGNOSE_TEXT_MAX];
	struct diagnose_facts facts = MOUNT(.error = -ENOENT, .what = what);

	memset(what, 'x', sizeof(what) - 1);
	what[sizeof(what) - 1] = '\0';
	diagnose_explain(&facts, why, fix);
	g_assert_cmpuint(strlen(why), ==, DIAGNOSE_TEXT_MAX - 1);
	g_assert_cmpuint(strlen(fix), ==, DIAGNOSE_TEXT_MAX - 1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/diagnose/rows", test_rows);
	g_test_add_func("/diagnose/long", test_long_words);
	return g_test_run();
}
