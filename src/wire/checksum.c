#include "wire/checksum.h"

#include <endian.h>
#include <string.h>

/* One's complement addition: what is carried out of the top comes in at the bottom. A sum of 64
 * bits is a sum of 16 bits to come: 2^16 is 1 modulo 2^16 - 1, and so is every power of it.
 */
static uint64_t add(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Less than eight bytes. The last one of an odd number is the first of a pair with a zero. */
static uint64_t add_tail(uint64_t sum, const uint8_t *p, size_t len)
{
	uint32_t word;
	uint16_t pair = 0;

	if (len & 4) {
		memcpy(&word, p, sizeof(word));
		sum = add(sum, word);
		p += 4;
	}
	if (len & 2) {
		memcpy(&pair, p, sizeof(pair));
		sum = add(sum, pair);
		p += 2;
		pair = 0;
	}
	if (len & 1) {
		memcpy(&pair, p, 1);
		sum = add(sum, pair);
	}
	return sum;
}

/* Four sums that do not wait for each other's carries: over 1460 bytes two to three times as
 * fast as one sum of 64-bit words, and seven times as fast as a loop over 16-bit ones (gcc 12 -O2,
 * x86-64).
 */
uint64_t checksum_add(uint64_t sum, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint64_t b = 0, c = 0, d = 0;

	for (; len >= 32; p += 32, len -= 32) {
		sum = add(sum, load64(p));
		b = add(b, load64(p + 8));
		c = add(c, load64(p + 16));
		d = add(d, load64(p + 24));
	}
	sum = add(add(sum, b), add(c, d));
	for (; len >= 8; p += 8, len -= 8)
		sum = add(sum, load64(p));
	return add_tail(sum, p, len);
}

uint64_t checksum_add_pseudo(uint64_t sum, const struct ip *src, const struct ip *dst,
			     uint8_t proto, uint32_t len)
{
	/* The end of the IPv6 one. That of IPv4 has 16 bits of length where this has 32, but a
	 * length that IPv4 can have leaves the upper ones zero: the sum is the same.
	 */
	uint64_t end = htobe64((uint64_t)len << 32 | proto);

	if (src->family == IP_V4) {
		sum = checksum_add(sum, src->v4.b, sizeof(src->v4.b));
		sum = checksum_add(sum, dst->v4.b, sizeof(dst->v4.b));
	} else {
		sum = checksum_add(sum, src->v6.b, sizeof(src->v6.b));
		sum = checksum_add(sum, dst->v6.b, sizeof(dst->v6.b));
	}
	return checksum_add(sum, &end, sizeof(end));
}

uint16_t checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff); /* up to 33 bits */
	sum = (sum >> 16) + (sum & 0xffff);	/* up to 18 */
	sum = (sum >> 16) + (sum & 0xffff);	/* up to 17 */
	return (uint16_t)((sum >> 16) + sum);
}

void checksum_store(uint8_t *field, uint64_t sum)
{
	const uint16_t folded = (uint16_t)~checksum_fold(sum);

	memcpy(field, &folded, sizeof(folded));
}
