/* net/link: what stands in front of a frame, over a socket pair where every byte can be seen. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"
#include "net/capture.h"
#include "net/link.h"
#include "wire/pcapng.h"

static void make_pair(struct link *link, bool vnet_hdr, int *ret_peer)
{
	int pair[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), ==, 0);
	*link = LINK_NONE;
	link_attach(link, pair[0], vnet_hdr, false);
	*ret_peer = pair[1];
}

static void test_plain(void)
{
	static const struct link_info none;
	struct link_info info = { .checksum_partial = true, .gso_size = 1 };
	uint8_t buffer[64];
	struct link link;
	int peer;

	make_pair(&link, false, &peer);
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, -EAGAIN);
	g_assert_cmpint(write(peer, "frame", 5), ==, 5);
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, 5);
	g_assert_cmpmem(buffer, 5, "frame", 5);
	g_assert_cmpmem(&info, sizeof(info), &none, sizeof(none));
	link_send(&link, (const uint8_t *)"answer", 6);
	g_assert_cmpint(read(peer, buffer, sizeof(buffer)), ==, 6);
	g_assert_true(link_send_segment(&link, (const uint8_t *)"head", 4, (const uint8_t *)"data",
					4, NULL));
	g_assert_cmpint(read(peer, buffer, sizeof(buffer)), ==, 8);
	g_assert_cmpmem(buffer, 8, "headdata", 8);
	g_assert_cmpuint(link.stats.sent, ==, 2);
	close(peer);
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, -EPIPE);
	link_close(&link);
	g_assert_cmpint(link.fd, ==, -EBADF);
}

/* Who shares the open file may clear O_NONBLOCK behind our back: nothing here waits for that. */
static void test_blocking_descriptor(void)
{
	const uint8_t frame[1024] = { 0 };
	struct link_info info;
	uint8_t buffer[64];
	struct link link;
	int peer;

	make_pair(&link, false, &peer);
	g_assert_cmpint(fcntl(link.fd, F_SETFL, 0), ==, 0);
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, -EAGAIN);
	while (link.stats.send_drops == 0)
		link_send(&link, frame, sizeof(frame));
	link_close(&link);
	close(peer);
}

/* A frame is captured as it is on the wire, in both directions, and only if it has crossed. */
static void test_captured(void)
{
	uint8_t expected[PCAPNG_HEAD_MAX + 64], got[sizeof(expected)];
	const struct virtio_net_hdr header = { 0 };
	const struct iovec in[] = { { (void *)&header, sizeof(header) }, { (void *)"in", 2 } };
	const uint32_t from_guest = PCAPNG_OUTBOUND;
	const size_t two = pcapng_packet_size(2) + pcapng_packet_size(8);
	struct loop *loop = loop_new();
	struct link_info info;
	struct link link;
	uint8_t buffer[64];
	int peer, ends[2];
	ssize_t len;

	g_assert_cmpint(pipe2(ends, O_NONBLOCK), ==, 0);
	make_pair(&link, true, &peer);
	link.capture = capture_new(loop, ends[1], "pipe", "tap0", 0);
	len = (ssize_t)pcapng_head("gate4netns", "tap0", 262144, expected);
	g_assert_cmpint(read(ends[0], got, sizeof(got)), ==, len);
	g_assert_cmpmem(got, (int)len, expected, (int)len);

	g_assert_cmpint(writev(peer, in, 2), ==, sizeof(header) + 2);
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, 2);
	g_assert_true(link_send_segment(&link, (const uint8_t *)"head", 4, (const uint8_t *)"data",
					4, NULL));
	link_close(&link);
	g_assert_false(link_send_segment(&link, (const uint8_t *)"lost", 4, NULL, 0, NULL));
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, -EBADF);
	capture_free(link.capture);
	g_assert_cmpint(read(ends[0], got, sizeof(got)), ==, two);
	g_assert_cmpmem(got + 28, 2, "in", 2);
	g_assert_cmpmem(got + 36, 4, &from_guest, 4);
	g_assert_cmpmem(got + pcapng_packet_size(2) + 28, 8, "headdata", 8);
	loop_free(loop);
	close(ends[0]);
	close(peer);
}

static void test_receive_header(void)
{
	struct {
		struct virtio_net_hdr header;
		uint8_t frame[6];
	} sent = {
		.header = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			    .gso_size = 1448,
			    .csum_start = 34,
			    .csum_offset = 16 },
		.frame = "frame",
	};
	struct link_info info;
	uint8_t buffer[64];
	struct link link;
	int peer;

	make_pair(&link, true, &peer);
	g_assert_cmpint(write(peer, &sent, sizeof(sent)), ==, 16);
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, 6);
	g_assert_cmpstr((const char *)buffer, ==, "frame");
	g_assert_true(info.checksum_partial && info.checksum_valid);
	g_assert_cmpuint(info.csum_start, ==, 34);
	g_assert_cmpuint(info.csum_offset, ==, 16);
	g_assert_cmpuint(info.gso_size, ==, 1448);
	g_assert_cmpuint(info.gso_type, ==, VIRTIO_NET_HDR_GSO_TCPV4);

	sent.header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	sent.header.gso_type = VIRTIO_NET_HDR_GSO_NONE;
	g_assert_cmpint(write(peer, &sent, sizeof(sent)), ==, 16);
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, 6);
	g_assert_true(!info.checksum_partial && info.checksum_valid);
	g_assert_cmpuint(info.csum_start + info.gso_size, ==, 0); /* left-overs of the sender */

	g_assert_cmpint(write(peer, &sent, 9), ==, 9); /* less than the header: an empty frame */
	g_assert_cmpint(link_receive(&link, buffer, sizeof(buffer), &info), ==, 0);
	link_close(&link);
	close(peer);
}

static void read_sent(int peer, struct virtio_net_hdr *ret, size_t frame_len)
{
	uint8_t buffer[64];

	g_assert_cmpint(read(peer, buffer, sizeof(buffer)), ==, sizeof(*ret) + frame_len);
	memcpy(ret, buffer, sizeof(*ret));
}

static void test_send_header(void)
{
	static const uint8_t headers[] = "head", data[] = "data";
	struct link_offload offload = { .csum_start = 54, .csum_offset = 16, .gso_size = 3 };
	const struct virtio_net_hdr none = { 0 };
	struct virtio_net_hdr header;
	struct link link;
	int peer;

	make_pair(&link, true, &peer);
	link_send(&link, headers, 4);
	read_sent(peer, &header, 4);
	g_assert_cmpmem(&header, sizeof(header), &none, sizeof(none));

	g_assert_true(link_send_segment(&link, headers, 4, data, 4, &offload));
	read_sent(peer, &header, 8);
	g_assert_cmpuint(header.flags, ==, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	g_assert_cmpuint(header.csum_start, ==, 54);
	g_assert_cmpuint(header.csum_offset, ==, 16);
	g_assert_cmpuint(header.hdr_len, ==, 4);
	g_assert_cmpuint(header.gso_size, ==, 3);
	g_assert_cmpuint(header.gso_type, ==, VIRTIO_NET_HDR_GSO_TCPV4);

	offload.v6 = true;
	g_assert_true(link_send_segment(&link, headers, 4, data, 4, &offload));
	read_sent(peer, &header, 8);
	g_assert_cmpuint(header.gso_type, ==, VIRTIO_NET_HDR_GSO_TCPV6);

	offload.udp = true;
	offload.csum_offset = 6;
	g_assert_true(link_send_segment(&link, headers, 4, data, 4, &offload));
	read_sent(peer, &header, 8);
	g_assert_cmpuint(header.csum_offset, ==, 6);
	g_assert_cmpuint(header.gso_size, ==, 3);
	g_assert_cmpuint(header.gso_type, ==, LINK_GSO_UDP);

	g_assert_true(link_send_segment(&link, headers, 4, data, 3, &offload)); /* one piece */
	read_sent(peer, &header, 7);
	g_assert_cmpuint(header.gso_size + header.gso_type, ==, 0);
	g_assert_cmpuint(header.flags, ==, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	link_close(&link);
	close(peer);
}

static void test_drops(void)
{
	static const uint8_t data[] = "data";
	struct link link;
	uint64_t sent;
	int peer;

	make_pair(&link, false, &peer);
	while (link_send_segment(&link, data, 4, NULL, 0, NULL))
		;
	sent = link.stats.sent;
	link_send(&link, data, 4);
	g_assert_cmpuint(link.stats.send_drops, ==, 2);
	g_assert_cmpuint(link.stats.sent, ==, sent);
	link_close(&link);
	close(peer);
}

/* Whoever comes next speaks over the same link. */
static void test_attach_again(void)
{
	static const uint8_t data[] = "data";
	struct capture *capture = (struct capture *)(uintptr_t)data; /* not looked at */
	struct link link;
	int peer;

	make_pair(&link, false, &peer);
	link_send(&link, data, 4);
	link.capture = capture;
	link_close(&link);
	close(peer);
	g_assert_cmpint(link.fd, ==, -EBADF);
	link_attach(&link, INT_MAX, true, true);
	g_assert_cmpint(link.fd, ==, INT_MAX);
	g_assert_true(link.vnet_hdr && link.uso);
	g_assert_true(link.capture == capture);
	g_assert_cmpuint(link.stats.sent, ==, 1);
	g_assert_cmpuint(link.stats.sent_bytes, ==, 4);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/link/plain", test_plain);
	g_test_add_func("/link/blocking-descriptor", test_blocking_descriptor);
	g_test_add_func("/link/captured", test_captured);
	g_test_add_func("/link/receive-header", test_receive_header);
	g_test_add_func("/link/send-header", test_send_header);
	g_test_add_func("/link/drops", test_drops);
	g_test_add_func("/link/attach-again", test_attach_again);
	return g_test_run();
}
