/* wire/siphash: the vectors that the authors publish with their reference implementation. */
#include <glib.h>
#include <string.h>

#include "wire/siphash.h"

/* The bytes 00 01 .. 0f of the paper. */
static const struct siphash_key paper_key = { { 0x0706050403020100, 0x0f0e0d0c0b0a0908 } };

/* Hashes of the bytes 00 01 02 .., @len of them. 15 is the example in the paper's appendix A. */
static void test_vectors(void)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
		{ 0, 0x726fdb47dd0e0e31 },  { 1, 0x74f839c593dc67fd },	{ 2, 0x0d6c8009d9a94f5a },
		{ 3, 0x85676696d7fb7e2d },  { 4, 0xcf2794e0277187b7 },	{ 5, 0x18765564cd99a68d },
		{ 6, 0xcbc9466e58fee3ce },  { 7, 0xab0200f58b01d137 },	{ 8, 0x93f5f5799a932462 },
		{ 9, 0x9e0082df0ba9e4b0 },  { 10, 0x7a5dbbc594ddb9f3 }, { 15, 0xa129ca6149be45e5 },
		{ 63, 0x958a324ceb064572 },
	};
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++)
		g_assert_cmphex(siphash(&paper_key, bytes, vectors[i].len), ==, vectors[i].hash);
}

/* The same bytes hash alike wherever they stand in memory. */
static void test_alignment(void)
{
	uint8_t bytes[8 + 37];
	const uint64_t hash = siphash(&paper_key, memset(bytes, 'x', sizeof(bytes)), 37);

	for (size_t at = 1; at < 8; at++)
		g_assert_cmphex(siphash(&paper_key, bytes + at, 37), ==, hash);
}

/* Zeros that are longer hash otherwise, and each bit of the key counts. */
static void test_differs(void)
{
	static const uint8_t zeros[16];

	g_assert_cmphex(siphash(&paper_key, zeros, 7), !=, siphash(&paper_key, zeros, 8));
	g_assert_cmphex(siphash(&paper_key, zeros, 15), !=, siphash(&paper_key, zeros, 16));
	for (int bit = 0; bit < 128; bit++) {
		struct siphash_key key = paper_key;

		key.k[bit / 64] ^= UINT64_C(1) << bit % 64;
		g_assert_cmphex(siphash(&key, zeros, 12), !=, siphash(&paper_key, zeros, 12));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/siphash/vectors", test_vectors);
	g_test_add_func("/siphash/alignment", test_alignment);
	g_test_add_func("/siphash/differs", test_differs);
	return g_test_run();
}
