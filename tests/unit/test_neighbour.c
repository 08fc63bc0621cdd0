/* net/neighbour and wire/whohas: what is asked, what is learned, and from whom. */
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "net/neighbour.h"
#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/whohas.h"

#define ARP_REPLY 2

struct world {
	struct addrplan plan;
	struct neighbours *neighbours;
	unsigned questions, news;
	uint8_t question[WHOHAS_MAX];
	size_t question_len;
	struct ip learned_ip;
	struct mac learned;
};

static const struct mac first_mac = { { 2, 0, 0, 0, 0, 1 } }, other_mac = { { 2, 0, 0, 0, 0, 2 } };

static void take_question(const uint8_t *frame, size_t len, void *data)
{
	struct world *w = data;

	w->questions++;
	memcpy(w->question, frame, len);
	w->question_len = len;
}

static void take_news(const struct ip *ip, const struct mac *mac, void *data)
{
	struct world *w = data;

	w->news++;
	w->learned_ip = *ip;
	w->learned = *mac;
}

static void start(struct world *w)
{
	const struct neighbours_output output = { take_question, take_news, w };
	char error[ADDRPLAN_ERROR_MAX];

	*w = (struct world){ .questions = 0 };
	g_assert_true(addrplan_parse("10.0.2.0/24", &w->plan, error));
	w->neighbours = neighbours_new(&w->plan, &output);
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	g_assert_true(ip_parse(text, &ip));
	return ip;
}

/* An ARP reply of the guest; its Ethernet header says @ether. */
static void arp_from(struct world *w, const char *ip, const struct mac *mac,
		     const struct mac *ether)
{
	struct ip sender = ip_of(ip), gateway = { .family = IP_V4, .v4 = w->plan.gateway };
	uint8_t bytes[WHOHAS_MAX];
	size_t len = whohas_build(&gateway, &sender, mac, bytes);
	struct frame frame;

	bytes[FRAME_ETHER_HEADER + 7] = ARP_REPLY;
	memcpy(bytes + 6, ether->b, sizeof(ether->b));
	g_assert_cmpint(frame_parse(bytes, len, &frame), ==, FRAME_OK);
	neighbours_input(w->neighbours, bytes, &frame);
}

/* An IPv6 frame: neighbour discovery of the guest. */
static void ip6_from(struct world *w, const char *ip, const struct mac *mac)
{
	struct ip sender = ip_of(ip), gateway = { .family = IP_V6, .v6 = w->plan.gateway6 };
	uint8_t bytes[WHOHAS_MAX];
	size_t len = whohas_build(&gateway, &sender, mac, bytes);
	struct frame frame;

	g_assert_cmpint(frame_parse(bytes, len, &frame), ==, FRAME_OK);
	neighbours_input(w->neighbours, bytes, &frame);
}

static void expect(struct world *w, const char *text, const struct mac *wanted)
{
	struct ip ip = ip_of(text);
	struct mac mac;

	g_assert_cmpint(neighbours_find(w->neighbours, &ip, 0, &mac), ==, wanted != NULL);
	if (wanted)
		g_assert_cmpmem(mac.b, 6, wanted->b, 6);
}

static void test_asks_by_arp(void)
{
	static const uint8_t wanted[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x55, 10,   0,    2,	2, 0x08, 0x06,
		0,    1,    0x08, 0,	6,    4,    0,	  1,	0x52, 0x55, 10, 0, 2,	 2,
		10,   0,    2,	  2,	0,    0,    0,	  0,	0,    0,    10, 0, 2,	 100,
	};
	struct world w;

	start(&w);
	expect(&w, "10.0.2.100", NULL);
	g_assert_cmpuint(w.question_len, ==, sizeof(wanted));
	g_assert_cmpint(memcmp(w.question, wanted, sizeof(wanted)), ==, 0);
	arp_from(&w, "10.0.2.100", &first_mac, &other_mac); /* ARP's word counts */
	g_assert_cmpuint(w.news, ==, 1);
	g_assert_cmpmem(w.learned.b, 6, first_mac.b, 6);
	expect(&w, "10.0.2.100", &first_mac);
	g_assert_cmpuint(w.questions, ==, 1);
	neighbours_free(w.neighbours);
}

static void test_asks_by_solicitation(void)
{
	static const uint8_t ether[] = { 0x33, 0x33, 0xff, 0x34, 0x56, 0x78, 0x52,
					 0x56, 0,    0,	   0,	 2,    0x86, 0xdd };
	static const uint8_t option[] = { 1, 1, 0x52, 0x56, 0, 0, 0, 2 };
	struct ip target = ip_of("fd00::12:3456:78"), group = ip_of("ff02::1:ff56:78");
	struct world w;
	struct frame frame;

	target.v6.b[13] = 0x34;
	target.v6.b[14] = 0x56;
	target.v6.b[15] = 0x78;
	memcpy(group.v6.b + 13, target.v6.b + 13, 3);
	start(&w);
	g_assert_false(neighbours_find(w.neighbours, &target, 0, &w.learned));
	g_assert_cmpuint(w.question_len, ==, 86);
	g_assert_cmpmem(w.question, sizeof(ether), ether, sizeof(ether));
	g_assert_cmpint(frame_parse(w.question, w.question_len, &frame), ==, FRAME_OK);
	g_assert_cmpuint(frame.len, ==, 86);
	g_assert_cmpuint(frame.proto, ==, IPPROTO_ICMPV6);
	g_assert_cmpuint(w.question[14 + 7], ==, 255);
	g_assert_cmpmem(frame.src.v6.b, 16, w.plan.gateway6.b, 16);
	g_assert_true(ip_equal(&frame.dst, &group));
	g_assert_cmpuint(get16(w.question + 54), ==, 135 << 8);
	g_assert_cmpuint(checksum_fold(checksum_add(checksum_add_pseudo(0, &frame.src, &frame.dst,
									IPPROTO_ICMPV6, 32),
						    w.question + 54, 32)),
			 ==, 0xffff);
	g_assert_cmpmem(w.question + 62, 16, target.v6.b, 16);
	g_assert_cmpmem(w.question + 78, 8, option, 8);
	neighbours_free(w.neighbours);
}

static void test_learns_from_any_frame(void)
{
	struct world w;

	start(&w);
	expect(&w, "fd00::100", NULL);
	ip6_from(&w, "fd00::100", &first_mac);
	expect(&w, "fd00::100", &first_mac);
	ip6_from(&w, "fd00::100", &other_mac); /* the interface was made anew */
	g_assert_cmpuint(w.news, ==, 2);
	g_assert_true(
		ip_equal(&w.learned_ip, &(struct ip){ IP_V6, { .v6 = ip_of("fd00::100").v6 } }));
	ip6_from(&w, "fd00::100", &other_mac); /* nothing new */
	g_assert_cmpuint(w.news, ==, 2);
	expect(&w, "fd00::100", &other_mac);
	ip6_from(&w, "fd00::100", &(struct mac){ { 1, 0, 0x5e } }); /* no sender's */
	expect(&w, "fd00::100", &other_mac);
	neighbours_free(w.neighbours);
}

/* What the guest says of addresses that nobody looks for is not kept. */
static void test_unasked(void)
{
	struct world w;

	start(&w);
	arp_from(&w, "10.0.2.100", &first_mac, &first_mac);
	g_assert_cmpuint(w.news, ==, 0);
	expect(&w, "10.0.2.100", NULL);
	neighbours_free(w.neighbours);
}

static void test_set(void)
{
	struct ip guest = ip_of("10.0.2.100");
	struct world w;

	start(&w);
	neighbours_set(w.neighbours, &guest, &first_mac);
	expect(&w, "10.0.2.100", &first_mac);
	g_assert_cmpuint(w.questions + w.news, ==, 0);
	arp_from(&w, "10.0.2.100", &other_mac, &other_mac);
	expect(&w, "10.0.2.100", &other_mac);
	neighbours_free(w.neighbours);
}

/* One question in half a second, however many wait for the answer; an answer is news even if it is
 * what was known.
 */
static void test_pace(void)
{
	struct ip guest = ip_of("10.0.2.100");
	struct world w;
	struct mac mac;

	start(&w);
	for (int64_t now_ms = 0; now_ms < 1000; now_ms += 10)
		g_assert_false(neighbours_find(w.neighbours, &guest, now_ms, &mac));
	g_assert_cmpuint(w.questions, ==, 2);
	arp_from(&w, "10.0.2.100", &first_mac, &first_mac);
	neighbours_ask(w.neighbours, &guest, 1000);
	g_assert_cmpuint(w.questions, ==, 3);
	g_assert_true(neighbours_find(w.neighbours, &guest, 1000, &mac));
	arp_from(&w, "10.0.2.100", &first_mac, &first_mac);
	g_assert_cmpuint(w.news, ==, 2);
	neighbours_free(w.neighbours);
}

/* A full table gives up the one that was looked for longest ago. */
static void test_full(void)
{
	struct world w;
	char text[IP_TEXT_MAX];

	start(&w);
	for (int i = 0; i < NEIGHBOURS_MAX; i++) {
		struct ip ip;

		g_snprintf(text, sizeof(text), "10.0.2.%d", 20 + i);
		ip = ip_of(text);
		neighbours_set(w.neighbours, &ip, &first_mac);
	}
	expect(&w, "10.0.2.20", &first_mac);
	expect(&w, "10.0.2.200", NULL);
	expect(&w, "10.0.2.20", &first_mac);
	expect(&w, "10.0.2.22", &first_mac);
	expect(&w, "10.0.2.21", NULL);
	neighbours_free(w.neighbours);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/neighbour/asks-by-arp", test_asks_by_arp);
	g_test_add_func("/neighbour/asks-by-solicitation", test_asks_by_solicitation);
	g_test_add_func("/neighbour/learns-from-any-frame", test_learns_from_any_frame);
	g_test_add_func("/neighbour/unasked", test_unasked);
	g_test_add_func("/neighbour/set", test_set);
	g_test_add_func("/neighbour/pace", test_pace);
	g_test_add_func("/neighbour/full", test_full);
	return g_test_run();
}
