/* Any bytes are a frame or are named as none; a frame that passes stays inside its bytes. */
#include <stdlib.h>

#include "net/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void take(const uint8_t *frame, size_t len, void *data)
{
	const size_t *whole = data;

	(void)frame;
	if (len > *whole)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct addrplan plan;
	char text[ADDRPLAN_ERROR_MAX];
	struct gate gate = { .plan = &plan, .dns = true, .pass = take, .data = &len };

	if (!addrplan_parse("10.0.2.0/24", &plan, text))
		abort();
	gate_input(&gate, bytes, len);
	if (gate.passed + gate_describe_drops(&gate, text, sizeof(text)) != 1)
		abort();
	return 0;
}
