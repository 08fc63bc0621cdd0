/* The order of the steps is the argument: the user namespace gives the right to the mount
 * namespace; the mount namespace gives the right to leave the host's tree; with the tree gone
 * the capabilities have no further use and go last. Joining a user namespace is a change of
 * credentials, after which the kernel forgets the caller's PR_SET_PDEATHSIG (prctl(2)), so it
 * is saved first and set again at the end.
 *
 * The root is one tmpfs seen through two mounts: the first, writable, is only reachable through
 * the descriptor of the file; the second, read-only, is what the process has as its root.
 */
#include "os/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "os/proc.h"

#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define KEEP_NONE ((cap_value_t)-1)

struct state {
	const struct sandbox_plan *plan; /* NULL: the root stays empty */
	int resolv_fd;
};

static int write_file(const char *path, const char *text)
{
	autofd int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* A user namespace in which we are root, and nobody else is anything (user_namespaces(7)). */
static int new_user_namespace(void)
{
	char uid_map[32], gid_map[32];
	int r;

	snprintf(uid_map, sizeof(uid_map), "0 %u 1", geteuid());
	snprintf(gid_map, sizeof(gid_map), "0 %u 1", getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return -errno;
	r = write_file("/proc/self/setgroups", "deny");
	if (r == 0)
		r = write_file("/proc/self/uid_map", uid_map);
	return r == 0 ? write_file("/proc/self/gid_map", gid_map) : r;
}

static int step_user_namespace(struct state *state)
{
	int r;

	if (proc_has_admin())
		return 0;
	if (state->plan->user_fd >= 0) {
		proc_set_undumpable();
		r = setns(state->plan->user_fd, CLONE_NEWUSER) < 0 ? -errno : 0;
	} else {
		r = new_user_namespace();
		proc_set_undumpable(); /* not before: it takes the right to write the maps */
	}
	if (r < 0)
		return r;
	/* A tmpfs takes files of mapped ids only. 0 is mapped nearly always; where it is not
	 * (EINVAL) our own id must be.
	 */
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	return 0;
}

static int step_mount_namespace(struct state *state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) < 0)
		return -errno;
	return 0;
}

/* Any directory serves to mount on, for nobody else sees this mount namespace. */
static const char *mount_point(void)
{
	static const char *const candidates[] = { "/tmp", "/run", "/var", "/etc" };
	struct stat st;

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		if (stat(candidates[i], &st) == 0 && S_ISDIR(st.st_mode))
			return candidates[i];
	}
	return NULL;
}

/* In the new root, while it is the current directory and can be written to. */
static int make_resolv_conf(struct state *state)
{
	if (mkdir("etc", 0755) < 0)
		return -errno;
	state->resolv_fd = open("etc/resolv.conf", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (state->resolv_fd < 0)
		return -errno;
	return sandbox_set_resolv_conf(state->resolv_fd, state->plan->resolv,
				       state->plan->resolv_len);
}

static int step_root(struct state *state)
{
	const char *point = mount_point();
	int r = 0;

	if (!point)
		return -ENOENT;
	if (mount("tmpfs", point, "tmpfs", MOUNT_FLAGS, "size=16k,nr_inodes=8,mode=0755") < 0 ||
	    chdir(point) < 0)
		return -errno;
	if (state->plan)
		r = make_resolv_conf(state);
	if (r < 0)
		return r;
	if (mount(point, point, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, point, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MOUNT_FLAGS, NULL) < 0)
		return -errno;
	/* The old root ends up stacked on the new one and is taken off again (pivot_root(2)). */
	if (chdir(point) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

/* @kept: a capability, or KEEP_NONE. */
static int drop_bounding_set(cap_value_t kept)
{
	for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++) {
		/* Without CAP_SETPCAP (EPERM) it stays; no_new_privs makes it useless. */
		if (cap != kept && cap_drop_bound(cap) < 0 && errno != EPERM)
			return -errno;
	}
	return 0;
}

static int drop_capabilities(cap_value_t kept)
{
	cap_flag_value_t permitted = CAP_CLEAR;
	cap_t now = cap_get_proc();
	cap_t caps = cap_init();
	int r = 0;

	if (!now || !caps ||
	    (kept != KEEP_NONE && cap_get_flag(now, kept, CAP_PERMITTED, &permitted) < 0))
		r = -ENOMEM;
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0 && CAP_AMBIENT_SUPPORTED() && cap_reset_ambient() < 0)
		r = -errno;
	if (r == 0)
		r = drop_bounding_set(kept);
	if (r == 0 && permitted == CAP_SET) {
		(void)cap_set_flag(caps, CAP_EFFECTIVE, 1, &kept, CAP_SET);
		(void)cap_set_flag(caps, CAP_PERMITTED, 1, &kept, CAP_SET);
		(void)cap_set_flag(caps, CAP_INHERITABLE, 1, &kept, CAP_SET);
	}
	if (r == 0 && cap_set_proc(caps) < 0)
		r = -errno;
	cap_free(caps);
	cap_free(now);
	return r;
}

int sandbox_drop_capabilities(void)
{
	return drop_capabilities(CAP_NET_BIND_SERVICE);
}

static int step_capabilities(struct state *state)
{
	(void)state;
	return sandbox_drop_capabilities();
}

static int step_no_capabilities(struct state *state)
{
	(void)state;
	return drop_capabilities(KEEP_NONE);
}

struct step {
	const char *name;
	int (*run)(struct state *state);
};

/* Up to the one without a name. The caller's wish to be signalled survives the changes of credentials. */
static int run_steps(const struct step *step, struct state *state, const char **reterr_step)
{
	int pdeathsig = proc_pdeathsig();
	pid_t parent = getppid();

	for (; step->name; step++) {
		int r = step->run(state);

		if (r < 0) {
			*reterr_step = step->name;
			return r;
		}
	}
	proc_set_pdeathsig(pdeathsig);
	if (pdeathsig != 0 && getppid() != parent) /* it died while that was not set */
		raise(pdeathsig);
	return 0;
}

int sandbox_enter(const struct sandbox_plan *plan, int *ret_resolv_fd, const char **reterr_step)
{
	static const struct step steps[] = {
		{ "user namespace", step_user_namespace },
		{ "mount namespace", step_mount_namespace },
		{ "root", step_root },
		{ "capabilities", step_capabilities },
		{ 0 },
	};
	struct state state = { .plan = plan, .resolv_fd = -EBADF };
	int r;

	proc_close_directories();
	r = run_steps(steps, &state, reterr_step);
	if (r < 0) {
		fd_close(&state.resolv_fd);
		return r;
	}
	*ret_resolv_fd = state.resolv_fd;
	return 0;
}

int sandbox_enter_empty(const char **reterr_step)
{
	static const struct step steps[] = {
		{ "mount namespace", step_mount_namespace },
		{ "root", step_root },
		{ "capabilities", step_no_capabilities },
		{ 0 },
	};
	struct state state = { .resolv_fd = -EBADF };

	return run_steps(steps, &state, reterr_step);
}

/* libslirp looks at the inode, the size and the whole seconds of the time of modification to
 * see a change, so every renewal gets a later second than the one before.
 *
 * #syscalls:engine pwrite64 ftruncate ftruncate64 fstat fstat64 newfstatat utimensat
 * #syscalls:engine utimensat_time64
 */
int sandbox_set_resolv_conf(int resolv_fd, const char *text, size_t len)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat before;

	if (fstat(resolv_fd, &before) < 0)
		return -errno;
	times[1].tv_sec = before.st_mtim.tv_sec + 1;
	if (ftruncate(resolv_fd, 0) < 0 || pwrite(resolv_fd, text, len, 0) != (ssize_t)len ||
	    futimens(resolv_fd, times) < 0)
		return -errno;
	return 0;
}
