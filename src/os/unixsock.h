/* os/unixsock.h - a listening AF_UNIX socket file that is removed only while it is ours. */
#ifndef OS_UNIXSOCK_H
#define OS_UNIXSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#define UNIXSOCK_PATH_MAX 108 /* bytes with the NUL: sizeof(sockaddr_un.sun_path), unix(7) */

struct unixsock {
	int fd; /* owned, listening, non-blocking; -EBADF if there is none */
	char path[UNIXSOCK_PATH_MAX];
	dev_t dev; /* of the file that bind(2) made */
	ino_t ino;
};

#define UNIXSOCK_NONE ((struct unixsock){ .fd = -EBADF })

/* Whether a program has the socket at @path, or may have: one that we may not connect to does not say.
 * It is asked by connecting to it.
 */
bool unixsock_is_used(const char *path);

#define UNIXSOCK_MODE_PRIVATE 0600
#define UNIXSOCK_MODE_UMASK 0777 /* as far as the umask lets it */

/* Bind and listen. A socket file left at @path is replaced; a file of any other kind is kept,
 * and the answer is -EADDRINUSE. @type: SOCK_STREAM or SOCK_SEQPACKET. @mode: who may connect, from the
 * first moment on. 0 or -errno.
 */
int unixsock_listen(const char *path, int type, mode_t mode, int backlog, struct unixsock *ret);

/* The socket file at @path as it is now, of which another process is the owner, for unixsock_unlink(); that
 * has nothing to remove where there is none. The descriptor is -EBADF.
 */
void unixsock_find(const char *path, struct unixsock *ret);

/* Remove the file unless it has been replaced by another. No error is reported. */
void unixsock_unlink(const struct unixsock *sock);

#endif
