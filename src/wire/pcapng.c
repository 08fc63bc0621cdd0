#include "wire/pcapng.h"

#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1
#define BLOCK_PACKET 6
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define MAJOR 1
#define MINOR 0
#define LINKTYPE_ETHERNET 1

#define OPT_END 0
#define SHB_USERAPPL 4
#define IF_NAME 2
#define IF_TSRESOL 9
#define EPB_FLAGS 2

#define PACKET_HEADER 28  /* up to the frame */
#define PACKET_TRAILER 16 /* epb_flags, the end of options, the length again */

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

static uint8_t *put_u16(uint8_t *p, uint16_t value)
{
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static uint8_t *put_u32(uint8_t *p, uint32_t value)
{
	memcpy(p, &value, sizeof(value));
	return p + sizeof(value);
}

static uint8_t *put_padding(uint8_t *p, size_t len)
{
	memset(p, 0, padded(len) - len);
	return p + padded(len) - len;
}

static uint8_t *put_option(uint8_t *p, uint16_t code, const void *value, size_t len)
{
	p = put_u16(p, code);
	p = put_u16(p, (uint16_t)len);
	if (len > 0)
		memcpy(p, value, len);
	return put_padding(p + len, len);
}

static uint8_t *put_text(uint8_t *p, uint16_t code, const char *text)
{
	return put_option(p, code, text, strnlen(text, PCAPNG_TEXT_MAX));
}

/* The length of a block stands at its beginning and at its end. */
static uint8_t *end_block(uint8_t *block, uint8_t *p)
{
	uint32_t len = (uint32_t)(p - block) + sizeof(len);

	put_u32(block + 4, len);
	return put_u32(p, len);
}

size_t pcapng_head(const char *application, const char *interface, uint32_t snaplen, uint8_t *out)
{
	static const uint8_t nanoseconds = 9;
	uint8_t *block = out, *p = put_u32(block, BLOCK_SECTION);

	p = put_u32(p + 4, BYTE_ORDER_MAGIC);
	p = put_u16(p, MAJOR);
	p = put_u16(p, MINOR);
	p = put_u32(p, UINT32_MAX); /* the length of the section, in 64 bits: not known */
	p = put_u32(p, UINT32_MAX);
	p = put_text(p, SHB_USERAPPL, application);
	p = put_option(p, OPT_END, NULL, 0);
	block = end_block(block, p);

	p = put_u32(block, BLOCK_INTERFACE);
	p = put_u16(p + 4, LINKTYPE_ETHERNET);
	p = put_u16(p, 0);
	p = put_u32(p, snaplen);
	p = put_text(p, IF_NAME, interface);
	p = put_option(p, IF_TSRESOL, &nanoseconds, sizeof(nanoseconds));
	p = put_option(p, OPT_END, NULL, 0);
	return (size_t)(end_block(block, p) - out);
}

size_t pcapng_packet_size(size_t captured)
{
	return PACKET_HEADER + padded(captured) + PACKET_TRAILER;
}

void pcapng_packet(const struct pcapng_packet *packet, const struct iovec *parts, int count,
		   uint8_t *out)
{
	const uint64_t time_ns = (uint64_t)packet->time_ns;
	const uint32_t flags = packet->direction;
	uint8_t *p = put_u32(out, BLOCK_PACKET);

	p = put_u32(p + 4, 0); /* the interface */
	p = put_u32(p, (uint32_t)(time_ns >> 32));
	p = put_u32(p, (uint32_t)time_ns);
	p = put_u32(p, (uint32_t)packet->captured);
	p = put_u32(p, (uint32_t)packet->original);
	for (int i = 0; i < count; i++) {
		if (parts[i].iov_len > 0)
			memcpy(p, parts[i].iov_base, parts[i].iov_len);
		p += parts[i].iov_len;
	}
	p = put_padding(p, packet->captured);
	p = put_option(p, EPB_FLAGS, &flags, sizeof(flags));
	p = put_option(p, OPT_END, NULL, 0);
	end_block(out, p);
}
