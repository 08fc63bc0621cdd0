/* The end of a request is where it is however the bytes come, and any bytes parse or are refused
 * with a text.
 */
#include <stdlib.h>

#include "wire/apireq.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct apireq_scan whole = { 0 }, pieces = { 0 };
	const char *text = (const char *)bytes, *error = NULL;
	struct apireq req;

	apireq_scan(&whole, text, len);
	for (size_t i = 0; i < len; i++)
		apireq_scan(&pieces, text + i, 1);
	if (whole.complete != pieces.complete)
		abort();
	if (!apireq_parse(text, len, &req, &error) && !error)
		abort();
	return 0;
}
