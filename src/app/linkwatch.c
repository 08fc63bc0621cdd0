#include "app/linkwatch.h"

#include <glib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/loop.h"
#include "net/gate.h"
#include "net/link.h"
#include "net/settings.h"
#include "os/unixsock.h"
#include "wire/frame.h"

/* Frames taken from the link before the host's sockets get their turn. */
#define FRAMES_PER_TURN 64
#define LAST_TURNS 16
#define PAUSE_MS 1000 /* before another try to accept a client */

struct linkwatch {
	struct linkwatch_order its;
	struct loop_source *source, *listener_source; /* NULL: no client; no listener */
	bool wants_output;
	struct loop_timer pause;
	struct log_limit bad_framing;
	uint8_t frame[FRAME_MAX + 1]; /* one more, to tell a longer frame from the longest */
};

static void link_lost(struct linkwatch *watch, int error)
{
	const struct linkwatch_order *its = &watch->its;
	const bool is_socket = its->link->sock;

	loop_remove(watch->source);
	watch->source = NULL;
	watch->wants_output = false;
	link_close(its->link);
	if (error == -EPROTO)
		log_limited(&watch->bad_framing, loop_now_ms(its->loop),
			    "link: a length that no frame has: the peer is dropped");
	if (watch->listener_source) {
		if (its->settings->compat)
			log_line("Waiting for connection to %s", its->listener->path);
		(void)loop_set_events(watch->listener_source, EPOLLIN);
		return;
	}
	if (is_socket && error == -EPIPE)
		log_line("the link's other end has gone");
	else if (is_socket)
		log_line("the link has gone: %s", strerror(-error));
	else
		log_line("the TAP has gone: read: %s", strerror(-error));
	loop_stop(its->loop, 1);
}

static void link_readable(uint32_t events, void *data)
{
	struct linkwatch *watch = data;
	const struct linkwatch_order *its = &watch->its;

	(void)events;
	its->gate->now_ms = loop_now_ms(its->loop);
	for (int i = 0; i < FRAMES_PER_TURN; i++) {
		struct link_info info;
		ssize_t len = link_receive(its->link, watch->frame, sizeof(watch->frame), &info);

		if (len == -EAGAIN)
			return;
		if (len == -EBADMSG)
			continue;
		if (len < 0) {
			link_lost(watch, (int)len);
			return;
		}
		gate_input(its->gate, watch->frame, (size_t)len, &info);
	}
}

/* A TAP keeps 500 frames (TUN_READQ_SIZE in the kernel's tun.c), or as many as its txqueuelen was raised
 * to.
 */
void linkwatch_take_rest(struct linkwatch *watch)
{
	for (int turn = 0; turn < LAST_TURNS && watch->source; turn++)
		link_readable(0, watch);
}

/* Of a socket only. What has been read of it already makes nothing readable, so there is another
 * turn for that.
 */
static void turn_ends(void *data)
{
	struct linkwatch *watch = data;
	struct link *link = watch->its.link;
	bool wants_output;

	if (!watch->source)
		return;
	if (link_has_input(link)) {
		link_readable(0, watch);
		loop_again(watch->its.loop);
	}
	if (!watch->source) /* lost meanwhile */
		return;
	link_flush(link);
	if (link_is_broken(link)) {
		link_lost(watch, -EPIPE);
		return;
	}
	wants_output = link_has_output(link);
	if (wants_output == watch->wants_output)
		return;
	watch->wants_output = wants_output;
	(void)loop_set_events(watch->source, EPOLLIN | (wants_output ? EPOLLOUT : 0));
}

static int watch_link(struct linkwatch *watch)
{
	return loop_add(watch->its.loop, watch->its.link->fd, EPOLLIN, link_readable, watch,
			&watch->source);
}

static void client_waits(uint32_t events, void *data)
{
	struct linkwatch *watch = data;
	const struct linkwatch_order *its = &watch->its;
	int fd = accept4(its->listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	(void)loop_set_events(watch->listener_source, 0); /* the next one waits */
	if (fd >= 0)
		link_attach_socket(its->link, settings_link_kind(its->settings), fd,
				   &its->settings->plan);
	if (fd < 0 || watch_link(watch) < 0) {
		/* Out of descriptors or memory: at once again would be for ever. */
		link_close(its->link);
		loop_timer_arm(its->loop, &watch->pause, loop_now_ms(its->loop) + PAUSE_MS);
	}
}

static void accept_again(void *data)
{
	struct linkwatch *watch = data;

	(void)loop_set_events(watch->listener_source, EPOLLIN);
}

int linkwatch_new(const struct linkwatch_order *order, struct linkwatch **ret)
{
	struct linkwatch *watch = g_new0(struct linkwatch, 1);
	int r;

	watch->its = *order;
	watch->pause.fn = accept_again;
	watch->pause.data = watch;
	watch->bad_framing.burst = 1;
	r = watch_link(watch);
	if (r == 0 && order->listener->fd >= 0)
		r = loop_add(order->loop, order->listener->fd, 0, client_waits, watch,
			     &watch->listener_source);
	if (r == 0 && order->link->sock)
		loop_add_turn_end(order->loop, turn_ends, watch);
	*ret = watch;
	return r;
}

void linkwatch_free(struct linkwatch *watch)
{
	if (!watch)
		return;
	loop_remove_turn_end(watch->its.loop, turn_ends, watch);
	loop_timer_disarm(watch->its.loop, &watch->pause);
	loop_remove(watch->source);
	loop_remove(watch->listener_source);
	g_free(watch);
}
