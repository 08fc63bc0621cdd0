/* wire/nameserver.h - the name servers in the text of a resolv.conf.
 *
 * Pure. Source: resolv.conf(5), read as libslirp reads it: the keyword begins the line, one word
 * follows, and what is no address is passed over.
 */
#ifndef WIRE_NAMESERVER_H
#define WIRE_NAMESERVER_H

#include <stddef.h>

#include "wire/inet.h"

#define NAMESERVER_SCOPE_MAX 16 /* bytes of an interface name with its NUL (IFNAMSIZ) */

struct nameserver {
	struct ip ip;
	char scope[NAMESERVER_SCOPE_MAX]; /* what stands behind a '%'; "": nothing */
};

/* The first one of a family. The text has no NUL at its end. False: there is none. */
bool nameserver_first(const char *text, size_t len, enum ip_family family, struct nameserver *ret);

#endif
