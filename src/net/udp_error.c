/* What became of a datagram: the host's kernel knows, and the guest is told by ICMP.
 *
 * A program that sends from an unconnected socket is told of nothing, unless it asks with IP_RECVERR:
 * then each ICMP error about one of its datagrams waits in the socket's error queue, with the
 * beginning of the datagram, its destination, and who said so. That is all that is needed to say the
 * same to the guest about what it has sent. A guest that uses an unconnected socket itself hears
 * nothing of it; traceroute, path MTU discovery and connected sockets work as on the host.
 *
 * Such an error is also put on the socket, where the next call stumbles over it; reading the queue
 * takes it off.
 */
#include <errno.h>
#include <time.h>
#include <linux/errqueue.h> /* needs the one before */

#include "net/udp_flow.h"
#include "wire/bytes.h"

#define ERRORS_PER_TURN 32
#define ERRORS_PER_SECOND 1000
#define UDP_HEADER 8
#define PARAMETER_PROBLEM4 12

static bool may_tell(struct udp *udp)
{
	int64_t now_ms = loop_now_ms(udp->loop);

	if (now_ms - udp->errors_since_ms >= 1000) {
		udp->errors_since_ms = now_ms;
		udp->errors_sent = 0;
	}
	if (udp->errors_sent >= ERRORS_PER_SECOND) {
		udp->stats.errors_unanswered++;
		return false;
	}
	udp->errors_sent++;
	return true;
}

/* @error says what, and whose word it is; @gram is what it is about. */
static void tell(struct udp *udp, const struct mac *guest, const struct mac *ours,
		 const struct udpgram *gram, struct icmperr *error)
{
	const size_t quoted = MIN(gram->len, ICMPERR_QUOTED - UDP_HEADER);
	uint8_t transport[ICMPERR_QUOTED], frame[FRAME_ETHER_HEADER + ICMPERR_MAX];
	size_t len;

	if (!may_tell(udp))
		return;
	put16(transport, gram->sport);
	put16(transport + 2, gram->dport);
	put16(transport + 4, (uint16_t)(UDP_HEADER + gram->len));
	put16(transport + 6, 0); /* the checksum, which nobody looks at here */
	if (quoted > 0)
		memcpy(transport + UDP_HEADER, gram->payload, quoted);
	error->src = gram->src;
	error->dst = gram->dst;
	error->proto = IPPROTO_UDP;
	error->transport = transport;
	error->transport_len = UDP_HEADER + quoted;
	error->packet_transport_len = UDP_HEADER + gram->len;
	frame_put_header(frame, ours, guest, gram->src.family);
	len = FRAME_ETHER_HEADER + icmperr_build(error, frame + FRAME_ETHER_HEADER);
	if (udp->output.frame(frame, len, NULL, 0, NULL, udp->output.data))
		udp->stats.errors++;
}

void udp_tell_unreachable(struct udp *udp, const struct udpgram *gram, int error,
			  const struct mac *guest, const struct mac *ours)
{
	struct icmperr told = { .reason = icmperr_reason(-error) };

	told.router = addrplan_gateway(&udp->settings->plan, gram->src.family);
	udp_count_drop(udp, UDP_DROP_UNREACHABLE);
	tell(udp, guest, ours, gram, &told);
}

void udp_tell_failure(struct udp *udp, unsigned index, int error)
{
	const struct udp_batch *batch = &udp->batch;
	const struct udp_outgoing *item = &batch->items[index];
	const struct udp_flow *flow = item->flow;
	const size_t len = batch->parts[index].iov_len;
	const size_t datagrams = udp_datagrams(len, item->gso_size);
	const struct udpgram gram = {
		.src = udp_guest(flow),
		.dst = item->seen,
		.sport = flow->key.guest_port,
		.dport = item->seen_port,
		.payload = batch->parts[index].iov_base,
		.len = item->gso_size == 0 ? len : MIN(len, item->gso_size),
	};
	struct icmperr told = { .reason = icmperr_reason(-error) };

	if (udp_is_full(error) || error == -EMSGSIZE) { /* no MTU is known that would help */
		udp_count_drops(udp, UDP_DROP_HOST_FULL, datagrams);
		return;
	}
	told.router = addrplan_gateway(&udp->settings->plan, gram.src.family);
	udp_count_drops(udp, UDP_DROP_UNREACHABLE, datagrams);
	tell(udp, udp_guest_mac(flow), &flow->our_mac, &gram, &told);
}

/* Whom the guest has sent to, in its own words. NULL: the session is over; or the error is about
 * somebody who may not answer either: it was made up, for the kernel looks at our port only.
 */
static const struct udp_flow *find_sender(struct udp *udp, struct udp_binding *binding,
					  struct udp_forward *forward, const union sockaddr_any *to,
					  struct udpgram *gram)
{
	const struct addrplan *plan = &udp->settings->plan;
	const struct udp_flow *flow = binding ? &binding->flow : NULL;
	struct udp_session *session;

	if (forward) {
		session = udp_session_of_client(udp, forward, to, NULL);
		if (!session)
			return NULL;
		flow = &session->flow;
		gram->dst = udp_key_address(&flow->key);
		gram->dport = flow->key.seen_port;
	} else if (!udp_may_answer(udp, binding, &gram->dst, gram->dport)) {
		return NULL;
	} else if (flow->key.kind == UDP_DNS) {
		gram->dst = route_dns(plan, gram->dst.family);
		gram->dport = ROUTE_DNS_PORT;
	} else {
		gram->dst = route_seen_as(plan, &gram->dst);
	}
	gram->src = udp_guest(flow);
	gram->sport = flow->key.guest_port;
	return flow;
}

/* Whose word it is, in the guest's words: @to has sent it itself, or somebody on the way. */
static struct ip router_of(const struct udp *udp, const struct ip *offender, const struct ip *to,
			   const struct udpgram *gram)
{
	const struct addrplan *plan = &udp->settings->plan;

	if (offender->family != gram->dst.family || ip_is_any(offender))
		return addrplan_gateway(plan, gram->dst.family);
	return ip_equal(offender, to) ? gram->dst : route_seen_as(plan, offender);
}

static void pass_on(struct udp *udp, struct udp_binding *binding, struct udp_forward *forward,
		    const struct msghdr *message, const struct cmsghdr *control, size_t len)
{
	const union sockaddr_any *to_address = message->msg_name;
	const struct ip to = sockaddr_ip(to_address);
	struct sock_extended_err said;
	union sockaddr_any offender_address = { 0 };
	struct udpgram gram = { .dst = to,
				.dport = sockaddr_port(to_address),
				.payload = message->msg_iov->iov_base,
				.len = len };
	struct icmperr error = { 0 };
	const struct udp_flow *flow;
	struct ip offender;

	memcpy(&said, CMSG_DATA(control), sizeof(said));
	if (control->cmsg_len >= CMSG_LEN(sizeof(said) + sizeof(offender_address.v4)))
		memcpy(&offender_address, CMSG_DATA(control) + sizeof(said),
		       MIN(control->cmsg_len - CMSG_LEN(sizeof(said)), sizeof(offender_address)));
	if (to.family == IP_NONE)
		return;
	flow = find_sender(udp, binding, forward, to_address, &gram);
	if (!flow)
		return;
	error.reason = icmperr_reason((int)said.ee_errno);
	error.info = said.ee_info;
	if (said.ee_origin == SO_EE_ORIGIN_ICMP || said.ee_origin == SO_EE_ORIGIN_ICMP6) {
		error.reason = ICMPERR_RAW;
		error.type = said.ee_type;
		error.code = said.ee_code;
		if (to.family == IP_V4 && said.ee_type == PARAMETER_PROBLEM4)
			error.info <<= 24; /* the kernel has taken the pointer out of the word */
	} else if (said.ee_origin != SO_EE_ORIGIN_LOCAL) {
		return;
	}
	offender = sockaddr_ip(&offender_address);
	error.router = router_of(udp, &offender, &to, &gram);
	tell(udp, udp_guest_mac(flow), &flow->our_mac, &gram, &error);
}

static bool is_error(const struct cmsghdr *control)
{
	return ((control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_RECVERR) ||
		(control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_RECVERR)) &&
	       control->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err));
}

/* #syscalls:engine recvmsg */
void udp_read_errors(struct udp *udp, int fd, struct udp_binding *binding,
		     struct udp_forward *forward)
{
	uint8_t control[512] __attribute__((aligned(8)));
	uint8_t payload[ICMPERR_QUOTED];

	for (int i = 0; i < ERRORS_PER_TURN; i++) {
		union sockaddr_any to = { 0 };
		struct iovec part = { payload, sizeof(payload) };
		struct msghdr message = {
			.msg_name = &to,
			.msg_namelen = sizeof(to),
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		ssize_t len = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);

		if (len < 0)
			return;
		for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at;
		     at = CMSG_NXTHDR(&message, at)) {
			if (is_error(at))
				pass_on(udp, binding, forward, &message, at, (size_t)len);
		}
	}
}
