/* app/keeper.h - the keeper: stays outside the sandbox for the two things that need the host's
 * file system: it tells the engine what /etc/resolv.conf says now, and removes the engine's
 * socket files when the engine has ended, however it ended.
 *
 * It holds none of the caller's descriptors, takes no orders, and ends with the engine.
 */
#ifndef APP_KEEPER_H
#define APP_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#include "os/unixsock.h"

struct keeper_order {
	const struct unixsock *sockets; /* to remove; ino 0: none */
	size_t socket_count;
	const char *resolv; /* the text that the engine has, not NUL-terminated */
	size_t resolv_len;  /* at most RESOLVCONF_MAX */
	bool seccomp;
};

struct keeper {
	pid_t pid;
	int news_fd; /* owned, non-blocking: each read is the whole new text (os/resolvconf.h) */
	int life_fd; /* owned: the keeper works until this is closed */
};

#define KEEPER_NONE ((struct keeper){ .pid = 0, .news_fd = -EBADF, .life_fd = -EBADF })

/* Start it; call before anything is given up. 0 or -errno. */
int keeper_start(const struct keeper_order *order, struct keeper *ret);

/* Let it remove the files, and wait until it has. */
void keeper_end(struct keeper *keeper);

#endif
