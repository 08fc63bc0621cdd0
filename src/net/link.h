/* net/link.h - where the guest's Ethernet frames come from and go to.
 *
 * A TAP, or one accepted connection of a SOCK_SEQPACKET socket: either way one frame per
 * read(2) and write(2). Nothing is around it, but on a TAP with vnet_hdr a struct virtio_net_hdr
 * in front (os/tap.h), which is added and taken off here. Never blocks.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/stats.h"

/* What carries the frames. */
enum link_kind {
	LINK_TAP,
	LINK_SEQPACKET, /* raw IP packets, one a message */
	LINK_STREAM,	/* frames with their lengths in front */
	LINK_BESS,	/* frames, one a message of a SOCK_SEQPACKET socket */
};

struct link_stats {
	uint64_t received, received_bytes; /* frames from the guest, and what is in them */
	uint64_t sent, sent_bytes;
	uint64_t send_drops; /* frames that the other side had no room for */
};

extern const struct stats_table link_stats_table; /* of struct link_stats */

struct capture; /* net/capture.h */

struct link {
	int fd; /* owned, non-blocking; -EBADF: nobody is there */
	bool vnet_hdr;
	bool uso; /* with vnet_hdr: one frame may stand for several UDP datagrams, in both directions */
	struct link_stats stats;
	struct capture *capture; /* borrowed; sees each frame that has crossed. NULL: off */
};

/* VIRTIO_NET_HDR_GSO_UDP_L4 of <linux/virtio_net.h>, which has it from Linux 6.2 on. */
#define LINK_GSO_UDP 5

#define LINK_NONE ((struct link){ .fd = -EBADF })

/* What the sender's kernel says about a frame; all false and 0 without vnet_hdr. From the guest,
 * so a claim: offsets may be anything.
 */
struct link_info {
	bool checksum_partial; /* the checksum is still to be completed: csum_start, csum_offset */
	bool checksum_valid;   /* need not be verified: partial, or the kernel has done it */
	uint16_t csum_start;   /* offset in the frame from which bytes are summed */
	uint16_t csum_offset;  /* of the field, from csum_start */
	uint16_t gso_size;     /* payload of each segment that this one stands for; 0: of one */
	uint16_t gso_type;     /* VIRTIO_NET_HDR_GSO_*, LINK_GSO_UDP */
};

/* What the kernel is to do to a TCP segment or a UDP datagram. */
struct link_offload {
	uint16_t csum_start;  /* offset in the frame of the TCP or UDP header */
	uint16_t csum_offset; /* of the checksum in it: 16 or 6 */
	uint16_t gso_size; /* cut the payload into pieces of this size; 0: do not. UDP: with uso only */
	bool v6;
	bool udp;
};

/* Take over @fd. What belongs to the link for life stays: its counters, and the capture. Before, it is
 * LINK_NONE, or closed.
 */
void link_attach(struct link *link, int fd, bool vnet_hdr, bool uso);

/* One frame into @buffer. Its length; -EAGAIN: none is waiting; -EPIPE: the far end has gone;
 * another -errno: the device has. *ret is set only on success.
 */
ssize_t link_receive(struct link *link, uint8_t *buffer, size_t size, struct link_info *ret);

/* One frame out, checksums complete. A frame that cannot go now is dropped and counted, as
 * Ethernet does.
 */
void link_send(struct link *link, const uint8_t *frame, size_t len);

/* One TCP segment or UDP datagram out: @headers (Ethernet to TCP or UDP), then @payload. With
 * @offload the checksum field holds the sum of the pseudo header only, and the segment may be of up
 * to 64 KiB. NULL: it is complete and fits the MTU; the only thing that a link without vnet_hdr can
 * do.
 * False: dropped and counted.
 */
bool link_send_segment(struct link *link, const uint8_t *headers, size_t header_len,
		       const uint8_t *payload, size_t len, const struct link_offload *offload);

/* Close what is attached, if anything is. */
void link_close(struct link *link);

#endif
