/* app/diagnose.h - why this machine refused something, and the one command that changes that.
 *
 * The kernel says EPERM for a dozen reasons. Which one it was is found out afterwards, from what /proc
 * and /dev say and from trying the same again.
 */
#ifndef APP_DIAGNOSE_H
#define APP_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>

/* What was refused. */
enum diagnose_step {
	DIAGNOSE_USER_NAMESPACE, /* unshare(CLONE_NEWUSER) */
	DIAGNOSE_ID_MAP,	 /* a write to uid_map, gid_map or setgroups */
	DIAGNOSE_NETWORK_NAMESPACE, /* unshare(2) of the others, in the new user namespace or as root */
	DIAGNOSE_TUN,		    /* a TUN or TAP device */
	DIAGNOSE_MOUNT,		    /* a mount in a mount namespace of our own */
	DIAGNOSE_SUBIDS_PROGRAMS, /* newuidmap(1) or newgidmap(1): no error is looked at */
	DIAGNOSE_SUBIDS_RANGES,	  /* a range in /etc/subuid or /etc/subgid: neither */
	DIAGNOSE_STEPS
};

/* Log one line that says what was refused and why, and one that begins with "fix: " where something is
 * known to help. @what: the call or the file that failed; NULL: what the step is for says enough. @error is
 * its -errno.
 */
void diagnose(enum diagnose_step step, const char *what, int error);

/* What diagnose() finds out first, for the rules that follow from it. */
struct diagnose_facts {
	enum diagnose_step step;
	const char *what; /* NULL: the step says enough */
	int error;
	bool what_is_link; /* what is a symbolic link's path */
	int tun_error;	   /* of opening /dev/net/tun: -errno or 0 */
	bool tun_is_other; /* something is there, but not that device */
	bool in_container; /* of docker, podman or systemd-nspawn */
	bool chrooted;	   /* the root is no mount of its own */
	bool filtered;	   /* by a seccomp filter that somebody else has set */
	long userns_clone; /* kernel.unprivileged_userns_clone, Debian; these are -1 where there is none */
	long apparmor;			 /* kernel.apparmor_restrict_unprivileged_userns, Ubuntu */
	long max_user, max_net, max_mnt; /* user.max_*_namespaces of our user namespace */
	bool is_root;
	const char *user;	    /* name of the caller */
	const char *install_uidmap; /* the command of this system's package manager */
};

#define DIAGNOSE_TEXT_MAX 512

/* Pure: the two texts; *ret_fix is empty where nothing is known. */
void diagnose_explain(const struct diagnose_facts *facts, char ret_why[DIAGNOSE_TEXT_MAX],
		      char ret_fix[DIAGNOSE_TEXT_MAX]);

#endif
