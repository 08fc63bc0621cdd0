/* wire/apireq.h - one request to the API socket: where it ends, and what it asks for.
 *
 * Pure. The dialect is slirp4netns': {"execute": VERB, "arguments": {...}} and nothing after
 * it counts. Unknown keys are ignored. Error texts are those that its callers know.
 */
#ifndef WIRE_APIREQ_H
#define WIRE_APIREQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"

#define APIREQ_MAX 4096 /* bytes; a request must be shorter */

/* Finds the end of the first JSON value in bytes that arrive in pieces; keeps no text.
 * Zero-initialise it. It balances brackets and strings and leaves the rest to the parser.
 */
struct apireq_scan {
	unsigned depth; /* open brackets */
	bool in_string;
	bool escaped;
	bool complete;
};

/* Look at the next bytes. Returns true once a whole value, or a NUL byte, has been seen. */
bool apireq_scan(struct apireq_scan *scan, const char *bytes, size_t len);

enum apireq_verb {
	APIREQ_ADD_HOSTFWD,
	APIREQ_LIST_HOSTFWD,
	APIREQ_REMOVE_HOSTFWD,
	APIREQ_GET_STATS, /* not of slirp4netns */
	APIREQ_VERBS
};

enum transport { TRANSPORT_TCP, TRANSPORT_UDP };

/* A forward as it was asked for: an address that was left out has family IP_NONE. */
struct forward_spec {
	enum transport proto;
	struct ip host_addr;
	uint16_t host_port;
	struct ip guest_addr;
	uint16_t guest_port;
};

struct apireq {
	enum apireq_verb verb;
	struct forward_spec forward; /* add_hostfwd */
	uint64_t id;		     /* remove_hostfwd */
};

/* Parse @len bytes (a NUL byte ends them). True and *ret, or false and *reterr_desc, a text of
 * static lifetime for the error reply.
 */
bool apireq_parse(const char *text, size_t len, struct apireq *ret, const char **reterr_desc);

const char *transport_name(enum transport proto);

#endif
