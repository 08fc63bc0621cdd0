/* A world for net/tcp without a kernel: a clock that stands until it is moved, a loop that makes one
 * turn when it is told to, a guest's frames, and sockets of the host that do what a test says.
 *
 * It stands in for base/loop.h and net/dial.h, and for the calls on sockets (--wrap, see
 * meson.build). Sockets are edge-triggered as Linux does it: an edge when data or an end come, when
 * room comes after a call that found too little, and after shutdown(2).
 *
 * Every byte of the two streams is known from its position in it, so each call that moves bytes is
 * checked on the spot. A rule of the interfaces that our TCP breaks ends the program, with the
 * text of world_label.
 *
 * One world is there at a time for the code under test: the one of the last call here.
 */
#ifndef TESTS_UNIT_TCP_WORLD_H
#define TESTS_UNIT_TCP_WORLD_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/loop.h"
#include "net/dial.h"
#include "net/settings.h"
#include "net/tcp.h"
#include "wire/tcpseg.h"

/* Printed in front of what went wrong: how to see it again. */
extern char world_label[128];
void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#define world_check(condition, ...)              \
	do {                                     \
		if (!(condition))                \
			world_fail(__VA_ARGS__); \
	} while (0)

#define WORLD_REMOTE_PORT 80
#define WORLD_FIRST_FD 1000000 /* descriptors from here on are sockets of a world */

/* What the two programs say to each other: the bytes from a position of the stream on. Positions
 * before the first byte, as unsigned numbers, lead up to it.
 */
enum world_stream { TO_HOST, TO_GUEST };
void world_bytes(enum world_stream stream, uint64_t at, uint8_t *out, size_t len);
bool world_is_bytes(enum world_stream stream, uint64_t at, const uint8_t *bytes, size_t len);

#define WORLD_ENDLESS UINT64_MAX

/* A connection of the host: a dial or none, then our socket and the program behind it. */
struct world_host {
	struct dial_target target;
	dial_done_fn *done;
	void *data;
	bool dialling, cancelled;

	int fd;		      /* -1: none, or closed */
	bool closed, aborted; /* by us; aborted: with RST */

	uint64_t written; /* by the program, for us to read */
	uint64_t taken;	  /* of that, by us */
	bool finished;	  /* no more will come */

	uint64_t capacity; /* of the send buffer, WORLD_ENDLESS by default */
	uint64_t received; /* from us */
	uint64_t consumed; /* of that, by the program */
	bool end_seen;	   /* it will see the end of the stream */

	int error;   /* SO_ERROR */
	bool broken; /* reset: nothing goes any more */

	struct loop_source *source;
	bool edge, no_space;
	bool reset_linger;
};

struct world_hooks { /* what comes out of our TCP; NULL: not looked at */
	void (*segment)(const struct tcpseg *seg, uint16_t mss, void *data);
	void (*packet)(const uint8_t *packet, size_t len, void *data);
	void (*dial)(struct world_host *host, void *data);
	void *data;
};

struct loop {
	int64_t now_ms;
	struct loop_timer *timers;
	void (*turn_end)(void *data);
	void *turn_end_data;
	bool again;
};

struct world {
	struct loop loop;
	struct settings settings;
	struct tcp *tcp;
	struct world_hooks hooks;
	GPtrArray *hosts; /* struct world_host: all since world_forget() */
	size_t open_fds, sources;
	size_t buffers;	   /* of the pool, in use */
	bool pool_empty;   /* it gives nothing more */
	bool spread;	   /* flows in chains of their own; else all in the first */
	uint32_t iss_bits; /* of the hash from which initial numbers are made */
	bool mac_unknown;  /* the guest's is, until tcp_neighbour() */
	int add_error;	   /* what the next loop_add() returns */
	bool any_bytes;	   /* the guest sends anything: bytes and MACs are not looked at */
};

extern const struct mac world_guest_mac;

void world_start(struct world *w, const struct world_hooks *hooks, bool large_segments);
/* Everything has to be given back. */
void world_finish(struct world *w);
void world_use(struct world *w);
struct world *world_now(void);	    /* the one in use */
void world_forget(struct world *w); /* the hosts; none may be in use */

/* A segment of the guest, with its addresses and ports; its payload are @seg->len bytes from @at on
 * of the stream to the host.
 */
void world_send(struct world *w, const struct tcpseg *seg, uint64_t at);
/* The addresses of a segment from the guest to 192.0.2.1 or 2001:db8::1. */
void world_address(const struct world *w, bool v6, struct tcpseg *seg);

/* One turn at the present time. Whether another is to follow at once. */
bool world_turn_once(struct world *w);
void world_turn(struct world *w); /* until none is to follow */
/* Let time pass up to @at_ms, with a turn whenever a timer is due. */
void world_run_until(struct world *w, int64_t at_ms);
void world_run_for(struct world *w, int64_t ms);
int64_t world_next_ms(const struct world *w); /* the soonest timer; CLOCK_NEVER */

struct world_host *world_last_host(struct world *w);
/* A connection that the host has accepted for the guest's port, from WORLD_REMOTE_PORT of that address.
 * NULL: it was not taken.
 */
struct world_host *world_accept(struct world *w, bool v6, uint16_t port);
void world_tell_mac(struct world *w, bool v6); /* the guest's, which was not known */
void world_dialled(struct world *w, struct world_host *host, int error); /* 0: connected */
void world_host_write(struct world_host *host, uint64_t len);
void world_host_finish(struct world_host *host);
void world_host_read(struct world_host *host, uint64_t len);	 /* makes room */
void world_host_fail(struct world_host *host, int error);	 /* the connection is broken */
void world_host_event(struct world_host *host, uint32_t events); /* as it is, true or not */
uint64_t world_host_room(const struct world_host *host);
uint32_t world_host_poll(struct world_host *host); /* the events of epoll(7) that are true of it */

/* A bit for each enum tcp_state that a flow is in. */
unsigned world_states(const struct world *w);

#endif
