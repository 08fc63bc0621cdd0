#include "net/link.h"

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "net/capture.h"
#include "net/linksock.h"

static const char *drop_name(size_t drop)
{
	static const char *const names[] = {
		[LINK_DROP_NOT_IP] = "not_ip",
		[LINK_DROP_DISCOVERY] = "discovery",
	};

	return names[drop];
}

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
	{ "drops", "What has no meaning on a link of raw IP packets or of messages",
	  STATS_ARRAY(struct link_stats, drops, drop_name), .counts_drops = true },
	{ 0 },
};

const struct stats_table link_stats_table = { "link", "frames on the link", rows };

void link_attach(struct link *link, int fd, bool vnet_hdr, bool uso)
{
	link->fd = fd;
	link->vnet_hdr = vnet_hdr;
	link->uso = uso;
}

void link_attach_socket(struct link *link, enum link_kind kind, int fd, const struct addrplan *plan)
{
	link_attach(link, fd, false, false);
	link->sock = linksock_new(kind, fd, plan, &link->stats);
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

/* #syscalls:engine readv writev preadv2 pwritev2
 *
 * A TAP's O_NONBLOCK is of the open file. Whoever sent it to us may have kept it, and clear that: so it is said in
 * each call, where the kernel knows how (Linux 5.9 for TUN; EOPNOTSUPP). -1: no position, as in readv(2).
 */
static ssize_t read_parts(struct link *link, const struct iovec *parts, int count)
{
	ssize_t got = -1;

	if (!link->trusts_nonblock)
		got = preadv2(link->fd, parts, count, -1, RWF_NOWAIT);
	if (got < 0 && !link->trusts_nonblock && errno == EOPNOTSUPP)
		link->trusts_nonblock = true;
	return link->trusts_nonblock ? readv(link->fd, parts, count) : got;
}

static ssize_t write_parts(struct link *link, const struct iovec *parts, int count)
{
	ssize_t put = -1;

	if (!link->trusts_nonblock)
		put = pwritev2(link->fd, parts, count, -1, RWF_NOWAIT);
	if (put < 0 && !link->trusts_nonblock && errno == EOPNOTSUPP)
		link->trusts_nonblock = true;
	return link->trusts_nonblock ? writev(link->fd, parts, count) : put;
}

static ssize_t receive_tap(struct link *link, uint8_t *buffer, size_t size, struct link_info *ret)
{
	struct virtio_net_hdr header = { 0 };
	const size_t header_len = link->vnet_hdr ? sizeof(header) : 0;
	const struct iovec parts[] = { { &header, header_len }, { buffer, size } };
	ssize_t got;

	do
		got = read_parts(link, parts, 2);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (got == 0)
		return -EPIPE;
	*ret = read_header(&header);
	return (size_t)got < header_len ? 0 : got - (ssize_t)header_len;
}

ssize_t link_receive(struct link *link, uint8_t *buffer, size_t size, struct link_info *ret)
{
	ssize_t got;

	if (link->sock) {
		*ret = (struct link_info){ 0 };
		got = linksock_receive(link->sock, buffer, size);
	} else {
		got = receive_tap(link, buffer, size, ret);
	}
	if (got < 0)
		return got;
	link->stats.received++;
	link->stats.received_bytes += (uint64_t)got;
	if (link->capture) {
		const struct iovec frame = { buffer, (size_t)got };

		capture_frame(link->capture, CAPTURE_FROM_GUEST, &frame, 1);
	}
	return got;
}

static bool write_tap(struct link *link, const struct iovec *parts, int count)
{
	if (write_parts(link, parts, count) >= 0)
		return true;
	link->stats.send_drops++;
	return false;
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

	if (offload)
		header = write_header(offload, header_len, len);
	if (!(link->sock     ? linksock_send(link->sock, parts + 1) :
	      link->vnet_hdr ? write_tap(link, parts, 3) :
			       write_tap(link, parts + 1, 2)))
		return false;
	link->stats.sent++;
	link->stats.sent_bytes += header_len + len;
	if (link->capture)
		capture_frame(link->capture, CAPTURE_TO_GUEST, parts + 1, 2);
	return true;
}

bool link_has_input(const struct link *link)
{
	return link->sock && linksock_has_input(link->sock);
}

bool link_has_output(const struct link *link)
{
	return link->sock && linksock_has_output(link->sock);
}

bool link_is_broken(const struct link *link)
{
	return link->sock && linksock_is_broken(link->sock);
}

void link_flush(struct link *link)
{
	if (link->sock)
		linksock_flush(link->sock);
}

void link_move(struct link *to, struct link *from)
{
	*to = *from;
	if (to->sock)
		linksock_set_stats(to->sock, &to->stats);
	*from = LINK_NONE;
}

void link_close(struct link *link)
{
	linksock_free(link->sock);
	link->sock = NULL;
	fd_close(&link->fd);
}
