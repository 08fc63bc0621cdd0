/* wire/framing.h - Ethernet frames in a stream: each one behind its length, four bytes, big-endian.
 *
 * What QEMU's `-netdev stream`, libkrun and passt speak. Pure: the caller reads the bytes into the
 * buffer here, as many at once as there are, and takes the frames out one by one. A length is
 * judged before a byte of its frame is waited for.
 * Source: QEMU's net/stream.c.
 */
#ifndef WIRE_FRAMING_H
#define WIRE_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/frame.h"

#define FRAMING_PREFIX 4
#define FRAMING_BUFFER (256 * 1024)

struct framing {
	size_t start, end; /* of what has not been taken out */
	uint8_t bytes[FRAMING_BUFFER];
};

/* Where the next bytes of the stream go, and how many: never 0 once framing_next() has returned 0. What
 * framing_next() has returned before is gone then.
 */
uint8_t *framing_room(struct framing *framing, size_t *ret_size);
void framing_filled(struct framing *framing, size_t len);

/* The next frame, valid until framing_room(): its length; 0: not all of it is there yet; -EPROTO: it
 * claims to be shorter than an Ethernet header or longer than FRAME_MAX, and the stream leads nowhere
 * from here.
 */
ssize_t framing_next(struct framing *framing, const uint8_t **ret);

/* Whether framing_next() has anything to say but 0. */
bool framing_has_next(const struct framing *framing);

/* Write the prefix of a frame of @len bytes. */
void framing_put_prefix(uint8_t out[FRAMING_PREFIX], size_t len);

#endif
