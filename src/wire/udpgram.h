/* wire/udpgram.h - one UDP datagram in an Ethernet frame, or in fragments: taken apart, and put
 * together.
 *
 * Pure. Ports are in host order. What parse gives, build can make again.
 * Sources: RFC 768; RFC 791 section 3.2 and RFC 8200 section 4.5 (fragments); RFC 8200 section 8.1
 * (checksum).
 */
#ifndef WIRE_UDPGRAM_H
#define WIRE_UDPGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"
#include "wire/inet.h"

#define UDPGRAM_MAX4 (65535 - 20 - 8) /* bytes of payload */
#define UDPGRAM_MAX6 (65535 - 8)

#define UDPGRAM_HEADER_MAX (FRAME_ETHER_HEADER + 40 + 8)
#define UDPGRAM_FRAGMENT_HEADER_MAX (UDPGRAM_HEADER_MAX + 8)
#define UDPGRAM_CHECKSUM_OFFSET 6 /* in the UDP header */

struct udpgram {
	struct ip src, dst; /* of one family */
	uint16_t sport, dport;
	uint8_t ttl;	    /* or hop limit */
	uint8_t tos;	    /* or traffic class: DSCP and ECN */
	bool dont_fragment; /* IPv4 DF; always true for IPv6 */
	uint16_t id; /* IPv4 identification: without DF, one of its own (RFC 6864 section 4) */
	const uint8_t *payload; /* borrowed */
	size_t len;		/* of the payload, in bytes; at most UDPGRAM_MAX4 or _MAX6 */
};

/* Take apart a frame that frame_parse() passed as unfragmented UDP. What follows in the packet behind
 * the end that UDP's own length field names is left out, as every kernel does it (RFC 9868 has uses
 * for it). False, with *ret untouched: it is for port 0, where nobody is.
 */
bool udpgram_parse(const uint8_t *bytes, const struct frame *frame, struct udpgram *ret);

/* Whether the checksum of such a frame is right, or absent over IPv4; an absent one over IPv6 is
 * wrong.
 */
bool udpgram_checksum_ok(const uint8_t *bytes, const struct frame *frame);

/* Write the headers of a datagram into @out: Ethernet, IP with its own checksum, UDP. Returns their
 * length. With @partial the UDP checksum field holds the sum of the pseudo header only, for a kernel
 * that completes it (and cuts it up, if it is told to), and the payload is not looked at.
 */
size_t udpgram_build(const struct udpgram *gram, const struct mac *from, const struct mac *to,
		     bool partial, uint8_t out[UDPGRAM_HEADER_MAX]);

/* Offset of the UDP header in what udpgram_build() made, for csum_start. */
size_t udpgram_transport_offset(const struct udpgram *gram);

/* The packets that carry a datagram over a link of some MTU. An iterator. */
struct udpgram_fragments {
	const struct udpgram *gram; /* borrowed */
	struct mac from, to;
	uint32_t id;
	size_t room; /* bytes of the datagram in a packet */
	size_t done; /* bytes of the datagram, its UDP header included, in those that were given */
	uint16_t checksum; /* of all of it, as it is stored */
};

/* @gram, with its payload, has to stay until the last one is taken. @id tells these fragments from
 * those of others between the same addresses: 16 bits of it over IPv4. A datagram that fits @mtu is
 * one packet and no fragment; for one that does not, DF is left out whatever @gram says. @mtu: at
 * least 68 (IPv4) or 1280 bytes; below that there are fragments larger than it.
 */
void udpgram_fragment_begin(struct udpgram_fragments *it, const struct udpgram *gram, uint16_t mtu,
			    uint32_t id, const struct mac *from, const struct mac *to);

/* The next one: returns the length of its headers in @out, and 0 after the last. *ret_payload, of
 * *ret_len bytes, goes behind them; it is borrowed from the datagram.
 */
size_t udpgram_fragment_next(struct udpgram_fragments *it, uint8_t out[UDPGRAM_FRAGMENT_HEADER_MAX],
			     const uint8_t **ret_payload, size_t *ret_len);

#endif
