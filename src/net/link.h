/* net/link.h - where the guest's Ethernet frames come from and go to: one interface, four kinds.
 *
 * A TAP: one frame per read(2) and write(2), on one with vnet_hdr a struct virtio_net_hdr in front
 * (os/tap.h), which is added and taken off here. Or a connected socket: one frame per message, one
 * IP packet per message (net/iplink.h), or a stream of frames (wire/framing.h). Never blocks.
 */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/stats.h"

struct addrplan; /* net/addrplan.h */

enum link_kind {
	LINK_TAP,
	LINK_SEQPACKET, /* AF_UNIX SOCK_SEQPACKET: a raw IP packet per message */
	LINK_STREAM,	/* SOCK_STREAM: each frame behind its length */
	LINK_BESS,	/* AF_UNIX SOCK_SEQPACKET: a frame per message */
};

/* Why something that crosses a socket is no frame for the other side. */
enum link_drop {
	LINK_DROP_NOT_IP,    /* neither IPv4 nor IPv6, where nothing else has a meaning; or empty */
	LINK_DROP_DISCOVERY, /* DHCP, router or neighbour discovery, where there is no Ethernet */
	LINK_DROPS
};

struct link_stats {
	uint64_t received, received_bytes; /* frames from the guest, and what is in them */
	uint64_t sent, sent_bytes;
	uint64_t send_drops; /* frames that the other side had no room for */
	uint64_t drops[LINK_DROPS];
};

extern const struct stats_table link_stats_table; /* of struct link_stats */

struct capture;	 /* net/capture.h */
struct linksock; /* net/linksock.h */

struct link {
	int fd; /* owned, non-blocking; -EBADF: nobody is there */
	bool vnet_hdr;
	bool uso; /* with vnet_hdr: one frame may stand for several UDP datagrams, in both directions */
	struct link_stats stats;
	struct capture *capture; /* borrowed; sees each frame that has crossed. NULL: off */
	struct linksock *sock;	 /* owned; NULL: a TAP */
	bool trusts_nonblock;	 /* the kernel cannot be told in each call that it must not block */
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

/* Take over @fd, a TAP or a connected non-blocking socket of the kind. What belongs to the link for life
 * stays: its counters, and the capture. Before, it is LINK_NONE, or closed. @plan is not kept.
 */
void link_attach(struct link *link, int fd, bool vnet_hdr, bool uso);
void link_attach_socket(struct link *link, enum link_kind kind, int fd,
			const struct addrplan *plan);

/* Move all of it from where it was got to where it stays: its counters are counted where it is. */
void link_move(struct link *to, struct link *from);

/* One frame into @buffer, which is larger than FRAME_MAX. Its length; -EAGAIN: none is waiting; -EBADMSG:
 * something came that is no frame, and was counted; -EPIPE: the far end has gone; -EPROTO: it does not
 * speak as the kind wants it; another -errno: the device has gone. *ret is set only on success.
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

/* A socket only; to be looked at and done at the end of a turn. Input: link_receive() has something
 * that the descriptor does not tell of. Output: frames wait until the socket takes them, which
 * link_flush() tries.
 */
bool link_has_input(const struct link *link);
bool link_has_output(const struct link *link);
void link_flush(struct link *link);

/* The other side takes no more, ever, and the end of what it sends need not come: the link is to be closed. */
bool link_is_broken(const struct link *link);

/* Close what is attached, if anything is. */
void link_close(struct link *link);

#endif
