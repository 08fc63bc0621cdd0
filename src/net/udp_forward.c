/* Ports of the host that lead to the guest.
 *
 * One socket serves all clients of a port. A client's first datagram makes a session: from then on
 * its endpoint on the host's side, and the one that the guest sees on the other side, stand for each
 * other, and a datagram of the guest that matches the latter is an answer, which leaves by this
 * socket and from the address that the client has sent to (udp_guest.c). Where the guest sees its
 * client is its own address, or the gateway if the guest could not answer there; two of them may
 * then collide, with each other or with somebody whom the guest talks to by a binding, and the one
 * who comes later is seen at another port.
 *
 * A datagram of the guest from a forwarded port to somebody new makes a session too, so that the port has
 * one endpoint towards all the world, that which is published: WireGuard, SIP and games that register
 * with somebody count on it.
 *
 * The guest's MAC may not be known yet. Then one datagram, the newest, is kept for each session until
 * the guest has said it (RFC 1122 section 2.3.2.2).
 */
#include <errno.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "net/dial.h"
#include "net/udp_flow.h"
#include "wire/portspec.h"

#define HELD_BYTES (1u << 20) /* of all sessions together */

struct udp_held {
	struct udp_arrival arrival; /* its payload is bytes */
	uint8_t bytes[];
};

static void release_held(struct udp *udp, struct udp_session *session)
{
	if (!session->held)
		return;
	udp->held_bytes -= session->held->arrival.len;
	g_queue_unlink(&udp->holding, &session->holding);
	g_free(session->held);
	session->held = NULL;
}

/* The newest takes the place of an older one. */
static void hold(struct udp *udp, struct udp_session *session, const struct udp_arrival *arrival)
{
	struct udp_held *held;

	if (session->held)
		udp_count_drop(udp, UDP_DROP_WAITING);
	release_held(udp, session);
	if (udp->held_bytes + arrival->len > HELD_BYTES) {
		udp_count_drop(udp, UDP_DROP_WAITING);
		return;
	}
	held = g_malloc(sizeof(*held) + arrival->len);
	held->arrival = *arrival;
	held->arrival.payload = held->bytes;
	if (arrival->len > 0)
		memcpy(held->bytes, arrival->payload, arrival->len);
	session->held = held;
	session->holding.data = session;
	g_queue_push_tail_link(&udp->holding, &session->holding);
	udp->held_bytes += arrival->len;
}

/* The chain of a client in udp::clients. Its address on our side is not part of that: it is not told
 * with an error.
 */
static struct udp_session **chain_of(struct udp *udp, const struct udp_forward *forward,
				     const union sockaddr_any *client)
{
	struct {
		const struct udp_forward *forward;
		uint8_t address[16];
		uint32_t scope, port;
	} key = { .forward = forward, .port = sockaddr_port(client) };
	const struct ip ip = sockaddr_ip(client);

	static_assert(sizeof(key) == sizeof(void *) + 24, "it is hashed as bytes");
	memcpy(key.address, ip.v6.b, sizeof(key.address));
	if (ip.family == IP_V6)
		key.scope = client->v6.sin6_scope_id;
	return &udp->clients[siphash(&udp->key, &key, sizeof(key)) & (udp->table_size - 1)];
}

struct udp_session *udp_session_of_client(struct udp *udp, struct udp_forward *forward,
					  const union sockaddr_any *client, const struct ip *local)
{
	struct udp_session *session = *chain_of(udp, forward, client);

	while (session &&
	       !(session->forward == forward && sockaddr_equal(&session->client, client) &&
		 (!local || session->local.family == IP_NONE || ip_equal(&session->local, local))))
		session = session->client_next;
	return session;
}

void udp_session_release(struct udp *udp, struct udp_session *session)
{
	struct udp_session **at = chain_of(udp, session->forward, &session->client);

	while (*at != session)
		at = &(*at)->client_next;
	*at = session->client_next;
	g_queue_unlink(&session->forward->sessions, &session->of_forward);
	tally_end(session->forward->tally);
	release_held(udp, session);
}

/* Whether the guest talks to @key's endpoint already: to another client, or by a binding. */
static bool is_taken(const struct udp *udp, const struct udp_forward *forward,
		     const struct udp_key *key)
{
	const struct ip seen = udp_key_address(key);
	struct dial_target target;
	struct udp_flow *binding;

	if (udp_find(udp, key))
		return true;
	binding = udp_find(udp, &forward->key);
	return binding &&
	       route_to_host(udp->settings, &seen, key->seen_port, NULL, NULL, &target) == 0 &&
	       udp_has_peer(udp, udp_binding_of(binding), &target.ip, target.port);
}

/* Where the guest is to see the client. False: nowhere is free. */
static bool choose_key(struct udp *udp, const struct udp_forward *forward,
		       const union sockaddr_any *client, struct udp_key *ret)
{
	const struct ip ip = sockaddr_ip(client);
	const struct ip seen = route_seen_as(&udp->settings->plan, &ip);
	struct udp_key key =
		udp_key(UDP_SESSION, &seen, forward->guest_port, sockaddr_port(client));
	uint32_t at = (uint32_t)siphash(&udp->key, &key, sizeof(key));

	for (int i = 0; i < ROUTE_SPARE_TRIES; i++) {
		if (!is_taken(udp, forward, &key)) {
			*ret = key;
			return true;
		}
		key.seen_port = route_spare_port(at++);
	}
	return false;
}

static struct udp_session *session_new(struct udp_forward *forward, const struct udp_key *key,
				       const union sockaddr_any *client, enum udp_queue queue)
{
	struct udp *udp = forward->udp;
	struct udp_session **chain = chain_of(udp, forward, client), *session;

	udp_make_room(udp, true);
	session = g_new0(struct udp_session, 1);
	session->forward = forward;
	(void)tally_begin(forward->tally); /* which outlives its sessions */
	session->flow.listed.forward_id = tally_forward(forward->tally);
	session->client = *client;
	session->of_forward.data = session;
	session->flow.our_mac = addrplan_gateway_mac(&udp->settings->plan, forward->guest.family);
	session->client_next = *chain;
	*chain = session;
	g_queue_push_tail_link(&forward->sessions, &session->of_forward);
	udp_insert(udp, &session->flow, key, queue);
	return session;
}

static struct udp_session *session_of_stranger(struct udp_forward *forward,
					       const struct udp_arrival *arrival)
{
	struct udp_session *session;
	struct udp_key key;

	if (!choose_key(forward->udp, forward, &arrival->from, &key)) {
		udp_count_drop(forward->udp, UDP_DROP_RESOURCES);
		return NULL;
	}
	session = session_new(forward, &key, &arrival->from, UDP_SESSIONS_SHORT);
	session->local = arrival->local;
	session->local_interface = arrival->local_interface;
	session->flow.listed.inbound = true;
	return session;
}

/* Whether what leaves by it gets there, and its answers back: of a forward at one address, either the
 * host's own loopback or all others do not.
 */
static bool can_reach(const struct udp_forward *forward, const struct ip *ip)
{
	return ip_is_any(&forward->host) ||
	       ip_is_within_host(&forward->host) == ip_is_within_host(ip);
}

/* With somebody to whom the guest sends first: @key is of that datagram. */
static struct udp_session *session_to(struct udp *udp, const struct udpgram *gram,
				      const struct udp_key *key, const struct dial_target *target)
{
	const struct udp_key own = udp_key(UDP_BINDING, &gram->src, gram->sport, 0);
	struct udp_forward *forward = udp->ports[udp_chain(udp, &own)];
	struct udp_session *session;
	union sockaddr_any peer;

	while (forward &&
	       !(memcmp(&forward->key, &own, sizeof(own)) == 0 && can_reach(forward, &target->ip)))
		forward = forward->hash_next;
	if (!forward)
		return NULL;
	(void)sockaddr_fill(&target->ip, target->port, &peer);
	if (udp_session_of_client(udp, forward, &peer, NULL)) /* the guest sees it elsewhere */
		return NULL;
	session = session_new(forward, key, &peer, UDP_SESSIONS_LONG);
	if (ip_is_any(&forward->host))
		session->local = target->from;
	return session;
}

/* A guest of several addresses may answer from another one than was sent to. */
static bool is_of_guest(const struct udp_forward *forward, const struct ip *src,
			const struct mac *from)
{
	return ip_equal(src, &forward->guest) ||
	       (forward->mac_known && memcmp(from, &forward->guest_mac, sizeof(*from)) == 0);
}

struct udp_session *udp_session_for(struct udp *udp, const struct udpgram *gram,
				    const struct mac *from, const struct dial_target *target)
{
	const struct udp_key key = udp_key(UDP_SESSION, &gram->dst, gram->sport, gram->dport);
	struct udp_session *session = (struct udp_session *)udp_find(udp, &key);

	if (session)
		return is_of_guest(session->forward, &gram->src, from) ? session : NULL;
	return target ? session_to(udp, gram, &key, target) : NULL;
}

static void deliver(struct udp *udp, struct udp_session *session, const struct udp_arrival *arrival)
{
	const struct udp_key *key = &session->flow.key;
	struct udpgram gram = {
		.src = udp_key_address(key),
		.dst = session->forward->guest,
		.sport = key->seen_port,
		.dport = key->guest_port,
	};
	const uint64_t before = udp->stats.bytes_to_guest;

	udp_deliver(udp, &session->flow, &gram, arrival);
	tally_to_guest(session->forward->tally, udp->stats.bytes_to_guest - before);
}

/* A guest that was sent something and has never answered may have moved: it is asked for again. */
static bool find_guest(struct udp *udp, const struct udp_session *session, bool is_new)
{
	struct udp_forward *forward = session->forward;
	const bool answers = session->flow.queue == UDP_SESSIONS_LONG;

	if (!forward->mac_known || !answers)
		forward->mac_known |= udp->output.neighbour(&forward->guest, !is_new && !answers,
							    &forward->guest_mac, udp->output.data);
	return forward->mac_known;
}

static void take_datagram(const struct udp_arrival *arrival, void *data)
{
	struct udp_forward *forward = data;
	struct udp *udp = forward->udp;
	struct udp_session *session =
		udp_session_of_client(udp, forward, &arrival->from, &arrival->local);
	const bool is_new = !session;

	if (sockaddr_port(&arrival->from) == 0) { /* it wants no answer, and could get none */
		udp_count_drop(udp, UDP_DROP_FILTERED);
		return;
	}
	if (is_new)
		session = session_of_stranger(forward, arrival);
	if (!session)
		return;
	if (session->local.family == IP_NONE) { /* the guest has begun */
		session->local = arrival->local;
		session->local_interface = arrival->local_interface;
	}
	udp_touch(udp, &session->flow, (enum udp_queue)session->flow.queue);
	if (find_guest(udp, session, is_new))
		deliver(udp, session, arrival);
	else
		hold(udp, session, arrival);
}

static void forward_event(uint32_t events, void *data)
{
	struct udp_forward *forward = data;

	if (events & EPOLLERR)
		udp_read_errors(forward->udp, forward->fd, NULL, forward);
	udp_receive(forward->udp, forward->fd, take_datagram, forward);
}

static void deliver_held(struct udp *udp, const struct ip *guest)
{
	GList *next;

	for (GList *at = udp->holding.head; at; at = next) {
		struct udp_session *session = at->data;

		next = at->next;
		if (!ip_equal(&session->forward->guest, guest))
			continue;
		deliver(udp, session, &session->held->arrival);
		release_held(udp, session);
	}
}

/* The guest has said where it is, or that it has moved. */
void udp_neighbour(struct udp *udp, const struct ip *ip, const struct mac *mac)
{
	for (GList *at = udp->forwards.head; at; at = at->next) {
		struct udp_forward *forward = at->data;

		if (!ip_equal(&forward->guest, ip))
			continue;
		forward->guest_mac = *mac;
		forward->mac_known = true;
	}
	deliver_held(udp, ip);
}

/* Behind those that are for the same port of the guest. */
static void insert(struct udp *udp, struct udp_forward *forward)
{
	struct udp_forward **end = &udp->ports[udp_chain(udp, &forward->key)];

	while (*end)
		end = &(*end)->hash_next;
	*end = forward;
	forward->listed.data = forward;
	g_queue_push_tail_link(&udp->forwards, &forward->listed);
}

static void take_out(struct udp *udp, struct udp_forward *forward)
{
	struct udp_forward **at = &udp->ports[udp_chain(udp, &forward->key)];

	while (*at != forward)
		at = &(*at)->hash_next;
	*at = forward->hash_next;
	g_queue_unlink(&udp->forwards, &forward->listed);
}

int udp_forward_listen(struct udp *udp, const struct forward_spec *spec, struct tally *tally,
		       struct udp_forward **ret)
{
	autofd int fd = udp_socket(udp, &spec->host_addr, spec->host_port, true);
	struct udp_forward *forward;
	int r;

	if (fd < 0)
		return fd;
	forward = g_new0(struct udp_forward, 1);
	forward->udp = udp;
	forward->fd = fd_steal(&fd);
	forward->tally = tally_ref(tally);
	forward->host = spec->host_addr;
	forward->guest = addrplan_guest(&udp->settings->plan, &spec->guest_addr);
	forward->guest_port = spec->guest_port;
	forward->key = udp_key(UDP_BINDING, &forward->guest, forward->guest_port, 0);
	insert(udp, forward);
	r = loop_add(udp->loop, forward->fd, EPOLLIN, forward_event, forward, &forward->source);
	if (r < 0) {
		udp_forward_close(forward);
		return r;
	}
	*ret = forward;
	return 0;
}

/* #syscalls:engine getsockname */
uint16_t udp_forward_port(const struct udp_forward *forward)
{
	union sockaddr_any address = { 0 };
	socklen_t len = sizeof(address);

	if (getsockname(forward->fd, &address.any, &len) < 0)
		return 0;
	return sockaddr_port(&address);
}

void udp_forward_close(struct udp_forward *forward)
{
	if (!forward)
		return;
	while (forward->sessions.head) {
		struct udp_session *session = forward->sessions.head->data;

		udp_destroy(forward->udp, &session->flow);
	}
	take_out(forward->udp, forward);
	loop_remove(forward->source);
	fd_close(&forward->fd);
	tally_unref(forward->tally);
	g_free(forward);
}
