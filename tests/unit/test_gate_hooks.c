/* net/gate: what is offered to our own TCP, and who learns from what is let in. */
#include "gate_world.h"
#include "wire/icmperr.h"

/* The TCP hook gets TCP as the guest sent it, urgent pointer and all, and none reaches the other
 * stack.
 */
static void test_tcp_hook(void)
{
	const uint8_t sent[64] = URGENT4_FRAME;
	uint8_t frame[64], udp[] = UDP4_FRAME;
	const struct link_info large = { .gso_size = 2, .gso_type = 1 };
	struct world world;

	make_world(&world);
	world.gate.tcp = take_tcp;
	memcpy(frame, sent, sizeof(frame));
	gate_input(&world.gate, frame, sizeof(frame), &large);
	g_assert_cmpuint(world.tcp_frames, ==, 1);
	g_assert_cmpuint(world.gate.taken, ==, 1);
	g_assert_cmpmem(world.last, 58, sent, 58);
	gate_input(&world.gate, udp, sizeof(udp), &plain);
	g_assert_cmpuint(world.stack_frames, ==, 1);
	g_assert_cmpuint(world.tcp_frames, ==, 1);

	put_ip4(frame + IP_OFFSET + 16, "10.0.2.77");
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	g_assert_cmpuint(world.gate.drops[GATE_NOWHERE], ==, 1);
	put_ip4(frame + IP_OFFSET + 12, "10.0.2.2");
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	g_assert_cmpuint(world.gate.drops[GATE_SOURCE], ==, 1);
	g_assert_cmpuint(world.tcp_frames, ==, 1);
}

static bool take_too_big(const struct toobig *report, void *data)
{
	(void)data;
	g_assert_cmpuint(report->mtu, ==, 1400);
	g_assert_cmpuint(report->sport, ==, 80);
	return report->dport == 40000;
}

/* About a segment that @port of the guest was sent, from the guest. */
static size_t make_too_big(uint8_t *frame, uint16_t port)
{
	const uint8_t tcp[] = { 0, 80, (uint8_t)(port >> 8), (uint8_t)port, 0, 0, 0, 1 };
	const uint8_t header[] = UDP4_FRAME;
	struct icmperr error = {
		.reason = ICMPERR_TOO_BIG,
		.info = 1400,
		.router = { .family = IP_V4 },
		.src = { .family = IP_V4 },
		.dst = { .family = IP_V4 },
		.proto = PROTO_TCP,
		.transport = tcp,
		.transport_len = sizeof(tcp),
		.packet_transport_len = 20,
	};

	put_ip4(error.router.v4.b, "10.0.2.100");
	put_ip4(error.src.v4.b, "192.0.2.2");
	error.dst = error.router;
	memcpy(frame, header, IP_OFFSET);
	return IP_OFFSET + icmperr_build(&error, frame + IP_OFFSET);
}

/* What our TCP does not know goes where it went before, and so does all if there is none. */
static void test_too_big_hook(void)
{
	uint8_t frame[IP_OFFSET + ICMPERR_MAX];
	struct world world;

	make_world(&world);
	gate_input(&world.gate, frame, make_too_big(frame, 40000), &plain);
	g_assert_cmpuint(world.stack_frames, ==, 1);
	world.gate.too_big = take_too_big;
	gate_input(&world.gate, frame, make_too_big(frame, 40001), &plain);
	g_assert_cmpuint(world.stack_frames, ==, 2);
	g_assert_cmpuint(world.gate.taken, ==, 0);
	gate_input(&world.gate, frame, make_too_big(frame, 40000), &plain);
	g_assert_cmpuint(world.stack_frames, ==, 2);
	g_assert_cmpuint(world.gate.taken, ==, 1);
}

static void note_learned(const struct ip *ip, const struct mac *mac, void *data)
{
	(void)ip;
	memcpy(data, mac->b, sizeof(mac->b));
}

static void ignore_question(const uint8_t *frame, size_t len, void *data)
{
	(void)frame;
	(void)len;
	(void)data;
}

/* Neighbours learn from frames that are let in, and from no others. */
static void test_neighbours(void)
{
	uint8_t frame[] = UDP4_FRAME, learned[6] = { 0 };
	const struct neighbours_output output = { ignore_question, note_learned, learned };
	struct ip guest = { .family = IP_V4 };
	struct world world;
	struct mac mac;

	make_world(&world);
	guest.v4 = world.plan.guest;
	world.gate.neighbours = neighbours_new(&world.plan, &output);
	g_assert_false(neighbours_find(world.gate.neighbours, &guest, 0, &mac));
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.77"); /* leads nowhere */
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	g_assert_false(neighbours_find(world.gate.neighbours, &guest, 0, &mac));
	put_ip4(frame + IP_OFFSET + 16, "10.0.2.2");
	gate_input(&world.gate, frame, sizeof(frame), &plain);
	g_assert_true(neighbours_find(world.gate.neighbours, &guest, 0, &mac));
	g_assert_cmpmem(mac.b, 6, frame + 6, 6);
	g_assert_cmpmem(learned, 6, frame + 6, 6);
	neighbours_free(world.gate.neighbours);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gate/tcp-hook", test_tcp_hook);
	g_test_add_func("/gate/too-big-hook", test_too_big_hook);
	g_test_add_func("/gate/neighbours", test_neighbours);
	return g_test_run();
	return g_test_run();
}
