/* wire/pcapng.h - the blocks of a pcapng file, in the byte order of this machine as the format
 * allows.
 *
 * Pure. A file is one section block, then one interface block, then a packet block for each frame;
 * every block has a length that is a multiple of four.
 * Source: draft-ietf-opsawg-pcapng, "PCAP Now Generic (pcapng) Capture File Format".
 */
#ifndef WIRE_PCAPNG_H
#define WIRE_PCAPNG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define PCAPNG_TEXT_MAX 64 /* a longer text is cut */
#define PCAPNG_HEAD_MAX (2 * (64 + PCAPNG_TEXT_MAX))

/* The values of the two lowest bits of the option epb_flags. */
enum pcapng_direction { PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 };

struct pcapng_packet {
	int64_t time_ns; /* since 1970 */
	enum pcapng_direction direction;
	size_t captured; /* bytes of the frame that are in the block */
	size_t original; /* bytes that the frame had */
};

/* The section block, which names @application, and the block of its only interface: Ethernet, times
 * in nanoseconds, no frame longer than @snaplen. Into @out of PCAPNG_HEAD_MAX bytes; the length.
 */
size_t pcapng_head(const char *application, const char *interface, uint32_t snaplen, uint8_t *out);

/* The length of a packet block. */
size_t pcapng_packet_size(size_t captured);

/* A packet block of that length into @out. The @count @parts hold packet->captured bytes. */
void pcapng_packet(const struct pcapng_packet *packet, const struct iovec *parts, int count,
		   uint8_t *out);

#endif
