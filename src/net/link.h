/* net/link.h - where the guest's Ethernet frames come from and go to.
 *
 * A TAP, or one accepted connection of a SOCK_SEQPACKET socket: either way one frame per
 * read(2) and write(2), and nothing around it. Never blocks.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct link {
	int fd;		     /* owned, non-blocking; -EBADF: nobody is there */
	uint64_t sent;	     /* frames */
	uint64_t send_drops; /* frames that the other side had no room for */
};

#define LINK_NONE ((struct link){ .fd = -EBADF })

/* One frame into @buffer. Its length; -EAGAIN: none is waiting; -EPIPE: the far end has gone;
 * another -errno: the device has.
 */
ssize_t link_receive(struct link *link, uint8_t *buffer, size_t size);

/* One frame out. A frame that cannot go now is dropped and counted, as Ethernet does. */
void link_send(struct link *link, const uint8_t *frame, size_t len);

void link_close(struct link *link);

#endif
