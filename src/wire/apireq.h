/* wire/apireq.h - one request to the API socket: where it ends, and what it asks for.
 *
 * Pure. The dialect is slirp4netns': {"execute": VERB, "arguments": {...}} and nothing after
 * it counts. Unknown keys are ignored. Error texts are those that its callers know. Ours are host
 * port 0, "count", "host_path" and "drop", and the verbs that say so.
 */
#ifndef WIRE_APIREQ_H
#define WIRE_APIREQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/portspec.h"

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
	APIREQ_GET_STATS, /* not of slirp4netns, like those that follow */
	APIREQ_LIST_FLOWS,
	APIREQ_KILL_FLOW,
	APIREQ_VERBS
};

const char *apireq_verb_name(enum apireq_verb verb); /* as "execute" has it */

#define APIREQ_FLOWS_DEFAULT 1000 /* flows in one answer */
#define APIREQ_FLOWS_MAX 10000

/* Which flows are to be listed; a filter that was left out lets all through. */
struct apireq_flows {
	uint64_t after; /* the ones with greater ids; 0: all */
	unsigned limit; /* so many at most, from 1 */
	bool has_proto;
	enum transport proto;
	uint16_t guest_port; /* 0: any */
	struct ip peer_addr; /* in the guest's words or in the host's; IP_NONE: any */
};

struct apireq {
	enum apireq_verb verb;
	struct portspec forward;   /* add_hostfwd; the host's address is set */
	uint64_t id;		   /* remove_hostfwd, kill_flow */
	bool drop;		   /* remove_hostfwd: its connections end too */
	struct apireq_flows flows; /* list_flows */
};

/* Parse @len bytes (a NUL byte ends them). True and *ret, or false and *reterr_desc, a text of
 * static lifetime for the error reply.
 */
bool apireq_parse(const char *text, size_t len, struct apireq *ret, const char **reterr_desc);

#endif
