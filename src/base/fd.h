/* base/fd.h - a file descriptor with one owner.
 *
 * An empty variable holds -EBADF, so it can be passed to any call and fails there.
 * `autofd int fd = -EBADF;` closes at the end of the scope; fd_steal() hands it over.
 */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define autofd __attribute__((cleanup(fd_close)))

/* Close *fd if it is open and leave -EBADF; errno is preserved. */
static inline void fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -EBADF;
	errno = saved;
}

/* Give the descriptor to the caller; the variable no longer owns it. */
static inline int fd_steal(int *fd)
{
	int stolen = *fd;

	*fd = -EBADF;
	return stolen;
}

/* Add O_NONBLOCK to the open file description: whoever shares it sees it too. 0 or -errno. */
static inline int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

#endif
