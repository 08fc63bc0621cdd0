/* wire/whohas.h - the question which MAC an address has, and its answer.
 *
 * Pure. Sources: RFC 826 (ARP), RFC 4861 sections 4.3, 4.4 and 7.2 (neighbour solicitation and
 * advertisement).
 */
#ifndef WIRE_WHOHAS_H
#define WIRE_WHOHAS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/inet.h"

#define WHOHAS_MAX 86 /* bytes: Ethernet, IPv6, solicitation with one option */

/* Write the frame in which @asker, who has @asker_mac, asks everybody (IPv4) or those whom it may be
 * (IPv6) for @ip. Both addresses are of one family. Returns the length of the frame.
 */
size_t whohas_build(const struct ip *ip, const struct ip *asker, const struct mac *asker_mac,
		    uint8_t out[WHOHAS_MAX]);

/* If the frame of @len bytes is such a question, write the answer that the asked one has @mac, to
 * the asker. Returns its length; 0: it is no question.
 */
size_t whohas_answer(const uint8_t *frame, size_t len, const struct mac *mac,
		     uint8_t out[WHOHAS_MAX]);

#endif
