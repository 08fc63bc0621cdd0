/* The table of bindings and sessions, their limits, and their end by age.
 *
 * Nothing here has a timer of its own. A flow that is used goes to the tail of a queue of flows
 * that live equally long, so the heads of a few queues are all that has to be looked at, both when
 * time has passed and when somebody has to make room. One timer of the loop stands at the soonest
 * head; a flow that was used meanwhile makes it fire for nothing, once in a lifetime at most.
 *
 * A stranger can make sessions at a forwarded port by sending from many addresses. That must not
 * end what the guest has begun, so a session takes the place of one that the guest has not answered
 * before it takes that of anybody else; and where sessions are half of all, as they become where the guest
 * answers everybody, that of a session in any case.
 */
#include "net/udp.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fd.h"
#include "net/udp_flow.h"

#define TABLE_MIN (1u << 8)
#define TABLE_MAX (1u << 18)
#define FAMILY_TRIES 64	      /* idle bindings that are looked at for one of a family */
#define PEER_SLOTS (1u << 20) /* of all bindings together: 20 MiB */

static const char *const drop_names[] = {
	[UDP_DROP_CHECKSUM] = "checksum",	[UDP_DROP_MALFORMED] = "malformed",
	[UDP_DROP_MULTICAST] = "multicast",	[UDP_DROP_BROADCAST] = "broadcast",
	[UDP_DROP_UNREACHABLE] = "unreachable", [UDP_DROP_HOST_FULL] = "host_full",
	[UDP_DROP_FILTERED] = "filtered",	[UDP_DROP_LINK_FULL] = "no_room",
	[UDP_DROP_WAITING] = "waiting",		[UDP_DROP_LIMIT] = "limit",
	[UDP_DROP_DESCRIPTORS] = "descriptors", [UDP_DROP_RESOURCES] = "resources",
};
static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == UDP_DROPS, "a name per reason");

static const char *drop_name(size_t index)
{
	return drop_names[index];
}

static const struct stats_row rows[] = {
	{ "bindings", "Ports of the guest that have a socket of the host",
	  STATS_NUMBER(struct udp_stats, bindings) },
	{ "sessions", "Clients of forwarded ports", STATS_NUMBER(struct udp_stats, sessions) },
	{ "limit", "How many there may be of both together",
	  STATS_NUMBER(struct udp_stats, limit) },
	{ "opened", "Bindings that there have been", STATS_NUMBER(struct udp_stats, opened) },
	{ "sessions_opened", "Sessions that there have been",
	  STATS_NUMBER(struct udp_stats, sessions_opened) },
	{ "expired", "Bindings and sessions that ended because nobody used them",
	  STATS_NUMBER(struct udp_stats, expired) },
	{ "datagrams_to_host", "Datagrams sent for the guest",
	  STATS_NUMBER(struct udp_stats, datagrams_to_host) },
	{ "bytes_to_host", "Bytes in them, without headers",
	  STATS_NUMBER(struct udp_stats, bytes_to_host) },
	{ "datagrams_to_guest", "Datagrams that the guest was sent",
	  STATS_NUMBER(struct udp_stats, datagrams_to_guest) },
	{ "bytes_to_guest", "Bytes in them, without headers",
	  STATS_NUMBER(struct udp_stats, bytes_to_guest) },
	{ "errors", "ICMP errors about its datagrams that the guest was sent",
	  STATS_NUMBER(struct udp_stats, errors) },
	{ "errors_unanswered", "Errors that it was not sent, because there were too many",
	  STATS_NUMBER(struct udp_stats, errors_unanswered) },
	{ "peers_forgotten", "Peers of a binding that may not answer any more, for newer ones",
	  STATS_NUMBER(struct udp_stats, peers_forgotten) },
	{ "drops", "Datagrams that were dropped, and bindings and sessions that made room",
	  STATS_ARRAY(struct udp_stats, drops, drop_name), .counts_drops = true },
	{ 0 },
};

const struct stats_table udp_stats_table = { "udp", "UDP datagrams and bindings", rows };

void udp_count_drop(struct udp *udp, enum udp_drop drop)
{
	struct log_limit *limit = &udp->log_limits[drop];

	udp->stats.drops[drop]++;
	if (drop == UDP_DROP_LIMIT)
		log_limited(limit, loop_now_ms(udp->loop),
			    "udp: the idlest makes room: limit, which is %zu", udp->stats.limit);
	else if (drop == UDP_DROP_DESCRIPTORS)
		log_limited(limit, loop_now_ms(udp->loop),
			    "udp: the idlest makes room: descriptors or ports have run out");
	else if (drop == UDP_DROP_RESOURCES)
		log_limited(limit, loop_now_ms(udp->loop),
			    "udp: no room for a binding or session: memory, files or ports have "
			    "run out");
}

void udp_count_drops(struct udp *udp, enum udp_drop drop, size_t datagrams)
{
	udp->stats.drops[drop] += datagrams;
}

size_t udp_chain(const struct udp *udp, const struct udp_key *key)
{
	return siphash(&udp->key, key, sizeof(*key)) & (udp->table_size - 1);
}

struct udp_flow *udp_find(const struct udp *udp, const struct udp_key *key)
{
	struct udp_flow *flow = udp->table[udp_chain(udp, key)];

	while (flow && memcmp(&flow->key, key, sizeof(*key)) != 0)
		flow = flow->hash_next;
	return flow;
}

static struct peer peer_of(const struct ip *ip, uint16_t port)
{
	struct peer peer = { .port = port };

	memcpy(peer.address, ip->v6.b, ip->family == IP_V6 ? 16 : 4);
	return peer;
}

/* Endpoints whoever may answer: they tell what the guest has begun from what its clients have. */
void udp_note_peer(struct udp *udp, struct udp_binding *binding, const struct ip *ip, uint16_t port)
{
	const struct peer endpoint = peer_of(ip, port), address = peer_of(ip, 0);

	peerset_add(&binding->peers, &udp->peers, &endpoint);
	if (binding->flow.key.kind != UDP_DNS && udp->settings->udp_filter == UDP_FILTER_ADDRESS)
		peerset_add(&binding->peers, &udp->peers, &address);
}

bool udp_has_peer(const struct udp *udp, const struct udp_binding *binding, const struct ip *ip,
		  uint16_t port)
{
	const struct peer peer = peer_of(ip, port);

	return peerset_has(&binding->peers, &udp->peers, &peer);
}

bool udp_may_answer(const struct udp *udp, const struct udp_binding *binding, const struct ip *ip,
		    uint16_t port)
{
	if (binding->flow.key.kind == UDP_DNS)
		return udp_has_peer(udp, binding, ip, port);
	switch (udp->settings->udp_filter) {
	case UDP_FILTER_ENDPOINT:
		return udp_has_peer(udp, binding, ip, port);
	case UDP_FILTER_ADDRESS:
		return udp_has_peer(udp, binding, ip, 0);
	case UDP_FILTER_NONE:
		return true;
	}
	return false;
}

static int64_t lifetime_ms(const struct udp *udp, enum udp_queue queue)
{
	const int64_t long_ms = (int64_t)udp->settings->udp_timeout_s * 1000;

	return queue == UDP_BINDINGS_SHORT || queue == UDP_SESSIONS_SHORT ?
		       MIN(UDP_SHORT_MS, long_ms) :
		       long_ms;
}

/* Put at the tail of a queue; the timer is not to come later than its time. */
static void enqueue(struct udp *udp, struct udp_flow *flow, enum udp_queue queue)
{
	const int64_t end_ms = loop_now_ms(udp->loop) + lifetime_ms(udp, queue);

	flow->used_ms = loop_now_ms(udp->loop);
	flow->queue = (uint8_t)queue;
	g_queue_push_tail_link(&udp->idle[queue], &flow->idle);
	if (!udp->expiry.armed || udp->expiry.at_ms > end_ms)
		loop_timer_arm(udp->loop, &udp->expiry, end_ms);
}

void udp_touch(struct udp *udp, struct udp_flow *flow, enum udp_queue queue)
{
	if (flow->queue == queue && flow->used_ms == loop_now_ms(udp->loop))
		return;
	g_queue_unlink(&udp->idle[flow->queue], &flow->idle);
	enqueue(udp, flow, queue);
}

void udp_insert(struct udp *udp, struct udp_flow *flow, const struct udp_key *key,
		enum udp_queue queue)
{
	struct udp_flow **chain = &udp->table[udp_chain(udp, key)];

	flow->key = *key;
	flow->hash_next = *chain;
	*chain = flow;
	flow->idle.data = flow;
	flow->udp = udp;
	enqueue(udp, flow, queue);
	flow->listed.class = &udp_flows_class;
	flow->listed.begun_ms = flow->used_ms;
	flows_add(udp->output.flows, &flow->listed);
	if (udp_is_session(flow)) {
		udp->stats.sessions++;
		udp->stats.sessions_opened++;
	} else {
		udp->stats.bindings++;
		udp->stats.opened++;
	}
}

static void release_binding(struct udp *udp, struct udp_binding *binding)
{
	loop_remove(binding->source);
	fd_close(&binding->fd);
	peerset_clear(&binding->peers, &udp->peers);
	udp->stats.bindings--;
}

static int socket_of(struct udp_flow *flow)
{
	return udp_is_session(flow) ? udp_forward_of(flow)->fd : udp_binding_of(flow)->fd;
}

void udp_destroy(struct udp *udp, struct udp_flow *flow)
{
	struct udp_flow **at = &udp->table[udp_chain(udp, &flow->key)];

	if (udp->batch.fd == socket_of(flow)) /* what it was given to send was in time */
		udp_flush(udp);
	while (*at != flow)
		at = &(*at)->hash_next;
	*at = flow->hash_next;
	g_queue_unlink(&udp->idle[flow->queue], &flow->idle);
	flows_remove(udp->output.flows, &flow->listed);
	if (udp_is_session(flow)) {
		udp_session_release(udp, udp_session_of(flow));
		udp->stats.sessions--;
	} else {
		release_binding(udp, udp_binding_of(flow));
	}
	g_free(flow);
}

/* The one of the heads of these queues that was idle longest, or NULL. */
static struct udp_flow *idlest(struct udp *udp, enum udp_queue first, enum udp_queue last)
{
	struct udp_flow *idlest = NULL;

	for (int i = first; i <= (int)last; i++) {
		struct udp_flow *head = g_queue_peek_head(&udp->idle[i]);

		if (head && (!idlest || head->used_ms < idlest->used_ms))
			idlest = head;
	}
	return idlest;
}

void udp_make_room(struct udp *udp, bool for_session)
{
	struct udp_flow *victim = NULL;

	if (udp->stats.bindings + udp->stats.sessions < udp->stats.limit)
		return;
	if (for_session)
		victim = idlest(udp, UDP_SESSIONS_SHORT, UDP_SESSIONS_SHORT);
	if (for_session && !victim && udp->stats.sessions >= udp->stats.limit / 2)
		victim = idlest(udp, UDP_SESSIONS_LONG, UDP_SESSIONS_LONG);
	if (!victim)
		victim = idlest(udp, UDP_BINDINGS_SHORT, UDP_SESSIONS_LONG);
	udp_count_drop(udp, UDP_DROP_LIMIT);
	udp_destroy(udp, victim);
}

/* The idlest binding of @family, if it is among the first of @queue. */
static struct udp_flow *idlest_of(const struct udp *udp, enum udp_queue queue,
				  enum ip_family family)
{
	const GList *at = udp->idle[queue].head;

	for (int i = 0; at && i < FAMILY_TRIES; i++, at = at->next) {
		struct udp_flow *flow = at->data;

		if (family == IP_NONE || flow->key.family == family)
			return flow;
	}
	return NULL;
}

bool udp_free_descriptor(struct udp *udp, enum ip_family family)
{
	struct udp_flow *victim = idlest_of(udp, UDP_BINDINGS_SHORT, family);
	struct udp_flow *other = idlest_of(udp, UDP_BINDINGS_LONG, family);

	if (!victim || (other && other->used_ms < victim->used_ms))
		victim = other;
	if (!victim)
		return false;
	udp_count_drop(udp, UDP_DROP_DESCRIPTORS);
	udp_destroy(udp, victim);
	return true;
}

/* End what has been idle for too long. */
static void time_passed(void *data)
{
	struct udp *udp = data;
	const int64_t now_ms = loop_now_ms(udp->loop);
	int64_t soonest_ms = CLOCK_NEVER;

	for (int i = 0; i < UDP_QUEUES; i++) {
		const int64_t life_ms = lifetime_ms(udp, (enum udp_queue)i);
		struct udp_flow *head;

		while ((head = g_queue_peek_head(&udp->idle[i])) &&
		       head->used_ms + life_ms <= now_ms) {
			udp->stats.expired++;
			udp_destroy(udp, head);
		}
		if (head)
			soonest_ms = MIN(soonest_ms, head->used_ms + life_ms);
	}
	if (soonest_ms != CLOCK_NEVER)
		loop_timer_arm(udp->loop, &udp->expiry, soonest_ms);
}

static void turn_end(void *data)
{
	udp_flush(data);
}

static size_t table_size_for(size_t limit)
{
	size_t size = TABLE_MIN;

	while (size < limit && size < TABLE_MAX)
		size *= 2;
	return size;
}

int udp_new(struct loop *loop, const struct settings *settings, const struct udp_output *output,
	    struct udp **ret)
{
	struct siphash_key keys[2];
	struct udp *udp;
	struct rlimit files;

	if (getrandom(keys, sizeof(keys), 0) != sizeof(keys))
		return -EIO;
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return -errno;
	udp = g_new0(struct udp, 1);
	udp->loop = loop;
	udp->settings = settings;
	udp->output = *output;
	udp->key = keys[0];
	udp->peers = (struct peerset_common){ .key = keys[1], .slots_max = PEER_SLOTS };
	udp->descriptors = files.rlim_cur;
	/* A quarter of the descriptors is never UDP's. */
	udp->stats.limit = MIN(settings->udp_bindings, MAX(1, files.rlim_cur / 4 * 3));
	udp->table_size = table_size_for(udp->stats.limit);
	udp->table = g_new0(struct udp_flow *, udp->table_size);
	udp->clients = g_new0(struct udp_session *, udp->table_size);
	udp->ports = g_new0(struct udp_forward *, udp->table_size);
	udp->packet_id = (uint32_t)siphash(&udp->key, "", 0);
	udp->batch.arena = g_malloc(UDP_ARENA);
	udp->inbox = udp_inbox_new();
	for (int i = 0; i < UDP_DROPS; i++)
		udp->log_limits[i].burst = 1;
	udp->expiry.fn = time_passed;
	udp->expiry.data = udp;
	loop_add_turn_end(loop, turn_end, udp);
	*ret = udp;
	return 0;
}

void udp_free(struct udp *udp)
{
	if (!udp)
		return;
	for (int i = 0; i < UDP_QUEUES; i++) {
		while (udp->idle[i].head)
			udp_destroy(udp, udp->idle[i].head->data);
	}
	loop_remove_turn_end(udp->loop, turn_end, udp);
	loop_timer_disarm(udp->loop, &udp->expiry);
	g_free(udp->batch.arena);
	udp_inbox_free(udp->inbox);
	g_free(udp->table);
	g_free(udp->clients);
	g_free(udp->ports);
	g_free(udp);
}

struct udp_stats udp_stats(const struct udp *udp)
{
	struct udp_stats stats = udp->stats;

	stats.peers_forgotten = udp->peers.forgotten;
	return stats;
}
