#include "app/publish.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "net/ports.h"

void publish_init(struct publish *publish)
{
	*publish = (struct publish){ .is_closed = false };
	for (size_t i = 0; i < PUBLISH_SOCKETS_MAX; i++)
		publish->sockets[i] = UNIXSOCK_NONE;
}

/* A socket file that nobody uses any more is replaced; that of another forward, or of another
 * program, which would not notice that it has lost its clients, is not.
 */
int publish_open_path(const char *path, void *data)
{
	struct publish *publish = data;
	struct unixsock *place = NULL;
	int r;

	if (publish->is_closed)
		return -ENOSYS;
	for (size_t i = 0; i < PUBLISH_SOCKETS_MAX; i++) {
		struct unixsock *sock = &publish->sockets[i];

		if (sock->fd < 0)
			place = sock;
	}
	if (!place)
		return -EMFILE;
	if (unixsock_is_used(path))
		return -EADDRINUSE;
	r = unixsock_listen(path, SOCK_STREAM, UNIXSOCK_MODE_UMASK, SOMAXCONN, place);
	return r < 0 ? r : place->fd;
}

void publish_close_path(int fd, void *data)
{
	struct publish *publish = data;

	for (size_t i = 0; i < PUBLISH_SOCKETS_MAX; i++) {
		struct unixsock *sock = &publish->sockets[i];

		if (sock->fd != fd)
			continue;
		unixsock_unlink(sock);
		fd_close(&sock->fd);
		*sock = UNIXSOCK_NONE;
		return;
	}
}

static int publish_one(struct ports *ports, const char *text, const struct portspec *spec)
{
	char error[PORTS_ERROR_MAX];
	uint64_t id;
	int r = ports_add(ports, spec, &id, error);

	if (r < 0) {
		log_line("--publish=%s: %s", text, error);
		return r;
	}
	if (spec->host_path[0] == '\0' && spec->host_port == 0)
		log_line("--publish=%s: %s port %u", text, transport_name(spec->proto),
			 ports_find(ports, id)->spec.host_port);
	return 0;
}

int publish_all(struct ports *ports, const struct settings *settings)
{
	for (size_t i = 0; i < settings->publish_count; i++) {
		const char *text = settings->publish[i], *error;
		struct portspec specs[TRANSPORTS];
		size_t count = portspec_parse(text, specs, &error);

		for (size_t n = 0; n < count; n++) {
			int r = publish_one(ports, text, &specs[n]);

			if (r < 0)
				return r;
		}
	}
	return 0;
}
