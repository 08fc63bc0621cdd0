/* net/tcp.h - our own TCP: the guest's connections, each carried by a socket of the host.
 *
 * To the guest it is the far end of every connection (RFC 9293); to the host it is a program that
 * connects (net/dial.h). A SYN is answered only once the host's connect() has succeeded, and
 * with what a program on the host would have been told if it has not.
 *
 * Costs nothing for flows that are idle: no timer but a rare keepalive, no buffer, one epoll
 * entry. Work is done at the end of a turn of the loop for the flows that something happened to.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"
#include "wire/inet.h"
#include "wire/tcpseg.h"

struct loop;
struct settings;
struct tcp;

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
};

/* @loop and @settings are borrowed. 0 or -errno. */
int tcp_new(struct loop *loop, const struct settings *settings, const struct tcp_output *output,
	    struct tcp **ret);
void tcp_free(struct tcp *tcp); /* NULL is a no-op; connections are reset */

/* A TCP segment from the guest that the gate let pass, its checksum right. False: it belongs to no
 * connection of ours and is not to start one; another stack may have it.
 */
bool tcp_input(struct tcp *tcp, const uint8_t *bytes, const struct frame *frame);

struct tcp_stats {
	uint64_t opened, refused, reset; /* connections: by us, by the host, by either end */
	uint64_t dropped_half_open;	 /* the oldest of too many half-open ones */
	uint64_t dropped_no_room;	 /* at the limit of flows or descriptors */
	uint64_t retransmitted;		 /* segments */
	uint64_t bad_segments;		 /* out of window, or options that do not add up */
	uint64_t bytes_to_host, bytes_to_guest;
	size_t flows, half_open;
};

struct tcp_stats tcp_stats(const struct tcp *tcp);

#endif
