/* Any frame comes apart as "too big" inside its bytes or is refused, as it is and with the checksum
 * that it would need; what came apart is about a segment that may have been ours.
 */
#include <glib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "wire/checksum.h"
#include "wire/toobig.h"

#define ICMP_CHECKSUM 2

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(const uint8_t *bytes, const struct frame *frame)
{
	const bool v6 = frame->kind == FRAME_IP6;
	struct toobig report;

	if (!toobig_parse(bytes, frame, &report))
		return;
	if (report.mtu < (v6 ? TOOBIG_MTU_MIN6 : TOOBIG_MTU_MIN4))
		abort();
	if (!ip_equal(&report.src, &frame->dst) || report.dst.family != frame->dst.family)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	g_autofree uint8_t *copy = NULL;
	struct frame frame;
	uint8_t *icmp;
	uint64_t sum = 0;

	if (frame_parse(bytes, len, &frame) != FRAME_OK)
		return 0;
	check(bytes, &frame);
	if (frame.proto != IPPROTO_ICMP && frame.proto != IPPROTO_ICMPV6)
		return 0;
	if (frame.transport_len == 0)
		return 0;
	copy = g_memdup2(bytes, frame.len); /* of exactly its size */
	icmp = copy + frame.transport;
	memset(icmp + ICMP_CHECKSUM, 0, sizeof(uint16_t));
	if (frame.kind == FRAME_IP6)
		sum = checksum_add_pseudo(0, &frame.src, &frame.dst, frame.proto,
					  (uint32_t)frame.transport_len);
	checksum_store(icmp + ICMP_CHECKSUM, checksum_add(sum, icmp, frame.transport_len));
	check(copy, &frame);
	return 0;
}
