#include "net/gate.h"

#include <inttypes.h>
#include <stdio.h>

/* Whether an IPv4 destination is one that we answer for, or one beyond the guest's network. */
static bool leads_somewhere(const struct gate *gate, const struct ip *dst)
{
	const struct addrplan *plan = gate->plan;
	struct ip4 broadcast = ip4_broadcast(&plan->net);

	if (dst->family != IP_V4 || !ip4_in_net(&dst->v4, &plan->net))
		return true;
	if (ip4_equal(&dst->v4, &plan->dns))
		return gate->dns;
	return ip4_equal(&dst->v4, &plan->gateway) || ip4_equal(&dst->v4, &broadcast);
}

void gate_input(struct gate *gate, const uint8_t *bytes, size_t len)
{
	struct frame frame;
	enum frame_fault fault = frame_parse(bytes, len, &frame);

	if (fault != FRAME_OK) {
		gate->faults[fault]++;
		return;
	}
	if (frame.kind == FRAME_IP4 && !leads_somewhere(gate, &frame.dst)) {
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
