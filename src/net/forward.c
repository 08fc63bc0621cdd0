#include "net/forward.h"

#include <errno.h>
#include <glib.h>

#include "net/listener.h"
#include "net/route.h"
#include "net/tally.h"
#include "net/tcp.h"

struct forward {
	struct tcp *tcp;     /* borrowed */
	struct tally *tally; /* a reference; NULL: nobody counts */
	struct listener *listener;
	struct ip guest;
	uint16_t guest_port;
	struct ip gateway; /* the client of a Unix socket */
	uint32_t nameless; /* how many there have been */
};

/* The client of a Unix socket has no address. The ports go round, so that the guest does not see the
 * one of a connection that it may not have forgotten yet.
 */
static void name_client(struct forward *forward, struct tcp_endpoints *ends)
{
	ends->client = forward->gateway;
	ends->client_port = route_spare_port(forward->nameless++);
}

static void accepted(int fd, const struct listener_client *client, void *data)
{
	struct forward *forward = data;
	struct tcp_endpoints ends = {
		.client = client->ip,
		.client_port = client->port,
		.guest = forward->guest,
		.guest_port = forward->guest_port,
		.tally = forward->tally,
	};

	if (client->ip.family == IP_NONE)
		name_client(forward, &ends);
	(void)tcp_open_to_guest(forward->tcp, fd, &ends); /* the client has been told */
}

/* The guest has to answer those that are on their way to it. */
static size_t room(void *data)
{
	const struct forward *forward = data;
	const struct tcp_endpoints guest = { .guest = forward->guest,
					     .guest_port = forward->guest_port };

	return tcp_open_room(forward->tcp, &guest);
}

/* @fd: a Unix socket, or negative. */
static int start(const struct forward_context *context, int fd, const struct forward_spec *spec,
		 struct forward **ret)
{
	struct forward *forward = g_new0(struct forward, 1);
	const struct listener_owner owner = { .room = room, .accepted = accepted, .data = forward };
	int r;

	*forward = (struct forward){
		.tcp = context->tcp,
		.guest = addrplan_guest(&context->settings->plan, &spec->guest_addr),
		.guest_port = spec->guest_port,
		.gateway = addrplan_gateway(&context->settings->plan, spec->guest_addr.family),
	};
	if (fd >= 0)
		r = listener_serve(context->loop, fd, &owner, &forward->listener);
	else
		r = listener_new(context->loop, spec, &owner, &forward->listener);
	if (r < 0) {
		g_free(forward);
		return r;
	}
	forward->tally = tally_ref(context->tally);
	tcp_note_listener(forward->tcp, true);
	*ret = forward;
	return 0;
}

int forward_listen(const struct forward_context *context, const struct forward_spec *spec,
		   struct forward **ret)
{
	return start(context, -EBADF, spec, ret);
}

int forward_serve(const struct forward_context *context, int fd, const struct forward_spec *spec,
		  struct forward **ret)
{
	return start(context, fd, spec, ret);
}

uint16_t forward_port(const struct forward *forward)
{
	return listener_port(forward->listener);
}

void forward_close(struct forward *forward)
{
	if (!forward)
		return;
	listener_free(forward->listener);
	tcp_note_listener(forward->tcp, false);
	tally_unref(forward->tally);
	g_free(forward);
}
