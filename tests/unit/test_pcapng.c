/* wire/pcapng: the bytes of each block, field by field, and what tcpdump makes of them is seen in
 * tests/netns/test_capture.py.
 */
#include <glib.h>
#include <string.h>

#include "wire/pcapng.h"

static uint32_t u32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint16_t u16(const uint8_t *p)
{
	uint16_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* An option with its padding; where the next one begins. */
static const uint8_t *expect_option(const uint8_t *p, uint16_t code, const void *value,
				    uint16_t len)
{
	static const uint8_t zero[3];

	g_assert_cmpuint(u16(p), ==, code);
	g_assert_cmpuint(u16(p + 2), ==, len);
	g_assert_cmpmem(p + 4, len, value, len);
	g_assert_cmpmem(p + 4 + len, -len & 3, zero, -len & 3);
	return p + 4 + len + (-len & 3);
}

static const uint8_t *expect_end(const uint8_t *block, const uint8_t *p)
{
	p = expect_option(p, 0, "", 0);
	g_assert_cmpuint(u32(p), ==, u32(block + 4));
	g_assert_cmpuint(u32(p), ==, p + 4 - block);
	return p + 4;
}

static void test_head(void)
{
	uint8_t out[PCAPNG_HEAD_MAX];
	const uint8_t *p, *block = out;
	size_t len;

	memset(out, 0xa5, sizeof(out));
	len = pcapng_head("gate4netns", "tap0", 262144, out);
	g_assert_cmpuint(u32(out), ==, 0x0a0d0d0a);
	g_assert_cmpuint(u32(out + 8), ==, 0x1a2b3c4d);
	g_assert_cmpuint(u16(out + 12), ==, 1);
	g_assert_cmpuint(u16(out + 14), ==, 0);
	g_assert_cmpuint(u32(out + 16) & u32(out + 20), ==, UINT32_MAX);
	p = expect_option(out + 24, 4, "gate4netns", 10);
	block = expect_end(block, p);

	g_assert_cmpuint(u32(block), ==, 1);
	g_assert_cmpuint(u16(block + 8), ==, 1); /* LINKTYPE_ETHERNET */
	g_assert_cmpuint(u16(block + 10), ==, 0);
	g_assert_cmpuint(u32(block + 12), ==, 262144);
	p = expect_option(block + 16, 2, "tap0", 4);
	p = expect_option(p, 9, "\x09", 1);
	p = expect_end(block, p);
	g_assert_cmpuint(p - out, ==, len);
}

static void test_long_texts_are_cut(void)
{
	g_autofree char *text = g_strnfill(1000, 'x');
	uint8_t out[PCAPNG_HEAD_MAX];

	g_assert_cmpuint(pcapng_head(text, text, 1, out), <=, sizeof(out));
	expect_option(out + 24, 4, text, PCAPNG_TEXT_MAX);
}

static void test_packet(void)
{
	static const char frame[] = "header and payload";
	static const uint8_t zero[3];

	for (unsigned len = 0; len < sizeof(frame); len++) {
		for (unsigned cut = 0; cut <= len; cut++) {
			const struct iovec parts[] = { { (void *)frame, cut },
						       { (void *)(frame + cut), len - cut } };
			const struct pcapng_packet packet = { 0x0123456789abcdef, PCAPNG_OUTBOUND,
							      len, len + 7 };
			unsigned padding = -len & 3;
			uint32_t flags = 2;
			uint8_t out[64];
			const uint8_t *p;

			memset(out, 0xa5, sizeof(out));
			pcapng_packet(&packet, parts, 2, out);
			g_assert_cmpuint(u32(out), ==, 6);
			g_assert_cmpuint(u32(out + 8), ==, 0);
			g_assert_cmpuint(u32(out + 12), ==, 0x01234567);
			g_assert_cmpuint(u32(out + 16), ==, 0x89abcdef);
			g_assert_cmpuint(u32(out + 20), ==, len);
			g_assert_cmpuint(u32(out + 24), ==, len + 7);
			g_assert_cmpmem(out + 28, len, frame, len);
			g_assert_cmpmem(out + 28 + len, padding, zero, padding);
			p = expect_option(out + 28 + len + padding, 2, &flags, 4);
			p = expect_end(out, p);
			g_assert_cmpuint(p - out, ==, pcapng_packet_size(len));
		}
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/pcapng/head", test_head);
	g_test_add_func("/pcapng/long-texts-are-cut", test_long_texts_are_cut);
	g_test_add_func("/pcapng/packet", test_packet);
	return g_test_run();
}
