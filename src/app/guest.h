/* app/guest.h - the guest: what `run` makes of a child before it becomes CMD.
 *
 * It makes its namespaces, the TAP in them, and the files that CMD finds. What needs somebody outside, the
 * parent does; they talk over a socket. The child sends a report for each step that it has done, in
 * order; the parent answers GUEST_NAMESPACED with GUEST_GO when it has written the id maps (os/idmap.h),
 * receives the TAP behind GUEST_LINKED (app/guestlink.h), and answers GUEST_FURNISHED with GUEST_GO when
 * there is a network.
 */
#ifndef APP_GUEST_H
#define APP_GUEST_H

#include "app/diagnose.h"

struct settings;

enum guest_step {
	GUEST_NAMESPACED, /* it has a user namespace, and makes the others meanwhile */
	GUEST_LINKED,
	GUEST_FURNISHED,
};

#define GUEST_WHAT_MAX 64

struct guest_report {
	enum guest_step step;
	int error; /* -errno: this step failed, and the child ends */
	enum diagnose_step refused;
	char what[GUEST_WHAT_MAX]; /* as diagnose() takes it; "": NULL */
};

#define GUEST_GO 'g' /* the one byte of an answer */

struct guest_order {
	const struct settings *settings; /* borrowed */
	const char *hostname;		 /* NULL: as it is outside */
	int sock;			 /* owned: SOCK_SEQPACKET */
};

/* A supervise_prepare_fn (app/supervise.h); @data is a struct guest_order. */
int guest_prepare(void *data);

#endif
