/* net/udp.h - our own UDP: the guest's datagrams, each port of it carried by a socket of the host.
 *
 * To the host it is a program with one unconnected socket for each address and port of the guest (a
 * binding), so whoever asks the guest's peers sees one and the same port (RFC 4787 section 4.1,
 * endpoint-independent mapping). Who may answer is the user's choice (section 5). What the host's
 * kernel says of a datagram's fate the guest is told by ICMP. Ports of the host can lead to the
 * guest (udp_forward_listen()): then the guest sees the client's own address.
 *
 * Costs nothing while idle: one socket, one entry in the epoll set, under 512 bytes; no timer of its
 * own. A binding ends when nobody has talked through it for a while, or when it was idle longest and
 * another one needs the room.
 */
#ifndef NET_UDP_H
#define NET_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/link.h"
#include "net/route.h"
#include "net/stats.h"
#include "wire/frame.h"
#include "wire/inet.h"

struct flows;
struct forward_spec;
struct loop;
struct settings;
struct tally;
struct udp;
struct udp_forward;

/* How frames leave, and what is asked of the world. No call keeps a pointer. */
struct udp_output {
	/* link_send_segment(): False: the link had no room. */
	bool (*frame)(const uint8_t *headers, size_t header_len, const uint8_t *payload, size_t len,
		      const struct link_offload *offload, void *data);
	bool partial_checksums; /* what the link can do: link.h, vnet_hdr */
	bool large_datagrams;	/* and uso */
	void *data;
	route_nameserver_fn *nameserver; /* NULL is a host without any */
	/* The MAC of an address of the guest, for forwarded ports. False: not known, and asked for:
	 * udp_neighbour() follows. With @doubt it is asked for in any case.
	 */
	bool (*neighbour)(const struct ip *ip, bool doubt, struct mac *ret, void *data);
	struct flows *flows; /* borrowed: where bindings and sessions are listed; NULL: nowhere */
};

/* @loop and @settings are borrowed. 0 or -errno. */
int udp_new(struct loop *loop, const struct settings *settings, const struct udp_output *output,
	    struct udp **ret);
/* NULL is a no-op. Forwards have been closed before. */
void udp_free(struct udp *udp);

/* A frame from the guest that the gate let pass (gate_udp_fn). What it has to send goes out at the
 * end of this turn of the loop at the latest.
 */
void udp_input(struct udp *udp, const uint8_t *bytes, const struct frame *frame,
	       const struct link_info *info);

/* An address of the guest has this MAC. */
void udp_neighbour(struct udp *udp, const struct ip *ip, const struct mac *mac);

/* Listen at one address and port of the host; both addresses of @spec are set and of one family. An
 * IPv6 socket takes no IPv4 clients; a guest address of 0.0.0.0 is that of the first DHCP lease.
 * Port 0: the kernel chooses. A client that the guest could not answer appears as the gateway;
 * where that port is taken already, at another one. What the guest sends from the forwarded port to
 * others leaves by it, too. @tally: where its sessions are counted, a reference is taken; NULL: nowhere.
 * 0, or -errno of socket(2) or bind(2).
 */
int udp_forward_listen(struct udp *udp, const struct forward_spec *spec, struct tally *tally,
		       struct udp_forward **ret);
uint16_t udp_forward_port(const struct udp_forward *forward); /* that of the host */
/* Stop listening, and forget its clients. NULL is a no-op. */
void udp_forward_close(struct udp_forward *forward);

/* Why a datagram, or something that is kept for datagrams, comes to nothing. */
enum udp_drop {
	UDP_DROP_CHECKSUM,    /* datagram of the guest */
	UDP_DROP_MALFORMED,   /* the same: port 0, or no time to live */
	UDP_DROP_MULTICAST,   /* to a group */
	UDP_DROP_BROADCAST,   /* to everybody */
	UDP_DROP_UNREACHABLE, /* it cannot be sent; the guest is told by ICMP */
	UDP_DROP_HOST_FULL,   /* the host's socket takes no more now */
	UDP_DROP_FILTERED,    /* datagram of the host: from somebody who was not sent anything */
	UDP_DROP_LINK_FULL,   /* the guest takes no more now */
	UDP_DROP_WAITING,     /* it waited for the guest's MAC, and a newer one took its place */
	UDP_DROP_LIMIT,	      /* binding or session: idle longest when there were too many */
	UDP_DROP_DESCRIPTORS, /* binding: idle longest when descriptors or ports had run out */
	UDP_DROP_RESOURCES, /* datagram: no socket for it, or no port at which a client may be seen */
	UDP_DROPS
};

struct udp_stats {
	size_t bindings, sessions, limit; /* the limit is of both together */
	uint64_t opened, sessions_opened;
	uint64_t expired; /* of both, after their time */
	uint64_t datagrams_to_host, bytes_to_host;
	uint64_t datagrams_to_guest, bytes_to_guest;
	uint64_t errors;	    /* ICMP sent to the guest */
	uint64_t errors_unanswered; /* that were too many to be sent */
	uint64_t peers_forgotten;   /* that a binding had sent to: they can answer no more */
	uint64_t drops[UDP_DROPS];
};

extern const struct stats_table udp_stats_table; /* of struct udp_stats */

struct udp_stats udp_stats(const struct udp *udp);

#endif
