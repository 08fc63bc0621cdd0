/* net/udp_flow.h - bindings and sessions, as the files of our UDP share them. Not for others.
 *
 *   udp.c          the table, limits, the end by age
 *   udp_guest.c    what comes from the guest, and the batch in which it goes to a socket
 *   udp_host.c     what comes to a binding's socket, and how datagrams get to the guest
 *   udp_error.c    what the host's kernel says became of a datagram
 *   udp_forward.c  ports of the host that lead to the guest: sockets and sessions
 *   udp_list.c     what is told of both to those who list them
 */
#ifndef NET_UDP_FLOW_H
#define NET_UDP_FLOW_H

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/loop.h"
#include "net/flows.h"
#include "net/peerset.h"
#include "net/settings.h"
#include "net/sockaddr.h"
#include "net/tally.h"
#include "net/udp.h"
#include "wire/icmperr.h"
#include "wire/siphash.h"
#include "wire/udpgram.h"

#define UDP_SHORT_MS (10 * 1000) /* what asks a name server, and who was not answered yet */
#define UDP_DESCRIPTORS_LEFT \
	4 /* for the API; fewer than TCP leaves: names can still be asked for */

enum udp_kind {
	UDP_BINDING, /* struct udp_binding: the guest's port towards all the world */
	UDP_DNS, /* the same, towards the name server, whose answers come from the DNS address */
	UDP_SESSION, /* struct udp_session: a client of a forwarded port, and the guest's */
};

/* Of a binding: the guest's address and port. Of a session: its port, and whom it talks to; a guest of
 * several addresses may answer from another one than was sent to.
 */
struct udp_key { /* no padding: it is hashed as bytes */
	uint8_t address[16];
	uint16_t guest_port, seen_port; /* seen_port: sessions only */
	uint8_t family, kind, zero[2];
};

/* Each is in one of these, the one that was idle longest first. */
enum udp_queue {
	UDP_BINDINGS_SHORT,
	UDP_BINDINGS_LONG,
	UDP_SESSIONS_SHORT, /* the guest has not answered yet */
	UDP_SESSIONS_LONG,
	UDP_QUEUES
};

/* What bindings and sessions have in common; it is the first member of both. */
struct udp_flow {
	struct udp_key key;
	struct udp_flow *hash_next;
	GList idle; /* udp::idle[queue] */
	int64_t used_ms;
	struct mac our_mac;
	uint8_t queue; /* enum udp_queue */
	struct udp *udp;
	struct flows_entry listed;
};

struct udp_binding {
	struct udp_flow flow;
	struct mac guest_mac;
	int fd; /* owned */
	struct loop_source *source;
	struct peerset peers; /* whom the guest has sent to */
};

struct udp_session {
	struct udp_flow flow;
	struct udp_forward *forward;
	struct udp_session *client_next; /* chain of udp::clients */
	GList of_forward;		 /* udp_forward::sessions */
	union sockaddr_any client;
	struct ip local; /* the address that the client has sent to; IP_NONE: not told, or not yet */
	unsigned local_interface;
	struct ip answers_from; /* the guest's address in its last answer; IP_NONE: there was none */
	struct udp_held *held;	/* owned; the newest datagram, until the guest's MAC is known */
	GList holding;		/* udp::holding, while there is one */
};

struct udp_forward {
	struct udp *udp;
	struct udp_key key;	       /* that a binding of the guest's address and port has */
	struct udp_forward *hash_next; /* chain of udp::ports */
	GList listed;		       /* udp::forwards */
	int fd;			       /* owned */
	struct loop_source *source;
	struct ip host; /* where it is bound */
	struct ip guest;
	uint16_t guest_port;
	bool mac_known;
	struct mac guest_mac;
	struct tally *tally; /* a reference, as each session has one; NULL: nobody counts */
	GQueue sessions;
};

#define UDP_BATCH 64
#define UDP_JOINED 64		/* datagrams in one: UDP_MAX_SEGMENTS of older kernels */
#define UDP_JOINED_BYTES 65000u /* and what they may have together */
#define UDP_ARENA (256u << 10)	/* bytes of all datagrams of a batch; the largest one fits */
#define UDP_TTL 64		/* of our sockets: what is sent without a word about it */
#define UDP_CONTROL 128		/* room for four ancillary messages */

/* Datagrams of the guest that wait to be sent from one socket: of a binding, or of sessions of one forward. */
struct udp_batch {
	int fd; /* that socket; borrowed */
	unsigned count;
	size_t used; /* bytes of arena */
	uint8_t *arena;
	struct mmsghdr messages[UDP_BATCH];
	struct iovec parts[UDP_BATCH];
	struct udp_outgoing {
		struct udp_flow *flow;
		union sockaddr_any to;
		struct ip seen; /* to whom, in the guest's words */
		uint16_t seen_port;
		uint16_t gso_size; /* it is of several datagrams of this size; 0: it is one */
		unsigned joined;   /* datagrams in it, but for what the guest has joined itself */
		uint8_t ttl, tos;
		uint8_t control[UDP_CONTROL] __attribute__((aligned(8)));
	} items[UDP_BATCH];
};

struct dial_target;
struct udp_inbox; /* udp_host.c: what recvmmsg(2) fills */

struct udp {
	struct loop *loop;		 /* borrowed */
	const struct settings *settings; /* borrowed */
	struct udp_output output;
	struct siphash_key key;
	size_t table_size; /* chains of each table: a power of two */
	struct udp_flow **table;
	struct udp_session **clients; /* sessions by client */
	struct udp_forward **ports; /* forwards by the guest's address and port, the oldest first */
	GQueue forwards;
	GQueue holding; /* sessions with a datagram that waits for the guest's MAC */
	GQueue idle[UDP_QUEUES];
	struct loop_timer expiry;
	struct peerset_common peers;
	struct udp_batch batch;
	struct udp_inbox *inbox;
	size_t held_bytes;  /* of all sessions */
	uint32_t packet_id; /* of the next packet to the guest that may be cut */
	bool can_segment;   /* the kernel has UDP_SEGMENT; known once there is a socket */
	bool probed;
	int64_t errors_since_ms; /* the second in which errors_sent were */
	unsigned errors_sent;
	uint64_t descriptors; /* RLIMIT_NOFILE at the start */
	struct log_limit log_limits[UDP_DROPS];
	struct udp_stats stats;
};

static inline bool udp_is_session(const struct udp_flow *flow)
{
	return flow->key.kind == UDP_SESSION;
}

static inline struct udp_binding *udp_binding_of(struct udp_flow *flow)
{
	return (struct udp_binding *)(void *)flow;
}

static inline struct udp_session *udp_session_of(struct udp_flow *flow)
{
	return (struct udp_session *)(void *)flow;
}
static_assert(offsetof(struct udp_binding, flow) == 0 && offsetof(struct udp_session, flow) == 0,
	      "a flow is its first member");

static inline struct udp_key udp_key(enum udp_kind kind, const struct ip *ip, uint16_t guest_port,
				     uint16_t seen_port)
{
	struct udp_key key = {
		.guest_port = guest_port,
		.seen_port = seen_port,
		.family = (uint8_t)ip->family,
		.kind = (uint8_t)kind,
	};

	memcpy(key.address, ip->v6.b, ip->family == IP_V6 ? 16 : 4);
	return key;
}

/* The address of a key, which is padded with zeros. */
static inline struct ip udp_key_address(const struct udp_key *key)
{
	struct ip ip = { .family = (enum ip_family)key->family };

	memcpy(ip.v6.b, key->address, sizeof(ip.v6.b));
	return ip;
}

static inline struct udp_forward *udp_forward_of(const struct udp_flow *session)
{
	return ((const struct udp_session *)(const void *)session)->forward;
}

/* The guest's end, as far as errors are to find it: where it has last sent from. */
static inline struct ip udp_guest(const struct udp_flow *flow)
{
	const struct udp_session *session = (const struct udp_session *)(const void *)flow;

	if (!udp_is_session(flow))
		return udp_key_address(&flow->key);
	return session->answers_from.family == IP_NONE ? session->forward->guest :
							 session->answers_from;
}

static inline const struct mac *udp_guest_mac(const struct udp_flow *flow)
{
	if (udp_is_session(flow))
		return &udp_forward_of(flow)->guest_mac;
	return &((const struct udp_binding *)(const void *)flow)->guest_mac;
}

/* How many there are in one of @len bytes that the kernel has joined, or is to cut. */
static inline size_t udp_datagrams(size_t len, uint16_t gso_size)
{
	return gso_size == 0 ? 1 : (len + gso_size - 1) / gso_size;
}

/* Whether a socket took no more, which is nobody's fault. */
static inline bool udp_is_full(int error)
{
	return error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM;
}

/* udp.c */
size_t udp_chain(const struct udp *udp, const struct udp_key *key); /* of it, in any table */
struct udp_flow *udp_find(const struct udp *udp, const struct udp_key *key);
/* Into the table and the queue. Room has been made (udp_make_room()). */
void udp_insert(struct udp *udp, struct udp_flow *flow, const struct udp_key *key,
		enum udp_queue queue);
void udp_touch(struct udp *udp, struct udp_flow *flow, enum udp_queue queue); /* it was used */
void udp_destroy(struct udp *udp, struct udp_flow *flow);
/* For one more binding or session: what was idle longest ends if there are too many. */
void udp_make_room(struct udp *udp, bool for_session);
/* The binding that was idle longest ends, for its descriptor. False: there is none. */
bool udp_free_descriptor(struct udp *udp, enum ip_family family /* IP_NONE: either */);
void udp_count_drop(struct udp *udp, enum udp_drop drop);
void udp_count_drops(struct udp *udp, enum udp_drop drop, size_t datagrams); /* one of several */
/* The guest sends there, has sent there; and who may answer, by the user's choice. Addresses are
 * those of the host's world.
 */
void udp_note_peer(struct udp *udp, struct udp_binding *binding, const struct ip *ip,
		   uint16_t port);
bool udp_has_peer(const struct udp *udp, const struct udp_binding *binding, const struct ip *ip,
		  uint16_t port);
bool udp_may_answer(const struct udp *udp, const struct udp_binding *binding, const struct ip *ip,
		    uint16_t port);

/* udp_list.c */
extern const struct flows_class udp_flows_class;

/* udp_guest.c */
void udp_flush(struct udp *udp); /* send the batch */

/* udp_host.c */
/* A socket that tells all that we want to know of datagrams, bound to @at (of either family; any
 * address of it: the kernel chooses) and @port. @tells_local: also to which address of ours they were
 * sent. Its descriptor, or -errno.
 */
int udp_socket(struct udp *udp, const struct ip *at, uint16_t port, bool tells_local);
void udp_binding_event(uint32_t events, void *data); /* a loop_source_fn */
/* What there is to be known of a datagram beside its bytes. */
struct udp_arrival {
	union sockaddr_any from;
	struct ip local;	  /* IP_NONE: not told */
	unsigned local_interface; /* of local, where it is link-local */
	uint8_t ttl, tos;
	uint16_t gso_size; /* the kernel has joined several of this size; 0: it is one */
	const uint8_t *payload;
	size_t len;
};
/* Read what waits at @fd, no more than a turn's share, and give each to @take. */
typedef void udp_take_fn(const struct udp_arrival *arrival, void *data);
void udp_receive(struct udp *udp, int fd, udp_take_fn *take, void *data);
/* To the guest, in the words of @gram, of which src, dst and the ports are set; the rest is
 * @arrival's.
 */
void udp_deliver(struct udp *udp, struct udp_flow *flow, struct udpgram *gram,
		 const struct udp_arrival *arrival);
struct udp_inbox *udp_inbox_new(void);
void udp_inbox_free(struct udp_inbox *inbox);

/* udp_error.c */
/* What the kernel has to say of datagrams that were sent from @fd, at most a turn's share of it: the
 * socket of @binding or of @forward, the other one is NULL.
 */
void udp_read_errors(struct udp *udp, int fd, struct udp_binding *binding,
		     struct udp_forward *forward);
/* The @index'th datagram of the batch cannot be sent: -errno. */
void udp_tell_failure(struct udp *udp, unsigned index, int error);
/* A datagram that has come from the MAC @guest to the MAC @ours leads nowhere: -errno. */
void udp_tell_unreachable(struct udp *udp, const struct udpgram *gram, int error,
			  const struct mac *guest, const struct mac *ours);

/* udp_forward.c */
struct udp_session *udp_session_of_client(struct udp *udp, struct udp_forward *forward,
					  const union sockaddr_any *client,
					  const struct ip *local /* NULL: any */);
/* By which a datagram of the guest leaves: the session that it is an answer of, or a new one if its
 * port is a forwarded one, so that it has one port of the host, whoever has begun (RFC 4787 section
 * 4.1). @target: where it leads to; NULL: nowhere. NULL: a binding is to carry it.
 */
struct udp_session *udp_session_for(struct udp *udp, const struct udpgram *gram,
				    const struct mac *from, const struct dial_target *target);
void udp_session_release(struct udp *udp, struct udp_session *session); /* before it is freed */

#endif
