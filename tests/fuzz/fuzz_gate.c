/* Any bytes as struct virtio_net_hdr and frame: it passes or is counted once, and what passes is
 * still a frame, with nothing in it that libslirp must not see.
 */
#include <glib.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "net/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void take(const uint8_t *bytes, size_t len, void *data)
{
	const struct gate *gate = data;
	struct frame frame;

	if (len > FRAME_ETHER_HEADER + gate->mtu && gate->defrag.begun == 0)
		abort();
	if (frame_parse(bytes, len, &frame) != FRAME_OK || frame.len != len || frame.fragment)
		abort();
	if (frame.transport != 0 && frame.proto == 6 && (bytes[frame.transport + 13] & 0x20) != 0)
		abort();
}

static struct link_info read_info(const struct virtio_net_hdr *header)
{
	return (struct link_info){
		.checksum_partial = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.checksum_valid = header->flags != 0,
		.csum_start = header->csum_start,
		.csum_offset = header->csum_offset,
		.gso_size = header->gso_size,
		.gso_type = header->gso_type,
	};
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct addrplan plan;
	char text[ADDRPLAN_ERROR_MAX];
	struct virtio_net_hdr header;
	struct link_info info;
	struct gate gate = { .plan = &plan, .dns = true, .ipv6 = true, .mtu = 1500, .pass = take };
	g_autofree uint8_t *frame = NULL;
	uint64_t drops;

	if (len <= sizeof(header))
		return 0;
	if (!addrplan_parse("10.0.2.0/24", &plan, text))
		abort();
	memcpy(&header, bytes, sizeof(header));
	info = read_info(&header);
	len -= sizeof(header);
	frame = g_memdup2(bytes + sizeof(header), len);
	gate.data = &gate;
	gate_input(&gate, frame, len, &info);
	drops = stats_describe_drops(&gate_stats_table, &gate, text, sizeof(text));
	if (gate.passed + gate.held + drops != 1)
		abort();
	gate_done(&gate);
	return 0;
}
