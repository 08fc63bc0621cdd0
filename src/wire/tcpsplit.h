/* wire/tcpsplit.h - cut a large TCP segment into the frames that a link without offloads would have
 * carried.
 *
 * Pure. For who cannot take a segment of up to 64 KiB as the kernel hands it over
 * (virtio_net VIRTIO_NET_HDR_GSO_TCPV4 and _TCPV6).
 */
#ifndef WIRE_TCPSPLIT_H
#define WIRE_TCPSPLIT_H

#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

/* Write the piece that begins at @offset of the payload, of at most @piece_size bytes of payload, with
 * complete checksums, into @out (as long as the headers and @piece_size). Its length, or 0 when
 * @offset is at the end. @frame: of @bytes, passed as unfragmented TCP.
 */
size_t tcpsplit_piece(const uint8_t *bytes, const struct frame *frame, size_t piece_size,
		      size_t offset, uint8_t *out);

#endif
