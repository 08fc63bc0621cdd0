/* os/sandbox.h - leave the file system and the capabilities behind.
 *
 * After sandbox_enter() the process' root is a read-only tmpfs of its own that holds one file,
 * /etc/resolv.conf, and nothing else: no directory of the host, no socket, no device, no /proc;
 * and descriptors of directories that the caller let us inherit are closed.
 * The file is a copy; sandbox_set_resolv_conf() renews it through the descriptor that
 * sandbox_enter() gave. Capabilities: none but CAP_NET_BIND_SERVICE, in any set; no_new_privs.
 *
 * Source: mount_namespaces(7), pivot_root(2), capabilities(7), user_namespaces(7).
 */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include <stddef.h>

struct sandbox_plan {
	int user_fd;	    /* borrowed: the user namespace that gives us the right to mount,
				 * joined only without CAP_SYS_ADMIN; -EBADF: make a new one */
	const char *resolv; /* borrowed: text for /etc/resolv.conf */
	size_t resolv_len;
};

/* The caller must have one thread. On success *ret_resolv_fd is owned by the caller. On failure
 * -errno and the step that failed; the process is then half inside and must end.
 */
int sandbox_enter(const struct sandbox_plan *plan, int *ret_resolv_fd, const char **reterr_step);

/* The same with an empty root and no capability at all, for a process with one thread that has
 * CAP_SYS_ADMIN in its user namespace. It holds no directory, or does not mind.
 */
int sandbox_enter_empty(const char **reterr_step);

/* The last step of sandbox_enter() alone: no capability but CAP_NET_BIND_SERVICE, and no_new_privs. */
int sandbox_drop_capabilities(void);

/* Renew the text behind /etc/resolv.conf. 0 or -errno. */
int sandbox_set_resolv_conf(int resolv_fd, const char *text, size_t len);

#endif
