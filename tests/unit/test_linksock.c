/* net/link over sockets: what crosses each kind of them, what waits, and what is dropped. */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frames.h"
#include "net/addrplan.h"
#include "net/iplink.h"
#include "net/link.h"
#include "net/linksock.h"
#include "wire/frame.h"
#include "wire/framing.h"
#include "wire/whohas.h"

static const uint8_t udp4[] = UDP4_FRAME, tcp6[] = TCP6_FRAME;

struct fixture {
	struct addrplan plan;
	struct link link;
	struct link_info info;
	int peer;
	uint8_t buffer[FRAME_MAX + 1];
};

static struct fixture *setup(enum link_kind kind)
{
	struct fixture *at = g_new0(struct fixture, 1);
	char error[ADDRPLAN_ERROR_MAX];
	int pair[2];
	int type = (kind == LINK_STREAM ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_NONBLOCK;

	g_assert_true(addrplan_parse("10.0.2.0/24", &at->plan, error));
	g_assert_cmpint(socketpair(AF_UNIX, type, 0, pair), ==, 0);
	at->link = LINK_NONE;
	link_attach_socket(&at->link, kind, pair[0], &at->plan);
	at->peer = pair[1];
	for (int i = 0; kind == LINK_SEQPACKET && i < 2; i++) { /* the guest is introduced */
		g_assert_true(link_has_input(&at->link));
		g_assert_cmpint(link_receive(&at->link, at->buffer, sizeof(at->buffer), &at->info),
				>, 0);
	}
	return at;
}

static void teardown(struct fixture *at)
{
	link_close(&at->link);
	close(at->peer);
	g_free(at);
}

static ssize_t receive(struct fixture *at)
{
	return link_receive(&at->link, at->buffer, sizeof(at->buffer), &at->info);
}

static void from_peer(struct fixture *at, const void *bytes, size_t len)
{
	g_assert_cmpint(send(at->peer, bytes, len, 0), ==, len);
}

static void expect_at_peer(struct fixture *at, const void *bytes, size_t len)
{
	g_assert_cmpint(recv(at->peer, at->buffer, sizeof(at->buffer), 0), ==, len);
	g_assert_cmpmem(at->buffer, (int)len, bytes, (int)len);
}

static void test_bess(void)
{
	struct fixture *at = setup(LINK_BESS);

	from_peer(at, udp4, sizeof(udp4));
	from_peer(at, udp4, 0);
	g_assert_cmpint(receive(at), ==, sizeof(udp4));
	g_assert_cmpmem(at->buffer, sizeof(udp4), udp4, sizeof(udp4));
	g_assert_cmpint(receive(at), ==, -EBADMSG); /* empty: no end */
	g_assert_cmpint(receive(at), ==, -EAGAIN);
	g_assert_cmpuint(at->link.stats.drops[LINK_DROP_NOT_IP], ==, 1);
	g_assert_true(link_send_segment(&at->link, udp4, 42, udp4 + 42, 4, NULL));
	expect_at_peer(at, udp4, sizeof(udp4));
	shutdown(at->peer, SHUT_WR);
	g_assert_cmpint(receive(at), ==, -EPIPE);
	teardown(at);
}

static void test_seqpacket(void)
{
	struct fixture *at = setup(LINK_SEQPACKET);
	struct mac gateway4 = addrplan_gateway_mac(&at->plan, IP_V4);
	struct mac gateway6 = addrplan_gateway_mac(&at->plan, IP_V6);

	from_peer(at, udp4 + IP_OFFSET, sizeof(udp4) - IP_OFFSET);
	from_peer(at, tcp6 + IP_OFFSET, sizeof(tcp6) - IP_OFFSET);
	g_assert_cmpint(receive(at), ==, sizeof(udp4));
	g_assert_cmpmem(at->buffer, 6, &gateway4, 6);
	g_assert_cmpmem(at->buffer + 6, 6, &iplink_guest_mac, 6);
	g_assert_cmpmem(at->buffer + 12, sizeof(udp4) - 12, udp4 + 12, sizeof(udp4) - 12);
	g_assert_cmpint(receive(at), ==, sizeof(tcp6));
	g_assert_cmpmem(at->buffer, 6, &gateway6, 6);
	g_assert_cmpmem(at->buffer + 12, sizeof(tcp6) - 12, tcp6 + 12, sizeof(tcp6) - 12);

	g_assert_true(link_send_segment(&at->link, udp4, 42, udp4 + 42, 4, NULL));
	expect_at_peer(at, udp4 + IP_OFFSET, sizeof(udp4) - IP_OFFSET);
	link_send(&at->link, tcp6, sizeof(tcp6));
	expect_at_peer(at, tcp6 + IP_OFFSET, sizeof(tcp6) - IP_OFFSET);
	teardown(at);
}

/* What is no IP packet, and what nobody can use where there is no Ethernet. */
static void test_seqpacket_drops(void)
{
	static const uint8_t arp_reply[] = { 2,	 0, 0, 0, 0, 1, 2, 0, 0, 0, 0,	2, 8, 6,
					     0,	 1, 8, 0, 6, 4, 0, 2, 2, 0, 0,	0, 0, 2,
					     10, 0, 2, 2, 2, 0, 0, 0, 0, 1, 10, 0, 2, 100 };
	struct fixture *at = setup(LINK_SEQPACKET);
	uint8_t packet[sizeof(udp4)], v6[sizeof(tcp6)];
	uint64_t *drops = at->link.stats.drops;

	from_peer(at, "E", 1);
	from_peer(at, "", 0);
	memset(packet, 0x50, sizeof(packet));
	from_peer(at, packet, sizeof(packet));
	for (int i = 0; i < 3; i++)
		g_assert_cmpint(receive(at), ==, -EBADMSG);
	g_assert_cmpuint(drops[LINK_DROP_NOT_IP], ==, 3);

	memcpy(packet, udp4, sizeof(udp4));
	packet[UDP_OFFSET + 3] = 67; /* DHCP */
	from_peer(at, packet + IP_OFFSET, sizeof(udp4) - IP_OFFSET);
	memcpy(v6, tcp6, sizeof(tcp6));
	v6[IP_OFFSET + 6] = 58;
	v6[TCP_OFFSET] = 133; /* router solicitation */
	from_peer(at, v6 + IP_OFFSET, sizeof(tcp6) - IP_OFFSET);
	for (int i = 0; i < 2; i++)
		g_assert_cmpint(receive(at), ==, -EBADMSG);
	g_assert_cmpuint(drops[LINK_DROP_DISCOVERY], ==, 2);

	packet[UDP_OFFSET + 3] = 68;
	link_send(&at->link, packet, sizeof(udp4));
	v6[TCP_OFFSET] = 134; /* router advertisement */
	link_send(&at->link, v6, sizeof(tcp6));
	link_send(&at->link, arp_reply, sizeof(arp_reply));
	g_assert_cmpuint(drops[LINK_DROP_DISCOVERY], ==, 5);
	packet[12] = 0x88;
	link_send(&at->link, packet, sizeof(udp4));
	g_assert_cmpuint(drops[LINK_DROP_NOT_IP], ==, 4);
	g_assert_cmpint(recv(at->peer, packet, sizeof(packet), 0), ==, -1);
	g_assert_cmpuint(at->link.stats.sent + at->link.stats.send_drops, ==, 0);
	teardown(at);
}

/* A later fragment has no ports, whatever stands there. */
static void test_seqpacket_fragment(void)
{
	struct fixture *at = setup(LINK_SEQPACKET);
	uint8_t packet[sizeof(udp4)];

	memcpy(packet, udp4, sizeof(udp4));
	packet[UDP_OFFSET + 3] = 67;
	packet[IP_OFFSET + 7] = 1;
	from_peer(at, packet + IP_OFFSET, sizeof(udp4) - IP_OFFSET);
	g_assert_cmpint(receive(at), ==, sizeof(udp4));
	teardown(at);
}

/* Nobody behind the link has a MAC: the link says that all of them have one. */
static void test_questions(void)
{
	struct fixture *at = setup(LINK_SEQPACKET);
	const struct mac asker = addrplan_gateway_mac(&at->plan, IP_V4);
	const struct ip guest[] = { { .family = IP_V4, .v4 = { { 10, 0, 2, 55 } } },
				    { .family = IP_V6, .v6 = { { 0xfd, [15] = 7 } } } };
	const struct ip gateway[] = { addrplan_gateway(&at->plan, IP_V4),
				      addrplan_gateway(&at->plan, IP_V6) };
	uint8_t question[WHOHAS_MAX];
	struct frame frame;

	for (int i = 0; i < 2; i++) {
		size_t len = whohas_build(&guest[i], &gateway[i], &asker, question);

		g_assert_false(link_has_input(&at->link));
		link_send(&at->link, question, len);
		g_assert_true(link_has_input(&at->link));
		g_assert_cmpint(receive(at), ==, len);
		g_assert_cmpint(frame_parse(at->buffer, len, &frame), ==, FRAME_OK);
		g_assert_true(ip_equal(&frame.src, &guest[i]));
		g_assert_true(ip_equal(&frame.dst, &gateway[i]));
		g_assert_cmpmem(at->buffer, 6, &asker, 6);
		g_assert_cmpmem(at->buffer + 6, 6, &iplink_guest_mac, 6);
	}
	for (int i = 0; i < IPLINK_ANSWERS + 3; i++)
		link_send(&at->link, question,
			  whohas_build(&guest[0], &gateway[0], &asker, question));
	g_assert_cmpuint(at->link.stats.send_drops, ==, 3);
	for (int i = 0; i < IPLINK_ANSWERS; i++)
		g_assert_cmpint(receive(at), ==, 42);
	g_assert_cmpint(receive(at), ==, -EAGAIN);
	teardown(at);
}

/* Messages wait in their order, as far as there is room, and none is cut. */
static void test_queue(void)
{
	struct fixture *at = setup(LINK_BESS);
	uint8_t frame[30000] = { 0 };
	uint32_t sent = 0, got = 0;

	do {
		memcpy(frame, &sent, sizeof(sent));
		sent++;
	} while (link_send_segment(&at->link, frame, 14, frame + 14, sizeof(frame) - 14, NULL));
	g_assert_cmpuint(at->link.stats.send_drops, ==, 1);
	g_assert_cmpuint(at->link.stats.sent, ==, sent - 1);
	g_assert_cmpuint(sent, >, LINKSOCK_QUEUE / 30004);
	for (got = 0; got < sent - 1; got++) {
		g_assert_cmpint(recv(at->peer, frame, sizeof(frame), 0), ==, sizeof(frame));
		g_assert_cmpmem(frame, sizeof(got), &got, sizeof(got));
		link_flush(&at->link);
	}
	g_assert_false(link_has_output(&at->link));
	g_assert_cmpint(recv(at->peer, frame, sizeof(frame), 0), ==, -1);
	teardown(at);
}

static void test_stream(void)
{
	struct fixture *at = setup(LINK_STREAM);
	uint8_t two[2 * (FRAMING_PREFIX + sizeof(udp4))];

	for (int i = 0; i < 2; i++) {
		uint8_t *frame = two + i * (FRAMING_PREFIX + sizeof(udp4));

		framing_put_prefix(frame, sizeof(udp4));
		memcpy(frame + FRAMING_PREFIX, udp4, sizeof(udp4));
	}
	from_peer(at, two, sizeof(two));
	g_assert_cmpint(receive(at), ==, sizeof(udp4));
	g_assert_true(link_has_input(&at->link));
	g_assert_cmpint(receive(at), ==, sizeof(udp4));
	g_assert_cmpmem(at->buffer, sizeof(udp4), udp4, sizeof(udp4));
	g_assert_false(link_has_input(&at->link));
	from_peer(at, two, 5);
	g_assert_cmpint(receive(at), ==, -EAGAIN);
	g_assert_true(link_send_segment(&at->link, udp4, 42, udp4 + 42, 4, NULL));
	expect_at_peer(at, two, FRAMING_PREFIX + sizeof(udp4));
	from_peer(at, two + 5, FRAMING_PREFIX + sizeof(udp4) - 5);
	g_assert_cmpint(receive(at), ==, sizeof(udp4));
	from_peer(at, "\xff\xff\xff\xff", 4);
	g_assert_cmpint(receive(at), ==, -EPROTO);
	close(at->peer);
	teardown(at);
}

/* The peer reads too little, in pieces of no frame's size: each frame that was taken comes whole. */
static void test_stream_is_not_torn(void)
{
	struct fixture *at = setup(LINK_STREAM);
	g_autofree struct framing *framing = g_new(struct framing, 1);
	uint8_t frame[30000] = { 0 };
	uint32_t sent = 0, got = 0;

	framing->start = framing->end = 0;
	while (got < 300) {
		const uint8_t *next = NULL;
		size_t room;
		uint8_t *into = framing_room(framing, &room);
		ssize_t len;

		for (int i = 0; i < 4 && sent < 300; i++) {
			memcpy(frame, &sent, sizeof(sent));
			sent += link_send_segment(&at->link, frame, 14, frame + 14,
						  sizeof(frame) - 14, NULL);
		}
		len = recv(at->peer, into, MIN(room, 44444), 0);
		link_flush(&at->link);
		if (len < 0)
			continue;
		framing_filled(framing, (size_t)len);
		while ((len = framing_next(framing, &next)) != 0) {
			g_assert_cmpint(len, ==, sizeof(frame));
			g_assert_cmpmem(next, sizeof(got), &got, sizeof(got));
			got++;
		}
	}
	g_assert_cmpuint(at->link.stats.send_drops, >, 0);
	g_assert_cmpuint(at->link.stats.sent, ==, 300);
	teardown(at);
}

/* Nobody is there any more: it is dropped, and the reader will be told. */
static void test_peer_has_gone(void)
{
	static const enum link_kind kinds[] = { LINK_SEQPACKET, LINK_STREAM, LINK_BESS };

	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		struct fixture *at = setup(kinds[i]);

		close(at->peer);
		g_assert_false(link_send_segment(&at->link, udp4, 42, udp4 + 42, 4, NULL));
		g_assert_cmpuint(at->link.stats.send_drops, ==, 1);
		g_assert_cmpint(receive(at), ==, -EPIPE);
		at->peer = -1;
		teardown(at);
	}
}

/* One that reads no more, but keeps the connection, has no end to be told of: EPIPE is all there is. */
static void test_stream_that_nobody_reads(void)
{
	struct fixture *at = setup(LINK_STREAM);

	while (!link_has_output(&at->link))
		link_send(&at->link, udp4, sizeof(udp4));
	link_flush(&at->link);
	g_assert_false(link_is_broken(&at->link));
	g_assert_cmpint(shutdown(at->peer, SHUT_RD), ==, 0);
	g_assert_cmpint(receive(at), ==, -EAGAIN);
	link_flush(&at->link);
	g_assert_true(link_is_broken(&at->link));
	teardown(at);
}

/* As of a TAP: tests/unit/test_link.c. */
static void test_blocking_descriptor(void)
{
	struct fixture *at = setup(LINK_STREAM);

	g_assert_cmpint(fcntl(at->link.fd, F_SETFL, 0), ==, 0);
	g_assert_cmpint(receive(at), ==, -EAGAIN);
	teardown(at);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/linksock/bess", test_bess);
	g_test_add_func("/linksock/seqpacket", test_seqpacket);
	g_test_add_func("/linksock/seqpacket-drops", test_seqpacket_drops);
	g_test_add_func("/linksock/seqpacket-fragment", test_seqpacket_fragment);
	g_test_add_func("/linksock/questions", test_questions);
	g_test_add_func("/linksock/queue", test_queue);
	g_test_add_func("/linksock/stream", test_stream);
	g_test_add_func("/linksock/stream-is-not-torn", test_stream_is_not_torn);
	g_test_add_func("/linksock/peer-has-gone", test_peer_has_gone);
	g_test_add_func("/linksock/stream-that-nobody-reads", test_stream_that_nobody_reads);
	g_test_add_func("/linksock/blocking-descriptor", test_blocking_descriptor);
	return g_test_run();
}
