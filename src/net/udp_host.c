/* From the host to the guest.
 *
 * recvmmsg(2) takes up to 32 datagrams from a socket in a turn of the loop, and no more: the sockets
 * are watched level-triggered, so what is left makes the next turn come at once, and a flood at one
 * socket leaves the others their turn. There is one set of buffers, 64 KiB for each of the 32; the
 * kernel fills them from the first one on, so memory is used for as many as have ever waited.
 *
 * With UDP_GRO the kernel joins datagrams of one size from one peer, which saves it the way up here
 * for each; what it has not joined, for it came over loopback or from another namespace, is joined here.
 * The guest gets them as one frame if its TAP takes such, else they are cut here. What is
 * larger than the MTU goes as fragments. IPv4's DF is left out: if a router inside of the guest has
 * a narrower link behind it, its complaint would reach us and not the sender.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "net/udp_flow.h"

#define BUFFERS 32
#define BUFFER_SIZE (64u << 10) /* no datagram is larger, nor several that were joined */
#define SOCKET_BUFFER (1 << 20) /* bytes; the kernel's own limit is often lower */
#define TTL_UNTOLD 64
#define JOINED_HEADERS 48 /* IPv6 and UDP: what fits with them is joined */

struct udp_inbox {
	struct mmsghdr messages[BUFFERS];
	struct iovec parts[BUFFERS];
	union sockaddr_any from[BUFFERS];
	uint8_t control[BUFFERS][UDP_CONTROL] __attribute__((aligned(8)));
	uint8_t *bytes; /* BUFFERS * BUFFER_SIZE */
};

/* The kernel writes into what it has filled, and leaves the rest alone. */
static void make_ready(struct udp_inbox *inbox, size_t index)
{
	inbox->messages[index].msg_hdr = (struct msghdr){
		.msg_name = &inbox->from[index],
		.msg_namelen = sizeof(inbox->from[index]),
		.msg_iov = &inbox->parts[index],
		.msg_iovlen = 1,
		.msg_control = inbox->control[index],
		.msg_controllen = sizeof(inbox->control[index]),
	};
}

struct udp_inbox *udp_inbox_new(void)
{
	struct udp_inbox *inbox = g_new0(struct udp_inbox, 1);

	inbox->bytes = g_malloc((size_t)BUFFERS * BUFFER_SIZE);
	for (size_t i = 0; i < BUFFERS; i++) {
		inbox->parts[i] = (struct iovec){ inbox->bytes + i * BUFFER_SIZE, BUFFER_SIZE };
		make_ready(inbox, i);
	}
	return inbox;
}

void udp_inbox_free(struct udp_inbox *inbox)
{
	g_free(inbox->bytes);
	g_free(inbox);
}

static void switch_on(int fd, int level, int option)
{
	const int on = 1;

	(void)setsockopt(fd, level, option, &on, sizeof(on));
}

/* What only newer kernels have: UDP_SEGMENT is of Linux 4.18, UDP_GRO of 5.0. */
static void probe(struct udp *udp, int fd)
{
	const int off = 0;

	if (!udp->probed)
		udp->can_segment = setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &off, sizeof(off)) == 0;
	udp->probed = true;
}

/* Sysctls, routes and router advertisements have a TTL of their own for sockets that say nothing. */
static void set_options4(int fd, bool tells_local)
{
	const int ttl = UDP_TTL;

	switch_on(fd, IPPROTO_IP, IP_RECVERR);
	switch_on(fd, IPPROTO_IP, IP_RECVTTL);
	switch_on(fd, IPPROTO_IP, IP_RECVTOS);
	(void)setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (tells_local)
		switch_on(fd, IPPROTO_IP, IP_PKTINFO);
}

static void set_options6(int fd, bool tells_local)
{
	const int ttl = UDP_TTL;

	switch_on(fd, IPPROTO_IPV6, IPV6_RECVERR);
	switch_on(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	switch_on(fd, IPPROTO_IPV6, IPV6_RECVTCLASS);
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof(ttl));
	if (tells_local)
		switch_on(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO);
}

/* #syscalls:engine socket socketcall setsockopt bind */
int udp_socket(struct udp *udp, const struct ip *at, uint16_t port, bool tells_local)
{
	const int buffer = SOCKET_BUFFER, on = 1;
	const bool v6 = at->family == IP_V6;
	union sockaddr_any address;
	socklen_t len = sockaddr_fill(at, port, &address);
	autofd int fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (v6) {
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
			return -errno;
		set_options6(fd, tells_local);
	} else {
		set_options4(fd, tells_local);
	}
	switch_on(fd, IPPROTO_UDP, UDP_GRO);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	probe(udp, fd);
	if (bind(fd, &address.any, len) < 0)
		return -errno;
	return fd_steal(&fd);
}

static uint8_t control_number(const struct cmsghdr *control)
{
	int number = 0;

	if (control->cmsg_len >= CMSG_LEN(sizeof(number)))
		memcpy(&number, CMSG_DATA(control), sizeof(number));
	else /* IP_TOS is one byte */
		number = *CMSG_DATA(control);
	return (uint8_t)number;
}

static void take_local(const struct cmsghdr *control, struct udp_arrival *arrival)
{
	struct in_pktinfo info4;
	struct in6_pktinfo info6;

	if (control->cmsg_level == IPPROTO_IP) {
		memcpy(&info4, CMSG_DATA(control), sizeof(info4));
		/* Not ipi_addr, which may be a broadcast address: nothing can be sent from that. */
		arrival->local.family = IP_V4;
		memcpy(arrival->local.v4.b, &info4.ipi_spec_dst, sizeof(arrival->local.v4.b));
		return;
	}
	memcpy(&info6, CMSG_DATA(control), sizeof(info6));
	arrival->local.family = IP_V6;
	memcpy(arrival->local.v6.b, &info6.ipi6_addr, sizeof(arrival->local.v6.b));
	if (IN6_IS_ADDR_LINKLOCAL(&info6.ipi6_addr))
		arrival->local_interface = info6.ipi6_ifindex;
}

static void take_control(const struct cmsghdr *control, struct udp_arrival *arrival)
{
	const int level = control->cmsg_level, type = control->cmsg_type;
	int size;

	if (level == IPPROTO_UDP && type == UDP_GRO) {
		memcpy(&size, CMSG_DATA(control), sizeof(size));
		arrival->gso_size = (uint16_t)size;
	} else if ((level == IPPROTO_IP && type == IP_TTL) ||
		   (level == IPPROTO_IPV6 && type == IPV6_HOPLIMIT)) {
		arrival->ttl = control_number(control);
	} else if ((level == IPPROTO_IP && type == IP_TOS) ||
		   (level == IPPROTO_IPV6 && type == IPV6_TCLASS)) {
		arrival->tos = control_number(control);
	} else if ((level == IPPROTO_IP && type == IP_PKTINFO) ||
		   (level == IPPROTO_IPV6 && type == IPV6_PKTINFO)) {
		take_local(control, arrival);
	}
}

static struct udp_arrival arrival_of(struct udp_inbox *inbox, unsigned index)
{
	struct mmsghdr *message = &inbox->messages[index];
	struct udp_arrival arrival = {
		.from = inbox->from[index],
		.ttl = TTL_UNTOLD,
		.payload = inbox->parts[index].iov_base,
		.len = message->msg_len,
	};

	for (struct cmsghdr *control = CMSG_FIRSTHDR(&message->msg_hdr); control;
	     control = CMSG_NXTHDR(&message->msg_hdr, control))
		take_control(control, &arrival);
	return arrival;
}

/* Whether @next goes on where @first, which may be of several already, ends: from the same peer, and no
 * larger than each of those.
 */
static bool is_more(const struct udp_arrival *first, const struct udp_arrival *next)
{
	const size_t size = first->gso_size == 0 ? first->len : first->gso_size;

	return next->gso_size == 0 && next->len > 0 && next->len <= size &&
	       first->len % size == 0 && first->len + next->len <= UDP_JOINED_BYTES &&
	       next->ttl == first->ttl && next->tos == first->tos &&
	       next->local_interface == first->local_interface &&
	       ip_equal(&next->local, &first->local) && sockaddr_equal(&next->from, &first->from);
}

/* What the kernel would have joined had it come down from a device: the guest takes one frame for all. The
 * number of arrivals from @at on that are now in *ret; their bytes are in the first one's buffer.
 */
static unsigned join(const struct udp *udp, unsigned at, unsigned count, struct udp_arrival *ret)
{
	struct udp_inbox *inbox = udp->inbox;
	unsigned joined = 1;

	*ret = arrival_of(inbox, at);
	if (!udp->output.large_datagrams || ret->gso_size != 0 ||
	    ret->len + JOINED_HEADERS > udp->settings->mtu || ret->len == 0)
		return joined;
	for (; at + joined < count; joined++) {
		const struct udp_arrival next = arrival_of(inbox, at + joined);

		if (!is_more(ret, &next))
			break;
		memcpy(inbox->bytes + (size_t)at * BUFFER_SIZE + ret->len, next.payload, next.len);
		if (joined == 1)
			ret->gso_size = (uint16_t)ret->len;
		ret->len += next.len;
	}
	return joined;
}

/* #syscalls:engine recvmmsg recvmmsg_time64
 * An error is news of what was sent, which is told once, and to whoever asks first. It waits in the error
 * queue as well (udp_error.c), and must not hold up what has been received.
 */
static int receive(int fd, struct udp_inbox *inbox)
{
	int count = recvmmsg(fd, inbox->messages, BUFFERS, MSG_DONTWAIT, NULL);

	if (count < 0 && errno != EAGAIN)
		count = recvmmsg(fd, inbox->messages, BUFFERS, MSG_DONTWAIT, NULL);
	return count;
}

void udp_receive(struct udp *udp, int fd, udp_take_fn *take, void *data)
{
	struct udp_inbox *inbox = udp->inbox;
	const int count = receive(fd, inbox);

	for (unsigned at = 0; (int)at < count;) {
		struct udp_arrival arrival;

		at += join(udp, at, (unsigned)count, &arrival);
		take(&arrival, data);
	}
	for (int i = 0; i < count; i++)
		make_ready(inbox, (size_t)i);
}

static bool send_fragments(struct udp *udp, const struct udp_flow *flow, const struct udpgram *gram)
{
	uint8_t headers[UDPGRAM_FRAGMENT_HEADER_MAX];
	struct udpgram_fragments it;
	const uint8_t *payload;
	size_t header_len, len;

	udpgram_fragment_begin(&it, gram, (uint16_t)udp->settings->mtu, udp->packet_id++,
			       &flow->our_mac, udp_guest_mac(flow));
	while ((header_len = udpgram_fragment_next(&it, headers, &payload, &len)) > 0) {
		if (!udp->output.frame(headers, header_len, payload, len, NULL, udp->output.data))
			return false;
	}
	return true;
}

/* One frame; with @gso_size it is of several datagrams. */
static bool send_frame(struct udp *udp, const struct udp_flow *flow, const struct udpgram *gram,
		       uint16_t gso_size)
{
	const struct udp_output *output = &udp->output;
	const bool partial = output->partial_checksums;
	uint8_t headers[UDPGRAM_HEADER_MAX];
	size_t header_len =
		udpgram_build(gram, &flow->our_mac, udp_guest_mac(flow), partial, headers);
	const struct link_offload offload = {
		.csum_start = (uint16_t)udpgram_transport_offset(gram),
		.csum_offset = UDPGRAM_CHECKSUM_OFFSET,
		.gso_size = gso_size,
		.v6 = gram->src.family == IP_V6,
		.udp = true,
	};

	return output->frame(headers, header_len, gram->payload, gram->len,
			     partial ? &offload : NULL, output->data);
}

static void count_delivered(struct udp *udp, struct udp_flow *flow, bool sent, size_t datagrams,
			    size_t len)
{
	if (sent) {
		udp->stats.datagrams_to_guest += datagrams;
		udp->stats.bytes_to_guest += len;
		flow->listed.bytes_to_guest += len;
	} else {
		udp_count_drops(udp, UDP_DROP_LINK_FULL, datagrams);
	}
}

/* Bytes of payload that fit the link in one packet. */
static size_t room_in_packet(const struct udp *udp, const struct udpgram *gram)
{
	const size_t headers = (gram->src.family == IP_V6 ? 40 : 20) + 8;

	return udp->settings->mtu - MIN(headers, udp->settings->mtu);
}

static void deliver_one(struct udp *udp, struct udp_flow *flow, struct udpgram *gram)
{
	bool sent;

	if (gram->len <= room_in_packet(udp, gram)) {
		gram->id = (uint16_t)udp->packet_id++;
		sent = send_frame(udp, flow, gram, 0);
	} else {
		sent = send_fragments(udp, flow, gram);
	}
	count_delivered(udp, flow, sent, 1, gram->len);
}

void udp_deliver(struct udp *udp, struct udp_flow *flow, struct udpgram *gram,
		 const struct udp_arrival *arrival)
{
	const size_t size = arrival->gso_size == 0 ? arrival->len : arrival->gso_size;

	gram->ttl = arrival->ttl;
	gram->tos = arrival->tos;
	gram->dont_fragment = gram->src.family == IP_V6;
	gram->payload = arrival->payload;
	gram->len = arrival->len;
	if (arrival->len <= size) {
		deliver_one(udp, flow, gram);
		return;
	}
	if (udp->output.large_datagrams && size <= room_in_packet(udp, gram)) {
		const size_t datagrams = (arrival->len + size - 1) / size;

		gram->id = (uint16_t)udp->packet_id;
		udp->packet_id += (uint32_t)datagrams; /* each one has its own */
		count_delivered(udp, flow, send_frame(udp, flow, gram, (uint16_t)size), datagrams,
				arrival->len);
		return;
	}
	for (size_t at = 0; at < arrival->len; at += size) {
		gram->payload = arrival->payload + at;
		gram->len = MIN(size, arrival->len - at);
		deliver_one(udp, flow, gram);
	}
}

/* Who @arrival is from, in the guest's words. False: it is from nobody who may send to the guest. */
static bool is_invited(struct udp_binding *binding, const struct udp_arrival *arrival,
		       struct udpgram *ret)
{
	struct udp *udp = binding->flow.udp;
	const struct settings *settings = udp->settings;
	const bool is_dns = binding->flow.key.kind == UDP_DNS;

	ret->src = sockaddr_ip(&arrival->from);
	ret->sport = sockaddr_port(&arrival->from);
	if (!udp_may_answer(udp, binding, &ret->src, ret->sport))
		return false;
	if (is_dns) {
		ret->src = route_dns(&settings->plan, ret->src.family);
		ret->sport = ROUTE_DNS_PORT;
		return true;
	}
	if (route_is_answerable(&settings->plan, &ret->src))
		return true;
	if (!settings->host_loopback || !route_is_host_loopback(&ret->src))
		return false;
	ret->src = addrplan_gateway(&settings->plan, ret->src.family);
	return true;
}

/* Where anybody may send, strangers do not keep a binding (RFC 4787 section 4.3). */
static bool is_awaited(const struct udp_binding *binding, const union sockaddr_any *from)
{
	const struct udp *udp = binding->flow.udp;
	const struct ip ip = sockaddr_ip(from);

	return udp->settings->udp_filter != UDP_FILTER_NONE ||
	       udp_has_peer(udp, binding, &ip, sockaddr_port(from));
}

static void take_datagram(const struct udp_arrival *arrival, void *data)
{
	struct udp_binding *binding = data;
	struct udp *udp = binding->flow.udp;
	struct udp_flow *flow = &binding->flow;
	struct udpgram gram = { .dport = flow->key.guest_port };

	gram.dst = udp_guest(flow);
	if (!is_invited(binding, arrival, &gram)) {
		udp_count_drop(udp, UDP_DROP_FILTERED);
		return;
	}
	if (is_awaited(binding, &arrival->from))
		udp_touch(udp, flow, (enum udp_queue)flow->queue);
	udp_deliver(udp, flow, &gram, arrival);
}

void udp_binding_event(uint32_t events, void *data)
{
	struct udp_binding *binding = data;

	if (events & EPOLLERR)
		udp_read_errors(binding->flow.udp, binding->fd, binding, NULL);
	udp_receive(binding->flow.udp, binding->fd, take_datagram, binding);
}
