/* What is told of a connection to those who list them, and its end by their order. */
#include <errno.h>
#include <sys/socket.h>

#include "net/sockaddr.h"
#include "net/tcp_flow.h"

static struct tcp_flow *flow_of(struct flows_entry *entry)
{
	return (struct tcp_flow *)(void *)((char *)entry - offsetof(struct tcp_flow, listed));
}

/* #syscalls:engine getpeername
 * Whom the host's socket talks to, where that is somebody else than the guest sees: asked of the kernel,
 * for what the gateway's or the DNS address stands for may have changed since. A Unix socket has no
 * address, and a connection that is being made or has ended has no socket.
 */
static struct flows_end host_peer(const struct tcp_flow *flow)
{
	const struct ip remote = flow_remote(flow);
	union sockaddr_any address = { 0 };
	socklen_t len = sizeof(address);
	struct flows_end end = { .ip.family = IP_NONE };

	if (flow->fd < 0 || getpeername(flow->fd, &address.any, &len) < 0)
		return end;
	end.ip = sockaddr_ip(&address);
	end.port = sockaddr_port(&address);
	if (ip_equal(&end.ip, &remote) && end.port == flow->key.remote_port)
		end.ip.family = IP_NONE;
	return end;
}

static void describe(struct flows_entry *entry, struct flows_info *ret)
{
	const struct tcp_flow *flow = flow_of(entry);

	*ret = (struct flows_info){
		.proto = TRANSPORT_TCP,
		.state = tcp_state_name(flow->state),
		.guest = { flow_guest(flow), flow->key.guest_port },
		.peer = { flow_remote(flow), flow->key.remote_port },
		.host_peer = host_peer(flow),
		.used_ms = flow->used_ms,
	};
}

static void kill_flow(struct flows_entry *entry)
{
	flow_kill(flow_of(entry));
}

const struct flows_class tcp_flows_class = { describe, kill_flow };
