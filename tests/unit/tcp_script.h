/* One connection of net/tcp played from a script: the guest is made of single segments, and what comes
 * to it is kept to be looked at. See tcp_world.h for the host's side and for time.
 */
#ifndef TESTS_UNIT_TCP_SCRIPT_H
#define TESTS_UNIT_TCP_SCRIPT_H

#include "net/tcp_flow.h"
#include "tcp_world.h"

#define SCRIPT_ISS 0xffffff00u /* the guest's: it wraps after 255 bytes */
#define SCRIPT_PORT 40000

struct script {
	struct world w;
	GArray *out; /* struct tcpseg, without payload */
	guint seen;  /* of out, by script_next() */
	guint packets;
	uint8_t packet[256]; /* the last ICMP error */
	bool v6;
	uint32_t seq, ack; /* the guest's next number, and the one that it expects */
	uint16_t sport, window, mss;
	struct world_host *host;
};

void script_start(struct script *s);
void script_finish(struct script *s);

/* What the guest sends is s->ack and s->window with the rest as given; then a turn. */
void script_send(struct script *s, uint32_t seq, uint8_t flags, size_t len);
/* The next of the guest's stream. */
void script_say(struct script *s, uint8_t flags, size_t len);
void script_syn(struct script *s);
void script_dialled(struct script *s, int error);

/* From nothing to the state, with all that came taken. */
void script_reach(struct script *s, enum tcp_state state);
bool script_is_in(const struct script *s, enum tcp_state state);
bool script_is_gone(const struct script *s);

/* The next segment that came to the guest, or NULL. */
const struct tcpseg *script_next(struct script *s);
/* All that came: the guest expects what follows it. The number of segments. */
guint script_take(struct script *s);
/* The next one has to be this; it is taken. */
const struct tcpseg *script_expect(struct script *s, uint8_t flags, size_t len);
void script_expect_nothing(struct script *s);
/* Let time pass until something comes, at most @ms; false: nothing has. */
bool script_wait(struct script *s, int64_t ms);

#endif
