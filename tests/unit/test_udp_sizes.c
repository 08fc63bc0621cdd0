/* net/udp: large datagrams, several in one frame, and what becomes of those that arrive nowhere. */
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "udp_world.h"
#include "wire/bytes.h"
#include "wire/checksum.h"

/* ---- sizes ---- */

/* More than the MTU has room for: fragments, which are the same bytes again. */
static void test_fragments_to_guest(void)
{
	g_autofree uint8_t *bytes = g_malloc(65507), *joined = g_malloc0(65515);
	struct sockaddr_in binding;
	struct world w;
	size_t total = 0;
	const int buffer = 1 << 20;

	for (size_t i = 0; i < 65507; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	start(&w);
	guest_sends(&w, GUEST_PORT, "send");
	binding = hear(&w, w.server[0], "send")->from;
	g_assert_cmpint(setsockopt(w.server[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), ==,
			0);
	say(w.server[0], &binding, bytes, 65507);
	wait_frames(&w, 45); /* 65,515 bytes, 1480 in each */
	for (guint i = 0; i < w.frames->len; i++) {
		const struct sent *sent = g_ptr_array_index(w.frames, i);
		const uint8_t *ip = sent->bytes + FRAME_ETHER_HEADER;
		size_t len = get16(ip + 2) - 20u, at = (get16(ip + 6) & 0x1fffu) * 8;

		g_assert_cmpuint(sent->len, <=, FRAME_ETHER_HEADER + 1500);
		g_assert_cmpuint(at + len, <=, 65515);
		memcpy(joined + at, ip + 20, len);
		total += len;
	}
	g_assert_cmpuint(total, ==, 65515);
	g_assert_cmpmem(joined + 8, 65507, bytes, 65507);
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_guest, ==, 1);
	finish(&w);
}

static void test_large_from_guest(void)
{
	g_autofree char *text = g_strnfill(65507, 'x');
	struct udpgram gram;
	struct world w;
	const int buffer = 1 << 20;

	start(&w);
	g_assert_cmpint(setsockopt(w.server[0], SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), ==,
			0);
	gram = from_guest(&w, GUEST_PORT, text, strlen(text));
	send_gram(&w, &gram, &plain);
	hear(&w, w.server[0], text);
	finish(&w);
}

/* One frame for several datagrams, cut by the host's kernel or by us. */
static void expect_cut(bool can_segment)
{
	const struct link_info large = { .checksum_valid = true, .gso_size = 4, .gso_type = 5 };
	struct udpgram gram;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "first");
	hear(&w, w.server[0], "first");
	w.udp->can_segment = w.udp->can_segment && can_segment;
	gram = from_guest(&w, GUEST_PORT, "one.two.six", 11);
	send_gram(&w, &gram, &large);
	hear(&w, w.server[0], "one.");
	hear(&w, w.server[0], "two.");
	hear(&w, w.server[0], "six");
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_host, ==, 4);
	finish(&w);
}

static void test_large_frame(void)
{
	expect_cut(true);
}

static void test_large_frame_cut_here(void)
{
	expect_cut(false);
}

/* Datagrams of one size to one peer leave as one, and arrive as they were; what differs ends it. */
static void test_joined_from_guest(void)
{
	static const char *const texts[] = { "aaaa", "bbbb", "cc", "dddd", "eeee", "", "ffff" };
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "first");
	hear(&w, w.server[0], "first");
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		guest_sends(&w, GUEST_PORT, texts[i]);
	if (w.udp->can_segment)
		g_assert_cmpuint(w.udp->batch.count, ==, 4);
	w.ttl = 9;
	guest_sends(&w, GUEST_PORT, "gggg");
	w.dport = w.port[1];
	guest_sends(&w, GUEST_PORT, "hhhh");
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		hear(&w, w.server[0], texts[i]);
	g_assert_cmpint(hear(&w, w.server[0], "gggg")->ttl, ==, 9);
	hear(&w, w.server[1], "hhhh");
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_host, ==, 10);
	finish(&w);
}

/* One that is refused stops none of those that it was joined with. */
static void test_joined_and_refused(void)
{
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "first");
	hear(&w, w.server[0], "first");
	close(w.server[2]);
	w.server[2] = -1;
	for (int i = 0; i < 20; i++) {
		w.dport = w.port[i / 5 % 2 == 0 ? 0 : 2];
		guest_sends(&w, GUEST_PORT, "same");
	}
	turn(&w);
	for (int i = 0; i < 10; i++)
		hear(&w, w.server[0], "same");
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_host, ==, 21);
	g_assert_cmpuint(udp_stats(w.udp).drops[UDP_DROP_UNREACHABLE], ==, 0);
	finish(&w);
}

/* Pieces that the kernel does not cut to, for they are no more than fragments of its link could be. */
static void test_large_frame_refused(void)
{
	const struct link_info large = { .checksum_valid = true, .gso_size = 400, .gso_type = 5 };
	g_autofree char *text = g_strnfill(400 * 130, 'x');
	g_autofree char *piece = g_strnfill(400, 'x');
	struct udpgram gram;
	struct world w;
	const int buffer = 1 << 20;

	start(&w);
	g_assert_cmpint(setsockopt(w.server[0], SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), ==,
			0);
	gram = from_guest(&w, GUEST_PORT, text, strlen(text));
	send_gram(&w, &gram, &large); /* 130 are too many for any kernel */
	for (int i = 0; i < 130; i++)
		hear(&w, w.server[0], piece);
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_host, ==, 130);
	finish(&w);
}

/* Pieces larger than most links take are cut here, and not tried as a whole first. */
static void test_large_pieces(void)
{
	const struct link_info large = { .checksum_valid = true, .gso_size = 4000, .gso_type = 5 };
	g_autofree char *text = g_strnfill(10000, 'x');
	g_autofree char *piece = g_strnfill(4000, 'x'), *last = g_strnfill(2000, 'x');
	struct udpgram gram;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "first");
	hear(&w, w.server[0], "first");
	gram = from_guest(&w, GUEST_PORT, text, strlen(text));
	send_gram(&w, &gram, &large);
	g_assert_cmpuint(w.udp->batch.count, ==, 3);
	hear(&w, w.server[0], piece);
	hear(&w, w.server[0], piece);
	hear(&w, w.server[0], last);
	finish(&w);
}

static void send_segmented(int fd, const struct sockaddr_in *to, const char *text, uint16_t size)
{
	uint8_t control[CMSG_SPACE(sizeof(size))] __attribute__((aligned(8))) = { 0 };
	struct sockaddr_in address = *to;
	struct iovec part = { (void *)(uintptr_t)text, strlen(text) };
	struct msghdr message = { .msg_name = &address,
				  .msg_namelen = sizeof(address),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = IPPROTO_UDP;
	header->cmsg_type = 103; /* UDP_SEGMENT */
	header->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(header), &size, sizeof(size));
	g_assert_cmpint(sendmsg(fd, &message, 0), ==, (ssize_t)strlen(text));
}

/* Datagrams that the kernel has joined: one frame for a guest that takes such, else one each. */
static void test_joined_datagrams(void)
{
	for (int large = 0; large < 2; large++) {
		struct sockaddr_in binding;
		struct udpgram gram;
		struct world w;

		prepare(&w);
		begin(&w, large);
		guest_sends(&w, GUEST_PORT, "first");
		binding = hear(&w, w.server[0], "first")->from;
		send_segmented(w.server[0], &binding, "one.two.six", 4);
		if (large) {
			const struct sent *sent = wait_frames(&w, 1);

			g_assert_cmpuint(sent->gso_size, ==, 4);
			gram = gram_of(sent);
			g_assert_cmpmem(gram.payload, (int)gram.len, "one.two.six", 11);
		} else {
			const struct sent *sent = wait_frames(&w, 3);

			expect_gram(sent, "10.0.2.2", w.port[0], GUEST_PORT, "six");
		}
		g_assert_cmpuint(udp_stats(w.udp).datagrams_to_guest, ==, 3);
		finish(&w);
	}
}

/* Such as the kernel has not joined are joined here for a guest that takes them so. */
static void test_alike_to_guest(void)
{
	struct sockaddr_in binding;
	const struct sent *sent;
	struct udpgram gram;
	struct world w;

	prepare(&w);
	w.settings.udp_filter = UDP_FILTER_ADDRESS;
	begin(&w, true);
	guest_sends(&w, GUEST_PORT, "first");
	binding = hear(&w, w.server[0], "first")->from;
	for (int i = 0; i < 3; i++)
		say(w.server[0], &binding, "same", 4);
	say(w.server[0], &binding, "end", 3);
	say(w.server[0], &binding, "next", 4);
	say(w.server[1], &binding, "else", 4);
	say(w.server[1], &binding, "longer", 6);
	say(w.server[1], &binding, "", 0);
	wait_frames(&w, 5);
	sent = g_ptr_array_index(w.frames, 0);
	g_assert_cmpuint(sent->gso_size, ==, 4);
	gram = gram_of(sent);
	g_assert_cmpmem(gram.payload, (int)gram.len, "samesamesameend", 15);
	for (guint i = 1; i < 5; i++) {
		sent = g_ptr_array_index(w.frames, i);
		g_assert_cmpuint(sent->gso_size, ==, 0);
		g_assert_cmpuint(gram_of(sent).sport, ==, w.port[i > 1]);
	}
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_guest, ==, 8);
	finish(&w);
}

static void test_full_link(void)
{
	struct sockaddr_in binding;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "ping");
	binding = hear(&w, w.server[0], "ping")->from;
	w.full = true;
	say(w.server[0], &binding, "lost", 4);
	while (drops(&w, UDP_DROP_LINK_FULL) == 0)
		turn(&w);
	w.full = false;
	say(w.server[0], &binding, "pong", 4);
	expect_gram(wait_frames(&w, 1), "10.0.2.2", w.port[0], GUEST_PORT, "pong");
	finish(&w);
}

/* ---- errors ---- */

static void test_refused(void)
{
	struct world w;
	guint errors;

	start(&w);
	close(w.server[0]);
	w.server[0] = -1;
	guest_sends(&w, GUEST_PORT, "anybody?");
	expect_error(wait_frames(&w, 1), "10.0.2.2", 3, 3, "10.0.2.2", w.port[0]);
	/* Those that wait behind it are sent all the same. */
	for (int i = 0; i < 3; i++) {
		w.dport = w.port[0];
		guest_sends(&w, GUEST_PORT, "nobody");
		w.dport = w.port[1];
		guest_sends(&w, GUEST_PORT, "you");
	}
	for (int i = 0; i < 3; i++)
		hear(&w, w.server[1], "you");
	turn(&w);
	errors = w.frames->len - 1;
	g_assert_cmpuint(errors, ==, 3);
	g_assert_cmpuint(udp_stats(w.udp).errors, ==, 4);
	g_assert_cmpuint(udp_stats(w.udp).datagrams_to_host, ==, 7);
	finish(&w);
}

static bool is_icmp(const struct sent *sent)
{
	return sent->bytes[FRAME_ETHER_HEADER + 9] == IPPROTO_ICMP;
}

/* To closed ports, more than are read in a turn; nothing is read meanwhile. */
static void scan(struct world *w, unsigned ports)
{
	const uint16_t dport = w->dport;

	close(w->server[3]);
	w->server[3] = -1;
	w->dport = w->port[3];
	for (unsigned i = 0; i < ports; i++) {
		w->ttl = i % 2 ? 63 : 64; /* each by itself */
		guest_sends(w, GUEST_PORT, "scan");
	}
	w->dport = dport;
	w->loop.turn_end(w->loop.turn_end_data);
}

/* What others are told does not fall upon whom the guest sends to next. */
static void test_errors_of_others(void)
{
	struct world w;

	start(&w);
	scan(&w, 60);
	guest_sends(&w, GUEST_PORT, "alive");
	hear(&w, w.server[0], "alive");
	g_assert_cmpuint(drops(&w, UDP_DROP_UNREACHABLE), ==, 0);
	wait_frames(&w, 60);
	for (guint i = 0; i < w.frames->len; i++)
		expect_error(g_ptr_array_index(w.frames, i), "10.0.2.2", 3, 3, "10.0.2.2",
			     w.port[3]);
	finish(&w);
}

/* Nor does it keep answers away. */
static void test_errors_before_answers(void)
{
	struct sockaddr_in binding;
	bool answered = false;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "ping");
	binding = hear(&w, w.server[0], "ping")->from;
	scan(&w, 200);
	say(w.server[0], &binding, "pong", 4);
	turn(&w);
	for (guint i = 0; i < w.frames->len; i++)
		answered = answered || !is_icmp(g_ptr_array_index(w.frames, i));
	g_assert_true(answered);
	g_assert_cmpuint(w.frames->len, <, 200); /* there was more to be read */
	finish(&w);
}

/* An ICMP message about a datagram from @binding to @dst:@dport comes to the host. False: we may not
 * make such.
 */
static bool icmp_comes(const struct sockaddr_in *binding, uint8_t type, uint8_t code, uint32_t word,
		       const char *dst, uint16_t dport)
{
	uint8_t message[8 + 20 + 8 + 16] = { type, code }, *ip = message + 8, *transport = ip + 20;
	const struct sockaddr_in to = at_loopback(1, 0);
	struct ip address;
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd < 0)
		return false;
	g_assert_true(ip_parse(dst, &address));
	put32(message + 4, word);
	ip[0] = 0x45;
	put16(ip + 2, 20 + 8 + 16);
	ip[8] = 60;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &to.sin_addr, 4);
	memcpy(ip + 16, address.v4.b, 4);
	checksum_store(ip + 10, checksum_add(0, ip, 20));
	put16(transport, ntohs(binding->sin_port));
	put16(transport + 2, dport);
	put16(transport + 4, 8 + 16);
	checksum_store(message + 2, checksum_add(0, message, sizeof(message)));
	g_assert_cmpint(sendto(fd, message, sizeof(message), 0, (const struct sockaddr *)&to,
			       sizeof(to)),
			==, sizeof(message));
	close(fd);
	return true;
}

/* Only those who may answer are heard of, and word for word. */
static void test_errors_that_came(void)
{
	struct sockaddr_in binding;
	struct world w;

	start(&w);
	guest_sends(&w, GUEST_PORT, "ping");
	binding = hear(&w, w.server[0], "ping")->from;
	if (!icmp_comes(&binding, 3, 1, 0, "198.51.100.1", 4444)) {
		g_test_skip("no raw sockets");
		finish(&w);
		return;
	}
	g_assert_true(icmp_comes(&binding, 3, 1, 0, "127.0.0.1", w.port[1]));
	g_assert_true(icmp_comes(&binding, 12, 0, 9u << 24, "127.0.0.1", w.port[0]));
	expect_error(wait_frames(&w, 1), "10.0.2.2", 12, 0, "10.0.2.2", w.port[0]);
	g_assert_cmpuint(get32(wait_frames(&w, 1)->bytes + FRAME_ETHER_HEADER + 24), ==, 9u << 24);
	g_assert_cmpuint(udp_stats(w.udp).errors, ==, 1);
	finish(&w);
}

static void test_errors_are_limited(void)
{
	struct world w;

	start(&w);
	for (int i = 0; i < 1500; i++)
		guest_sends_to(&w, "10.0.2.3", 53, "query"); /* there is no name server */
	g_assert_cmpuint(w.frames->len, ==, 1000);
	g_assert_cmpuint(udp_stats(w.udp).errors_unanswered, ==, 500);
	pass(&w, 1000);
	guest_sends_to(&w, "10.0.2.3", 53, "query");
	g_assert_cmpuint(w.frames->len, ==, 1001);
	finish(&w);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{ "/udp/fragments-to-guest", test_fragments_to_guest },
		{ "/udp/large-from-guest", test_large_from_guest },
		{ "/udp/large-frame", test_large_frame },
		{ "/udp/large-frame/cut-here", test_large_frame_cut_here },
		{ "/udp/large-frame/refused", test_large_frame_refused },
		{ "/udp/large-frame/large-pieces", test_large_pieces },
		{ "/udp/joined-from-guest", test_joined_from_guest },
		{ "/udp/joined-and-refused", test_joined_and_refused },
		{ "/udp/joined-datagrams", test_joined_datagrams },
		{ "/udp/alike-to-guest", test_alike_to_guest },
		{ "/udp/full-link", test_full_link },
		{ "/udp/refused", test_refused },
		{ "/udp/errors-of-others", test_errors_of_others },
		{ "/udp/errors-before-answers", test_errors_before_answers },
		{ "/udp/errors-that-came", test_errors_that_came },
		{ "/udp/errors-are-limited", test_errors_are_limited },
	};

	g_test_init(&argc, &argv, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add_func(tests[i].name, tests[i].fn);
	return g_test_run();
}
