/* Any frame that passes as UDP comes apart inside its bytes or is refused; what came apart and is put
 * together again comes apart the same, whole or in the fragments of any link.
 */
#include <glib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "net/defrag.h"
#include "wire/udpgram.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct mac mac = { { 2, 0, 0, 0, 0, 1 } };

static void check_same(const struct udpgram *a, const uint8_t *bytes, const struct frame *frame)
{
	struct udpgram b;

	if (!udpgram_checksum_ok(bytes, frame) || !udpgram_parse(bytes, frame, &b))
		abort();
	if (!ip_equal(&a->src, &b.src) || !ip_equal(&a->dst, &b.dst) || a->sport != b.sport ||
	    a->dport != b.dport || a->ttl != b.ttl || a->tos != b.tos || a->len != b.len ||
	    memcmp(a->payload, b.payload, a->len) != 0)
		abort();
}

static void rebuild(const struct udpgram *gram)
{
	g_autofree uint8_t *out = g_malloc(UDPGRAM_HEADER_MAX + gram->len);
	const size_t header = udpgram_build(gram, &mac, &mac, false, out);
	struct frame frame;

	memcpy(out + header, gram->payload, gram->len);
	if (frame_parse(out, header + gram->len, &frame) != FRAME_OK || frame.fragment ||
	    frame.transport != udpgram_transport_offset(gram))
		abort();
	check_same(gram, out, &frame);
}

static void rebuild_in_fragments(const struct udpgram *gram, uint16_t mtu)
{
	uint8_t header[UDPGRAM_FRAGMENT_HEADER_MAX];
	struct defrag defrag = { 0 };
	g_autofree uint8_t *whole = NULL;
	struct udpgram_fragments it;
	const uint8_t *payload;
	struct frame frame;
	ssize_t joined = 0;
	size_t header_len, piece;

	udpgram_fragment_begin(&it, gram, mtu, mtu, &mac, &mac);
	while ((header_len = udpgram_fragment_next(&it, header, &payload, &piece)) > 0) {
		g_autofree uint8_t *bytes = g_malloc(header_len + piece);

		memcpy(bytes, header, header_len);
		memcpy(bytes + header_len, payload, piece);
		if (joined != 0 || frame_parse(bytes, header_len + piece, &frame) != FRAME_OK)
			abort();
		if (!frame.fragment) {
			check_same(gram, bytes, &frame);
			return;
		}
		joined = defrag_input(&defrag, bytes, &frame, 0, &whole);
		if (joined < 0)
			abort();
	}
	if (joined == 0 || frame_parse(whole, (size_t)joined, &frame) != FRAME_OK)
		abort();
	check_same(gram, whole, &frame);
	defrag_done(&defrag);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct udpgram gram;
	struct frame frame;

	if (frame_parse(bytes, len, &frame) != FRAME_OK || frame.fragment ||
	    frame.proto != IPPROTO_UDP)
		return 0;
	(void)udpgram_checksum_ok(bytes, &frame);
	if (!udpgram_parse(bytes, &frame, &gram))
		return 0;
	if (gram.payload < bytes || gram.payload + gram.len > bytes + frame.len)
		abort();
	rebuild(&gram);
	rebuild_in_fragments(&gram,
			     (uint16_t)(len * 7 % 200)); /* of no link, so that there are many */
	rebuild_in_fragments(&gram, 1280);
	return 0;
}
