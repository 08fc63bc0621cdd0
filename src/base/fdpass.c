#include "base/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"

union control { /* aligned as cmsg(3) wants it */
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* #syscalls:broker sendmsg socketcall */
int fdpass_send(int sock, const void *bytes, size_t len, int fd)
{
	struct iovec iov = { .iov_base = (void *)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };
	ssize_t sent;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EBADMSG;
}

/* #syscalls:broker recvmsg socketcall close
 *
 * Up to @size bytes of one message: how many, or -errno. *ret_fd: the descriptor, or -EBADF.
 */
static ssize_t receive(int sock, void *bytes, size_t size, int *ret_fd)
{
	struct iovec iov = { .iov_base = bytes, .iov_len = size };
	union control control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		/* Not CMSG_SPACE(): its padding has room for another descriptor. */
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	struct cmsghdr *cmsg;
	autofd int fd = -EBADF;
	ssize_t got;

	do
		got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if (got == 0)
		return -EPIPE;
	/* More descriptors than one: the kernel has closed the others (unix(7)). */
	if (msg.msg_flags & MSG_CTRUNC)
		return -EBADMSG;
	if (msg.msg_flags & MSG_TRUNC)
		got = (ssize_t)size + 1;
	*ret_fd = fd_steal(&fd);
	return got;
}

int fdpass_recv(int sock, void *bytes, size_t len, int *ret_fd)
{
	autofd int fd = -EBADF;
	ssize_t got = receive(sock, bytes, len, &fd);

	if (got < 0)
		return (int)got;
	if ((size_t)got != len)
		return -EBADMSG;
	*ret_fd = fd_steal(&fd);
	return 0;
}

int fdpass_recv_any(int sock, int *ret_fd)
{
	char bytes[256];
	autofd int fd = -EBADF;
	ssize_t got = receive(sock, bytes, sizeof(bytes), &fd);

	if (got < 0)
		return (int)got;
	if (fd < 0)
		return -EBADMSG;
	*ret_fd = fd_steal(&fd);
	return 0;
}
