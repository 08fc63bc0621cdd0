/* The second half of this file is there for libslirp: most of the holes that it has had are
 * reached by frames that no guest in its right mind sends, or by services that nobody has asked
 * for. Such frames end here, or are changed to what is harmless, whatever libslirp the host has:
 *
 *   urgent data (CVE-2026-9539)          the flag is cleared, the data stay in line
 *   fragments (CVE-2019-14378, -15890,   put together in net/defrag.c; libslirp 4.7.0 still
 *     CVE-2020-1983)                     dies in ip_reass() of some that overlap. Over IPv6: dropped
 *   TFTP, DHCPv6 (CVE-2021-3592..3595,   dropped: nothing is served by them
 *     CVE-2026-95508)
 *   queueing by type of service          "low delay" is cleared
 *     (CVE-2026-120831)
 *   NC-SI, malformed ARP, lengths that   wire/frame.c
 *     lie (CVE-2020-29129, -29130, -10756, CVE-2026-120830)
 *
 * libslirp knows nothing of a link with offloads either: it gets whole checksums, and no more
 * than the MTU at once but for what was fragments.
 */
#include "net/gate.h"

#include <assert.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/bytes.h"
#include "wire/checksum.h"

#define IP4_TOS 1 /* offsets in the IPv4 header */
#define IP4_CHECKSUM 10

#define TOS_LOW_DELAY 0x10 /* RFC 1349; the IPv6 traffic class has the same bits */

#define TCP_FLAGS 12 /* offsets in the TCP header: header length and flags */
#define TCP_CHECKSUM 16
#define TCP_URGENT 18
#define TCP_FLAG_URG 0x20

#define UDP_HEADER 8
#define UDP_LENGTH 4 /* offsets in the UDP header */
#define UDP_CHECKSUM 6

#define PORT_DHCP 67
#define PORT_TFTP 69
#define PORT_DHCP6 547

#define PREFIX6_LEN 8 /* bytes of a /64 */

static const char *const drop_names[] = {
	[GATE_OK] = NULL,
	[GATE_SOURCE] = "from_foreign_address",
	[GATE_NOWHERE] = "to_nowhere",
	[GATE_LARGE] = "large_segment",
	[GATE_OVER_MTU] = "over_mtu",
	[GATE_FRAGMENT] = "fragment",
	[GATE_TFTP] = "tftp",
	[GATE_DHCP6] = "dhcp6",
	[GATE_CHECKSUM] = "misplaced_checksum",
};
static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == GATE_DROPS, "a name per reason");

static const char *drop_name(size_t index)
{
	return drop_names[index];
}

static const char *fault_name(size_t index)
{
	return frame_fault_name((enum frame_fault)index);
}

static const struct stats_row rows[] = {
	{ "to_tcp", "Frames that our own TCP has taken", STATS_NUMBER(struct gate, taken) },
	{ "to_udp", "Frames that our own UDP has taken", STATS_NUMBER(struct gate, taken_udp) },
	{ "to_slirp", "Frames that went to libslirp", STATS_NUMBER(struct gate, passed) },
	{ "fragments_held", "Fragments kept for the packet that they are part of",
	  STATS_NUMBER(struct gate, held) },
	{ "incomplete", "Packets given up because a fragment was missing, or came twice",
	  STATS_NUMBER(struct gate, defrag.incomplete), .counts_drops = true },
	{ "ipv6_ignored", "Frames of IPv6 that went nowhere, because it is not switched on",
	  STATS_NUMBER(struct gate, ipv6_ignored) },
	{ "urgent_cleared", "Frames passed on as if they had no urgent data",
	  STATS_NUMBER(struct gate, urgent_cleared) },
	{ "drops", "Frames dropped, by what they were or where they were to go",
	  STATS_ARRAY(struct gate, drops, drop_name), .counts_drops = true },
	{ "faults", "Frames dropped, by what was wrong with them",
	  STATS_ARRAY(struct gate, faults, fault_name), .counts_drops = true },
	{ 0 },
};

const struct stats_table gate_stats_table = { "gate", "frames from the guest", rows };

/* The destination port of UDP, or 0, which is no port. */
static uint16_t udp_port(const uint8_t *bytes, const struct frame *frame)
{
	if (frame->proto != IPPROTO_UDP || frame->transport == 0)
		return 0;
	return get16(bytes + frame->transport + 2);
}

/* A guest may have no address yet; other than for asking for one it has to use one of its network.
 * For IPv6 it makes its own: link-local ones, and those of the prefix that it is told.
 */
static bool source_is_fine(const struct gate *gate, const uint8_t *bytes, const struct frame *frame)
{
	const struct addrplan *plan = gate->plan;
	const struct ip *src = &frame->src;

	if (frame->kind == FRAME_ARP)
		return true;
	if (frame->kind == FRAME_IP6)
		return ip_is_any(src) || ip6_is_link_local(&src->v6) ||
		       memcmp(src->v6.b, plan->prefix6.b, PREFIX6_LEN) == 0;
	if (ip_is_any(src))
		return udp_port(bytes, frame) == PORT_DHCP;
	return ip4_in_net(&src->v4, &plan->net) && !ip4_equal(&src->v4, &plan->gateway) &&
	       !ip4_equal(&src->v4, &plan->dns);
}

static bool leads_somewhere4(const struct gate *gate, const struct ip4 *dst)
{
	const struct addrplan *plan = gate->plan;
	struct ip4 broadcast = ip4_broadcast(&plan->net);

	if (!ip4_in_net(dst, &plan->net))
		return true;
	if (ip4_equal(dst, &plan->dns))
		return gate->dns;
	return ip4_equal(dst, &plan->gateway) || ip4_equal(dst, &broadcast);
}

static bool leads_somewhere6(const struct gate *gate, const struct ip6 *dst)
{
	const struct addrplan *plan = gate->plan;

	if (memcmp(dst->b, plan->prefix6.b, PREFIX6_LEN) != 0)
		return true;
	if (memcmp(dst->b, plan->dns6.b, sizeof(dst->b)) == 0)
		return gate->dns;
	return memcmp(dst->b, plan->gateway6.b, sizeof(dst->b)) == 0;
}

/* Whether a destination is one that we answer for, or one beyond the guest's network. */
static bool leads_somewhere(const struct gate *gate, const struct frame *frame)
{
	if (frame->kind == FRAME_ARP)
		return true;
	if (ip_is_within_host(&frame->dst))
		return false;
	if (frame->kind == FRAME_IP6)
		return leads_somewhere6(gate, &frame->dst.v6);
	return leads_somewhere4(gate, &frame->dst.v4);
}

static enum gate_drop check_addresses(const struct gate *gate, const uint8_t *bytes,
				      const struct frame *frame)
{
	if (!source_is_fine(gate, bytes, frame))
		return GATE_SOURCE;
	return leads_somewhere(gate, frame) ? GATE_OK : GATE_NOWHERE;
}

/* libslirp serves both of itself, unasked: TFTP at the gateway's addresses, DHCPv6 everywhere. */
static enum gate_drop check_service(const struct gate *gate, const uint8_t *bytes,
				    const struct frame *frame)
{
	const struct addrplan *plan = gate->plan;
	const uint16_t port = udp_port(bytes, frame);

	if (port == PORT_DHCP6 && frame->kind == FRAME_IP6)
		return GATE_DHCP6;
	if (port != PORT_TFTP)
		return GATE_OK;
	if (frame->kind == FRAME_IP4)
		return ip4_equal(&frame->dst.v4, &plan->gateway) ? GATE_TFTP : GATE_OK;
	return memcmp(frame->dst.v6.b, plan->gateway6.b, 16) == 0 ? GATE_TFTP : GATE_OK;
}

/* A checksum that is left to us is the packet's own: another one could make a lie of a header that
 * has been checked.
 */
static enum gate_drop check_checksum(const struct frame *frame, const struct link_info *info)
{
	const size_t offset = frame->proto == IPPROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;

	if (!info->checksum_partial)
		return GATE_OK;
	if (frame->transport == 0 || (frame->proto != IPPROTO_TCP && frame->proto != IPPROTO_UDP))
		return GATE_CHECKSUM;
	if (info->csum_start != frame->transport || info->csum_offset != offset)
		return GATE_CHECKSUM;
	return GATE_OK;
}

/* What the sender's kernel has left to us. */
static enum gate_drop complete_checksum(uint8_t *bytes, const struct frame *frame,
					const struct link_info *info)
{
	const size_t offset = frame->proto == IPPROTO_TCP ? TCP_CHECKSUM : UDP_CHECKSUM;
	const enum gate_drop drop = check_checksum(frame, info);
	uint8_t *transport = bytes + frame->transport;
	uint16_t sum;

	if (drop != GATE_OK || !info->checksum_partial)
		return drop;
	sum = (uint16_t)~checksum_fold(checksum_add(0, transport, frame->transport_len));
	if (sum == 0 && frame->proto == IPPROTO_UDP)
		sum = 0xffff; /* 0 says that there is none */
	memcpy(transport + offset, &sum, sizeof(sum));
	return GATE_OK;
}

/* Change the two bytes at @at, and the checksum that covers them (RFC 1624, equation 3). */
static void replace(uint8_t *at, const uint8_t new[2], uint8_t *checksum)
{
	uint16_t sum, was, is;

	memcpy(&sum, checksum, sizeof(sum));
	memcpy(&was, at, sizeof(was));
	memcpy(&is, new, sizeof(is));
	sum = (uint16_t)~checksum_fold((uint64_t)(uint16_t)~sum + (uint16_t)~was + is);
	memcpy(checksum, &sum, sizeof(sum));
	memcpy(at, new, sizeof(is));
}

/* The bit is the host's business in no case: libslirp does not pass it on. */
static void clear_low_delay(uint8_t *packet, const struct frame *frame)
{
	const uint8_t plain[] = { packet[0], packet[IP4_TOS] & (uint8_t)~TOS_LOW_DELAY };

	if (frame->kind == FRAME_IP4 && packet[IP4_TOS] != plain[1])
		replace(packet, plain, packet + IP4_CHECKSUM);
	if (frame->kind == FRAME_IP6)
		packet[0] &= (uint8_t) ~(TOS_LOW_DELAY >> 4);
}

static void clear_urgent(struct gate *gate, uint8_t *tcp)
{
	static const uint8_t no_pointer[2];
	const uint8_t plain[] = { tcp[TCP_FLAGS], tcp[TCP_FLAGS + 1] & (uint8_t)~TCP_FLAG_URG };

	if (plain[1] == tcp[TCP_FLAGS + 1])
		return;
	gate->urgent_cleared++;
	replace(tcp + TCP_FLAGS, plain, tcp + TCP_CHECKSUM);
	replace(tcp + TCP_URGENT, no_pointer, tcp + TCP_CHECKSUM);
}

/* What comes in one piece, and not in more than a link of this MTU has. */
static enum gate_drop check_size(const struct gate *gate, const struct frame *frame,
				 const struct link_info *info)
{
	if (info->gso_size != 0 || info->gso_type != 0)
		return GATE_LARGE;
	return frame->len > FRAME_ETHER_HEADER + (size_t)gate->mtu ? GATE_OVER_MTU : GATE_OK;
}

/* Make of a frame one for libslirp. */
static enum gate_drop scrub(struct gate *gate, uint8_t *bytes, const struct frame *frame,
			    const struct link_info *info)
{
	enum gate_drop drop = check_service(gate, bytes, frame);

	if (drop == GATE_OK)
		drop = complete_checksum(bytes, frame, info);
	if (drop != GATE_OK)
		return drop;
	clear_low_delay(bytes + FRAME_ETHER_HEADER, frame);
	if (frame->proto == IPPROTO_TCP)
		clear_urgent(gate, bytes + frame->transport);
	return GATE_OK;
}

/* Whether our own TCP has taken it, as news of a link that has no room for its segments. */
static bool tells_tcp_of_mtu(const struct gate *gate, const uint8_t *bytes,
			     const struct frame *frame)
{
	struct toobig report;

	return gate->too_big && toobig_parse(bytes, frame, &report) &&
	       gate->too_big(&report, gate->tcp_data);
}

/* DHCP of IPv4, which stays with libslirp. */
static bool is_dhcp(const struct gate *gate, const uint8_t *bytes, const struct frame *frame)
{
	static const struct ip4 everybody = { { 255, 255, 255, 255 } };
	const struct ip4 broadcast = ip4_broadcast(&gate->plan->net);

	if (frame->kind != FRAME_IP4 || udp_port(bytes, frame) != PORT_DHCP)
		return false;
	return ip4_equal(&frame->dst.v4, &gate->plan->gateway) ||
	       ip4_equal(&frame->dst.v4, &broadcast) || ip4_equal(&frame->dst.v4, &everybody);
}

/* Several datagrams in one frame: as the guest's kernel makes them of one send, for no more of them
 * than the host's kernel would cut for us.
 */
static enum gate_drop check_udp_segments(const struct gate *gate, const uint8_t *bytes,
					 const struct frame *frame, const struct link_info *info)
{
	const size_t headers = frame->transport + UDP_HEADER - FRAME_ETHER_HEADER;
	const size_t len = (size_t)get16(bytes + frame->transport + UDP_LENGTH) - UDP_HEADER;
	const size_t size = info->gso_size;

	if (info->gso_type != LINK_GSO_UDP || size == 0)
		return GATE_LARGE;
	if (size >= len || len > size * GATE_UDP_SEGMENTS)
		return GATE_LARGE;
	return headers + size > gate->mtu ? GATE_OVER_MTU : GATE_OK;
}

/* The unspecified address as a source is for those who have none yet (DHCP, neighbour discovery). */
static enum gate_drop check_udp(const struct gate *gate, const uint8_t *bytes,
				const struct frame *frame, const struct link_info *info,
				bool was_fragments)
{
	enum gate_drop drop = GATE_OK;

	if (ip_is_any(&frame->src))
		return GATE_SOURCE;
	if (frame->kind == FRAME_IP6 && udp_port(bytes, frame) == PORT_DHCP6)
		return GATE_DHCP6;
	if (info->gso_size != 0 || info->gso_type != 0)
		drop = check_udp_segments(gate, bytes, frame, info);
	else if (!was_fragments)
		drop = check_size(gate, frame, info);
	return drop == GATE_OK ? check_checksum(frame, info) : drop;
}

/* Behind the checks that each frame has to pass: to whom it goes. */
static enum gate_drop deliver(struct gate *gate, uint8_t *bytes, const struct frame *frame,
			      const struct link_info *info, bool was_fragments)
{
	enum gate_drop drop = GATE_OK;

	if (gate->tcp && frame->proto == IPPROTO_TCP) {
		gate->taken++;
		gate->tcp(bytes, frame->len, frame, info, gate->tcp_data);
		return GATE_OK;
	}
	if (gate->udp && frame->proto == IPPROTO_UDP && !is_dhcp(gate, bytes, frame)) {
		drop = check_udp(gate, bytes, frame, info, was_fragments);
		if (drop != GATE_OK)
			return drop;
		gate->taken_udp++;
		gate->udp(bytes, frame->len, frame, info, gate->udp_data);
		return GATE_OK;
	}
	/* libslirp takes no fragments over IPv6 and makes none: it has never seen a packet there that is
	 * longer than the MTU, and could not send the answer.
	 */
	if (was_fragments && frame->kind == FRAME_IP6)
		return GATE_FRAGMENT;
	if (!was_fragments)
		drop = check_size(gate, frame, info);
	if (drop == GATE_OK && tells_tcp_of_mtu(gate, bytes, frame)) {
		gate->taken++;
		return GATE_OK;
	}
	if (drop == GATE_OK)
		drop = scrub(gate, bytes, frame, info);
	if (drop == GATE_OK) {
		gate->passed++;
		gate->pass(bytes, frame->len, gate->data);
	}
	return drop;
}

/* The kernel completes checksums before it makes fragments, and makes none of large segments. */
static enum gate_drop join_fragments(struct gate *gate, const uint8_t *bytes,
				     const struct frame *frame, const struct link_info *info)
{
	static const struct link_info none;
	g_autofree uint8_t *whole = NULL;
	enum gate_drop drop = check_size(gate, frame, info);
	struct frame joined;
	enum frame_fault fault;
	ssize_t len;

	if (drop != GATE_OK)
		return drop;
	if (info->checksum_partial)
		return GATE_CHECKSUM;
	len = defrag_input(&gate->defrag, bytes, frame, gate->now_ms, &whole);
	if (len < 0)
		return GATE_FRAGMENT;
	if (len == 0) {
		gate->held++;
		return GATE_OK;
	}
	fault = frame_parse(whole, (size_t)len, &joined);
	if (fault != FRAME_OK) {
		gate->faults[fault]++;
		return GATE_OK;
	}
	if (joined.fragment) /* of a fragment: nobody makes such */
		return GATE_FRAGMENT;
	return deliver(gate, whole, &joined, &none, true);
}

void gate_input(struct gate *gate, uint8_t *bytes, size_t len, const struct link_info *info)
{
	struct frame frame;
	enum frame_fault fault = frame_parse(bytes, len, &frame);
	enum gate_drop drop;

	if (fault != FRAME_OK) {
		gate->faults[fault]++;
		return;
	}
	/* Every guest asks whether there is a router, and says that it has an address: this is as little
	 * a drop as a packet that nobody listens to, and nobody is to be told of it.
	 */
	if (frame.kind == FRAME_IP6 && !gate->ipv6) {
		gate->ipv6_ignored++;
		return;
	}
	defrag_expire(&gate->defrag, gate->now_ms);
	drop = check_addresses(gate, bytes, &frame);
	if (drop == GATE_OK && gate->neighbours)
		neighbours_input(gate->neighbours, bytes, &frame);
	if (drop == GATE_OK && frame.fragment)
		drop = join_fragments(gate, bytes, &frame, info);
	else if (drop == GATE_OK)
		drop = deliver(gate, bytes, &frame, info, false);
	if (drop != GATE_OK)
		gate->drops[drop]++;
}

void gate_done(struct gate *gate)
{
	defrag_done(&gate->defrag);
}
