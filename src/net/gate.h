/* net/gate.h - the first to see a frame from the guest, and the only way further in.
 *
 * A frame passes only if every length in it is true, it comes from an address that is the guest's
 * to use, and it is for somebody who may be reached: an address of the guest's own network other
 * than the gateway, the DNS address and broadcast leads nowhere, and must not be looked for on
 * the host's network. TCP and UDP then go to stacks of their own, where there are such, and so do
 * the ICMP errors that tell TCP of a narrow link. What goes to libslirp is only what libslirp is
 * needed for, no fragments, in the form in which its bugs cannot be reached: see gate.c. What does
 * not pass is dropped and counted by reason.
 */
#ifndef NET_GATE_H
#define NET_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addrplan.h"
#include "net/defrag.h"
#include "net/link.h"
#include "net/neighbour.h"
#include "net/stats.h"
#include "wire/frame.h"
#include "wire/toobig.h"

/* Why a frame that is one does not pass. GATE_OK is 0. */
enum gate_drop {
	GATE_OK,
	GATE_SOURCE,   /* from an address that is not the guest's */
	GATE_NOWHERE,  /* to an address that leads nowhere */
	GATE_LARGE,    /* for the link to cut (GSO), and nobody here takes such, or not like this */
	GATE_OVER_MTU, /* longer than the MTU */
	GATE_FRAGMENT, /* not the next of its packet (net/defrag.h), or of IPv6 for libslirp */
	GATE_TFTP,
	GATE_DHCP6,
	GATE_CHECKSUM, /* a partial checksum at a place where none is */
	GATE_DROPS
};

/* The stack behind the gate: takes a frame, keeps no pointer to it. */
typedef void gate_pass_fn(const uint8_t *frame, size_t len, void *data);

/* A stack for TCP: @frame is TCP of either family, whole, @len bytes without padding, its checksum
 * not looked at.
 */
typedef void gate_tcp_fn(const uint8_t *frame, size_t len, const struct frame *parsed,
			 const struct link_info *info, void *data);

/* A stack for UDP, in the same way. @info may say that it is of several datagrams (gso_type
 * LINK_GSO_UDP): then gso_size is that of their payloads but for the last one, neither 0 nor more
 * than the MTU has room for, and there are at most GATE_UDP_SEGMENTS. A checksum that is partial
 * stands where UDP has it. The source is an address of the guest. DHCP does not come here, nor does
 * DHCPv6.
 */
typedef void gate_udp_fn(const uint8_t *frame, size_t len, const struct frame *parsed,
			 const struct link_info *info, void *data);

#define GATE_UDP_SEGMENTS 128 /* UDP_MAX_SEGMENTS of Linux: the host's kernel cuts into no more */

/* A router's word about a segment of that stack. False: it is of none of its connections. */
typedef bool gate_too_big_fn(const struct toobig *report, void *data);

struct gate {
	const struct addrplan *plan; /* borrowed */
	bool dns;		     /* the DNS address is served */
	bool ipv6;		     /* the guest has IPv6; else its frames are ignored */
	unsigned mtu;
	int64_t now_ms; /* monotonic: the caller brings it up to date before it has gate_input() run */
	gate_pass_fn *pass;
	void *data;		       /* of pass */
	gate_tcp_fn *tcp;	       /* NULL: TCP goes where the rest goes */
	gate_too_big_fn *too_big;      /* NULL: such an error goes where the rest goes */
	void *tcp_data;		       /* of both */
	gate_udp_fn *udp;	       /* NULL: UDP goes where the rest goes */
	void *udp_data;		       /* of udp */
	struct neighbours *neighbours; /* borrowed: learns from all that is let in; may be NULL */
	uint64_t passed;	       /* frames that went to pass */
	uint64_t taken;		       /* frames that tcp took */
	uint64_t taken_udp;	       /* frames that udp took */
	uint64_t faults[FRAME_FAULTS]; /* frames dropped, by what was wrong with them */
	uint64_t drops[GATE_DROPS];    /* frames dropped, by where they were not to go */
	uint64_t held;		       /* fragments kept for the packet that they are part of */
	uint64_t urgent_cleared;       /* frames passed as if they had no urgent data */
	uint64_t ipv6_ignored;	       /* no drops: see gate.c */
	struct defrag defrag;
};

/* @frame is changed: see gate.c. */
void gate_input(struct gate *gate, uint8_t *frame, size_t len, const struct link_info *info);

/* Frees what is held. */
void gate_done(struct gate *gate);

extern const struct stats_table gate_stats_table; /* of struct gate */

#endif
