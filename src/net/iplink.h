/* net/iplink.h - Ethernet for a guest that has none: a link of raw IP packets.
 *
 * Everything behind the link speaks Ethernet. So what comes from the guest gets a header, with one MAC
 * for the guest and the gateway's as the destination, and questions which MAC an address of the
 * guest has are answered here, in the guest's name. There is nothing on such a link to configure
 * oneself with: DHCP and router or neighbour discovery cross it in neither direction.
 * No descriptors; never blocks.
 */
#ifndef NET_IPLINK_H
#define NET_IPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"
#include "wire/whohas.h"

struct addrplan;

extern const struct mac iplink_guest_mac;

#define IPLINK_ANSWERS 16 /* at most, that nobody has taken yet */

struct iplink {
	struct mac gateway4, gateway6;
	uint8_t answers[IPLINK_ANSWERS][WHOHAS_MAX];
	size_t lens[IPLINK_ANSWERS];
	unsigned first, count;
};

enum iplink_verdict {
	IPLINK_PASS,
	IPLINK_ANSWERED, /* here; iplink_answer() has it */
	IPLINK_NOT_IP,
	IPLINK_DISCOVERY, /* DHCP, router or neighbour discovery */
	IPLINK_TOO_MANY,  /* questions at once: this one gets no answer */
};

/* The answers for the plan's guest addresses wait from the start. */
void iplink_init(struct iplink *ip, const struct addrplan *plan);

/* A packet of @len bytes from the guest stands FRAME_ETHER_HEADER bytes behind @frame; where it passes,
 * that is a frame afterwards.
 */
enum iplink_verdict iplink_from_guest(const struct iplink *ip, uint8_t *frame, size_t len);

/* The first @len bytes of a frame to the guest, all of the headers. */
enum iplink_verdict iplink_to_guest(struct iplink *ip, const uint8_t *frame, size_t len);

/* The next answer, a frame from the guest. Its length; 0: there is none. @buffer: WHOHAS_MAX bytes. */
size_t iplink_answer(struct iplink *ip, uint8_t *buffer);

#endif
