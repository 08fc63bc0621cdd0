/* net/gate.h - the first to see a frame from the guest, and the only way further in.
 *
 * A frame passes to the stack only if every length in it is true and it is for somebody who
 * may be reached: an address of the guest's own network other than the gateway, the DNS
 * address and broadcast leads nowhere, and must not be looked for on the host's network.
 * What does not pass is dropped and counted by reason.
 */
#ifndef NET_GATE_H
#define NET_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addrplan.h"
#include "wire/frame.h"

/* The stack behind the gate: takes a frame, keeps no pointer to it. */
typedef void gate_pass_fn(const uint8_t *frame, size_t len, void *data);

struct gate {
	const struct addrplan *plan; /* borrowed */
	bool dns;		     /* the DNS address is served */
	gate_pass_fn *pass;
	void *data;
	uint64_t passed;	       /* frames */
	uint64_t faults[FRAME_FAULTS]; /* frames dropped, by what was wrong with them */
	uint64_t nowhere;	       /* frames dropped: an address that leads nowhere */
};

void gate_input(struct gate *gate, const uint8_t *frame, size_t len);

/* The number of frames dropped, and a line of the reasons in @text (cut at @size). */
uint64_t gate_describe_drops(const struct gate *gate, char *text, size_t size);

#endif
