/* One client:
 *
 *   accepted --> ASKING the broker for a socket --> DIALING with it --> joined: net/splice.h has both
 *                  | none to be had                   | refused
 *                  +---> the client is reset <--------+
 *
 * A client is reset at the moment at which a direct one would have been refused. A service that comes
 * later finds its port as it was.
 */
#include "net/loopback.h"

#include <glib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "net/dial.h"
#include "net/guestsock.h"
#include "net/listener.h"
#include "net/stats.h"
#include "net/tally.h"

/* Of one forward, not joined yet: a service whose backlog is full lets us wait for minutes, and is not
 * to take the place of others.
 */
#define WAITING_MAX 256
/* Joined or waiting, of all forwards. Each has two descriptors, and no more than half of what the process
 * may have are for them (and some for pipes: net/splice.c): the rest of the network wants some too.
 */
#define CLIENTS_MAX 4096
#define DESCRIPTORS_A_CLIENT 4

struct loopback {
	struct loop *loop; /* borrowed */
	struct guestsock *guestsock;
	struct splice *splice;
	GQueue clients; /* struct client: those that are not joined yet */
	struct loopback_stats stats;
	struct log_limit failures;
};

struct loopback_forward {
	struct loopback *loopback;
	struct listener *listener; /* NULL: closed, but there are clients yet */
	struct dial_target target;
	struct tally *tally; /* a reference; NULL: nobody counts */
	unsigned waiting;    /* clients */
};

enum client_state {
	CLIENT_ASKING,	/* ask is set */
	CLIENT_DIALING, /* dial is set */
};

struct client {
	struct loopback_forward *forward;
	int fd;		     /* owned */
	struct tally *tally; /* NULL: nobody counts, or splice_join() has it */
	enum client_state state;
	union {
		struct guestsock_ask *ask;
		struct dial *dial;
	};
	GList link; /* loopback::clients */
};

static void forward_free_if_unused(struct loopback_forward *forward)
{
	if (forward->listener || forward->waiting > 0)
		return;
	tally_unref(forward->tally);
	g_free(forward);
}

/* Its ask or dial has ended, and its descriptor is somebody else's. */
static void client_free(struct client *client)
{
	struct loopback_forward *forward = client->forward;

	g_queue_unlink(&forward->loopback->clients, &client->link);
	g_free(client);
	forward->waiting--;
	if (forward->listener)
		listener_resume(forward->listener);
	forward_free_if_unused(forward);
}

static void client_reset(struct client *client)
{
	tally_end(client->tally);
	splice_reset(&client->fd);
	client_free(client);
}

/* Say that it cannot be reached, as its kernel would have. */
static void client_refuse(struct client *client, uint64_t *counter)
{
	(*counter)++;
	tally_refuse(client->tally);
	client_reset(client);
}

static void dialed(int fd, int error, void *data)
{
	struct client *client = data;
	struct loopback *loopback = client->forward->loopback;

	(void)error; /* whichever it is, a client can only be told by a reset */
	if (fd < 0) {
		client_refuse(client, &loopback->stats.refused);
		return;
	}
	if (splice_join(loopback->splice, fd_steal(&client->fd), fd, client->tally) < 0)
		loopback->stats.failed++;
	client_free(client);
}

/* What the broker had to say, or why it could not be asked. */
static void asked(int fd, int error, void *data)
{
	struct client *client = data;
	struct loopback_forward *forward = client->forward;
	struct loopback *loopback = forward->loopback;

	if (fd >= 0) {
		client->state = CLIENT_DIALING;
		client->dial = dial_start_on(loopback->loop, fd, &forward->target, dialed, client);
		return;
	}
	if (error == -EPIPE) {
		client_refuse(client, &loopback->stats.no_broker);
		return;
	}
	log_limited(&loopback->failures, loop_now_ms(loopback->loop),
		    "loopback: cannot get a socket in the guest: %s", g_strerror(-error));
	client_refuse(client, &loopback->stats.failed);
}

static size_t room(void *data)
{
	const struct loopback_forward *forward = data;
	const struct loopback *loopback = forward->loopback;
	const size_t clients = splice_stats(loopback->splice).streams + loopback->clients.length;
	const size_t waiting = WAITING_MAX - forward->waiting;
	const size_t asks = guestsock_room(loopback->guestsock);

	if (clients >= loopback->stats.limit)
		return 0;
	return MIN(loopback->stats.limit - clients, MIN(waiting, asks));
}

static void accepted(int fd, const struct listener_client *from, void *data)
{
	struct loopback_forward *forward = data;
	struct loopback *loopback = forward->loopback;
	struct client *client = g_new0(struct client, 1);
	const int family = forward->target.ip.family == IP_V6 ? AF_INET6 : AF_INET;
	int r;

	(void)from; /* the service sees one of its own loopback */
	loopback->stats.accepted++;
	*client = (struct client){
		.forward = forward,
		.fd = fd,
		.tally = tally_begin(forward->tally),
		.state = CLIENT_ASKING,
	};
	client->link.data = client;
	g_queue_push_tail_link(&loopback->clients, &client->link);
	forward->waiting++;
	r = guestsock_ask(loopback->guestsock, family, SOCK_STREAM, asked, client, &client->ask);
	if (r < 0)
		asked(-EBADF, r, client);
}

bool loopback_is_meant(const struct ip *guest)
{
	static const struct ip v6 = { .family = IP_V6, .v6 = { { [15] = 1 } } };

	return (guest->family == IP_V4 && guest->v4.b[0] == 127) || ip_equal(guest, &v6);
}

/* @fd: a Unix socket, or negative. */
static int start(struct loopback *loopback, int fd, const struct forward_spec *spec,
		 struct tally *tally, struct loopback_forward **ret)
{
	struct loopback_forward *forward = g_new0(struct loopback_forward, 1);
	const struct listener_owner owner = { .room = room, .accepted = accepted, .data = forward };
	int r;

	*forward = (struct loopback_forward){
		.loopback = loopback,
		.target = { .ip = spec->guest_addr, .port = spec->guest_port },
	};
	if (fd >= 0)
		r = listener_serve(loopback->loop, fd, &owner, &forward->listener);
	else
		r = listener_new(loopback->loop, spec, &owner, &forward->listener);
	if (r < 0) {
		g_free(forward);
		return r;
	}
	forward->tally = tally_ref(tally);
	*ret = forward;
	return 0;
}

int loopback_forward_listen(struct loopback *loopback, const struct forward_spec *spec,
			    struct tally *tally, struct loopback_forward **ret)
{
	if (spec->proto != TRANSPORT_TCP)
		return -EOPNOTSUPP;
	return start(loopback, -EBADF, spec, tally, ret);
}

int loopback_forward_serve(struct loopback *loopback, int fd, const struct forward_spec *spec,
			   struct tally *tally, struct loopback_forward **ret)
{
	return start(loopback, fd, spec, tally, ret);
}

uint16_t loopback_forward_port(const struct loopback_forward *forward)
{
	return listener_port(forward->listener);
}

void loopback_forward_close(struct loopback_forward *forward)
{
	if (!forward)
		return;
	listener_free(forward->listener);
	forward->listener = NULL;
	forward_free_if_unused(forward);
}

int loopback_new(struct loop *loop, int broker, struct loopback **ret)
{
	struct loopback *loopback;
	struct rlimit files;
	int r;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	loopback = g_new0(struct loopback, 1);
	r = guestsock_new(loop, broker, &loopback->guestsock);
	if (r < 0) {
		g_free(loopback);
		return r;
	}
	loopback->loop = loop;
	loopback->stats.limit = (uint32_t)MIN(files.rlim_cur / DESCRIPTORS_A_CLIENT, CLIENTS_MAX);
	loopback->splice = splice_new(loop);
	*ret = loopback;
	return 0;
}

/* Nobody has refused it: we do not want it any more. */
static void give_up(struct client *client)
{
	switch (client->state) {
	case CLIENT_ASKING:
		guestsock_cancel(client->ask);
		break;
	case CLIENT_DIALING:
		dial_cancel(client->dial);
		break;
	}
	client_reset(client);
}

void loopback_drop(struct loopback *loopback, const struct tally *tally)
{
	GList *next;

	for (GList *link = loopback->clients.head; link; link = next) {
		struct client *client = link->data;

		next = link->next;
		if (client->tally == tally)
			give_up(client);
	}
	splice_drop(loopback->splice, tally);
}

void loopback_free(struct loopback *loopback)
{
	if (!loopback)
		return;
	while (loopback->clients.length > 0)
		give_up(g_queue_peek_head(&loopback->clients));
	splice_free(loopback->splice);
	guestsock_free(loopback->guestsock);
	g_free(loopback);
}

struct loopback_stats loopback_stats(const struct loopback *loopback)
{
	struct loopback_stats stats = loopback->stats;

	stats.dialing = loopback->clients.length;
	stats.splice = splice_stats(loopback->splice);
	return stats;
}

static const struct stats_row rows[] = {
	{ "accepted", "Clients of ports that lead to the guest's loopback",
	  STATS_NUMBER(struct loopback_stats, accepted) },
	{ "dialing", "Those that wait for the service now",
	  STATS_NUMBER(struct loopback_stats, dialing) },
	{ "refused", "Those that were reset because the guest refused them or did not answer",
	  STATS_NUMBER(struct loopback_stats, refused) },
	{ "failed", "Those that were reset because there was no socket for them",
	  STATS_NUMBER(struct loopback_stats, failed), .counts_drops = true },
	{ "no_broker", "Those that were reset because the broker had gone",
	  STATS_NUMBER(struct loopback_stats, no_broker), .counts_drops = true },
	{ "streams", "Clients that are connected to their service",
	  STATS_NUMBER(struct loopback_stats, splice.streams) },
	{ "limit", "Clients that there may be at once, the waiting ones among them",
	  STATS_NUMBER(struct loopback_stats, limit) },
	{ "bytes_to_guest", "Bytes that services have got",
	  STATS_NUMBER(struct loopback_stats, splice.bytes_to[0]) },
	{ "bytes_from_guest", "Bytes that their clients have got",
	  STATS_NUMBER(struct loopback_stats, splice.bytes_to[1]) },
	{ "ended", "Connections that both sides have closed",
	  STATS_NUMBER(struct loopback_stats, splice.ended) },
	{ "reset", "Connections that a reset or an error has ended",
	  STATS_NUMBER(struct loopback_stats, splice.reset) },
	{ "no_pipe", "Pieces of data that were copied because no pipe was to be had",
	  STATS_NUMBER(struct loopback_stats, splice.no_pipe) },
	{ 0 },
};

const struct stats_table loopback_stats_table = {
	.module = "loopback",
	.dropped = "clients of the guest's loopback",
	.rows = rows,
};
