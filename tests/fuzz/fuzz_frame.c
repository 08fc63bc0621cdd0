/* Any bytes are a frame or are named as none; what is said of a frame stays inside its bytes. */
#include <stdlib.h>

#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct frame frame;

	if (frame_parse(bytes, len, &frame) != FRAME_OK)
		return 0;
	if (frame.len > len)
		abort();
	if (frame.transport != 0 && frame.transport + frame.transport_len != frame.len)
		abort();
	return 0;
}
