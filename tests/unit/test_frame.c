/* wire/frame: true frames pass; one byte of a lie in them is named. */
#include <glib.h>
#include <string.h>

#include "frames.h"
#include "wire/frame.h"

static const uint8_t udp4[] = UDP4_FRAME;
static const uint8_t tcp6[] = TCP6_FRAME;
static const uint8_t arp[] = ARP_FRAME;

static void test_good(void)
{
	struct frame frame;
	char text[IP_TEXT_MAX];

	g_assert_cmpint(frame_parse(udp4, sizeof(udp4), &frame), ==, FRAME_OK);
	g_assert_cmpint(frame.kind, ==, FRAME_IP4);
	g_assert_cmpuint(frame.proto, ==, 17);
	g_assert_cmpuint(frame.len, ==, sizeof(udp4));
	g_assert_false(frame.fragment);
	g_assert_cmpstr(ip_format(&frame.dst, text), ==, "192.0.2.2");
	g_assert_cmpint(frame_parse(tcp6, sizeof(tcp6), &frame), ==, FRAME_OK);
	g_assert_cmpint(frame.kind, ==, FRAME_IP6);
	g_assert_cmpuint(frame.proto, ==, 6);
	g_assert_cmpstr(ip_format(&frame.src, text), ==, "fd00::64");
	g_assert_cmpint(frame_parse(arp, sizeof(arp), &frame), ==, FRAME_OK);
	g_assert_cmpint(frame.kind, ==, FRAME_ARP);
	g_assert_cmpstr(ip_format(&frame.dst, text), ==, "10.0.2.2");
}

static void test_padding(void)
{
	uint8_t padded[64] = UDP4_FRAME;
	struct frame frame;

	g_assert_cmpint(frame_parse(padded, sizeof(padded), &frame), ==, FRAME_OK);
	g_assert_cmpuint(frame.len, ==, sizeof(udp4));
}

/* Every shorter piece of a frame is refused, at whatever byte it ends. */
static void test_cut(void)
{
	struct frame frame;

	for (size_t len = 0; len < sizeof(udp4); len++)
		g_assert_cmpint(frame_parse(udp4, len, &frame), !=, FRAME_OK);
	for (size_t len = 0; len < sizeof(tcp6); len++)
		g_assert_cmpint(frame_parse(tcp6, len, &frame), !=, FRAME_OK);
	for (size_t len = 0; len < sizeof(arp); len++)
		g_assert_cmpint(frame_parse(arp, len, &frame), !=, FRAME_OK);
}

static void test_too_long(void)
{
	g_autofree uint8_t *bytes = g_malloc0(FRAME_MAX + 1);
	struct frame frame;

	memcpy(bytes, udp4, sizeof(udp4));
	g_assert_cmpint(frame_parse(bytes, FRAME_MAX, &frame), ==, FRAME_OK);
	g_assert_cmpint(frame_parse(bytes, FRAME_MAX + 1, &frame), ==, FRAME_TOO_LONG);
}

struct lie {
	const char *what;
	size_t at;
	uint8_t byte;
	enum frame_fault fault;
};

static void check_lies(const uint8_t *good, size_t len, const struct lie *lies, size_t count)
{
	struct frame frame;

	for (size_t i = 0; i < count; i++) {
		g_autofree uint8_t *bytes = g_memdup2(good, len);

		bytes[lies[i].at] = lies[i].byte;
		g_test_message("%s", lies[i].what);
		g_assert_cmpint(frame_parse(bytes, len, &frame), ==, lies[i].fault);
	}
}

static void test_lies_ip4(void)
{
	static const struct lie lies[] = {
		{ "NCSI ethertype", 12, 0x88, FRAME_BAD_ETHERTYPE },
		{ "version 6", IP_OFFSET, 0x65, FRAME_BAD_IP_HEADER },
		{ "header of 16 bytes", IP_OFFSET, 0x44, FRAME_BAD_IP_HEADER },
		{ "header longer than the packet", IP_OFFSET, 0x4f, FRAME_BAD_IP_LENGTH },
		{ "total length one too many", IP_OFFSET + 3, 33, FRAME_BAD_IP_LENGTH },
		{ "total length below the header", IP_OFFSET + 3, 19, FRAME_BAD_IP_LENGTH },
		{ "total length cuts the UDP header", IP_OFFSET + 3, 27, FRAME_BAD_TRANSPORT },
		{ "UDP length one too many", UDP_OFFSET + 5, 13, FRAME_BAD_TRANSPORT },
		{ "UDP length below its header", UDP_OFFSET + 5, 7, FRAME_BAD_TRANSPORT },
		{ "TCP in the place of UDP", IP_OFFSET + 9, 6, FRAME_BAD_TRANSPORT },
	};

	check_lies(udp4, sizeof(udp4), lies, G_N_ELEMENTS(lies));
}

static void test_lies_ip6(void)
{
	static const struct lie lies[] = {
		{ "version 4", IP_OFFSET, 0x40, FRAME_BAD_IP_HEADER },
		{ "payload length one too many", IP_OFFSET + 5, 21, FRAME_BAD_IP_LENGTH },
		{ "payload length cuts the TCP header", IP_OFFSET + 5, 19, FRAME_BAD_TRANSPORT },
		{ "TCP header of 16 bytes", TCP_OFFSET + 12, 0x40, FRAME_BAD_TRANSPORT },
		{ "TCP header longer than the payload", TCP_OFFSET + 12, 0x60,
		  FRAME_BAD_TRANSPORT },
		{ "extension header longer than the packet", IP_OFFSET + 6, 0,
		  FRAME_BAD_IP_LENGTH },
	};

	check_lies(tcp6, sizeof(tcp6), lies, G_N_ELEMENTS(lies));
}

static void test_lies_arp(void)
{
	static const struct lie lies[] = {
		{ "hardware type", IP_OFFSET + 1, 6, FRAME_BAD_ARP },
		{ "protocol type", IP_OFFSET + 2, 0x86, FRAME_BAD_ARP },
		{ "hardware length", IP_OFFSET + 4, 8, FRAME_BAD_ARP },
		{ "protocol length", IP_OFFSET + 5, 16, FRAME_BAD_ARP },
	};

	check_lies(arp, sizeof(arp), lies, G_N_ELEMENTS(lies));
}

static void test_fragment(void)
{
	uint8_t bytes[] = UDP4_FRAME;
	struct frame frame;

	bytes[IP_OFFSET + 7] = 1; /* offset 8: what follows is no UDP header */
	bytes[UDP_OFFSET + 5] = 0xff;
	g_assert_cmpint(frame_parse(bytes, sizeof(bytes), &frame), ==, FRAME_OK);
	g_assert_true(frame.fragment);
}

static void test_names(void)
{
	for (int fault = FRAME_OK + 1; fault < FRAME_FAULTS; fault++)
		g_assert_nonnull(frame_fault_name((enum frame_fault)fault));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/frame/good", test_good);
	g_test_add_func("/frame/padding", test_padding);
	g_test_add_func("/frame/cut", test_cut);
	g_test_add_func("/frame/too-long", test_too_long);
	g_test_add_func("/frame/lies-ip4", test_lies_ip4);
	g_test_add_func("/frame/lies-ip6", test_lies_ip6);
	g_test_add_func("/frame/lies-arp", test_lies_arp);
	g_test_add_func("/frame/fragment", test_fragment);
	g_test_add_func("/frame/names", test_names);
	return g_test_run();
}
