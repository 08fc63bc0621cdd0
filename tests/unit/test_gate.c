/* net/gate: what passes, what is dropped, and that it is counted. */
#include <glib.h>
#include <string.h>

#include "frames.h"
#include "net/gate.h"

struct stack {
	unsigned frames;
	size_t last_len;
};

static void take(const uint8_t *frame, size_t len, void *data)
{
	struct stack *stack = data;

	(void)frame;
	stack->frames++;
	stack->last_len = len;
}

static void send_to(struct gate *gate, const char *dst)
{
	uint8_t frame[] = UDP4_FRAME;
	struct ip4 ip;

	g_assert_true(ip4_parse(dst, &ip));
	memcpy(frame + IP_OFFSET + 16, ip.b, sizeof(ip.b));
	gate_input(gate, frame, sizeof(frame));
}

static void test_destinations(void)
{
	static const struct {
		const char *dst;
		bool dns, passes;
	} cases[] = {
		{ "192.0.2.2", true, true },	   { "10.0.2.2", true, true },
		{ "10.0.2.3", true, true },	   { "10.0.2.3", false, false },
		{ "10.0.2.77", true, false },	   { "10.0.2.100", true, false },
		{ "10.0.2.0", true, false },	   { "10.0.2.255", true, true },
		{ "255.255.255.255", true, true }, { "10.0.3.77", true, true },
	};
	struct addrplan plan;
	char error[ADDRPLAN_ERROR_MAX];

	g_assert_true(addrplan_parse("10.0.2.0/24", &plan, error));
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct stack stack = { 0 };
		struct gate gate = {
			.plan = &plan, .dns = cases[i].dns, .pass = take, .data = &stack
		};

		g_test_message("%s dns %d", cases[i].dst, cases[i].dns);
		send_to(&gate, cases[i].dst);
		g_assert_cmpuint(stack.frames, ==, cases[i].passes);
		g_assert_cmpuint(gate.passed, ==, cases[i].passes);
		g_assert_cmpuint(gate.nowhere, ==, !cases[i].passes);
	}
}

static void test_destinations6(void)
{
	static const struct {
		const char *dst;
		bool dns, passes;
	} cases[] = {
		{ "2001:db8::2", true, true }, { "fd00::2", true, true },
		{ "fd00::3", true, true },     { "fd00::3", false, false },
		{ "fd00::4", true, false },    { "fe80::2", true, true },
		{ "ff02::2", true, true },     { "fd00:0:0:1::4", true, true },
	};
	struct addrplan plan;
	char error[ADDRPLAN_ERROR_MAX];

	g_assert_true(addrplan_parse("10.0.2.0/24", &plan, error));
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t frame[] = TCP6_FRAME;
		struct stack stack = { 0 };
		struct gate gate = {
			.plan = &plan, .dns = cases[i].dns, .pass = take, .data = &stack
		};

		g_test_message("%s dns %d", cases[i].dst, cases[i].dns);
		g_assert_true(ip6_parse(cases[i].dst, (struct ip6 *)(frame + IP_OFFSET + 24)));
		gate_input(&gate, frame, sizeof(frame));
		g_assert_cmpuint(stack.frames, ==, cases[i].passes);
		g_assert_cmpuint(gate.nowhere, ==, !cases[i].passes);
	}
}

static void test_faults(void)
{
	uint8_t frame[64] = UDP4_FRAME;
	struct stack stack = { 0 };
	struct addrplan plan;
	struct gate gate = { .plan = &plan, .dns = true, .pass = take, .data = &stack };
	char text[256];

	g_assert_true(addrplan_parse("10.0.2.0/24", &plan, text));
	gate_input(&gate, frame, sizeof(frame));
	g_assert_cmpuint(stack.last_len, ==, 46); /* without the padding */
	gate_input(&gate, frame, 3);
	gate_input(&gate, frame, 20);
	frame[IP_OFFSET] = 0x15;
	gate_input(&gate, frame, sizeof(frame));
	g_assert_cmpuint(stack.frames, ==, 1);
	g_assert_cmpuint(gate.faults[FRAME_TOO_SHORT], ==, 2);
	g_assert_cmpuint(gate.faults[FRAME_BAD_IP_HEADER], ==, 1);
	g_assert_cmpuint(gate_describe_drops(&gate, text, sizeof(text)), ==, 3);
	g_assert_cmpstr(text, ==, "0 to nowhere, 2 too short, 1 bad IP header");
	g_assert_cmpuint(gate_describe_drops(&gate, text, 4), ==, 3); /* cut, not overrun */
	g_assert_cmpstr(text, ==, "0 t");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gate/destinations", test_destinations);
	g_test_add_func("/gate/destinations6", test_destinations6);
	g_test_add_func("/gate/faults", test_faults);
	return g_test_run();
}
