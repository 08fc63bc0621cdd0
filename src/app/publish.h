/* app/publish.h - --publish, and the Unix sockets that forwards have on the host. */
#ifndef APP_PUBLISH_H
#define APP_PUBLISH_H

#include <stdbool.h>

#include "net/settings.h"
#include "os/unixsock.h"

struct ports;

#define PUBLISH_SOCKETS_MAX 64

struct publish {
	struct unixsock sockets[PUBLISH_SOCKETS_MAX]; /* fd -EBADF: free */
	bool is_closed; /* we are confined: no Unix socket can be made any more */
};

void publish_init(struct publish *publish);

/* struct ports_stacks::open_path and close_path, with a struct publish. -ENOSYS: is_closed.
 * -EADDRINUSE: another forward or program has that path. -EMFILE: there are PUBLISH_SOCKETS_MAX. In the sandbox the file stays until the
 * keeper removes it.
 */
int publish_open_path(const char *path, void *data);
void publish_close_path(int fd, void *data);

/* Add what --publish asks for. 0, or -errno: the reason has been logged, with the text that was given. A
 * port that the kernel has chosen is logged too.
 */
int publish_all(struct ports *ports, const struct settings *settings);

#endif
