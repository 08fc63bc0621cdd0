/* app/helper.h - the helper: makes the TAP in the guest's namespaces and hands it over.
 *
 * Lives for milliseconds, in a thread or in a process of its own (os/spawn.h); reports over its socket.
 * In the slirp4netns dialect it says on stderr that it has sent the descriptor, because callers wait
 * for that line.
 */
#ifndef APP_HELPER_H
#define APP_HELPER_H

#include "net/settings.h"
#include "os/netns.h"
#include "os/tap.h"

struct helper_order {
	const struct settings *settings; /* borrowed */
	struct netns ns;		 /* borrowed */
};

#define HELPER_WHAT_MAX 64

/* One message, with the TAP's descriptor if error is 0. */
struct helper_report {
	int error;		    /* 0 or -errno */
	bool entered;		    /* with an error: the TAP's, not of its namespaces */
	char what[HELPER_WHAT_MAX]; /* the call or the step that failed */
	char tap_name[IFNAMSIZ];
	struct mac tap_mac;
	bool vnet_hdr, uso; /* os/tap.h */
};

/* A spawn_fn; @data is a struct helper_order. */
void helper_main(int sock, const void *data);

#endif
