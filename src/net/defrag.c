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
#define IP4_CHECKSUM 10
#define IP4_MORE_FRAGMENTS 0x2000
#define IP4_OFFSET_MASK 0x1fff /* in units of eight bytes */
#define IP4_MAX (FRAME_ETHER_HEADER + 65535)

#define IP6_HEADER 40
#define IP6_LENGTH 4 /* offset in the IPv6 header */
#define IP6_FRAGMENT_HEADER 8
#define IP6_FRAGMENT 2 /* offsets in the fragment header */
#define IP6_ID 4
#define IP6_MORE_FRAGMENTS 0x0001
#define IP6_OFFSET_MASK 0xfff8 /* in bytes */

struct fragment {
	const uint8_t *bytes; /* the frame */
	struct defrag_key key;
	size_t header;	       /* bytes in front that the packet has too */
	const uint8_t *data;   /* in the frame */
	size_t offset, len;    /* of the data */
	size_t max;	       /* bytes that the packet's frame can have */
	size_t next;	       /* IPv6: where the header in front names the fragment header, */
	uint8_t proto;	       /* and what that is followed by */
	bool more, atomic, v6; /* atomic: all of a packet (RFC 6946) */
};

static struct fragment read_fragment4(const uint8_t *bytes, const struct frame *frame)
{
	const uint8_t *packet = bytes + FRAME_ETHER_HEADER;
	const uint16_t field = get16(packet + IP4_FRAGMENT);
	const size_t header = FRAME_ETHER_HEADER + (size_t)(packet[0] & 0x0f) * 4;

	return (struct fragment){
		.bytes = bytes,
		.key = { frame->src, frame->dst, get16(packet + IP4_ID), frame->proto },
		.header = header,
		.data = bytes + header,
		.offset = (size_t)(field & IP4_OFFSET_MASK) * 8,
		.len = frame->len - header,
		.max = IP4_MAX,
		.more = field & IP4_MORE_FRAGMENTS,
	};
}

static struct fragment read_fragment6(const uint8_t *bytes, const struct frame *frame)
{
	const uint8_t *header = bytes + frame->fragment_header;
	const uint16_t field = get16(header + IP6_FRAGMENT);
	const size_t offset = field & IP6_OFFSET_MASK;
	const bool more = field & IP6_MORE_FRAGMENTS;

	return (struct fragment){
		.bytes = bytes,
		.key = { frame->src, frame->dst, get32(header + IP6_ID), 0 },
		.header = frame->fragment_header,
		.data = header + IP6_FRAGMENT_HEADER,
		.offset = offset,
		.len = frame->len - frame->fragment_header - IP6_FRAGMENT_HEADER,
		.max = FRAME_MAX,
		.next = frame->fragment_next,
		.proto = frame->proto,
		.more = more,
		.atomic = offset == 0 && !more,
		.v6 = true,
	};
}

/* A fragment has data, in units of eight bytes if it is not the last. What is joined gets a header
 * checksum of our own, so this is where a wrong one has to be found.
 */
static bool is_sane(const struct fragment *fragment)
{
	const uint8_t *packet = fragment->bytes + FRAME_ETHER_HEADER;

	if (fragment->len == 0 || (fragment->more && fragment->len % 8 != 0))
		return false;
	if (fragment->header + fragment->offset + fragment->len > fragment->max)
		return false;
	if (fragment->v6)
		return true;
	return checksum_fold(checksum_add(0, packet, fragment->header - FRAME_ETHER_HEADER)) ==
	       0xffff;
}

static bool is_same(const struct defrag_key *a, const struct defrag_key *b)
{
	return a->id == b->id && a->proto == b->proto && ip_equal(&a->src, &b->src) &&
	       ip_equal(&a->dst, &b->dst);
}

static struct defrag_packet *find(struct defrag *defrag, const struct defrag_key *key)
{
	for (size_t i = 0; i < DEFRAG_PACKETS; i++) {
		struct defrag_packet *packet = &defrag->packets[i];

		if (packet->frame && is_same(&packet->key, key))
			return packet;
	}
	return NULL;
}

static void give_up(struct defrag *defrag, struct defrag_packet *packet)
{
	g_free(packet->frame);
	*packet = (struct defrag_packet){ 0 };
	defrag->held--;
	defrag->incomplete++;
}

/* One that is empty (its number is 0), or else the oldest, which makes room. */
static struct defrag_packet *take_slot(struct defrag *defrag)
{
	struct defrag_packet *slot = &defrag->packets[0];

	for (size_t i = 1; i < DEFRAG_PACKETS; i++) {
		if (defrag->packets[i].number < slot->number)
			slot = &defrag->packets[i];
	}
	if (slot->frame)
		give_up(defrag, slot);
	return slot;
}

/* The headers of the first fragment, without the one that makes it a fragment over IPv6. */
static void begin(struct defrag_packet *packet, const struct fragment *fragment)
{
	packet->frame = g_malloc(FRAME_MAX);
	packet->key = fragment->key;
	memcpy(packet->frame, fragment->bytes, fragment->header);
	packet->header = packet->len = fragment->header;
	if (fragment->v6)
		packet->frame[fragment->next] = fragment->proto;
}

static struct defrag_packet *hold(struct defrag *defrag, const struct fragment *fragment,
				  int64_t now_ms)
{
	struct defrag_packet *packet = take_slot(defrag);

	begin(packet, fragment);
	packet->number = ++defrag->begun;
	packet->begun_ms = now_ms;
	defrag->held++;
	return packet;
}

/* Where a fragment belongs, or NULL. Over IPv4 the numbers of packets come round quickly: a first
 * fragment does not overlap what is held under its number, but begins another packet.
 */
static struct defrag_packet *place(struct defrag *defrag, const struct fragment *fragment,
				   int64_t now_ms)
{
	const bool first = fragment->offset == 0;
	struct defrag_packet *packet = find(defrag, &fragment->key);
	size_t have;

	if (!packet)
		return first ? hold(defrag, fragment, now_ms) : NULL;
	have = packet->len - packet->header;
	if (fragment->offset == have)
		return packet;
	if (fragment->offset > have)
		return NULL;
	give_up(defrag, packet);
	return first && !fragment->v6 ? hold(defrag, fragment, now_ms) : NULL;
}

/* All of it is there: make a header that says so, and give the frame away. */
static ssize_t finish(struct defrag_packet *packet, uint8_t **ret)
{
	uint8_t *header = packet->frame + FRAME_ETHER_HEADER;
	const size_t len = packet->len;

	if (packet->key.src.family == IP_V6) {
		put16(header + IP6_LENGTH, (uint16_t)(len - FRAME_ETHER_HEADER - IP6_HEADER));
	} else {
		put16(header + IP4_LENGTH, (uint16_t)(len - FRAME_ETHER_HEADER));
		put16(header + IP4_FRAGMENT, 0);
		put16(header + IP4_CHECKSUM, 0);
		checksum_store(header + IP4_CHECKSUM,
			       checksum_add(0, header, packet->header - FRAME_ETHER_HEADER));
	}
	*ret = packet->frame;
	*packet = (struct defrag_packet){ 0 };
	return (ssize_t)len;
}

static void append(struct defrag_packet *packet, const struct fragment *fragment)
{
	memcpy(packet->frame + packet->len, fragment->data, fragment->len);
	packet->len += fragment->len;
}

ssize_t defrag_input(struct defrag *defrag, const uint8_t *bytes, const struct frame *frame,
		     int64_t now_ms, uint8_t **ret)
{
	const struct fragment fragment = frame->kind == FRAME_IP6 ? read_fragment6(bytes, frame) :
								    read_fragment4(bytes, frame);
	struct defrag_packet alone = { 0 }, *packet = &alone;

	if (!is_sane(&fragment))
		return -EINVAL;
	if (fragment.atomic) {
		begin(&alone, &fragment);
		append(&alone, &fragment);
		return finish(&alone, ret);
	}
	packet = place(defrag, &fragment, now_ms);
	if (!packet)
		return -ENOENT;
	if (packet->len + fragment.len > fragment.max) /* the first has longer headers than this */
		return -EINVAL;
	append(packet, &fragment);
	if (fragment.more)
		return 0;
	defrag->held--;
	return finish(packet, ret);
}

void defrag_expire(struct defrag *defrag, int64_t now_ms)
{
	if (defrag->held == 0)
		return;
	for (size_t i = 0; i < DEFRAG_PACKETS; i++) {
		struct defrag_packet *packet = &defrag->packets[i];

		if (packet->frame && now_ms - packet->begun_ms > DEFRAG_AGE_MAX_MS)
			give_up(defrag, packet);
	}
}

void defrag_done(struct defrag *defrag)
{
	for (size_t i = 0; i < DEFRAG_PACKETS; i++)
		g_free(defrag->packets[i].frame);
	*defrag = (struct defrag){ 0 };
}
