/* wire/tcpseg.h - one TCP segment in an Ethernet frame: taken apart, and put together.
 *
 * Pure. Sequence numbers and ports are in host order. What parse gives, build can make again.
 * Sources: RFC 9293 section 3.1; options RFC 7323 (window scale) and RFC 2018 (SACK).
 */
#ifndef WIRE_TCPSEG_H
#define WIRE_TCPSEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"
#include "wire/inet.h"

#define TCPSEG_FIN 0x01
#define TCPSEG_SYN 0x02
#define TCPSEG_RST 0x04
#define TCPSEG_PSH 0x08
#define TCPSEG_ACK 0x10
#define TCPSEG_URG 0x20

#define TCPSEG_HEADER_MAX 128 /* Ethernet, IPv6 and TCP header with the options made here */
#define TCPSEG_WSCALE_NONE 0xff
#define TCPSEG_WSCALE_MAX 14 /* RFC 7323 section 2.3: larger ones count as this */
#define TCPSEG_SACKS_MAX 4

/* Sequence numbers wrap: a is before b when the distance is less than half of the circle. */
static inline bool seq_before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

struct tcpseg_sack {
	uint32_t left, right; /* [left, right) */
};

struct tcpseg {
	struct ip src, dst; /* of one family */
	uint16_t sport, dport;
	uint32_t seq, ack;   /* ack: valid with TCPSEG_ACK */
	uint8_t flags;	     /* TCPSEG_*; the two of ECN are not looked at */
	uint16_t window;     /* as it stands in the header, not scaled */
	uint16_t mss;	     /* option of a SYN; 0: not there */
	uint8_t wscale;	     /* option of a SYN; TCPSEG_WSCALE_NONE: not there */
	bool sack_permitted; /* option of a SYN */
	struct tcpseg_sack sacks[TCPSEG_SACKS_MAX]; /* option of all but a SYN */
	unsigned sack_count;			    /* of those in @sacks */
	const uint8_t *payload;			    /* parse: borrowed from the frame */
	size_t len;				    /* of the payload, in bytes */
};

/* Take apart a frame that frame_parse() passed as unfragmented TCP. False, with *ret untouched,
 * for options that do not add up: a length that leaves the header or its own length byte out, or
 * one that a known option cannot have. Options where they mean nothing (a window scale without SYN,
 * SACK blocks with it) are passed over like unknown ones. Urgent data stay in line: the pointer is
 * not looked at (RFC 6093).
 */
bool tcpseg_parse(const uint8_t *bytes, const struct frame *frame, struct tcpseg *ret);

/* Whether the TCP checksum of such a frame is right. */
bool tcpseg_checksum_ok(const uint8_t *bytes, const struct frame *frame);

/* Write the headers of a segment into @out (TCPSEG_HEADER_MAX bytes): Ethernet from @eth_src to
 * @eth_dst, IP with DF and its own checksum, TCP with the options of @seg (with SYN mss, wscale and
 * sack_permitted; without it the sacks). Returns their length, which with @seg->len may not exceed
 * FRAME_MAX. With @partial the TCP checksum field holds the sum of the pseudo header only, for a
 * kernel that completes it (virtio_net VIRTIO_NET_HDR_F_NEEDS_CSUM), and @seg->payload is not
 * looked at; else it is complete over that.
 */
size_t tcpseg_build(const struct tcpseg *seg, const struct mac *eth_src, const struct mac *eth_dst,
		    bool partial, uint8_t *out);

/* Offset of the TCP header in what tcpseg_build() made, for csum_start. */
size_t tcpseg_transport_offset(const struct tcpseg *seg);

#endif
