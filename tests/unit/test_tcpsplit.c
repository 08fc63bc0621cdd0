/* wire/tcpsplit: pieces that together are the segment, each right by itself. */
#include <glib.h>
#include <string.h>

#include "wire/tcpseg.h"
#include "wire/tcpsplit.h"

static void check(enum ip_family family)
{
	static const struct mac mac;
	uint8_t payload[1000], bytes[TCPSEG_HEADER_MAX + 1000], piece[TCPSEG_HEADER_MAX + 300];
	uint8_t joined[1000];
	struct tcpseg seg = {
		.src.family = family,
		.dst.family = family,
		.sport = 1,
		.dport = 2,
		.seq = 0xfffffff0,
		.flags = TCPSEG_ACK | TCPSEG_PSH | TCPSEG_FIN,
		.wscale = TCPSEG_WSCALE_NONE,
		.payload = payload,
		.len = sizeof(payload),
	};
	struct frame whole, part;
	size_t headers, len, offset = 0;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	headers = tcpseg_build(&seg, &mac, &mac, false, bytes);
	memcpy(bytes + headers, payload, sizeof(payload));
	g_assert_cmpint(frame_parse(bytes, headers + sizeof(payload), &whole), ==, FRAME_OK);
	while ((len = tcpsplit_piece(bytes, &whole, 300, offset, piece)) > 0) {
		struct tcpseg got;
		bool last = offset == 900;

		g_assert_cmpint(frame_parse(piece, len, &part), ==, FRAME_OK);
		g_assert_cmpuint(part.len, ==, len);
		g_assert_true(tcpseg_checksum_ok(piece, &part));
		g_assert_true(tcpseg_parse(piece, &part, &got));
		g_assert_cmpuint(got.seq, ==, seg.seq + (uint32_t)offset);
		g_assert_cmpint(got.flags, ==, last ? seg.flags : TCPSEG_ACK);
		memcpy(joined + offset, got.payload, got.len);
		offset += 300;
	}
	g_assert_cmpuint(offset, ==, 1200);
	g_assert_cmpmem(joined, sizeof(joined), payload, sizeof(payload));
}

static void test_ip4(void)
{
	check(IP_V4);
}

static void test_ip6(void)
{
	check(IP_V6);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tcpsplit/ip4", test_ip4);
	g_test_add_func("/tcpsplit/ip6", test_ip6);
	return g_test_run();
}
