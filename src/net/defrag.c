#include "net/defrag.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define IP4_LENGTH 2 /* offsets in the IPv4 header */
#define IP4_ID 4
#define IP4_FRAGMENT 6
#define IP4_PROTO 9
#define IP4_CHECKSUM 10
#define IP4_ADDRESSES 12
#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK 0x1fff /* in units of eight bytes */

struct fragment {
	const uint8_t *bytes; /* the frame */
	size_t header;	      /* bytes up to the payload of IP */
	size_t offset, len;   /* of the payload */
	bool more;
};

static struct fragment read_fragment(const uint8_t *bytes, const struct frame *frame)
{
	const uint8_t *packet = bytes + FRAME_ETHER_HEADER;
	const uint16_t field = get16(packet + IP4_FRAGMENT);
	const size_t header = FRAME_ETHER_HEADER + (size_t)(packet[0] & 0x0f) * 4;

	return (struct fragment){
		.bytes = bytes,
		.header = header,
		.offset = (size_t)(field & IP4_OFFSET_MASK) * 8,
		.len = frame->len - header,
		.more = field & IP4_MORE_FRAGMENTS,
	};
}

/* A fragment has data, in units of eight bytes if it is not the last. What is joined gets a header
 * checksum of our own, so this is where a wrong one has to be found.
 */
static bool is_sane(const struct fragment *fragment)
{
	const uint8_t *packet = fragment->bytes + FRAME_ETHER_HEADER;
	const size_t header = fragment->header - FRAME_ETHER_HEADER;

	if (fragment->len == 0 || (fragment->more && fragment->len % 8 != 0))
		return false;
	if (fragment->header + fragment->offset + fragment->len > FRAME_ETHER_HEADER + 65535)
		return false;
	return checksum_fold(checksum_add(0, packet, header)) == 0xffff;
}

static bool is_same_packet(const uint8_t *a, const uint8_t *b)
{
	a += FRAME_ETHER_HEADER;
	b += FRAME_ETHER_HEADER;
	return memcmp(a + IP4_ID, b + IP4_ID, 2) == 0 && a[IP4_PROTO] == b[IP4_PROTO] &&
	       memcmp(a + IP4_ADDRESSES, b + IP4_ADDRESSES, 8) == 0;
}

static struct defrag_packet *find(struct defrag *defrag, const uint8_t *bytes)
{
	for (size_t i = 0; i < DEFRAG_PACKETS; i++) {
		struct defrag_packet *packet = &defrag->packets[i];

		if (packet->frame && is_same_packet(packet->frame, bytes))
			return packet;
	}
	return NULL;
}

/* The same packet begun anew, one that is empty (its number is 0), or the oldest. */
static struct defrag_packet *begin(struct defrag *defrag, const struct fragment *fragment)
{
	struct defrag_packet *packet = find(defrag, fragment->bytes);

	for (size_t i = 0; i < DEFRAG_PACKETS && !packet; i++) {
		if (!defrag->packets[i].frame)
			packet = &defrag->packets[i];
	}
	if (!packet) {
		packet = &defrag->packets[0];
		for (size_t i = 1; i < DEFRAG_PACKETS; i++) {
			if (defrag->packets[i].number < packet->number)
				packet = &defrag->packets[i];
		}
	}
	if (!packet->frame)
		packet->frame = g_malloc(FRAME_MAX);
	memcpy(packet->frame, fragment->bytes, fragment->header);
	packet->header = packet->len = fragment->header;
	packet->number = ++defrag->begun;
	return packet;
}

/* All of it is there: make a header that says so, and give the frame away. */
static ssize_t finish(struct defrag_packet *packet, uint8_t **ret)
{
	uint8_t *header = packet->frame + FRAME_ETHER_HEADER;
	const size_t len = packet->len;
	uint16_t sum;

	put16(header + IP4_LENGTH, (uint16_t)(len - FRAME_ETHER_HEADER));
	put16(header + IP4_FRAGMENT, 0);
	put16(header + IP4_CHECKSUM, 0);
	sum = (uint16_t)~checksum_fold(
		checksum_add(0, header, packet->header - FRAME_ETHER_HEADER));
	memcpy(header + IP4_CHECKSUM, &sum, sizeof(sum));
	*ret = packet->frame;
	*packet = (struct defrag_packet){ 0 };
	return (ssize_t)len;
}

ssize_t defrag_input(struct defrag *defrag, const uint8_t *bytes, const struct frame *frame,
		     uint8_t **ret)
{
	const struct fragment fragment = read_fragment(bytes, frame);
	struct defrag_packet *packet;

	if (!is_sane(&fragment))
		return -EINVAL;
	packet = fragment.offset == 0 ? begin(defrag, &fragment) : find(defrag, bytes);
	if (!packet || packet->len - packet->header != fragment.offset)
		return -ENOENT;
	if (packet->len + fragment.len > FRAME_ETHER_HEADER + 65535) /* its header may be longer than this one's */
		return -EINVAL;
	memcpy(packet->frame + packet->len, bytes + fragment.header, fragment.len);
	packet->len += fragment.len;
	return fragment.more ? 0 : finish(packet, ret);
}

void defrag_done(struct defrag *defrag)
{
	for (size_t i = 0; i < DEFRAG_PACKETS; i++)
		g_free(defrag->packets[i].frame);
	*defrag = (struct defrag){ 0 };
}
