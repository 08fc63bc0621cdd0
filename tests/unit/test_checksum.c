/* wire/checksum: the same sum as the plain loop of RFC 1071, at any length, alignment and carry. */
#include <glib.h>
#include <string.h>

#include "wire/checksum.h"

/* RFC 1071 section 4.1, by bytes: pairs in network order, carries folded at once. */
static uint16_t reference(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* The two bytes that memcpy() would store, as a number. */
static uint16_t stored(uint64_t sum)
{
	uint16_t folded = checksum_fold(sum);
	uint8_t b[2];

	memcpy(b, &folded, sizeof(b));
	return (uint16_t)(b[0] << 8 | b[1]);
}

static void fill(GRand *rand, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)g_rand_int(rand);
}

/* The example of RFC 1071 section 3. */
static void test_rfc1071(void)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	g_assert_cmphex(stored(checksum_add(0, bytes, sizeof(bytes))), ==, 0xddf2);
}

static void test_lengths(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);
	uint8_t bytes[8 + 300];

	fill(rand, bytes, sizeof(bytes));
	for (size_t at = 0; at < 8; at++) {
		for (size_t len = 0; len <= 300; len++)
			g_assert_cmphex(stored(checksum_add(0, bytes + at, len)), ==,
					reference(bytes + at, len));
	}
}

/* Ones everywhere carry at each addition; a sum that is full already carries at the first. */
static void test_carries(void)
{
	g_autofree uint8_t *ones = g_malloc(65535);
	static const uint8_t one[] = { 0, 1 };

	memset(ones, 0xff, 65535);
	for (size_t len = 1; len <= 100; len++)
		g_assert_cmphex(stored(checksum_add(0, ones, len)), ==, reference(ones, len));
	g_assert_cmphex(stored(checksum_add(0, ones, 65535)), ==, reference(ones, 65535));
	g_assert_cmphex(stored(checksum_add(UINT64_MAX, ones, 64)), ==, 0xffff);
	g_assert_cmphex(stored(checksum_add(UINT64_MAX, one, 2)), ==, 1);
	g_assert_cmphex(stored(checksum_add(UINT64_MAX, one, 0)), ==, 0xffff);
}

/* A packet may be summed in pieces, the odd one last in the packet but not in time. */
static void test_pieces(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(2);
	uint8_t bytes[151];
	uint16_t whole;

	fill(rand, bytes, sizeof(bytes));
	whole = reference(bytes, sizeof(bytes));
	for (size_t cut = 0; cut < sizeof(bytes); cut += 2) {
		uint64_t head = checksum_add(0, bytes, cut);
		uint64_t tail = checksum_add(0, bytes + cut, sizeof(bytes) - cut);

		g_assert_cmphex(stored(checksum_add(head, bytes + cut, sizeof(bytes) - cut)), ==,
				whole);
		g_assert_cmphex(stored(checksum_add(tail, bytes, cut)), ==, whole);
	}
}

static void test_pseudo4(void)
{
	static const uint8_t pseudo[] = { 192, 0, 2, 1, 198, 51, 100, 255, 0, 6, 0xfe, 0xdc };
	struct ip src, dst;

	g_assert_true(ip_parse("192.0.2.1", &src) && ip_parse("198.51.100.255", &dst));
	g_assert_cmphex(stored(checksum_add_pseudo(0, &src, &dst, 6, 0xfedc)), ==,
			reference(pseudo, sizeof(pseudo)));
}

static void test_pseudo6(void)
{
	static const uint8_t pseudo[40] = {
		0xfd, [15] = 0x64, 0x20, 0x01, 0x0d, 0xb8, [31] = 2, 0, 1, 0x86, 0xa0, [39] = 17,
	};
	struct ip src, dst;

	g_assert_true(ip_parse("fd00::64", &src) && ip_parse("2001:db8::2", &dst));
	g_assert_cmphex(stored(checksum_add_pseudo(0, &src, &dst, 17, 100000)), ==,
			reference(pseudo, sizeof(pseudo)));
}

static void test_fold(void)
{
	g_assert_cmphex(checksum_fold(0), ==, 0);
	g_assert_cmphex(checksum_fold(0xffff), ==, 0xffff);
	g_assert_cmphex(checksum_fold(0x10000), ==, 1);
	g_assert_cmphex(checksum_fold(0x1fffe), ==, 0xffff);
	g_assert_cmphex(checksum_fold(0xffffffff0000ffff), ==, 0xffff);
	g_assert_cmphex(checksum_fold(0xffffffff00010000), ==, 1);
	g_assert_cmphex(checksum_fold(0x00010002fffffffe), ==, 2);
	g_assert_cmphex(checksum_fold(UINT64_MAX - 1), ==, 0xfffe);
	g_assert_cmphex(checksum_fold(UINT64_MAX), ==, 0xffff);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/checksum/rfc1071", test_rfc1071);
	g_test_add_func("/checksum/lengths", test_lengths);
	g_test_add_func("/checksum/carries", test_carries);
	g_test_add_func("/checksum/pieces", test_pieces);
	g_test_add_func("/checksum/pseudo4", test_pseudo4);
	g_test_add_func("/checksum/pseudo6", test_pseudo6);
	g_test_add_func("/checksum/fold", test_fold);
	return g_test_run();
}
