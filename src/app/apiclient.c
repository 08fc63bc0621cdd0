#include "app/apiclient.h"

#include <errno.h>
#include <glib.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fd.h"

#define PIECE 65536

struct exchange {
	int fd; /* borrowed, non-blocking */
	int64_t end_ms;
};

/* 0 when one of @events is there, or -errno. */
static int await(const struct exchange *exchange, short events)
{
	struct pollfd watched = { .fd = exchange->fd, .events = events };
	int r;

	do {
		const int64_t left_ms = exchange->end_ms - clock_now_ms();

		r = left_ms > 0 ? poll(&watched, 1, (int)left_ms) : 0;
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIMEDOUT;
	return r < 0 ? -errno : 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return fd_steal(&fd);
}

static int send_all(const struct exchange *exchange, const char *text)
{
	for (size_t left = strlen(text); left > 0;) {
		ssize_t sent = send(exchange->fd, text, left, MSG_NOSIGNAL);
		int r;

		if (sent > 0) {
			text += sent;
			left -= (size_t)sent;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = await(exchange, POLLOUT);
		if (r < 0)
			return r;
	}
	return 0;
}

/* To the end of the stream, by which the server says that this is all. */
static int receive_all(const struct exchange *exchange, GString *ret)
{
	g_autofree char *piece = g_malloc(PIECE);

	for (;;) {
		ssize_t got = recv(exchange->fd, piece, PIECE, 0);
		int r;

		if (got == 0)
			return 0;
		if (got > 0) {
			g_string_append_len(ret, piece, got);
			if (ret->len > APICLIENT_ANSWER_MAX)
				return -EMSGSIZE;
		} else if (errno != EAGAIN && errno != EINTR) {
			return -errno;
		}
		r = await(exchange, POLLIN);
		if (r < 0)
			return r;
	}
}

int apiclient_ask(const char *path, const json_t *request, json_t **ret, const char **reterr)
{
	g_autofree char *text = NULL;
	g_autoptr(GString) answer = g_string_new(NULL);
	struct exchange exchange = { .end_ms = clock_now_ms() + APICLIENT_TIMEOUT_MS };
	autofd int fd = connect_to(path);
	json_t *parsed;
	char *dumped;
	int r;

	*reterr = "cannot connect";
	if (fd < 0)
		return fd;
	exchange.fd = fd;
	dumped = json_dumps(request, JSON_COMPACT);
	text = g_strdup(dumped);
	free(dumped); /* jansson's allocator is not GLib's */
	*reterr = "cannot send the request";
	r = send_all(&exchange, text);
	if (r < 0)
		return r;
	*reterr = "no answer";
	r = receive_all(&exchange, answer);
	if (r < 0)
		return r;
	*reterr = "the answer makes no sense";
	parsed = json_loadb(answer->str, answer->len, 0, NULL);
	if (!json_is_object(parsed)) {
		json_decref(parsed);
		return -EPROTO;
	}
	*ret = parsed;
	return 0;
}
