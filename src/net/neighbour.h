/* net/neighbour.h - which MAC an address of the guest has.
 *
 * For whoever begins to talk to the guest; an answer goes to where the frame came from. An address
 * is kept from the first time that somebody looks for it, so nothing that the guest sends makes
 * the table grow; in a full one the address that was looked for longest ago makes room. Every
 * valid frame from such an address tells its MAC, and the newest counts: an interface that was made
 * anew is followed.
 */
#ifndef NET_NEIGHBOUR_H
#define NET_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addrplan.h"
#include "wire/frame.h"

#define NEIGHBOURS_MAX 64

struct neighbours;

struct neighbours_output {
	/* A question for the guest; no pointer is kept. */
	void (*send)(const uint8_t *frame, size_t len, void *data);
	/* An address has a MAC that it did not have, or has answered. */
	void (*learned)(const struct ip *ip, const struct mac *mac, void *data);
	void *data;
};

/* @plan is borrowed: questions come from its gateway. */
struct neighbours *neighbours_new(const struct addrplan *plan,
				  const struct neighbours_output *output);
void neighbours_free(struct neighbours *neighbours); /* NULL is a no-op */

/* Known from elsewhere, until the guest says otherwise; learned() is not called. */
void neighbours_set(struct neighbours *neighbours, const struct ip *ip, const struct mac *mac);

/* False: not known; the guest has been asked, now or within the last half second. */
bool neighbours_find(struct neighbours *neighbours, const struct ip *ip, int64_t now_ms,
		     struct mac *ret);

/* Ask for one that is known, but does not answer there. */
void neighbours_ask(struct neighbours *neighbours, const struct ip *ip, int64_t now_ms);

/* A frame from the guest that frame_parse() has passed. */
void neighbours_input(struct neighbours *neighbours, const uint8_t *bytes,
		      const struct frame *frame);

#endif
