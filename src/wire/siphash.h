/* wire/siphash.h - SipHash-2-4: a keyed hash that a peer without the key cannot steer.
 *
 * Pure. The same bytes and key words give the same hash on every machine.
 * Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
 */
#ifndef WIRE_SIPHASH_H
#define WIRE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2]; /* random; the 16 bytes of the paper as two little-endian numbers */
};

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len);

#endif
