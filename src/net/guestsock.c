#include "net/guestsock.h"

#include <glib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/loop.h"

#define ASKS_MAX 64 /* on their way; a socket's buffer has room for over 200 */

struct guestsock_ask {
	guestsock_done_fn *done; /* NULL: cancelled */
	void *data;
	GList link; /* guestsock::asks */
};

struct guestsock {
	struct loop *loop; /* borrowed */
	int sock;	   /* borrowed; -EBADF once the broker has gone */
	struct loop_source *source;
	GQueue asks; /* struct guestsock_ask, in the order of their replies */
	struct log_limit losses;
};

/* The oldest has its outcome. */
static void conclude(struct guestsock *guestsock, int fd, int error)
{
	GList *link = g_queue_pop_head_link(&guestsock->asks);
	struct guestsock_ask *ask = link->data;

	if (ask->done)
		ask->done(fd, error, ask->data);
	else
		fd_close(&fd);
	g_free(ask);
}

static void say_gone(struct guestsock *guestsock)
{
	log_limited(&guestsock->losses, loop_now_ms(guestsock->loop),
		    "the broker has gone: clients of the guest's loopback are reset");
}

static void broker_gone(struct guestsock *guestsock)
{
	say_gone(guestsock);
	loop_remove(guestsock->source);
	guestsock->source = NULL;
	guestsock->sock = -EBADF;
	while (guestsock->asks.length > 0)
		conclude(guestsock, -EBADF, -EPIPE);
}

/* #syscalls:engine recvmsg socketcall
 * A reply whose descriptor found no room in our table comes without it (unix(7), MSG_CTRUNC).
 */
static void reply_readable(uint32_t events, void *data)
{
	struct guestsock *guestsock = data;
	struct guestsock_reply reply;
	int fd = -EBADF;
	int r = fdpass_recv(guestsock->sock, &reply, sizeof(reply), &fd);

	(void)events;
	if (r == -EAGAIN)
		return;
	if ((r < 0 && r != -EBADMSG) || guestsock->asks.length == 0) {
		fd_close(&fd);
		broker_gone(guestsock);
		return;
	}
	if (r == -EBADMSG)
		conclude(guestsock, -EBADF, -EMFILE);
	else if (fd < 0)
		conclude(guestsock, -EBADF, reply.error < 0 ? reply.error : -EPROTO);
	else
		conclude(guestsock, fd, 0);
}

int guestsock_new(struct loop *loop, int sock, struct guestsock **ret)
{
	struct guestsock *guestsock = g_new0(struct guestsock, 1);
	int r = fd_set_nonblock(sock);

	guestsock->loop = loop;
	guestsock->sock = sock;
	guestsock->losses.burst = 1;
	if (r == 0)
		r = loop_add(loop, sock, EPOLLIN, reply_readable, guestsock, &guestsock->source);
	if (r < 0) {
		guestsock_free(guestsock);
		return r;
	}
	*ret = guestsock;
	return 0;
}

void guestsock_free(struct guestsock *guestsock)
{
	if (!guestsock)
		return;
	while (guestsock->asks.length > 0)
		conclude(guestsock, -EBADF, -ECANCELED);
	loop_remove(guestsock->source);
	g_free(guestsock);
}

size_t guestsock_room(const struct guestsock *guestsock)
{
	return ASKS_MAX - guestsock->asks.length;
}

/* #syscalls:engine sendmsg socketcall */
int guestsock_ask(struct guestsock *guestsock, int family, int type, guestsock_done_fn *done,
		  void *data, struct guestsock_ask **ret)
{
	const struct guestsock_request request = { .family = family, .type = type };
	struct guestsock_ask *ask;
	int r;

	if (guestsock->sock < 0) {
		say_gone(guestsock);
		return -EPIPE;
	}
	if (guestsock_room(guestsock) == 0)
		return -EAGAIN;
	r = fdpass_send(guestsock->sock, &request, sizeof(request), -EBADF);
	if (r < 0)
		return r;
	ask = g_new0(struct guestsock_ask, 1);
	*ask = (struct guestsock_ask){ .done = done, .data = data };
	ask->link.data = ask;
	g_queue_push_tail_link(&guestsock->asks, &ask->link);
	*ret = ask;
	return 0;
}

void guestsock_cancel(struct guestsock_ask *ask)
{
	if (ask)
		ask->done = NULL;
}
