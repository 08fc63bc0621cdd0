/* Any bytes as struct virtio_net_hdr and frame: it passes or is counted once, and what passes is
 * still a frame, with nothing in it that libslirp must not see. Our own stacks get what they are
 * promised.
 */
#include <glib.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "net/gate.h"
#include "wire/udpgram.h"

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

static void take_tcp(const uint8_t *bytes, size_t len, const struct frame *parsed,
		     const struct link_info *info, void *data)
{
	struct frame frame;

	(void)info;
	(void)data;
	if (frame_parse(bytes, len, &frame) != FRAME_OK || frame.len != len || frame.fragment ||
	    parsed->proto != 6 || frame.transport != parsed->transport)
		abort();
}

static void take_udp(const uint8_t *bytes, size_t len, const struct frame *parsed,
		     const struct link_info *info, void *data)
{
	const struct gate *gate = data;
	struct frame frame;
	struct udpgram gram;

	if (frame_parse(bytes, len, &frame) != FRAME_OK || frame.len != len || frame.fragment ||
	    parsed->proto != 17 || frame.transport != parsed->transport)
		abort();
	(void)udpgram_checksum_ok(bytes, &frame);
	if (!udpgram_parse(bytes, &frame, &gram))
		return;
	if (info->gso_type == 0)
		return;
	if (info->gso_type != LINK_GSO_UDP || info->gso_size == 0 || info->gso_size >= gram.len ||
	    info->gso_size > gate->mtu || gram.len > GATE_UDP_SEGMENTS * (size_t)info->gso_size)
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

static void send(const uint8_t *bytes, size_t len, const struct link_info *info, bool hooks)
{
	struct addrplan plan;
	char text[ADDRPLAN_ERROR_MAX];
	struct gate gate = { .plan = &plan, .dns = true, .ipv6 = true, .mtu = 1500, .pass = take };
	g_autofree uint8_t *frame = g_memdup2(bytes, len);
	uint64_t drops;

	if (!addrplan_parse("10.0.2.0/24", &plan, text))
		abort();
	gate.data = gate.udp_data = &gate;
	gate.tcp = hooks ? take_tcp : NULL;
	gate.udp = hooks ? take_udp : NULL;
	gate_input(&gate, frame, len, info);
	drops = stats_describe_drops(&gate_stats_table, &gate, text, sizeof(text));
	if (gate.passed + gate.taken + gate.taken_udp + gate.held + drops != 1)
		abort();
	gate_done(&gate);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct virtio_net_hdr header;
	struct link_info info;

	if (len <= sizeof(header))
		return 0;
	memcpy(&header, bytes, sizeof(header));
	info = read_info(&header);
	send(bytes + sizeof(header), len - sizeof(header), &info, false);
	send(bytes + sizeof(header), len - sizeof(header), &info, true);
	return 0;
}
