/* app/broker.h - the broker: makes sockets in the guest's network namespace for the engine, so that
 * forwards may lead to the guest's own loopback (net/guestsock.h has what the two say).
 *
 * There is one with --guest-loopback only. A child in the target's user and network namespaces, with
 * nothing but that: no capability, no file system, no descriptor of the caller. It ends with the engine,
 * however that ends.
 */
#ifndef APP_BROKER_H
#define APP_BROKER_H

#include <errno.h>
#include <sys/types.h>

struct netns;

struct broker {
	pid_t pid; /* 0: none */
	int sock;  /* owned: first its report, then sockets on request */
};

#define BROKER_NONE ((struct broker){ .pid = 0, .sock = -EBADF })

#define BROKER_WHAT_MAX 64

/* Its first message. */
struct broker_report {
	int error;		    /* 0 or -errno */
	char what[BROKER_WHAT_MAX]; /* the step that failed */
};

/* Start it from a process with one thread; @ns is borrowed for the call. 0 or -errno. */
int broker_start(const struct netns *ns, struct broker *ret);

/* Tell it to end, and wait until it has. */
void broker_end(struct broker *broker);

#endif
