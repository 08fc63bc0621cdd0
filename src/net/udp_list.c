/* What is told of a binding or a session to those who list them, and its end by their order. */
#include "net/route.h"
#include "net/udp_flow.h"

static const char *const state_names[] = {
	[UDP_BINDINGS_SHORT] = "asking",
	[UDP_BINDINGS_LONG] = "open",
	[UDP_SESSIONS_SHORT] = "unanswered",
	[UDP_SESSIONS_LONG] = "answered",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == UDP_QUEUES, "a name per queue");

static struct udp_flow *flow_of(struct flows_entry *entry)
{
	return (struct udp_flow *)(void *)((char *)entry - offsetof(struct udp_flow, listed));
}

/* The only peer of a binding, by its name in the host's world and in the guest's. */
static void describe_peer(const struct udp_binding *binding, struct flows_info *ret)
{
	const struct addrplan *plan = &binding->flow.udp->settings->plan;
	const struct peer *peer = peerset_only(&binding->peers);
	struct flows_end *host = &ret->host_peer, *seen = &ret->peer;

	host->ip.family = (enum ip_family)binding->flow.key.family;
	memcpy(host->ip.v6.b, peer->address, sizeof(peer->address));
	host->port = peer->port;
	if (binding->flow.key.kind == UDP_DNS)
		*seen = (struct flows_end){ route_dns(plan, host->ip.family), ROUTE_DNS_PORT };
	else
		*seen = (struct flows_end){ route_seen_as(plan, &host->ip), host->port };
}

static void describe(struct flows_entry *entry, struct flows_info *ret)
{
	struct udp_flow *flow = flow_of(entry);

	*ret = (struct flows_info){
		.proto = TRANSPORT_UDP,
		.state = state_names[flow->queue],
		.guest = { udp_guest(flow), flow->key.guest_port },
		.used_ms = flow->used_ms,
	};
	if (udp_is_session(flow)) {
		const union sockaddr_any *client = &udp_session_of(flow)->client;

		ret->peer = (struct flows_end){ udp_key_address(&flow->key), flow->key.seen_port };
		ret->host_peer = (struct flows_end){ sockaddr_ip(client), sockaddr_port(client) };
	} else {
		ret->has_peers = true;
		ret->peers = peerset_count(&udp_binding_of(flow)->peers);
		if (ret->peers == 1)
			describe_peer(udp_binding_of(flow), ret);
	}
	if (ip_equal(&ret->peer.ip, &ret->host_peer.ip) && ret->peer.port == ret->host_peer.port)
		ret->host_peer.ip.family = IP_NONE;
}

static void kill_flow(struct flows_entry *entry)
{
	struct udp_flow *flow = flow_of(entry);

	udp_destroy(flow->udp, flow);
}

const struct flows_class udp_flows_class = { describe, kill_flow };
