/* wire/checksum.h - the Internet checksum (RFC 1071) and the pseudo headers of TCP and UDP.
 *
 * Pure. Sums are in the byte order of the machine that added them, as RFC 1071 section 2 (B)
 * allows; checksum_fold() gives the two bytes as they stand in the packet.
 */
#ifndef WIRE_CHECKSUM_H
#define WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"

/* Add bytes at any alignment to a sum; a new one starts with 0. Pieces may be added in any order,
 * but each one must stand at an even offset in the packet: only its last may be of odd length.
 */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t len);

/* The pseudo header of either family (RFC 9293 section 3.1, RFC 8200 section 8.1); @src and @dst
 * are of the same one. @len is that of the transport header and its payload.
 */
uint64_t checksum_add_pseudo(uint64_t sum, const struct ip *src, const struct ip *dst,
			     uint8_t proto, uint32_t len);

/* Fold to 16 bits, as they are to be stored with memcpy(); not complemented. Over a packet that
 * holds its own checksum it is 0xffff if that is right.
 */
uint16_t checksum_fold(uint64_t sum);

/* Store a sum where the packet has its checksum: folded and complemented. */
void checksum_store(uint8_t *field, uint64_t sum);

#endif
