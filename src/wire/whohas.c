#include "wire/whohas.h"

#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/frame.h"

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP6 0x86dd
#define IP6_HEADER 40
#define SOLICITATION 32 /* bytes, with the option; an advertisement has as many */
#define TYPE_SOLICITATION 135
#define TYPE_ADVERTISEMENT 136
#define ARP_LEN 28
#define HOP_LIMIT 255 /* RFC 4861 section 7.1.1: proves that no router has passed it on */

/* The head of an ARP request for an IPv4 address over Ethernet. */
static const uint8_t request[] = { 0, 1, 0x08, 0x00, 6, 4, 0, 1 };

static size_t build_arp(const struct ip4 *ip, const struct ip4 *asker, const struct mac *mac,
			uint8_t *out)
{
	uint8_t *p = out;

	memset(p, 0xff, sizeof(mac->b));
	memcpy(p + 6, mac->b, sizeof(mac->b));
	p = put16(p + 12, ETHERTYPE_ARP);
	memcpy(p, request, sizeof(request));
	memcpy(p + 8, mac->b, sizeof(mac->b));
	memcpy(p + 14, asker->b, sizeof(asker->b));
	memset(p + 18, 0, sizeof(mac->b));
	memcpy(p + 24, ip->b, sizeof(ip->b));
	return FRAME_ETHER_HEADER + ARP_LEN;
}

static size_t build_solicitation(const struct ip *ip, const struct ip *asker, const struct mac *mac,
				 uint8_t *out)
{
	/* ff02::1:ff00:0 and the last three bytes of the address (RFC 4291 section 2.7.1) */
	struct ip group = { .family = IP_V6, .v6 = { { 0xff, 2, [11] = 1, [12] = 0xff } } };
	uint8_t *packet = out + FRAME_ETHER_HEADER, *icmp = packet + IP6_HEADER;

	memcpy(group.v6.b + 13, ip->v6.b + 13, 3);
	memset(out, 0x33, 2);
	memcpy(out + 2, group.v6.b + 12, 4);
	memcpy(out + 6, mac->b, sizeof(mac->b));
	put16(out + 12, ETHERTYPE_IP6);
	put32(packet, 6u << 28);
	put16(packet + 4, SOLICITATION);
	packet[6] = IPPROTO_ICMPV6;
	packet[7] = HOP_LIMIT;
	memcpy(packet + 8, asker->v6.b, sizeof(asker->v6.b));
	memcpy(packet + 24, group.v6.b, sizeof(group.v6.b));
	put32(icmp, (uint32_t)TYPE_SOLICITATION << 24); /* type; code and checksum 0 */
	put32(icmp + 4, 0);
	memcpy(icmp + 8, ip->v6.b, sizeof(ip->v6.b));
	put16(icmp + 24, 0x0101); /* source link-layer address, 8 bytes */
	memcpy(icmp + 26, mac->b, sizeof(mac->b));
	checksum_store(icmp + 2, checksum_add(checksum_add_pseudo(0, asker, &group, IPPROTO_ICMPV6,
								  SOLICITATION),
					      icmp, SOLICITATION));
	return FRAME_ETHER_HEADER + IP6_HEADER + SOLICITATION;
}

size_t whohas_build(const struct ip *ip, const struct ip *asker, const struct mac *asker_mac,
		    uint8_t out[WHOHAS_MAX])
{
	if (ip->family == IP_V6)
		return build_solicitation(ip, asker, asker_mac, out);
	return build_arp(&ip->v4, &asker->v4, asker_mac, out);
}

static size_t answer_arp(const uint8_t *frame, size_t len, const struct mac *mac, uint8_t *out)
{
	const uint8_t *question = frame + FRAME_ETHER_HEADER;
	uint8_t *answer = out + FRAME_ETHER_HEADER;

	if (len < FRAME_ETHER_HEADER + ARP_LEN || memcmp(question, request, sizeof(request)) != 0)
		return 0;
	memcpy(out, question + 8, sizeof(mac->b));
	memcpy(out + 6, mac->b, sizeof(mac->b));
	put16(out + 12, ETHERTYPE_ARP);
	memcpy(answer, request, sizeof(request));
	answer[7] = 2; /* reply */
	memcpy(answer + 8, mac->b, sizeof(mac->b));
	memcpy(answer + 14, question + 24, sizeof(struct ip4));
	memcpy(answer + 18, question + 8, sizeof(mac->b) + sizeof(struct ip4));
	return FRAME_ETHER_HEADER + ARP_LEN;
}

static size_t answer_solicitation(const uint8_t *frame, size_t len, const struct mac *mac,
				  uint8_t *out)
{
	const uint8_t *question = frame + FRAME_ETHER_HEADER;
	uint8_t *packet = out + FRAME_ETHER_HEADER, *icmp = packet + IP6_HEADER;
	struct ip asker = { .family = IP_V6 }, asked = { .family = IP_V6 };

	if (len < FRAME_ETHER_HEADER + IP6_HEADER + 24 || question[6] != IPPROTO_ICMPV6 ||
	    question[IP6_HEADER] != TYPE_SOLICITATION)
		return 0;
	memcpy(asker.v6.b, question + 8, sizeof(asker.v6.b));
	memcpy(asked.v6.b, question + IP6_HEADER + 8, sizeof(asked.v6.b));
	memcpy(out, frame + 6, sizeof(mac->b));
	memcpy(out + 6, mac->b, sizeof(mac->b));
	put16(out + 12, ETHERTYPE_IP6);
	put32(packet, 6u << 28);
	put16(packet + 4, SOLICITATION);
	packet[6] = IPPROTO_ICMPV6;
	packet[7] = HOP_LIMIT;
	memcpy(packet + 8, asked.v6.b, sizeof(asked.v6.b));
	memcpy(packet + 24, asker.v6.b, sizeof(asker.v6.b));
	put32(icmp, (uint32_t)TYPE_ADVERTISEMENT << 24);
	put32(icmp + 4, 0x60000000); /* solicited, override */
	memcpy(icmp + 8, asked.v6.b, sizeof(asked.v6.b));
	put16(icmp + 24, 0x0201); /* target link-layer address, 8 bytes */
	memcpy(icmp + 26, mac->b, sizeof(mac->b));
	checksum_store(icmp + 2, checksum_add(checksum_add_pseudo(0, &asked, &asker, IPPROTO_ICMPV6,
								  SOLICITATION),
					      icmp, SOLICITATION));
	return FRAME_ETHER_HEADER + IP6_HEADER + SOLICITATION;
}

size_t whohas_answer(const uint8_t *frame, size_t len, const struct mac *mac,
		     uint8_t out[WHOHAS_MAX])
{
	if (len < FRAME_ETHER_HEADER)
		return 0;
	switch (get16(frame + 12)) {
	case ETHERTYPE_ARP:
		return answer_arp(frame, len, mac, out);
	case ETHERTYPE_IP6:
		return answer_solicitation(frame, len, mac, out);
	default:
		return 0;
	}
}
