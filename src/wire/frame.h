/* wire/frame.h - what an Ethernet frame from the guest claims to be, checked.
 *
 * Pure: frame_parse() reads the bytes, never writes them, keeps no pointer to them. A frame that passes has
 * no length field that points outside it, down to and including the TCP, UDP or ICMP header
 * of an unfragmented packet. Checksums are not verified here.
 * Sources: IEEE 802.3, RFC 826 (ARP), RFC 791 (IPv4), RFC 8200 (IPv6), RFC 768, RFC 9293.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"

#define FRAME_ETHER_HEADER 14			    /* bytes */
#define FRAME_MAX (FRAME_ETHER_HEADER + 40 + 65535) /* IPv6 does not count its header (RFC 8200) */

enum frame_kind { FRAME_ARP, FRAME_IP4, FRAME_IP6 };

/* Why a frame is not one. FRAME_OK is 0. */
enum frame_fault {
	FRAME_OK,
	FRAME_TOO_SHORT,     /* no Ethernet header, or a header cut off */
	FRAME_TOO_LONG,	     /* more than FRAME_MAX */
	FRAME_BAD_ETHERTYPE, /* neither ARP, IPv4 nor IPv6 */
	FRAME_BAD_ARP,	     /* not Ethernet/IPv4 ARP */
	FRAME_BAD_IP_HEADER, /* version or header length */
	FRAME_BAD_IP_LENGTH, /* more bytes promised than are there */
	FRAME_BAD_TRANSPORT, /* TCP, UDP or ICMP header or length does not fit */
	FRAME_FAULTS
};

struct frame {
	enum frame_kind kind;
	size_t len;    /* bytes of the frame without trailing padding */
	uint8_t proto; /* IP protocol of the payload; IPv6: of the first non-extension header */
	bool fragment; /* IP only: part of a larger packet, or IPv6 that has a header for being one */
	/* Fragments over IPv6 only, else 0: offsets in the frame of the fragment header, all of which is
	 * there, and of the byte in front of it that names it.
	 */
	size_t fragment_header, fragment_next;
	struct ip src, dst; /* IP: of the header; ARP: sender and target */
	/* Unfragmented IP only, else 0: offset in the frame of what @proto names, and the bytes from
	 * there to the end of the packet (to @len).
	 */
	size_t transport, transport_len;
};

/* *ret is set only for FRAME_OK. */
enum frame_fault frame_parse(const uint8_t *bytes, size_t len, struct frame *ret);

/* The header in front of an IP packet, of FRAME_ETHER_HEADER bytes. */
void frame_put_header(uint8_t *out, const struct mac *from, const struct mac *to,
		      enum ip_family family);

/* The name of its counter (net/stats.h); NULL for FRAME_OK. */
const char *frame_fault_name(enum frame_fault fault);

#endif
