/* net/tcp.h - our own TCP: the guest's connections, each carried by a socket of the host.
 *
 * To the guest it is the far end of every connection (RFC 9293); to the host it is a program that
 * connects (net/dial.h). A SYN is answered only once the host's connect() has succeeded, and
 * with what a program on the host would have been told if it has not. A connection that the host
 * has accepted for the guest becomes a SYN from the client's own address.
 *
 * Costs nothing for flows that are idle: no timer but a rare keepalive, no buffer, one epoll
 * entry. Work is done at the end of a turn of the loop for the flows that something happened to.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/pool.h"
#include "net/route.h"
#include "net/stats.h"
#include "wire/frame.h"
#include "wire/inet.h"
#include "wire/tcpseg.h"

struct flows;
struct loop;
struct settings;
struct tally;
struct tcp;
struct toobig;

/* How segments leave. Neither call keeps a pointer. */
struct tcp_output {
	/* Send @seg with its payload to @to, from @from. @seg may be larger than its @mss where
	 * large_segments is set: then the link cuts it.
	 */
	void (*segment)(const struct tcpseg *seg, uint16_t mss, const struct mac *from,
			const struct mac *to, void *data);
	/* Send a packet (IP header on) as it is: an ICMP error. */
	void (*packet)(const uint8_t *packet, size_t len, const struct mac *from,
		       const struct mac *to, void *data);
	bool large_segments;
	void *data;
	route_nameserver_fn *nameserver; /* NULL is a host without any */
	/* The MAC of an address of the guest, for tcp_open_to_guest(). False: not known, and asked
	 * for: tcp_neighbour() follows. With @doubt it is asked for in any case.
	 */
	bool (*neighbour)(const struct ip *ip, bool doubt, struct mac *ret, void *data);
	struct flows *flows; /* borrowed: where connections are listed; NULL: nowhere */
};

/* @loop and @settings are borrowed. 0 or -errno. */
int tcp_new(struct loop *loop, const struct settings *settings, const struct tcp_output *output,
	    struct tcp **ret);
void tcp_free(struct tcp *tcp); /* NULL is a no-op; connections are reset */

/* A TCP segment from the guest that the gate let pass, its checksum right. */
void tcp_input(struct tcp *tcp, const uint8_t *bytes, const struct frame *frame);

/* A router behind the guest has no room for a segment. False: it is of no connection of ours. */
bool tcp_too_big(struct tcp *tcp, const struct toobig *report);

/* A client of the host and whom it wants in the guest; both addresses are of one family. */
struct tcp_endpoints {
	struct ip client, guest;
	uint16_t client_port, guest_port;
	struct tally *tally; /* where it is counted; NULL: nowhere */
};

/* A forwarded port has begun or ceased to use a descriptor, which no connection can have. */
void tcp_note_listener(struct tcp *tcp, bool opened);

/* How many connections to that place in the guest may be opened now: what it does not answer waits
 * in the host's backlog, and takes no room from others.
 */
size_t tcp_open_room(const struct tcp *tcp, const struct tcp_endpoints *ends);

/* Carry the accepted socket @fd (non-blocking; ours from here on) to the guest, where it comes from
 * the client's address and port. A client that the guest could not answer there (of the host's
 * loopback, of the guest's own network, link-local) appears as the gateway; where that place is
 * taken already, at another port. The client is reset when the guest refuses, and when it is silent
 * for a minute. 0, or -errno: the client has been reset.
 */
int tcp_open_to_guest(struct tcp *tcp, int fd, const struct tcp_endpoints *ends);

/* End the connections that are counted there: both ends are reset. How many. */
size_t tcp_drop(struct tcp *tcp, const struct tally *tally);

/* An address of the guest has this MAC. */
void tcp_neighbour(struct tcp *tcp, const struct ip *ip, const struct mac *mac);

/* Why a segment or a connection of the guest comes to nothing. */
enum tcp_drop {
	TCP_DROP_CHECKSUM,    /* segment: counted by who verifies it, before tcp_input() */
	TCP_DROP_MALFORMED,   /* segment: options that do not add up */
	TCP_DROP_CHALLENGED,  /* segment: a RST, SYN or ACK that does not fit (RFC 5961) */
	TCP_DROP_HALF_OPEN,   /* connection: the oldest of too many half-open ones made room */
	TCP_DROP_FLOWS,	      /* connection: too many already */
	TCP_DROP_DESCRIPTORS, /* connection: RLIMIT_NOFILE */
	TCP_DROP_RESOURCES,   /* connection: the host is out of memory or open files */
	TCP_DROPS
};

#define TCP_STATES 10 /* enum tcp_state, net/tcp_flow.h */

struct tcp_stats {
	size_t flows, flows_limit;
	size_t half_open, half_open_limit;
	size_t flows_by_state[TCP_STATES];
	uint64_t opened;  /* connections that the host has accepted */
	uint64_t refused; /* connections that it did not accept */
	uint64_t reset;	  /* resets sent to the guest or taken from it */
	uint64_t opened_to_guest, refused_by_guest, unanswered_by_guest; /* accepted by the host */
	uint64_t bytes_to_host, bytes_to_guest;
	uint64_t retransmitted;	    /* segments */
	uint64_t path_mtu_changes;  /* connections that an ICMP error has told of a narrower link */
	uint64_t path_mtu_guesses;  /* connections that three timeouts have told of one */
	uint64_t out_of_order;	    /* segments of the guest that were kept, or had no room */
	uint64_t strays;	    /* segments of no connection, or to a group */
	uint64_t strays_unanswered; /* of these, those that got no RST because there were too many */
	uint64_t drops[TCP_DROPS];
};

extern const struct stats_table tcp_stats_table; /* of struct tcp_stats */

struct tcp_stats tcp_stats(const struct tcp *tcp);
struct pool_stats tcp_pool_stats(const struct tcp *tcp); /* of the buffers of all flows */

/* Count one. A connection that there is no room for is logged too, once a minute for each reason. */
void tcp_count_drop(struct tcp *tcp, enum tcp_drop drop);

#endif
