#include "net/link.h"

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "net/capture.h"

static const struct stats_row rows[] = {
	{ "frames_from_guest", "Frames that the guest has sent",
	  STATS_NUMBER(struct link_stats, received) },
	{ "bytes_from_guest", "Bytes in them, Ethernet headers included",
	  STATS_NUMBER(struct link_stats, received_bytes) },
	{ "frames_to_guest", "Frames that the guest was sent",
	  STATS_NUMBER(struct link_stats, sent) },
	{ "bytes_to_guest", "Bytes in them, Ethernet headers included",
	  STATS_NUMBER(struct link_stats, sent_bytes) },
	{ "no_room", "Frames to the guest that were dropped because it took no more",
	  STATS_NUMBER(struct link_stats, send_drops), .counts_drops = true },
	{ 0 },
};

const struct stats_table link_stats_table = { "link", "frames to the guest", rows };

void link_attach(struct link *link, int fd, bool vnet_hdr, bool uso)
{
	link->fd = fd;
	link->vnet_hdr = vnet_hdr;
	link->uso = uso;
}

static struct link_info read_header(const struct virtio_net_hdr *header)
{
	struct link_info info = {
		.checksum_partial = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.checksum_valid = header->flags &
				  (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID),
	};

	if (info.checksum_partial) {
		info.csum_start = header->csum_start;
		info.csum_offset = header->csum_offset;
	}
	if (header->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		info.gso_size = header->gso_size;
		info.gso_type = header->gso_type;
	}
	return info;
}

/* #syscalls:engine readv writev */
ssize_t link_receive(struct link *link, uint8_t *buffer, size_t size, struct link_info *ret)
{
	struct virtio_net_hdr header = { 0 };
	const size_t header_len = link->vnet_hdr ? sizeof(header) : 0;
	const struct iovec parts[] = { { &header, header_len }, { buffer, size } };
	ssize_t got;

	do
		got = readv(link->fd, parts, 2);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	*ret = read_header(&header);
	got = (size_t)got < header_len ? 0 : got - (ssize_t)header_len;
	link->stats.received++;
	link->stats.received_bytes += (uint64_t)got;
	if (link->capture) {
		const struct iovec frame = { buffer, (size_t)got };

		capture_frame(link->capture, CAPTURE_FROM_GUEST, &frame, 1);
	}
	return got;
}

/* @len: of the frame in them. */
static bool send_parts(struct link *link, const struct iovec *parts, int count, size_t len)
{
	if (writev(link->fd, parts, count) < 0) {
		link->stats.send_drops++;
		return false;
	}
	link->stats.sent++;
	link->stats.sent_bytes += len;
	return true;
}

void link_send(struct link *link, const uint8_t *frame, size_t len)
{
	(void)link_send_segment(link, frame, len, NULL, 0, NULL);
}

static uint8_t gso_type(const struct link_offload *offload)
{
	if (offload->udp)
		return LINK_GSO_UDP;
	return offload->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

/* A segment that is not larger than one piece is no large segment: kernels differ in what they
 * make of one that says so.
 */
static struct virtio_net_hdr write_header(const struct link_offload *offload, size_t header_len,
					  size_t len)
{
	struct virtio_net_hdr header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr_len = (uint16_t)header_len,
		.csum_start = offload->csum_start,
		.csum_offset = offload->csum_offset,
	};

	if (offload->gso_size != 0 && len > offload->gso_size) {
		header.gso_size = offload->gso_size;
		header.gso_type = gso_type(offload);
	}
	return header;
}

bool link_send_segment(struct link *link, const uint8_t *headers, size_t header_len,
		       const uint8_t *payload, size_t len, const struct link_offload *offload)
{
	struct virtio_net_hdr header = { 0 };
	/* writev(2) takes what is to be written as not const, and leaves it alone. */
	const struct iovec parts[] = {
		{ &header, sizeof(header) },
		{ (void *)(uintptr_t)headers, header_len },
		{ (void *)(uintptr_t)payload, len },
	};
	const size_t frame_len = header_len + len;

	if (offload)
		header = write_header(offload, header_len, len);
	if (!(link->vnet_hdr ? send_parts(link, parts, 3, frame_len) :
			       send_parts(link, parts + 1, 2, frame_len)))
		return false;
	if (link->capture)
		capture_frame(link->capture, CAPTURE_TO_GUEST, parts + 1, 2);
	return true;
}

void link_close(struct link *link)
{
	fd_close(&link->fd);
}
