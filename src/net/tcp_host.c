/* The host's side of a connection: the dial, and the socket.
 *
 * The socket is watched edge-triggered for everything, once: what it said last is kept in
 * host_readable and host_writable until it says EAGAIN, so no epoll_ctl(2) is needed when the guest's
 * window shuts or opens, and a flow that nobody talks on costs nothing.
 *
 * Reading takes many segments' worth in one call where that much has been waiting: each call
 * acknowledges to the sender what it took, and wakes it, and those wake-ups cost more than the
 * copies (one stream to the guest: 1 call for 64 KiB each 7 Gbit/s, for 1 MiB 14).
 *
 * When the socket fails, what it received before that is still there to be read, as it is for any
 * program, and goes to the guest; then the guest gets a reset (host_reset). Which call is told of
 * the failure is chance: it is told once. So EPOLLERR only makes both directions try, and SO_ERROR is
 * asked for where there is nothing left to try.
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
#include "net/route.h"
#include "net/settings.h"
#include "net/tcp_flow.h"
#include "wire/bytes.h"
#include "wire/icmperr.h"

#define TCP_HEADER 20 /* without options */

#define PARTS_MAX 16 /* buffers in one call */

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
	flow->read_parts = 1;
	flow->host_writable = true; /* it is connected, and nothing has been written */
	if ((uint64_t)fd + TCP_DESCRIPTORS_LEFT >=
	    flow->tcp->descriptors) /* the lowest that was free */
		return -EMFILE;
	(void)setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
	return loop_add(flow->tcp->loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, host_event,
			flow, &flow->source);
}

static void dialed(int fd, int error, void *data)
{
	struct tcp_flow *flow = data;

	flow->dial = NULL;
	if (fd >= 0)
		error = flow_adopt(flow, fd);
	if (error < 0) {
		flow_refuse(flow, error);
		return;
	}
	flow->tcp->stats.opened++;
	flow_set_state(flow, TCP_SYN_RECEIVED);
	flow_send_syn_ack(flow);
}

int flow_dial(struct tcp_flow *flow)
{
	const struct tcp_output *output = &flow->tcp->output;
	const struct ip remote = flow_remote(flow);
	struct dial_target target;
	int r = route_to_host(flow->tcp->settings, &remote, flow->key.remote_port,
			      output->nameserver, output->data, &target);

	if (r < 0)
		return r;
	flow->dial = dial_start(flow->tcp->loop, &target, dialed, flow);
	return 0;
}

/* What the failed connect() of a program is told by. False: by a RST. */
static bool icmp_reason(int error, enum icmperr_reason *ret)
{
	static const int resets[] = { -ECONNREFUSED, -ECONNRESET, -EMFILE,
				      -ENFILE,	     -ENOMEM,	  -ENOBUFS };

	for (size_t i = 0; i < G_N_ELEMENTS(resets); i++) {
		if (error == resets[i])
			return false;
	}
	*ret = icmperr_reason(-error);
	return true;
}

static void send_unreachable(struct tcp_flow *flow, enum icmperr_reason reason)
{
	struct tcp *tcp = flow->tcp;
	uint8_t quoted[ICMPERR_QUOTED_MIN], packet[ICMPERR_MAX];
	const struct icmperr error = {
		.reason = reason,
		.router = addrplan_gateway(&tcp->settings->plan, flow->key.family),
		.src = flow_guest(flow),
		.dst = flow_remote(flow),
		.proto = IPPROTO_TCP,
		.transport = quoted,
		.transport_len = sizeof(quoted),
		.packet_transport_len = TCP_HEADER,
	};
	size_t len;

	put16(put16(quoted, flow->key.guest_port), flow->key.remote_port);
	put32(quoted + 4, flow->irs);
	len = icmperr_build(&error, packet);
	tcp->output.packet(packet, len, &flow->our_mac, &flow->guest_mac, tcp->output.data);
}

/* As a program on the host would have learned it: RST, an ICMP error, or the silence in which the
 * guest's own tries run out.
 */
void flow_refuse(struct tcp_flow *flow, int error)
{
	struct tcp *tcp = flow->tcp;
	enum icmperr_reason reason;

	if (error == -EMFILE)
		tcp_count_drop(tcp, TCP_DROP_DESCRIPTORS);
	else if (error == -ENFILE || error == -ENOMEM || error == -ENOBUFS)
		tcp_count_drop(tcp, TCP_DROP_RESOURCES);
	else
		tcp->stats.refused++;
	if (!icmp_reason(error, &reason))
		flow_reset_guest(flow);
	else if (error != -ETIMEDOUT)
		send_unreachable(flow, reason);
	flow_destroy(flow);
}

/* #syscalls:engine recvfrom
 * What the next recv() would say: a count, 0 at the end, or -errno, which it is told only once.
 */
static ssize_t peek(const struct tcp_flow *flow)
{
	uint8_t byte;
	ssize_t got = recv(flow->fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);

	return got < 0 ? -errno : got;
}

/* The socket has failed: nothing more goes to the host, and what it holds goes to the guest. */
static void lose_host(struct tcp_flow *flow)
{
	flow->host_reset = true;
	flow->shut_write = true;
	flow->host_eof = flow->host_eof || peek(flow) <= 0;
	flow->host_readable = !flow->host_eof;
	bytequeue_drop(&flow->to_host, flow->tcp->host_pool, flow->to_host.len);
	flow_touch(flow);
}

/* #syscalls:engine getsockopt
 * After EPOLLERR. Where there is something to be read first, the call that reads it will be told.
 */
static bool has_failed(struct tcp_flow *flow)
{
	ssize_t next = flow->host_eof ? -EAGAIN : peek(flow);
	socklen_t len = sizeof(int);
	int error = 0;

	if (next >= 0)
		return false;
	flow->host_error = false;
	if (next != -EAGAIN)
		return true;
	return getsockopt(flow->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error != 0;
}

/* #syscalls:engine sendmsg sendto recvmsg */
uint32_t flow_take(struct tcp_flow *flow, const uint8_t *bytes, uint32_t len)
{
	uint32_t taken = 0;

	if (flow->host_writable && flow->to_host.len == 0 && !flow->host_reset) {
		ssize_t sent = send(flow->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent >= 0)
			taken = (uint32_t)sent;
		else if (errno != EAGAIN)
			lose_host(flow);
		flow->host_writable = taken == len;
	}
	if (flow->host_reset) /* the reset that is coming says what has become of them */
		return len;
	taken += bytequeue_append(&flow->to_host, flow->tcp->host_pool, bytes + taken, len - taken);
	flow->tcp->stats.bytes_to_host += taken;
	flow->listed.bytes_to_host += taken;
	flow->used_ms = loop_now_ms(flow->tcp->loop);
	tally_from_guest(flow->tally, taken);
	return taken; /* the rest is not acknowledged, and comes again */
}

static int send_waiting(struct tcp_flow *flow)
{
	struct iovec parts[PARTS_MAX];
	struct msghdr message = { .msg_iov = parts };
	ssize_t sent;

	message.msg_iovlen = bytequeue_gather(&flow->to_host, parts, PARTS_MAX);
	sent = sendmsg(flow->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0)
		return -errno;
	bytequeue_drop(&flow->to_host, flow->tcp->host_pool, (uint32_t)sent);
	return 0;
}

void flow_write_host(struct tcp_flow *flow)
{
	if (flow->fd < 0)
		return;
	while (flow->host_writable && flow->to_host.len > 0) {
		int r = send_waiting(flow);

		if (r == -EAGAIN)
			flow->host_writable = false;
		else if (r < 0)
			lose_host(flow);
	}
	if (flow->guest_fin && !flow->shut_write && flow->to_host.len == 0) {
		flow->shut_write = true;
		(void)shutdown(flow->fd, SHUT_WR);
	}
	if (flow->host_error && !flow->host_reset && has_failed(flow))
		lose_host(flow);
}

/* More at once while that much is there, and no more than that when it is not. */
static void note_read(struct tcp_flow *flow, size_t offered, uint32_t room, ssize_t got)
{
	if (got == (ssize_t)room)
		flow->read_parts = (uint8_t)MIN(offered * 4, PARTS_MAX);
	else
		flow->read_parts = 1;
}

bool flow_read_host(struct tcp_flow *flow, uint32_t limit)
{
	struct tcp *tcp = flow->tcp;
	struct iovec parts[PARTS_MAX];
	struct msghdr message = { .msg_iov = parts };
	struct bytequeue_room room;
	bool was_empty = flow->to_guest.len == 0;
	uint32_t offered = 0;
	ssize_t got;

	/* Whole segments lie together, as many as a buffer holds. */
	message.msg_iovlen = bytequeue_offer(&flow->to_guest, tcp->pool, limit,
					     POOL_BUFFER_SIZE / flow->mss * flow->mss, parts,
					     MAX(flow->read_parts, 1), &room);
	flow->starved = message.msg_iovlen == 0;
	if (flow->starved)
		return false;
	for (size_t i = 0; i < message.msg_iovlen; i++)
		offered += (uint32_t)parts[i].iov_len;
	got = recvmsg(flow->fd, &message, MSG_DONTWAIT);
	bytequeue_accept(&flow->to_guest, tcp->pool, &room, parts, got > 0 ? (uint32_t)got : 0);
	note_read(flow, message.msg_iovlen, offered, got);
	if (got > 0) {
		tcp->senders += was_empty;
		tcp->stats.bytes_to_guest += (uint64_t)got;
		flow->listed.bytes_to_guest += (uint64_t)got;
		flow->used_ms = loop_now_ms(tcp->loop);
		tally_to_guest(flow->tally, (uint64_t)got);
		return true;
	}
	if (got < 0 && errno == EAGAIN) {
		flow->host_readable = false;
		return false;
	}
	flow->host_eof = true;
	if (got < 0)
		lose_host(flow);
	return false;
}
