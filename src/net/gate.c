#include "net/gate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PREFIX6_LEN 8 /* bytes of a /64 */

static bool leads_somewhere4(const struct gate *gate, const struct ip4 *dst)
{
	const struct addrplan *plan = gate->plan;
	struct ip4 broadcast = ip4_broadcast(&plan->net);

	if (!ip4_in_net(dst, &plan->net))
		return true;
	if (ip4_equal(dst, &plan->dns))
		return gate->dns;
	return ip4_equal(dst, &plan->gateway) || ip4_equal(dst, &broadcast);
}

static bool leads_somewhere6(const struct gate *gate, const struct ip6 *dst)
{
	const struct addrplan *plan = gate->plan;

	if (memcmp(dst->b, plan->prefix6.b, PREFIX6_LEN) != 0)
		return true;
	if (memcmp(dst->b, plan->dns6.b, sizeof(dst->b)) == 0)
		return gate->dns;
	return memcmp(dst->b, plan->gateway6.b, sizeof(dst->b)) == 0;
}

/* Whether a destination is one that we answer for, or one beyond the guest's network. */
static bool leads_somewhere(const struct gate *gate, const struct ip *dst)
{
	if (dst->family == IP_V6)
		return leads_somewhere6(gate, &dst->v6);
	return leads_somewhere4(gate, &dst->v4);
}

void gate_input(struct gate *gate, const uint8_t *bytes, size_t len)
{
	struct frame frame;
	enum frame_fault fault = frame_parse(bytes, len, &frame);

	if (fault != FRAME_OK) {
		gate->faults[fault]++;
		return;
	}
	if (frame.kind != FRAME_ARP && !leads_somewhere(gate, &frame.dst)) {
		gate->nowhere++;
		return;
	}
	gate->passed++;
	gate->pass(bytes, frame.len, gate->data);
}

uint64_t gate_describe_drops(const struct gate *gate, char *text, size_t size)
{
	uint64_t total = gate->nowhere;
	int used = snprintf(text, size, "%" PRIu64 " to nowhere", gate->nowhere);

	for (int fault = FRAME_OK + 1; fault < FRAME_FAULTS; fault++) {
		total += gate->faults[fault];
		if (gate->faults[fault] == 0 || used < 0 || (size_t)used >= size)
			continue;
		used += snprintf(text + used, size - (size_t)used, ", %" PRIu64 " %s",
				 gate->faults[fault], frame_fault_name((enum frame_fault)fault));
	}
	return total;
}
