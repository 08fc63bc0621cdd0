/* The host's side of a connection: the dial, and the socket.
 *
 * The socket is watched edge-triggered for everything, once: what it said last is kept in
 * host_readable and host_writable until it says EAGAIN, so no epoll_ctl(2) is needed when the guest's
 * window shuts or opens, and a flow that nobody talks on costs nothing.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/fd.h"
#include "base/loop.h"
#include "net/dial.h"
#include "net/settings.h"
#include "net/tcp_flow.h"
#include "wire/icmperr.h"

#define READV_MAX 16
#define DNS_PORT 53

void queue_consume(struct tcp_flow *flow, struct tcp_queue *queue, uint32_t len)
{
	queue->len -= len;
	while (queue->first) {
		struct pool_buffer *buffer = queue->first;
		uint32_t here = MIN(len, buffer->end - buffer->start);

		buffer->start += here;
		len -= here;
		if (buffer->start != buffer->end)
			return;
		queue->first = buffer->next;
		if (!queue->first)
			queue->last = NULL;
		pool_put(flow->tcp->pool, buffer);
	}
}

/* A buffer at the end of the queue with at least @room free bytes behind what it holds. */
static struct pool_buffer *queue_room(struct tcp_flow *flow, struct tcp_queue *queue, uint32_t room)
{
	struct pool_buffer *buffer = queue->last;

	if (buffer && POOL_BUFFER_SIZE - buffer->end >= room)
		return buffer;
	buffer = pool_get(flow->tcp->pool);
	if (!buffer)
		return NULL;
	if (queue->last)
		queue->last->next = buffer;
	else
		queue->first = buffer;
	queue->last = buffer;
	return buffer;
}

static bool is_addr(const struct ip *ip, const struct ip4 *v4, const struct ip6 *v6)
{
	if (ip->family == IP_V6)
		return memcmp(ip->v6.b, v6->b, sizeof(v6->b)) == 0;
	return ip4_equal(&ip->v4, v4);
}

/* The DNS address is the host's name server, and nothing else. */
static int resolve_nameserver(const struct tcp_flow *flow, struct dial_target *ret)
{
	const struct tcp_output *output = &flow->tcp->output;

	if (flow->key.remote_port != DNS_PORT || !output->nameserver ||
	    !output->nameserver(ret->ip.family, ret, output->data))
		return -ENETUNREACH;
	return 0;
}

/* Where a destination of the guest is on the host. */
static int resolve_target(const struct tcp_flow *flow, struct dial_target *ret)
{
	const struct settings *settings = flow->tcp->settings;
	const struct addrplan *plan = &settings->plan;
	bool v6 = flow->key.family == IP_V6;

	*ret = (struct dial_target){ .port = flow->key.remote_port };
	ret->ip.family = (enum ip_family)flow->key.family;
	memcpy(ret->ip.v6.b, flow->key.remote, v6 ? 16 : 4);
	ret->from = v6 ? settings->outbound6 : settings->outbound4;
	if (is_addr(&ret->ip, &plan->dns, &plan->dns6))
		return resolve_nameserver(flow, ret);
	if (!is_addr(&ret->ip, &plan->gateway, &plan->gateway6))
		return 0;
	if (!settings->host_loopback)
		return -ENETUNREACH;
	if (v6)
		ret->ip.v6 = (struct ip6){ { [15] = 1 } };
	else
		ret->ip.v4 = (struct ip4){ { 127, 0, 0, 1 } };
	return 0;
}

static void host_event(uint32_t events, void *data)
{
	struct tcp_flow *flow = data;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		flow->host_readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		flow->host_writable = true;
	if (events & EPOLLERR)
		flow->host_error = true;
	flow_touch(flow);
}

/* #syscalls:engine setsockopt */
int flow_adopt(struct tcp_flow *flow, int fd)
{
	const int yes = 1;

	flow->fd = fd;
	flow->host_writable = true; /* it is connected, and nothing has been written */
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	return loop_add(flow->tcp->loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, host_event,
			flow, &flow->source);
}

static void dialed(int fd, int error, void *data)
{
	struct tcp_flow *flow = data;

	flow->dial = NULL;
	if (fd < 0) {
		flow_refuse(flow, error);
		return;
	}
	if (flow_adopt(flow, fd) < 0) {
		flow_refuse(flow, -ENOMEM);
		return;
	}
	flow->tcp->stats.opened++;
	flow_set_state(flow, TCP_SYN_RECEIVED);
	flow_send_syn_ack(flow);
}

int flow_dial(struct tcp_flow *flow)
{
	struct dial_target target;
	int r = resolve_target(flow, &target);

	if (r < 0)
		return r;
	flow->dial = dial_start(flow->tcp->loop, &target, dialed, flow);
	return 0;
}

/* As a program on the host would have learned it: RST, an ICMP error, or the silence in which the
 * guest's own tries run out.
 */
void flow_refuse(struct tcp_flow *flow, int error)
{
	struct tcp *tcp = flow->tcp;
	const struct addrplan *plan = &tcp->settings->plan;
	struct ip guest = { .family = (enum ip_family)flow->key.family }, remote = guest;
	struct ip router = guest;
	uint8_t packet[ICMPERR_MAX];
	enum icmperr_reason reason = ICMPERR_PROHIBITED;
	size_t len;

	tcp->stats.refused++;
	memcpy(guest.v6.b, flow->key.guest, guest.family == IP_V6 ? 16 : 4);
	memcpy(remote.v6.b, flow->key.remote, guest.family == IP_V6 ? 16 : 4);
	if (guest.family == IP_V6)
		router.v6 = plan->gateway6;
	else
		router.v4 = plan->gateway;
	switch (error) {
	case -ENETUNREACH:
		reason = ICMPERR_NET;
		break;
	case -EHOSTUNREACH:
		reason = ICMPERR_HOST;
		break;
	case -EACCES:
	case -EPERM:
		break;
	case -ETIMEDOUT:
		flow_destroy(flow);
		return;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
		tcp_count_drop(tcp, error == -EMFILE ? TCP_DROP_DESCRIPTORS : TCP_DROP_RESOURCES);
		__attribute__((fallthrough));
	default:
		flow_reset_guest(flow);
		flow_destroy(flow);
		return;
	}
	len = icmperr_build(reason, &router, &guest, &remote, flow->key.guest_port,
			    flow->key.remote_port, flow->irs, packet);
	tcp->output.packet(packet, len, &flow->our_mac, &flow->guest_mac, tcp->output.data);
	flow_destroy(flow);
}

/* #syscalls:engine sendmsg sendto recvfrom */
ssize_t flow_take(struct tcp_flow *flow, const uint8_t *bytes, size_t len)
{
	size_t taken = 0;

	if (flow->host_writable && flow->to_host.len == 0) {
		ssize_t sent = send(flow->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN)
			return -errno;
		taken = sent < 0 ? 0 : (size_t)sent;
		flow->host_writable = taken == len;
	}
	while (taken < len) {
		struct pool_buffer *buffer = queue_room(flow, &flow->to_host, 1);
		size_t here;

		if (!buffer)
			break; /* not taken, not acknowledged: it comes again */
		here = MIN(len - taken, POOL_BUFFER_SIZE - buffer->end);
		memcpy(buffer->data + buffer->end, bytes + taken, here);
		buffer->end += (uint32_t)here;
		flow->to_host.len += (uint32_t)here;
		taken += here;
	}
	flow->tcp->stats.bytes_to_host += taken;
	return (ssize_t)taken;
}

/* The socket has failed: what it says, or what it said to the last call. */
static bool host_failed(struct tcp_flow *flow)
{
	flow_reset_guest(flow);
	flow_destroy(flow);
	return false;
}

static int send_waiting(struct tcp_flow *flow)
{
	struct iovec iov[READV_MAX];
	struct msghdr message = { .msg_iov = iov };
	ssize_t sent;

	for (struct pool_buffer *at = flow->to_host.first; at && message.msg_iovlen < READV_MAX;
	     at = at->next) {
		iov[message.msg_iovlen].iov_base = at->data + at->start;
		iov[message.msg_iovlen++].iov_len = at->end - at->start;
	}
	sent = sendmsg(flow->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return -errno;
	queue_consume(flow, &flow->to_host, (uint32_t)sent);
	return 0;
}

bool flow_write_host(struct tcp_flow *flow)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (flow->fd < 0)
		return true;
	if (flow->host_error) {
		flow->host_error = false;
		if (getsockopt(flow->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0)
			return host_failed(flow);
	}
	while (flow->host_writable && flow->to_host.len > 0) {
		int r = send_waiting(flow);

		if (r == -EAGAIN)
			flow->host_writable = false;
		else if (r < 0)
			return host_failed(flow);
	}
	if (flow->guest_fin && !flow->shut_write && flow->to_host.len == 0) {
		flow->shut_write = true;
		(void)shutdown(flow->fd, SHUT_WR);
	}
	return true;
}

bool flow_read_host(struct tcp_flow *flow, uint32_t limit)
{
	uint32_t wanted = MIN(limit, flow_segment_max(flow));
	struct pool_buffer *buffer = queue_room(flow, &flow->to_guest, MIN(wanted, 2048));
	ssize_t got;

	if (!buffer) {
		flow->starved = true;
		return true;
	}
	got = recv(flow->fd, buffer->data + buffer->end,
		   MIN(wanted, POOL_BUFFER_SIZE - buffer->end), MSG_DONTWAIT);
	if (got > 0) {
		buffer->end += (uint32_t)got;
		flow->to_guest.len += (uint32_t)got;
		flow->tcp->stats.bytes_to_guest += (uint64_t)got;
		return true;
	}
	if (buffer->start == buffer->end)
		queue_consume(flow, &flow->to_guest, 0); /* give an empty buffer back */
	if (got == 0)
		flow->host_eof = true;
	else if (errno == EAGAIN)
		flow->host_readable = false;
	else
		return host_failed(flow);
	return true;
}
