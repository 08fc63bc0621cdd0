/* base/fdpass.h - a message with a file descriptor over an AF_UNIX socket (unix(7), SCM_RIGHTS).
 *
 * The sender keeps its descriptor; the receiver owns the new one, which is CLOEXEC.
 */
#ifndef BASE_FDPASS_H
#define BASE_FDPASS_H

#include <stddef.h>

/* Send @len bytes in one message, with @fd unless it is negative. 0 or -errno. */
int fdpass_send(int sock, const void *bytes, size_t len, int fd);

/* Receive exactly one message of @len bytes. *ret_fd is the descriptor that came with it, or
 * -EBADF. Returns 0, -EPIPE if the peer has gone, -EBADMSG for a message of another shape, or
 * -errno.
 */
int fdpass_recv(int sock, void *bytes, size_t len, int *ret_fd);

/* Receive a descriptor from a program that need not be ours: with it comes at least one byte, which is
 * read and tells nothing. Exactly one; errors as above.
 */
int fdpass_recv_any(int sock, int *ret_fd);

#endif
