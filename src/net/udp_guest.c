/* From the guest to the host.
 *
 * A frame's bytes are only there while it is looked at, so a datagram is copied into the batch: as
 * long as the next ones leave by the same socket they are collected, and one sendmmsg(2) takes them
 * all, at the end of the turn at the latest. Programs that send much send it in a row, and so it
 * comes here.
 *
 * Datagrams of one size to one peer are joined to one, which the kernel is told to cut (UDP_SEGMENT):
 * the way down to the device costs more than the datagram, and is then gone once. The last one
 * may be shorter, and ends it.
 *
 * Path MTU discovery stays at what the host has (IP_PMTUDISC_WANT), although most guests set DF. A
 * guest whose TAP has an MTU of 65520 sends 9000 bytes with DF in good faith; with IP_PMTUDISC_DO
 * the host's link of 1500 would refuse the first datagram to each place. As it is, the host's
 * kernel makes fragments for its own link, and of a narrower one further on the guest is told by
 * ICMP (udp_error.c).
 *
 * One failed datagram does not stop the others. sendmmsg(2) ends before it and says why at the next
 * call. That may be the news of an earlier datagram, which the kernel tells whoever uses the socket
 * next, and only once: tried again, what fails is its own. The error queue is not read in between, for
 * each error that is taken from it puts the one behind it on the socket.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <sys/epoll.h>

#include "base/fd.h"
#include "net/dial.h"
#include "net/udp_flow.h"

#define JOINED_SIZE4 \
	(1500 - 28) /* larger ones gain little, and most links would refuse to cut them */
#define JOINED_SIZE6 (1500 - 48)

#define SOCKET_TRIES 4 /* bindings that may end for the socket of another one */

/* Where a datagram leaves: the socket, and what is said to it. */
struct route {
	struct udp_flow *flow;
	int fd;
	union sockaddr_any to;
	socklen_t to_len;
	const struct udp_session *session; /* whose address it is to come from; NULL: any */
};

static void put_control(struct msghdr *message, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *control = (struct cmsghdr *)(void *)((uint8_t *)message->msg_control +
							     message->msg_controllen);

	control->cmsg_level = level;
	control->cmsg_type = type;
	control->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(control), data, len);
	message->msg_controllen += CMSG_SPACE(len);
}

/* The client hears it from where it has sent to, on a host of many addresses too. */
static void put_source(struct msghdr *message, const struct udp_session *session)
{
	const struct ip *local = &session->local;
	struct in_pktinfo info4 = { 0 };
	struct in6_pktinfo info6 = { .ipi6_ifindex = session->local_interface };

	if (local->family == IP_V4) {
		memcpy(&info4.ipi_spec_dst, local->v4.b, sizeof(local->v4.b));
		put_control(message, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
	} else if (local->family == IP_V6) {
		memcpy(&info6.ipi6_addr, local->v6.b, sizeof(local->v6.b));
		put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
	}
}

/* What of the IP header survives: only what differs from what the socket sends with anyway. */
static void put_header(struct msghdr *message, const struct udpgram *gram)
{
	const bool v6 = gram->src.family == IP_V6;
	const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
	const int ttl = gram->ttl, tos = gram->tos;

	if (ttl != UDP_TTL)
		put_control(message, level, v6 ? IPV6_HOPLIMIT : IP_TTL, &ttl, sizeof(ttl));
	if (tos != 0)
		put_control(message, level, v6 ? IPV6_TCLASS : IP_TOS, &tos, sizeof(tos));
}

static size_t joined_size(enum ip_family family)
{
	return family == IP_V6 ? JOINED_SIZE6 : JOINED_SIZE4;
}

/* Behind the last of the batch, if both are alike. */
static bool join(struct udp *udp, const struct route *route, const struct udpgram *gram)
{
	struct udp_batch *batch = &udp->batch;
	const unsigned last = batch->count - 1;
	struct udp_outgoing *item;
	struct iovec *part;
	size_t size;

	if (!udp->can_segment || batch->count == 0 || batch->items[last].flow != route->flow)
		return false;
	item = &batch->items[last];
	part = &batch->parts[last];
	size = item->joined > 1 ? item->gso_size : part->iov_len;
	if (size > joined_size(gram->src.family) || item->joined == 0 ||
	    item->joined >= UDP_JOINED || part->iov_len % MAX(size, 1) != 0 || gram->len == 0 ||
	    gram->len > size || part->iov_len + gram->len > UDP_JOINED_BYTES ||
	    batch->used + gram->len > UDP_ARENA || gram->ttl != item->ttl ||
	    gram->tos != item->tos || !sockaddr_equal(&item->to, &route->to))
		return false;
	memcpy(batch->arena + batch->used, gram->payload, gram->len);
	batch->used += gram->len;
	part->iov_len += gram->len;
	if (item->joined++ == 1) {
		item->gso_size = (uint16_t)size;
		put_control(&batch->messages[last].msg_hdr, IPPROTO_UDP, UDP_SEGMENT,
			    &item->gso_size, sizeof(item->gso_size));
	}
	return true;
}

static void add_to_batch(struct udp *udp, const struct route *route, const struct udpgram *gram,
			 uint16_t gso_size)
{
	struct udp_batch *batch = &udp->batch;
	struct udp_outgoing *item;
	struct msghdr *message;

	if (gso_size == 0 && join(udp, route, gram))
		return;
	if (batch->fd != route->fd || batch->count == UDP_BATCH ||
	    batch->used + gram->len > UDP_ARENA)
		udp_flush(udp);
	batch->fd = route->fd;
	item = &batch->items[batch->count];
	message = &batch->messages[batch->count].msg_hdr;
	item->flow = route->flow;
	item->to = route->to;
	item->seen = gram->dst;
	item->seen_port = gram->dport;
	item->gso_size = gso_size;
	item->joined = gso_size == 0;
	item->ttl = gram->ttl;
	item->tos = gram->tos;
	batch->parts[batch->count] = (struct iovec){ batch->arena + batch->used, gram->len };
	memcpy(batch->arena + batch->used, gram->payload, gram->len);
	batch->used += gram->len;
	*message = (struct msghdr){
		.msg_name = &item->to,
		.msg_namelen = route->to_len,
		.msg_iov = &batch->parts[batch->count],
		.msg_iovlen = 1,
		.msg_control = item->control,
	};
	put_header(message, gram);
	if (route->session)
		put_source(message, route->session);
	if (gso_size != 0) /* the last one: see send_pieces() */
		put_control(message, IPPROTO_UDP, UDP_SEGMENT, &gso_size, sizeof(gso_size));
	batch->count++;
}

/* One frame may stand for several datagrams, which the host's kernel is to cut it into; where it
 * cannot do that, or most links would refuse it, it is done here.
 */
static void submit(struct udp *udp, const struct route *route, const struct udpgram *gram,
		   uint16_t gso_size)
{
	struct udpgram piece = *gram;

	if (gso_size == 0 || gram->len <= gso_size) {
		add_to_batch(udp, route, gram, 0);
		return;
	}
	if (udp->can_segment && gso_size <= joined_size(gram->src.family)) {
		add_to_batch(udp, route, gram, gso_size);
		return;
	}
	for (size_t at = 0; at < gram->len; at += gso_size) {
		piece.payload = gram->payload + at;
		piece.len = MIN(gso_size, gram->len - at);
		add_to_batch(udp, route, &piece, 0);
	}
}

static void count_sent(struct udp *udp, const struct udp_outgoing *item, size_t len)
{
	udp->stats.datagrams_to_host += udp_datagrams(len, item->gso_size);
	udp->stats.bytes_to_host += len;
	item->flow->listed.bytes_to_host += len;
	if (udp_is_session(item->flow))
		tally_from_guest(udp_forward_of(item->flow)->tally, len);
}

/* #syscalls:engine sendmsg */
static int send_once(int fd, const struct msghdr *message)
{
	return sendmsg(fd, message, MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* Once more if it may have been told the news of another one. */
static int send_one(int fd, const struct msghdr *message)
{
	int r = send_once(fd, message);

	return r == 0 || udp_is_full(r) ? r : send_once(fd, message);
}

/* The kernel does not cut into so many, or over a link that takes less than one of them, where it
 * sends fragments otherwise; or the device does not complete checksums (EIO).
 */
static bool is_cutting_refused(int error)
{
	return error == -EMSGSIZE || error == -EINVAL || error == -EIO;
}

static void send_pieces(struct udp *udp, unsigned index)
{
	struct udp_batch *batch = &udp->batch;
	struct udp_outgoing *item = &batch->items[index];
	struct iovec *part = &batch->parts[index];
	struct msghdr *message = &batch->messages[index].msg_hdr;
	const struct iovec whole = *part;
	const size_t size = item->gso_size;

	item->gso_size = 0;
	message->msg_controllen -= CMSG_SPACE(sizeof(item->gso_size));
	for (size_t at = 0; at < whole.iov_len; at += size) {
		int r;

		part->iov_base = (uint8_t *)whole.iov_base + at;
		part->iov_len = MIN(size, whole.iov_len - at);
		r = send_one(batch->fd, message);
		if (r == 0)
			count_sent(udp, item, part->iov_len);
		else
			udp_tell_failure(udp, index, r);
	}
}

/* The datagram at which the batch stopped, with @error. */
static void send_again(struct udp *udp, unsigned index, int error)
{
	struct udp_batch *batch = &udp->batch;
	const struct udp_outgoing *item = &batch->items[index];

	if (!udp_is_full(error) && !(item->gso_size != 0 && is_cutting_refused(error)))
		error = send_once(batch->fd, &batch->messages[index].msg_hdr);
	if (error == 0)
		count_sent(udp, item, batch->parts[index].iov_len);
	else if (item->gso_size != 0 && is_cutting_refused(error))
		send_pieces(udp, index);
	else
		udp_tell_failure(udp, index, error);
}

/* #syscalls:engine sendmmsg */
void udp_flush(struct udp *udp)
{
	struct udp_batch *batch = &udp->batch;
	unsigned at = 0;

	while (at < batch->count) {
		int sent =
			sendmmsg(batch->fd, batch->messages + at, batch->count - at, MSG_DONTWAIT);

		if (sent <= 0)
			send_again(udp, at++, sent < 0 ? -errno : 0);
		for (; sent > 0; sent--, at++)
			count_sent(udp, &batch->items[at], batch->parts[at].iov_len);
	}
	batch->count = 0;
	batch->used = 0;
}

/* Out of descriptors or ports: a binding that is idle may have to go, of the family that wants a port. */
static int open_socket(struct udp *udp, const struct dial_target *target)
{
	const struct ip any = { .family = target->ip.family };

	for (int i = 0;; i++) {
		int fd = udp_socket(udp, target->from.family == IP_NONE ? &any : &target->from, 0,
				    false);
		int error = fd < 0 ? fd : 0;

		if (fd >= 0 && (uint64_t)fd + UDP_DESCRIPTORS_LEFT >= udp->descriptors) {
			fd_close(&fd); /* it was the lowest that was free */
			error = -EMFILE;
		}
		if (error == 0)
			return fd;
		if ((error != -EMFILE && error != -ENFILE && error != -EADDRINUSE) ||
		    i == SOCKET_TRIES ||
		    !udp_free_descriptor(udp, error == -EADDRINUSE ? any.family : IP_NONE))
			return error;
	}
}

static int binding_new(struct udp *udp, const struct udp_key *key, const struct dial_target *target,
		       enum udp_queue queue, struct udp_binding **ret)
{
	struct udp_binding *binding;
	int fd, r;

	fd = open_socket(udp, target);
	if (fd < 0)
		return fd;
	udp_make_room(udp, false);
	binding = g_new0(struct udp_binding, 1);
	binding->fd = fd;
	r = loop_add(udp->loop, fd, EPOLLIN, udp_binding_event, binding, &binding->source);
	if (r < 0) {
		fd_close(&binding->fd);
		g_free(binding);
		return r;
	}
	udp_insert(udp, &binding->flow, key, queue);
	*ret = binding;
	return 0;
}

/* By the binding of the guest's port, which is made if there is none: @binding is NULL then. */
static int route_by_binding(struct udp *udp, const struct udpgram *gram, const struct udp_key *key,
			    struct udp_binding *binding, const struct dial_target *target,
			    struct route *ret)
{
	enum udp_queue queue = gram->dport == ROUTE_DNS_PORT ? UDP_BINDINGS_SHORT :
							       UDP_BINDINGS_LONG;

	if (binding) {
		if (binding->flow.queue == UDP_BINDINGS_LONG)
			queue = UDP_BINDINGS_LONG;
		udp_touch(udp, &binding->flow, queue);
	} else {
		int r = binding_new(udp, key, target, queue, &binding);

		if (r < 0)
			return r;
	}
	udp_note_peer(udp, binding, &target->ip, target->port);
	ret->flow = &binding->flow;
	ret->fd = binding->fd;
	ret->to_len = sockaddr_fill(&target->ip, target->port, &ret->to);
	if (target->ip.family == IP_V6)
		ret->to.v6.sin6_scope_id = target->scope;
	return 0;
}

static void route_by_session(struct udp *udp, struct udp_session *session,
			     const struct udpgram *gram, const struct mac *from, struct route *ret)
{
	struct udp_forward *forward = session->forward;

	if (ip_equal(&gram->src, &forward->guest)) { /* it may have moved */
		forward->guest_mac = *from;
		forward->mac_known = true;
	}
	session->answers_from = gram->src;
	udp_touch(udp, &session->flow, UDP_SESSIONS_LONG);
	ret->flow = &session->flow;
	ret->fd = forward->fd;
	ret->to = session->client;
	ret->to_len = gram->src.family == IP_V6 ? sizeof(ret->to.v6) : sizeof(ret->to.v4);
	ret->session = session;
}

static bool is_out_of_resources(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS ||
	       error == -EADDRINUSE || error == -ENOSPC /* of epoll(7) */;
}

/* What the guest has begun by a binding goes on there, whatever strangers do at a forwarded port. False:
 * it has been said why not.
 */
static bool find_route(struct udp *udp, const struct udpgram *gram, const struct mac *from,
		       const struct mac *to, struct route *ret)
{
	const bool is_dns = route_is_dns(&udp->settings->plan, &gram->dst);
	const struct udp_key key =
		udp_key(is_dns ? UDP_DNS : UDP_BINDING, &gram->src, gram->sport, 0);
	struct udp_binding *binding = (struct udp_binding *)udp_find(udp, &key);
	struct udp_session *session = NULL;
	struct dial_target target;
	int r = route_to_host(udp->settings, &gram->dst, gram->dport, udp->output.nameserver,
			      udp->output.data, &target);

	if (udp->forwards.length > 0 && !is_dns &&
	    !(r == 0 && binding && udp_has_peer(udp, binding, &target.ip, target.port)))
		session = udp_session_for(udp, gram, from, r == 0 ? &target : NULL);
	if (session) {
		route_by_session(udp, session, gram, from, ret);
		return true;
	}
	if (r == 0)
		r = route_by_binding(udp, gram, &key, binding, &target, ret);
	if (is_out_of_resources(r)) {
		udp_count_drop(udp, UDP_DROP_RESOURCES);
		return false;
	}
	if (r < 0) {
		udp_tell_unreachable(udp, gram, r, from, to);
		return false;
	}
	udp_binding_of(ret->flow)->guest_mac = *from; /* it may have moved */
	return true;
}

void udp_input(struct udp *udp, const uint8_t *bytes, const struct frame *frame,
	       const struct link_info *info)
{
	struct route route = { 0 };
	struct udpgram gram;
	struct mac from, to;

	if (!udpgram_parse(bytes, frame, &gram) || gram.ttl == 0) {
		udp_count_drop(udp, UDP_DROP_MALFORMED);
		return;
	}
	if (!info->checksum_valid && !udpgram_checksum_ok(bytes, frame)) {
		udp_count_drop(udp, UDP_DROP_CHECKSUM);
		return;
	}
	if (route_is_multicast(&gram.dst)) {
		udp_count_drop(udp, UDP_DROP_MULTICAST);
		return;
	}
	if (route_is_broadcast(&udp->settings->plan, &gram.dst)) {
		udp_count_drop(udp, UDP_DROP_BROADCAST);
		return;
	}
	memcpy(to.b, bytes, sizeof(to.b));
	memcpy(from.b, bytes + sizeof(to.b), sizeof(from.b));
	if (!find_route(udp, &gram, &from, &to, &route))
		return;
	route.flow->our_mac = to;
	submit(udp, &route, &gram, info->gso_size);
}
