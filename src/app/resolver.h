/* app/resolver.h - the name servers that the host uses now, for our own TCP and UDP. */
#ifndef APP_RESOLVER_H
#define APP_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "net/dial.h"

/* What resolv.conf said last. Zero-initialise it. */
struct resolver {
	bool looked;
	int64_t looked_ms;
	struct stat seen;	   /* of the file; all zero: there was none */
	struct dial_target v4, v6; /* IP_NONE: it names none of that family */
};

/* The first name server of a family, with its scope, into *ret; other fields stay. The file is looked
 * at no more than once a second, and read when it has changed. False: there is none.
 */
bool resolver_find(struct resolver *resolver, enum ip_family family, int64_t now_ms,
		   struct dial_target *ret);

#endif
