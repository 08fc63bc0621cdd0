#include "os/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "syscalls.h" /* generated: <role>_syscalls[], NULL at the end */

/* What libc, malloc and the sanitizers need whatever the role.
 *
 * #syscalls:libc brk mmap mmap2 munmap mremap mprotect madvise futex futex_time64 exit exit_group
 * #syscalls:libc rt_sigreturn sigreturn restart_syscall clock_gettime clock_gettime64
 * #syscalls:libc gettimeofday time getrandom
 * #syscalls:sanitizer sched_yield sigaltstack getpid gettid readlink openat open close
 * #syscalls:sanitizer getrlimit prlimit64 sched_getaffinity rt_sigaction rt_sigprocmask read
 * #syscalls:sanitizer write
 */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER true
#else
#define WITH_SANITIZER false
#endif

/* slirp4netns kills these; an engine here has a use for none of them. */
static const char *const killed[] = {
	"execve",
	"lookup_dcookie",
	"pidfd_getfd",
	"ptrace",
	"process_vm_readv",
	"process_vm_writev",
	"delete_module",
	"finit_module",
	"init_module",
	"chroot",
	"fsconfig",
	"fsmount",
	"fsopen",
	"fspick",
	"mount",
	"move_mount",
	"open_tree",
	"pivot_root",
	"umount",
	"umount2",
	"open_by_handle_at",
	"execveat",
	"pidfd_open",
	"pidfd_send_signal",
	"prctl",
	"setns",
	"unshare",
	"kexec_file_load",
	"kexec_load",
	"reboot",
	"name_to_handle_at",
	NULL,
};

/* Calls that are allowed with these values of one argument only. (On i386 and s390x sockets may be
 * made by socketcall(2) too, whose arguments are behind a pointer: there they are not looked at.)
 */
struct argument_rule {
	const char *call;
	unsigned argument;
	uint64_t mask; /* the bits that are compared */
	uint64_t values[5];
	unsigned count;
};

static const struct argument_rule argument_rules[] = {
	{ "socket", 0, UINT32_MAX, { AF_INET, AF_INET6 }, 2 },
	/* SIOCGIFINDEX: if_nametoindex(3), for the scope of a name server. TUNSETOFFLOAD: what the
	 * next owner of the TAP is to find (os/tap.h).
	 */
	{ "ioctl", 1, UINT32_MAX, { FIONREAD, TCGETS, SIOCGIFINDEX, TUNSETOFFLOAD }, 4 },
	/* Not F_SETOWN and F_SETSIG, which send signals to others. */
	{ "fcntl", 1, UINT32_MAX, { F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC }, 5 },
	{ "fcntl64", 1, UINT32_MAX, { F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC }, 5 },
	{ "openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, { O_RDONLY }, 1 },
	{ "open", 1, O_ACCMODE | O_CREAT | O_TRUNC, { O_RDONLY }, 1 },
};

const char *const *seccomp_killed(void)
{
	return killed;
}

/* A name that this libseccomp or this machine does not know needs no rule. */
static int add_rule(scmp_filter_ctx filter, uint32_t action, const char *name,
		    const struct scmp_arg_cmp *arg)
{
	int number = seccomp_syscall_resolve_name(name);
	int r;

	if (number == __NR_SCMP_ERROR)
		return 0;
	if (arg)
		r = seccomp_rule_add_array(filter, action, number, 1, arg);
	else
		r = seccomp_rule_add(filter, action, number, 0);
	return r == -EDOM || (number < 0 && r == -EINVAL) ? 0 : r;
}

static const struct argument_rule *rule_for(const char *name)
{
	for (size_t i = 0; i < sizeof(argument_rules) / sizeof(argument_rules[0]); i++) {
		if (strcmp(argument_rules[i].call, name) == 0)
			return &argument_rules[i];
	}
	return NULL;
}

static int allow_by_argument(scmp_filter_ctx filter, const struct argument_rule *rule)
{
	int r = 0;

	for (unsigned i = 0; i < rule->count && r == 0; i++) {
		struct scmp_arg_cmp equal =
			SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->values[i]);

		r = add_rule(filter, SCMP_ACT_ALLOW, rule->call, &equal);
	}
	return r;
}

/* raise(3) is tgkill(2) in glibc and tkill(2) in musl; with one thread, both name our pid first.
 * A signal goes to ourselves only.
 */
static int allow_raise(scmp_filter_ctx filter, const char *call)
{
	struct scmp_arg_cmp self = SCMP_CMP64(0, SCMP_CMP_EQ, (uint64_t)getpid());

	return add_rule(filter, SCMP_ACT_ALLOW, call, &self);
}

static int allow_list(scmp_filter_ctx filter, const char *const *names)
{
	int r = 0;

	for (; *names && r == 0; names++) {
		const struct argument_rule *rule = rule_for(*names);

		if (strcmp(*names, "tgkill") == 0 || strcmp(*names, "tkill") == 0)
			r = allow_raise(filter, *names);
		else if (rule)
			r = allow_by_argument(filter, rule);
		else
			r = add_rule(filter, SCMP_ACT_ALLOW, *names, NULL);
	}
	return r;
}

static const char *const *const role_syscalls[] = {
	[SECCOMP_ENGINE] = engine_syscalls,
	[SECCOMP_KEEPER] = keeper_syscalls,
	[SECCOMP_BROKER] = broker_syscalls,
	[SECCOMP_SHUTTLE] = shuttle_syscalls,
};

static int build(scmp_filter_ctx filter, enum seccomp_role role)
{
	int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	if (r == 0)
		r = allow_list(filter, libc_syscalls);
	if (r == 0)
		r = allow_list(filter, role_syscalls[role]);
	if (r == 0 && WITH_SANITIZER)
		r = allow_list(filter, sanitizer_syscalls);
	for (const char *const *name = killed; *name && r == 0; name++)
		r = add_rule(filter, SCMP_ACT_KILL_PROCESS, *name, NULL);
	return r;
}

int seccomp_confine(enum seccomp_role role)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r;

	if (!filter)
		return -ENOMEM;
	r = build(filter, role);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}
