/* One connection from its SYN to its end: two programs that write, read and finish by a plan, a
 * network between the guest and our TCP that loses, doubles, delays and cuts, and the rules that hold
 * for every segment of ours.
 */
#ifndef TESTS_UNIT_TCP_SIM_H
#define TESTS_UNIT_TCP_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "tcp_guest.h"
#include "tcp_world.h"

struct sim_program {			/* of one end; times are milliseconds */
	uint64_t total;			/* bytes that it writes */
	uint64_t write_size, read_size; /* bytes at once */
	int write_gap, read_gap;	/* between two of them */
	bool waits;	/* finishes once it has seen the end of the other's stream */
	int finish_gap; /* and this much later */
};

enum sim_abort { SIM_ENDS_WELL, SIM_GUEST_ABORTS, SIM_HOST_BREAKS };

struct sim_plan {
	bool large; /* segments larger than the MTU: which of the two worlds */
	bool v6;
	bool active; /* the host begins: the guest listens */
	unsigned mtu;
	uint32_t iss_bits; /* near what our initial number is */
	struct guest_options guest;
	struct sim_program guest_program, host_program;
	uint64_t capacity; /* of the host socket's send buffer */
	int latency, jitter;
	unsigned drop, twice; /* of 1000 segments */
	int dial_gap, dial_error;
	enum sim_abort abort;
	int abort_at;
	int pool_empty_from, pool_empty_to;
	int shrink_at;	   /* the guest's buffer becomes half; -1: never */
	unsigned spurious; /* of 1000 turns */
	bool clean;	   /* nothing is lost: nobody may ever wait for a timer */
};

struct sim_result {
	uint64_t segments;
	unsigned states; /* world_states(), at the end of each turn */
	int64_t ms;	 /* until both ends had finished */
};

/* The worlds are made at the first call. @seed: of all that is left to chance. */
struct sim_result sim_run(const struct sim_plan *plan, uint64_t seed, bool trace);
void sim_end(void); /* release everything */

uint64_t sim_random(uint64_t *state); /* splitmix64 */

#endif
