/* Any text gives an address of the family that was asked for, with a scope that ends, or none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/nameserver.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const enum ip_family families[] = { IP_V4, IP_V6 };

	for (size_t i = 0; i < 2; i++) {
		struct nameserver server;

		if (!nameserver_first((const char *)bytes, len, families[i], &server))
			continue;
		if (server.ip.family != families[i] ||
		    strnlen(server.scope, sizeof(server.scope)) == sizeof(server.scope))
			abort();
	}
	return 0;
}
