/* Any text is one or two specs that hold together, or is refused with a text. */
#include <stdlib.h>
#include <string.h>

#include "wire/portspec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void check(const struct portspec *spec)
{
	if (spec->count < 1 || spec->guest_port < 1 || spec->guest_port + spec->count - 1 > 65535)
		abort();
	if (!memchr(spec->host_path, '\0', sizeof(spec->host_path)))
		abort();
	if (spec->host_path[0] != '\0') {
		if (spec->count != 1 || spec->proto != TRANSPORT_TCP)
			abort();
		return;
	}
	if (spec->host_port + spec->count - 1 > 65535 || (spec->host_port == 0 && spec->count > 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = malloc(len + 1); /* of the exact size, for the sanitizer */
	struct portspec specs[TRANSPORTS];
	const char *error = NULL;
	size_t count;

	if (!text)
		abort();
	if (len > 0)
		memcpy(text, bytes, len);
	text[len] = '\0';
	count = portspec_parse(text, specs, &error);
	if (count > TRANSPORTS || (count == 0) != (error != NULL))
		abort();
	for (size_t i = 0; i < count; i++)
		check(&specs[i]);
	free(text);
	return 0;
}
