/* A peer for net/tcp: the TCP of a guest, written from RFC 9293 and by nothing that our own code
 * does. It counts positions in a stream with 64 bits (SYN is 0, the first byte 1, FIN the one behind
 * the last), so nothing in it can wrap. It holds no bytes: those are known from their positions.
 */
#ifndef TESTS_UNIT_TCP_GUEST_H
#define TESTS_UNIT_TCP_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/tcpseg.h"

/* Disjoint pieces of a stream, in order. */
struct ranges {
	struct range {
		uint64_t left, right; /* [left, right) */
	} * at;
	unsigned count, room;
};

void ranges_add(struct ranges *ranges, uint64_t left, uint64_t right);
bool ranges_hold(const struct ranges *ranges, uint64_t left, uint64_t right);
/* The end of the piece that @at lies in or touches; else @at. */
uint64_t ranges_reach(const struct ranges *ranges, uint64_t at);
void ranges_drop_below(struct ranges *ranges, uint64_t at);
void ranges_free(struct ranges *ranges);

struct guest_options {
	struct tcpseg base; /* addresses and ports */
	uint32_t iss;
	uint16_t mss;	  /* 0: the SYN has no such option */
	uint8_t wscale;	  /* TCPSEG_WSCALE_NONE: likewise */
	bool sack;	  /* offers SACK, and sends blocks if it keeps what comes early */
	bool reassembles; /* keeps it; else it is dropped */
	bool shrinks;	  /* takes back what it has offered */
	bool bare_probes; /* of a shut window: without a byte, from before the window */
	bool resets_late; /* answers with RST once it has forgotten the connection */
	uint32_t buffer;  /* bytes for what its program has not read */
	uint32_t burst;	  /* the largest segment that it sends */
	uint32_t flight;  /* the most bytes that it has under way */
	bool listens;	  /* the other side begins */
	int ack_delay_ms; /* 0: each segment is acknowledged at once */
};

enum guest_state {
	GUEST_LISTENING,
	GUEST_SYN_SENT,
	GUEST_SYN_RECEIVED,
	GUEST_OPEN,
	GUEST_CLOSED,
	GUEST_RESET
};

struct guest {
	struct guest_options options;
	enum guest_state state;
	int64_t now_ms;

	/* to the host */
	uint64_t una, nxt, max, edge; /* edge: of the window that we were given */
	uint64_t wl1, wl2;
	uint64_t written; /* bytes, by its program */
	bool finished;	  /* by its program: FIN follows */
	uint64_t recover; /* not 0: fast retransmission until then */
	unsigned duplicates;
	struct ranges sacked;
	uint16_t peer_mss;
	uint8_t peer_wscale;
	int64_t rto_ms, rto_at;
	unsigned timeouts; /* that had to send something again; probes of a window not counted */
	unsigned probes;

	/* from the host */
	uint32_t irs;
	uint64_t rcv_nxt, adv, adv_max; /* what it has advertised last, and at most */
	uint64_t read;			/* bytes, by its program */
	struct ranges early;
	uint64_t newest; /* the start of the last early piece */
	bool fin_seen, fin_came_first;
	uint64_t fin_at; /* where an early FIN is; 0: none came */
	bool ack_now;
	unsigned unacked;
	int64_t ack_at;
	bool scaling, sacking, peer_sack;

	void (*send)(const struct tcpseg *seg, uint64_t at, void *data);
	void *data;
};

/* Starts with a SYN, or waits for one. @guest is zero, or one that has been used before. */
void guest_start(struct guest *guest, const struct guest_options *options, int64_t now_ms);
void guest_free(struct guest *guest);
void guest_input(struct guest *guest, const struct tcpseg *seg, int64_t now_ms);
void guest_write(struct guest *guest, uint64_t len, int64_t now_ms);
void guest_finish(struct guest *guest, int64_t now_ms);
void guest_read(struct guest *guest, uint64_t len, int64_t now_ms);
void guest_abort(struct guest *guest, int64_t now_ms);
void guest_timers(struct guest *guest, int64_t now_ms);
int64_t guest_next_ms(const struct guest *guest); /* CLOCK_NEVER */

uint64_t guest_got(const struct guest *guest); /* bytes in order, read or not */
/* The position nearest to @near that has this number. */
uint64_t guest_position(uint32_t number, uint32_t initial, uint64_t near);

#endif
