#include "wire/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotate(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static void sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static void compress(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t len)
{
	/* "somepseudorandomlygeneratedbytes" */
	struct state s = {
		.v0 = key->k[0] ^ 0x736f6d6570736575,
		.v1 = key->k[1] ^ 0x646f72616e646f6d,
		.v2 = key->k[0] ^ 0x6c7967656e657261,
		.v3 = key->k[1] ^ 0x7465646279746573,
	};
	const uint8_t *p = bytes;
	uint64_t word, last = (uint64_t)len << 56;
	size_t left = len;

	for (; left >= 8; p += 8, left -= 8) {
		memcpy(&word, p, sizeof(word));
		compress(&s, le64toh(word));
	}
	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)p[i] << (8 * i);
	compress(&s, last);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
