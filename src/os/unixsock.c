#include "os/unixsock.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"

bool unixsock_is_used(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(path);

	if (fd < 0 || len == 0 || len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, len);
	/* A socket that nobody has bound any more, or a file that is none, refuses (connect(2)). */
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	       (errno != ECONNREFUSED && errno != ENOENT && errno != ENOTDIR);
}

void unixsock_find(const char *path, struct unixsock *ret)
{
	struct stat st;

	*ret = UNIXSOCK_NONE;
	if (strlen(path) >= sizeof(ret->path))
		return;
	memcpy(ret->path, path, strlen(path) + 1);
	if (lstat(path, &st) < 0)
		return;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
}

int unixsock_listen(const char *path, int type, mode_t mode, int backlog, struct unixsock *ret)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct unixsock sock = UNIXSOCK_NONE;
	autofd int fd = -EBADF;
	size_t len = strlen(path);
	struct stat st;

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* bind(2) gives the file the mode of the socket, less the umask (Linux, net/unix/af_unix.c). */
	if (fchmod(fd, mode) < 0)
		return -errno;
	if (len > 0 && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(path); /* bind(2) says it if that failed */
	/* An empty path is an abstract address (unix(7)): no file, nothing to remove. */
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	if (len > 0)
		unixsock_find(path, &sock);
	if (listen(fd, backlog) < 0) {
		int error = -errno;

		unixsock_unlink(&sock);
		return error;
	}
	sock.fd = fd_steal(&fd);
	*ret = sock;
	return 0;
}

/* #syscalls:engine,keeper unlink unlinkat newfstatat fstatat64 lstat lstat64 statx */
void unixsock_unlink(const struct unixsock *sock)
{
	struct stat st;

	if (sock->ino != 0 && lstat(sock->path, &st) == 0 && st.st_dev == sock->dev &&
	    st.st_ino == sock->ino)
		(void)unlink(sock->path);
}
