#include "net/link.h"

#include "base/fd.h"

/* #syscalls:engine read write */
ssize_t link_receive(struct link *link, uint8_t *buffer, size_t size)
{
	ssize_t got;

	do
		got = read(link->fd, buffer, size);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return got == 0 ? -EPIPE : got;
}

void link_send(struct link *link, const uint8_t *frame, size_t len)
{
	if (write(link->fd, frame, len) < 0)
		link->send_drops++;
	else
		link->sent++;
}

void link_close(struct link *link)
{
	fd_close(&link->fd);
}
