/* wire/portspec.h - what is to be forwarded: a port, a range or a Unix socket of the host, and where
 * in the guest it leads.
 *
 * Pure. The text is that of --publish:
 *
 *   [HOSTADDR:]HOSTPORT[-LAST]:[GUESTADDR:]GUESTPORT[-LAST][/tcp|/udp|/tcp+udp]
 *   PORT[-LAST][/tcp|/udp|/tcp+udp]		the same on both sides
 *   unix:PATH:GUESTPORT
 *
 * with IPv6 addresses in brackets. Host port 0 is one that the kernel chooses.
 */
#ifndef WIRE_PORTSPEC_H
#define WIRE_PORTSPEC_H

#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"

#define PORTSPEC_PATH_MAX 108 /* bytes with the NUL: sizeof(sockaddr_un.sun_path), unix(7) */

enum transport { TRANSPORT_TCP, TRANSPORT_UDP };

#define TRANSPORTS 2

const char *transport_name(enum transport proto);

/* One listener: both addresses are set and of one family. */
struct forward_spec {
	enum transport proto;
	struct ip host_addr;
	uint16_t host_port;
	struct ip guest_addr;
	uint16_t guest_port;
};

/* What was asked for. An address that was left out has family IP_NONE. */
struct portspec {
	enum transport proto;
	struct ip host_addr, guest_addr;
	uint16_t host_port, guest_port;	   /* the first ones; host_port 0: the kernel's choice */
	uint16_t count;			   /* ports, from 1; neither side goes beyond 65535 */
	char host_path[PORTSPEC_PATH_MAX]; /* not empty: a Unix socket instead of the host's ports */
};

/* One spec for each protocol of @text: how many. 0: *reterr, a text of static lifetime that names
 * the part which is wrong.
 */
size_t portspec_parse(const char *text, struct portspec ret[TRANSPORTS], const char **reterr);

#endif
