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
	int sock;  /* owned: first its report (broker_hear()), then sockets on request */
};

#define BROKER_NONE ((struct broker){ .pid = 0, .sock = -EBADF })

/* Start it from a process with one thread; @ns is borrowed for the call. Its socket is readable when it has
 * something to say. 0 or -errno, which has been logged.
 */
int broker_start(const struct netns *ns, struct broker *ret);

/* Wait for its report: 0 if it is ready to serve, or -errno, which has been logged. */
int broker_hear(const struct broker *broker);

/* Tell it to end, and wait until it has. */
void broker_end(struct broker *broker);

#endif
