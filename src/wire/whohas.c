#include "wire/whohas.h"

#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"
#include "wire/frame.h"

#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP6 0x86dd
#define IP6_HEADER 40
#define SOLICITATION 32 /* bytes, with the option */
#define HOP_LIMIT 255	/* RFC 4861 section 7.1.1: proves that no router has passed it on */

static size_t build_arp(const struct ip4 *ip, const struct ip4 *asker, const struct mac *mac,
			uint8_t *out)
{
	static const uint8_t request[] = { 0, 1, 0x08, 0x00, 6, 4, 0, 1 };
	uint8_t *p = out;

	memset(p, 0xff, sizeof(mac->b));
	memcpy(p + 6, mac->b, sizeof(mac->b));
	p = put16(p + 12, ETHERTYPE_ARP);
	memcpy(p, request, sizeof(request));
	memcpy(p + 8, mac->b, sizeof(mac->b));
	memcpy(p + 14, asker->b, sizeof(asker->b));
	memset(p + 18, 0, sizeof(mac->b));
	memcpy(p + 24, ip->b, sizeof(ip->b));
	return FRAME_ETHER_HEADER + 28;
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
	put32(icmp, 135u << 24); /* type; code and checksum 0 */
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
