/* One connection: read until the request is whole, answer, close. A reply that does not fit
 * the socket at once (a long list) goes out as the client reads it.
 *
 *   READING --- request whole, end of stream, or too large ---> WRITING --- sent ---> freed
 *
 * A list of flows is written in pieces, of which the next one is made when the last one is out: it may
 * be of ten thousand among a hundred thousand.
 *
 * The reference's callers read the answer with one read(2), so it is sent with one write(2)
 * where it fits. Bytes behind the request are read and thrown away: closing a socket with
 * unread bytes would reset the connection, and the client could lose the answer.
 */
#include "net/api.h"

#include <errno.h>
#include <glib.h>
#include <jansson.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "net/flows.h"
#include "net/ports.h"
#include "net/tally.h"
#include "wire/apireq.h"

#define CLIENTS_MAX 64
#define SILENCE_MS (30 * 1000)
#define PAUSE_MS 1000	    /* without a descriptor to accept with */
#define FLOWS_LOOKED_AT 128 /* in one turn, by one client */
#define FLOWS_WRITTEN 16    /* the same: a tenth of a millisecond */

enum client_state {
	CLIENT_READING, /* request and scan grow; reply is NULL */
	CLIENT_WRITING, /* reply is set; sent counts its bytes that are out */
};

/* A list of flows on its way out. */
struct listing {
	struct apireq_flows wanted; /* limit counts down, after goes on */
	bool is_open;		    /* there is more to be written behind the reply */
	bool is_first;		    /* none has been written */
};

struct client {
	struct api *api;
	int fd; /* owned, non-blocking */
	struct loop_source *source;
	struct loop_timer timer;
	enum client_state state;
	struct apireq_scan scan;
	char request[APIREQ_MAX];
	size_t len;	/* bytes in request */
	GString *reply; /* owned */
	size_t sent;
	struct listing listing;
	GList link; /* api::clients, longest-waiting first */
};

struct api {
	struct loop *loop; /* borrowed */
	int listen_fd;	   /* borrowed */
	struct loop_source *source;
	struct loop_timer pause;
	struct api_subjects subjects;
	GQueue clients; /* struct client */
	struct log_limit refusals;
};

static void client_free(struct client *client)
{
	g_queue_unlink(&client->api->clients, &client->link);
	loop_timer_disarm(client->api->loop, &client->timer);
	loop_remove(client->source);
	fd_close(&client->fd);
	if (client->reply)
		g_string_free(client->reply, TRUE);
	g_free(client);
}

static json_t *error_reply(const char *desc)
{
	return json_pack("{s:{s:s}}", "error", "desc", desc);
}

static json_t *detailed_error(const char *desc, const char *detail)
{
	return json_pack("{s:{s:s, s:s}}", "error", "desc", desc, "detail", detail);
}

static void add_tally(json_t *object, const struct tally *tally)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{ "accepted", tally->accepted },
		{ "refused", tally->refused },
		{ "active", tally->active },
		{ "bytes_to_guest", tally->bytes_to_guest },
		{ "bytes_from_guest", tally->bytes_from_guest },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		json_object_set_new(object, rows[i].name, json_integer((json_int_t)rows[i].value));
}

/* The reference's keys in its order, then ours where there is something to say. (JSON has no words for a
 * path that is not UTF-8: it is left out.)
 */
static json_t *entry_json(const struct ports_entry *entry)
{
	const struct portspec *spec = &entry->spec;
	char host[IP_TEXT_MAX], guest[IP_TEXT_MAX];
	json_t *object = json_pack("{s:I, s:s}", "id", (json_int_t)entry->id, "proto",
				   transport_name(spec->proto));

	if (spec->host_path[0] != '\0') {
		json_object_set_new(object, "host_path", json_string(spec->host_path));
	} else {
		json_object_set_new(object, "host_addr",
				    json_string(ip_format(&spec->host_addr, host)));
		json_object_set_new(object, "host_port", json_integer(spec->host_port));
	}
	json_object_set_new(object, "guest_addr", json_string(ip_format(&spec->guest_addr, guest)));
	json_object_set_new(object, "guest_port", json_integer(spec->guest_port));
	if (entry->guest4.family != IP_NONE)
		json_object_set_new(object, "guest_addr4",
				    json_string(ip_format(&entry->guest4, guest)));
	if (spec->count > 1)
		json_object_set_new(object, "count", json_integer(spec->count));
	if (entry->tally)
		add_tally(object, entry->tally);
	return object;
}

static json_t *add_hostfwd(struct client *client, const struct apireq *req)
{
	struct api *api = client->api;
	struct ports *ports = api->subjects.ports;
	char detail[PORTS_ERROR_MAX];
	uint64_t id;
	json_t *result;
	int r = ports_add(ports, &req->forward, &id, detail);

	if (r == -EPROTONOSUPPORT)
		return error_reply("bad request: add_hostfwd: bad arguments.host_addr");
	if (r == -EAFNOSUPPORT)
		return error_reply("bad request: add_hostfwd: bad arguments.guest_addr");
	if (r < 0) {
		log_limited(&api->refusals, loop_now_ms(api->loop), "api: add_hostfwd: %s", detail);
		return detailed_error("bad request: add_hostfwd: slirp_add_hostfwd failed", detail);
	}
	result = json_pack("{s:I}", "id", (json_int_t)id);
	if (req->forward.host_path[0] == '\0' && req->forward.host_port == 0)
		json_object_set_new(result, "host_port",
				    json_integer(ports_find(ports, id)->spec.host_port));
	return json_pack("{s:o}", "return", result);
}

/* Some callers look for the entries at the top, as the reference has them, and some under
 * "return", as its manual has them.
 */
static json_t *list_hostfwd(struct client *client, const struct apireq *req)
{
	json_t *entries = json_array();
	const struct ports_entry *entry;

	(void)req;
	for (size_t i = 0; (entry = ports_get(client->api->subjects.ports, i)); i++)
		json_array_append_new(entries, entry_json(entry));
	return json_pack("{s:O, s:{s:o}}", "entries", entries, "return", "entries", entries);
}

static json_t *remove_hostfwd(struct client *client, const struct apireq *req)
{
	if (ports_remove(client->api->subjects.ports, req->id, req->drop) < 0)
		return error_reply("bad request: remove_hostfwd: bad arguments.id");
	return json_pack("{s:{}}", "return");
}

static json_t *get_stats(struct client *client, const struct apireq *req)
{
	const struct api_subjects *subjects = &client->api->subjects;

	(void)req;
	return json_pack("{s:o}", "return", subjects->stats(subjects->data));
}

static void add_end(json_t *object, const char *name, const struct flows_end *end)
{
	char key[32], text[IP_TEXT_MAX];

	if (end->ip.family == IP_NONE)
		return;
	g_snprintf(key, sizeof(key), "%s_addr", name);
	json_object_set_new(object, key, json_string(ip_format(&end->ip, text)));
	g_snprintf(key, sizeof(key), "%s_port", name);
	json_object_set_new(object, key, json_integer(end->port));
}

static json_t *flow_json(const struct flows_entry *entry, const struct flows_info *info,
			 int64_t now_ms)
{
	json_t *object = json_pack("{s:I, s:s, s:s, s:s}", "id", (json_int_t)entry->id, "proto",
				   transport_name(info->proto), "direction",
				   entry->inbound ? "in" : "out", "state", info->state);

	add_end(object, "guest", &info->guest);
	add_end(object, "peer", &info->peer);
	add_end(object, "host_peer", &info->host_peer);
	if (info->has_peers)
		json_object_set_new(object, "peers", json_integer((json_int_t)info->peers));
	if (entry->forward_id != 0)
		json_object_set_new(object, "forward", json_integer((json_int_t)entry->forward_id));
	json_object_set_new(object, "age_s", json_integer((now_ms - entry->begun_ms) / 1000));
	json_object_set_new(object, "idle_s", json_integer((now_ms - info->used_ms) / 1000));
	json_object_set_new(object, "bytes_to_host",
			    json_integer((json_int_t)entry->bytes_to_host));
	json_object_set_new(object, "bytes_to_guest",
			    json_integer((json_int_t)entry->bytes_to_guest));
	return object;
}

static bool is_wanted(const struct apireq_flows *wanted, const struct flows_info *info)
{
	if (wanted->has_proto && wanted->proto != info->proto)
		return false;
	if (wanted->guest_port != 0 && wanted->guest_port != info->guest.port)
		return false;
	return wanted->peer_addr.family == IP_NONE ||
	       ip_equal(&wanted->peer_addr, &info->peer.ip) ||
	       ip_equal(&wanted->peer_addr, &info->host_peer.ip);
}

static void append_flow(struct client *client, const struct flows_entry *entry,
			const struct flows_info *info)
{
	json_t *object = flow_json(entry, info, loop_now_ms(client->api->loop));
	char *text = json_dumps(object, JSON_COMPACT);

	if (!client->listing.is_first)
		g_string_append_c(client->reply, ',');
	client->listing.is_first = false;
	client->listing.wanted.limit--;
	g_string_append(client->reply, text);
	free(text);
	json_decref(object);
}

/* The next piece, and the end behind the last one. */
static void continue_listing(struct client *client)
{
	const struct flows *flows = client->api->subjects.flows;
	struct apireq_flows *wanted = &client->listing.wanted;
	const unsigned last = wanted->limit - MIN(wanted->limit, FLOWS_WRITTEN);
	struct flows_entry *entry = flows_next(flows, wanted->after);

	for (int i = 0; entry && wanted->limit > last && i < FLOWS_LOOKED_AT; i++) {
		struct flows_info info;

		entry->class->describe(entry, &info);
		if (is_wanted(wanted, &info))
			append_flow(client, entry, &info);
		wanted->after = entry->id;
		entry = flows_next(flows, entry->id);
	}
	if (entry && wanted->limit > 0)
		return;
	g_string_append_printf(client->reply, "],\"more\":%s}}", entry ? "true" : "false");
	client->listing.is_open = false;
}

/* NULL: it writes its answer itself. */
static json_t *list_flows(struct client *client, const struct apireq *req)
{
	client->listing = (struct listing){
		.wanted = req->flows,
		.is_open = true,
		.is_first = true,
	};
	g_string_append(client->reply, "{\"return\":{\"flows\":[");
	continue_listing(client);
	return NULL;
}

static json_t *kill_flow(struct client *client, const struct apireq *req)
{
	struct flows_entry *entry = flows_find(client->api->subjects.flows, req->id);
	char detail[64];

	if (!entry) {
		g_snprintf(detail, sizeof(detail), "there is no flow %" G_GUINT64_FORMAT, req->id);
		return detailed_error("bad request: kill_flow: bad arguments.id", detail);
	}
	entry->class->kill(entry);
	return json_pack("{s:{}}", "return");
}

static json_t *(*const verbs[])(struct client *client, const struct apireq *req) = {
	[APIREQ_ADD_HOSTFWD] = add_hostfwd,	  [APIREQ_LIST_HOSTFWD] = list_hostfwd,
	[APIREQ_REMOVE_HOSTFWD] = remove_hostfwd, [APIREQ_GET_STATS] = get_stats,
	[APIREQ_LIST_FLOWS] = list_flows,	  [APIREQ_KILL_FLOW] = kill_flow,
};

static void answer(struct client *client, const char *request, size_t len)
{
	struct apireq req;
	const char *desc;
	json_t *reply;
	char *text;

	if (len >= APIREQ_MAX)
		reply = error_reply("bad request: too large message");
	else if (!apireq_parse(request, len, &req, &desc))
		reply = error_reply(desc);
	else
		reply = verbs[req.verb](client, &req);
	if (!reply)
		return;
	text = json_dumps(reply, JSON_COMPACT);
	g_string_append(client->reply, text);
	free(text);
	json_decref(reply);
}

/* Bounded: a client that goes on talking is cut off. */
static void discard_input(int fd)
{
	char scrap[APIREQ_MAX];

	for (int i = 0; i < 16 && recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT) > 0; i++)
		;
}

static void client_write(struct client *client)
{
	GString *reply = client->reply;
	ssize_t sent;

	if (client->sent == reply->len && client->listing.is_open) {
		g_string_truncate(reply, 0);
		client->sent = 0;
		continue_listing(client);
	}
	sent = send(client->fd, reply->str + client->sent, reply->len - client->sent, MSG_NOSIGNAL);
	if (sent > 0)
		client->sent += (size_t)sent;
	if ((client->sent < reply->len || client->listing.is_open) &&
	    (sent >= 0 || errno == EAGAIN)) {
		(void)loop_set_events(client->source, EPOLLOUT);
		return;
	}
	discard_input(client->fd);
	shutdown(client->fd, SHUT_RDWR);
	client_free(client);
}

static void client_answer(struct client *client)
{
	client->reply = g_string_new(NULL);
	answer(client, client->request, client->len);
	client->state = CLIENT_WRITING;
	client_write(client);
}

static void client_read(struct client *client)
{
	char *at = client->request + client->len;
	ssize_t got = recv(client->fd, at, sizeof(client->request) - client->len, 0);

	if (got < 0 && errno == EAGAIN)
		return;
	if (got < 0) {
		client_free(client);
		return;
	}
	client->len += (size_t)got;
	if (got == 0 || apireq_scan(&client->scan, at, (size_t)got) ||
	    client->len == sizeof(client->request))
		client_answer(client);
}

static void client_event(uint32_t events, void *data)
{
	struct client *client = data;

	if (client->state == CLIENT_READING)
		client_read(client);
	else if (events & (EPOLLERR | EPOLLHUP))
		client_free(client);
	else
		client_write(client);
}

/* What has come so far is answered, so that a client that forgot the end learns of it. */
static void client_silent(void *data)
{
	struct client *client = data;

	if (client->state == CLIENT_READING && client->len > 0)
		client_answer(client);
	else
		client_free(client);
}

static void client_new(struct api *api, int fd)
{
	struct client *client = g_new0(struct client, 1);

	client->api = api;
	client->fd = fd;
	client->timer.fn = client_silent;
	client->timer.data = client;
	client->link.data = client;
	g_queue_push_tail_link(&api->clients, &client->link);
	if (loop_add(api->loop, fd, EPOLLIN, client_event, client, &client->source) < 0) {
		client_free(client);
		return;
	}
	loop_timer_arm(api->loop, &client->timer, loop_now_ms(api->loop) + SILENCE_MS);
	if (api->clients.length > CLIENTS_MAX)
		client_free(g_queue_peek_head(&api->clients));
}

static void resume_accepting(void *data)
{
	struct api *api = data;

	(void)loop_set_events(api->source, EPOLLIN);
}

/* Out of descriptors or memory: the client that has waited longest makes room. Without one to drop,
 * stop for a while, or the pending connection would wake us for ever.
 */
static void make_room(struct api *api)
{
	if (api->clients.length > 0) {
		client_free(g_queue_peek_head(&api->clients));
		return;
	}
	(void)loop_set_events(api->source, 0);
	loop_timer_arm(api->loop, &api->pause, loop_now_ms(api->loop) + PAUSE_MS);
}

/* One at a time: with all descriptors in use, accept(2) says so before it looks whether anybody is
 * waiting.
 */
static void accept_client(uint32_t events, void *data)
{
	struct api *api = data;
	int fd = accept4(api->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		client_new(api, fd);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		make_room(api);
}

int api_new(struct loop *loop, int listen_fd, const struct api_subjects *subjects, struct api **ret)
{
	struct api *api = g_new0(struct api, 1);
	int r;

	*api = (struct api){
		.loop = loop,
		.listen_fd = listen_fd,
		.subjects = *subjects,
	};
	api->pause.fn = resume_accepting;
	api->pause.data = api;
	r = loop_add(loop, listen_fd, EPOLLIN, accept_client, api, &api->source);
	if (r < 0) {
		g_free(api);
		return r;
	}
	*ret = api;
	return 0;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	while (api->clients.length > 0)
		client_free(g_queue_peek_head(&api->clients));
	loop_timer_disarm(api->loop, &api->pause);
	loop_remove(api->source);
	g_free(api);
}
