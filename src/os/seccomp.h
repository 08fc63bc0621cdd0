/* os/seccomp.h - allow a role the system calls that its code names, and no others.
 *
 * The lists are collected at build time from `#syscalls:ROLE name...` comments beside the code
 * that makes the calls (os/collect-syscalls.py). Calls that no list names fail with ENOSYS,
 * which libraries take as "not in this kernel"; calls that nobody confined has a use for, and
 * every call of another ABI of the machine (x32, i386), end the process.
 *
 * Source: seccomp(2), libseccomp.
 */
#ifndef OS_SECCOMP_H
#define OS_SECCOMP_H

enum seccomp_role { SECCOMP_ENGINE, SECCOMP_KEEPER, SECCOMP_BROKER, SECCOMP_SHUTTLE };

/* Confine the calling thread, for good. Sets no_new_privs. 0 or -errno: then nothing changed. */
int seccomp_confine(enum seccomp_role role);

/* The calls that end the process, in the order in which the reference lists them; NULL ends. */
const char *const *seccomp_killed(void);

#endif
