#include "wire/tcpsplit.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

static void add_to_seq(uint8_t *p, size_t offset)
{
	put32(p, get32(p) + (uint32_t)offset);
}

static void finish_ip(uint8_t *ip, const struct frame *frame, size_t ip_header, size_t len,
		      size_t number)
{
	if (frame->kind == FRAME_IP6) {
		put16(ip + 4, (uint16_t)(len - 40));
		return;
	}
	put16(ip + 2, (uint16_t)len);
	put16(ip + 4, (uint16_t)(get16(ip + 4) + number));
	put16(ip + 10, 0);
	checksum_store(ip + 10, checksum_add(0, ip, ip_header));
}

size_t tcpsplit_piece(const uint8_t *bytes, const struct frame *frame, size_t piece_size,
		      size_t offset, uint8_t *out)
{
	size_t tcp_header = (size_t)(bytes[frame->transport + 12] >> 4) * 4;
	size_t headers = frame->transport + tcp_header;
	size_t payload = frame->len - headers;
	size_t here = payload - offset < piece_size ? payload - offset : piece_size;
	uint8_t *ip = out + FRAME_ETHER_HEADER, *tcp = out + frame->transport;
	size_t tcp_len = tcp_header + here;

	if (offset >= payload)
		return 0;
	memcpy(out, bytes, headers);
	memcpy(out + headers, bytes + headers + offset, here);
	add_to_seq(tcp + 4, offset);
	if (offset + here < payload)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (offset > 0)
		tcp[13] &= (uint8_t)~TCP_CWR;
	finish_ip(ip, frame, frame->transport - FRAME_ETHER_HEADER,
		  headers - FRAME_ETHER_HEADER + here, offset / piece_size);
	put16(tcp + 16, 0);
	checksum_store(tcp + 16, checksum_add(checksum_add_pseudo(0, &frame->src, &frame->dst,
								  IPPROTO_TCP, (uint32_t)tcp_len),
					      tcp, tcp_len));
	return headers + here;
}
