#include "net/iplink.h"

#include <netinet/in.h>

#include <string.h>

#include "net/addrplan.h"
#include "wire/bytes.h"
#include "wire/frame.h"

#define ETHERTYPE_IP4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IP6 0x86dd
#define IP4_HEADER 20
#define FRAGMENT_OFFSET 0x1fff /* of the field at 6 */
#define IP6_HEADER 40
#define PORT_DHCP_SERVER 67
#define PORT_DHCP_CLIENT 68
#define TYPE_ROUTER_SOLICITATION 133 /* to redirect, 137: RFC 4861 */
#define TYPE_REDIRECT 137

/* Locally administered (IEEE 802), and of no vendor. */
const struct mac iplink_guest_mac = { { 0x02, 0, 0, 0, 0, 0x64 } };

/* UDP to @port, and not a later fragment, which has no ports. */
static bool is_udp4_to(uint16_t port, const uint8_t *packet, size_t len)
{
	size_t header = (packet[0] & 0x0f) * 4u;

	return packet[9] == IPPROTO_UDP && (get16(packet + 6) & FRAGMENT_OFFSET) == 0 &&
	       header + 4 <= len && get16(packet + header + 2) == port;
}

static bool is_discovery6(const uint8_t *packet, size_t len)
{
	return packet[6] == IPPROTO_ICMPV6 && len > IP6_HEADER &&
	       packet[IP6_HEADER] >= TYPE_ROUTER_SOLICITATION &&
	       packet[IP6_HEADER] <= TYPE_REDIRECT;
}

enum iplink_verdict iplink_from_guest(const struct iplink *ip, uint8_t *frame, size_t len)
{
	const uint8_t *packet = frame + FRAME_ETHER_HEADER;

	if (len >= IP4_HEADER && packet[0] >> 4 == 4) {
		frame_put_header(frame, &iplink_guest_mac, &ip->gateway4, IP_V4);
		return is_udp4_to(PORT_DHCP_SERVER, packet, len) ? IPLINK_DISCOVERY : IPLINK_PASS;
	}
	if (len >= IP6_HEADER && packet[0] >> 4 == 6) {
		frame_put_header(frame, &iplink_guest_mac, &ip->gateway6, IP_V6);
		return is_discovery6(packet, len) ? IPLINK_DISCOVERY : IPLINK_PASS;
	}
	return IPLINK_NOT_IP;
}

static enum iplink_verdict answer(struct iplink *ip, const uint8_t *frame, size_t len)
{
	unsigned slot = (ip->first + ip->count) % IPLINK_ANSWERS;

	if (ip->count == IPLINK_ANSWERS)
		return IPLINK_TOO_MANY;
	ip->lens[slot] = whohas_answer(frame, len, &iplink_guest_mac, ip->answers[slot]);
	if (ip->lens[slot] == 0)
		return IPLINK_DISCOVERY;
	ip->count++;
	return IPLINK_ANSWERED;
}

/* Answer before anybody asks: libslirp 4.7 loses the first packet to an address that it has to ask for. */
static void introduce(struct iplink *ip, const struct addrplan *plan, enum ip_family family)
{
	const struct ip gateway = addrplan_gateway(plan, family);
	const struct mac mac = addrplan_gateway_mac(plan, family);
	struct ip guest = { .family = family };
	uint8_t question[WHOHAS_MAX];

	if (family == IP_V6)
		guest.v6 = plan->guest6;
	else
		guest.v4 = plan->guest;
	(void)answer(ip, question, whohas_build(&guest, &gateway, &mac, question));
}

void iplink_init(struct iplink *ip, const struct addrplan *plan)
{
	*ip = (struct iplink){
		.gateway4 = addrplan_gateway_mac(plan, IP_V4),
		.gateway6 = addrplan_gateway_mac(plan, IP_V6),
	};
	introduce(ip, plan, IP_V4);
	introduce(ip, plan, IP_V6);
}

enum iplink_verdict iplink_to_guest(struct iplink *ip, const uint8_t *frame, size_t len)
{
	const uint8_t *packet = frame + FRAME_ETHER_HEADER;
	const size_t packet_len = len - FRAME_ETHER_HEADER;

	if (len < FRAME_ETHER_HEADER + IP4_HEADER)
		return IPLINK_NOT_IP;
	switch (get16(frame + 12)) {
	case ETHERTYPE_IP4:
		return is_udp4_to(PORT_DHCP_CLIENT, packet, packet_len) ? IPLINK_DISCOVERY :
									  IPLINK_PASS;
	case ETHERTYPE_IP6:
		if (packet_len >= IP6_HEADER && !is_discovery6(packet, packet_len))
			return IPLINK_PASS;
		return answer(ip, frame, len);
	case ETHERTYPE_ARP:
		return answer(ip, frame, len);
	default:
		return IPLINK_NOT_IP;
	}
}

size_t iplink_answer(struct iplink *ip, uint8_t *buffer)
{
	size_t len;

	if (ip->count == 0)
		return 0;
	len = ip->lens[ip->first];
	memcpy(buffer, ip->answers[ip->first], len);
	ip->first = (ip->first + 1) % IPLINK_ANSWERS;
	ip->count--;
	return len;
}
