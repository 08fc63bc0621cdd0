/* Connections that the host has accepted for the guest: the client's end is a socket already, and
 * the guest's begins with our SYN (RFC 9293 section 3.10.7.3). The client's bytes wait in that
 * socket until the guest has answered.
 *
 * The SYN goes to the MAC that the guest's address has; it waits in the flow while that is not
 * known, and goes again at once when the address turns out to be elsewhere. A guest that is silent
 * is asked again and again for a minute.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"
#include "net/route.h"
#include "net/settings.h"
#include "net/tcp_flow.h"

#define SYN_RETRIES 5	/* after 1, 2, 4, 8, 16 s; the end comes 32 s after the last */
#define WAITING_MAX 256 /* connections that one place in the guest has not answered yet */
#define OTHERS_MAX 24	/* descriptors that are neither connections nor listeners */

static size_t address_len(enum ip_family family)
{
	return family == IP_V6 ? sizeof(struct ip6) : sizeof(struct ip4);
}

static bool is_to(const struct tcp_flow *flow, const struct tcp_endpoints *ends)
{
	struct ip ip = flow_guest(flow);

	return flow->key.guest_port == ends->guest_port && ip_equal(&ip, &ends->guest);
}

static size_t less(size_t from, size_t what)
{
	return from - MIN(from, what);
}

void tcp_note_listener(struct tcp *tcp, bool opened)
{
	if (opened)
		tcp->listeners++;
	else
		tcp->listeners--;
}

size_t tcp_open_room(const struct tcp *tcp, const struct tcp_endpoints *ends)
{
	const size_t flows = tcp->stats.flows;
	const size_t sockets = less(flows, tcp->stats.flows_by_state[TCP_TIME_WAIT]);
	/* The rest is for those that the guest begins. */
	const size_t half_open = less(tcp->stats.half_open_limit * 3 / 4, tcp->stats.half_open);
	const size_t descriptors = less(tcp->descriptors, sockets + tcp->listeners + OTHERS_MAX +
								  TCP_DESCRIPTORS_LEFT);
	size_t room = MIN(MIN(half_open, descriptors), less(tcp->stats.flows_limit, flows));
	size_t waiting = 0;

	for (const GList *at = tcp->half_open.head; room > 0 && at; at = at->next) {
		const struct tcp_flow *flow = at->data;

		waiting += flow->state == TCP_SYN_SENT && is_to(flow, ends);
	}
	return MIN(room, less(WAITING_MAX, waiting));
}

/* From where the guest is to see the client. */
static int choose_key(struct tcp *tcp, const struct tcp_endpoints *ends, struct tcp_key *ret)
{
	enum ip_family family = ends->guest.family;
	const struct ip client = route_seen_as(&tcp->settings->plan, &ends->client);
	struct tcp_key key = {
		.family = (uint8_t)family,
		.guest_port = ends->guest_port,
		.remote_port = ends->client_port,
	};
	uint32_t at = 0;

	memcpy(key.guest, ends->guest.v6.b, address_len(family));
	memcpy(key.remote, client.v6.b, address_len(family));
	if (flow_find(tcp, &key))
		at = (uint32_t)siphash(&tcp->key, &key, sizeof(key));
	for (int i = 0; i < ROUTE_SPARE_TRIES && flow_find(tcp, &key); i++)
		key.remote_port = route_spare_port(at++);
	if (flow_find(tcp, &key))
		return -EADDRINUSE;
	*ret = key;
	return 0;
}

/* Send the SYN, or ask whom to send it to; again when the time is up. */
static void try_syn(struct tcp_flow *flow, bool doubt)
{
	struct tcp *tcp = flow->tcp;
	struct ip guest = flow_guest(flow);

	if (tcp->output.neighbour(&guest, doubt, &flow->guest_mac, tcp->output.data))
		flow_send_syn(flow);
	flow_set_timer(flow, loop_now_ms(tcp->loop) + flow->rto_ms);
}

/* #syscalls:engine setsockopt close */
static int reset_client(struct tcp *tcp, int fd, enum tcp_drop reason, int error)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	tcp_count_drop(tcp, reason);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	fd_close(&fd);
	return error;
}

int tcp_open_to_guest(struct tcp *tcp, int fd, const struct tcp_endpoints *ends)
{
	struct tcp_key key;
	struct tcp_flow *flow;
	int r = choose_key(tcp, ends, &key);

	if (r < 0)
		return reset_client(tcp, fd, TCP_DROP_RESOURCES, r);
	if (tcp->stats.flows >= tcp->stats.flows_limit)
		return reset_client(tcp, fd, TCP_DROP_FLOWS, -ENOBUFS);
	flow = flow_new(tcp, &key);
	flow->our_mac = addrplan_gateway_mac(&tcp->settings->plan, ends->guest.family);
	flow_begin(flow);
	flow_set_state(flow, TCP_SYN_SENT);
	r = flow_adopt(flow, fd);
	if (r < 0) {
		tcp_count_drop(tcp, r == -EMFILE ? TCP_DROP_DESCRIPTORS : TCP_DROP_RESOURCES);
		flow_destroy(flow);
		return r;
	}
	flow->tally = tally_begin(ends->tally);
	flow->listed.inbound = true;
	flow->listed.forward_id = tally_forward(ends->tally);
	try_syn(flow, false);
	return 0;
}

/* The rest of the handshake, and what waits behind it. */
static void establish(struct tcp_flow *flow, const struct tcpseg *seg)
{
	struct tcp *tcp = flow->tcp;

	tcp->stats.opened_to_guest++;
	flow_set_state(flow, TCP_ESTABLISHED);
	flow->snd_wl2 = seg->ack;
	flow->ack_now = true;
	flow_acknowledged(flow, seg->ack, loop_now_ms(tcp->loop));
}

/* The guest answers for an older connection from the same port. It has to forget that one first,
 * which the RST makes it do; then it is to hear the SYN again, soon but once.
 */
static void answer_old(struct tcp_flow *flow, const struct tcpseg *seg)
{
	tcp_answer_stray(flow->tcp, seg, &flow->guest_mac, &flow->our_mac);
	if (!(seg->flags & TCPSEG_RST) && flow->retries == 0)
		flow_set_timer(flow, loop_now_ms(flow->tcp->loop));
}

void flow_open_input(struct tcp_flow *flow, const struct tcpseg *seg)
{
	bool has_ack = seg->flags & TCPSEG_ACK;

	if (has_ack && (flow->snd_nxt == flow->iss || seg->ack != flow->snd_nxt)) {
		answer_old(flow, seg);
		return;
	}
	if (seg->flags & TCPSEG_RST) {
		if (!has_ack) /* nothing shows that it means us */
			return;
		flow->tcp->stats.refused_by_guest++;
		tally_refuse(flow->tally);
		flow_destroy(flow); /* and the client is reset */
		return;
	}
	if (!(seg->flags & TCPSEG_SYN))
		return;
	flow_take_syn(flow, seg);
	if (has_ack) {
		establish(flow, seg);
	} else { /* both have begun at the same time: RFC 9293 figure 7 */
		flow_set_state(flow, TCP_SYN_RECEIVED);
		flow_send_syn_ack(flow);
	}
}

void flow_open_timeout(struct tcp_flow *flow)
{
	if (flow->retries++ >= SYN_RETRIES) {
		flow->tcp->stats.unanswered_by_guest++;
		tally_refuse(flow->tally);
		flow_reset_guest(flow);
		flow_destroy(flow);
		return;
	}
	if (flow->snd_nxt != flow->iss)
		flow->tcp->stats.retransmitted++;
	flow->rto_ms *= 2;
	try_syn(flow, true);
}

void flow_doubt_neighbour(struct tcp_flow *flow)
{
	struct tcp *tcp = flow->tcp;
	struct ip guest = flow_guest(flow);
	struct mac mac; /* what is known has been seen to be of no use */

	if (tcp->output.neighbour)
		(void)tcp->output.neighbour(&guest, true, &mac, tcp->output.data);
}

size_t tcp_drop(struct tcp *tcp, const struct tally *tally)
{
	size_t count = 0;

	for (size_t i = 0; i < TCP_TABLE_SIZE; i++) {
		struct tcp_flow *next;

		for (struct tcp_flow *flow = tcp->table[i]; flow; flow = next) {
			next = flow->hash_next;
			if (!flow->tally || flow->tally != tally)
				continue;
			flow_kill(flow);
			count++;
		}
	}
	return count;
}

void tcp_neighbour(struct tcp *tcp, const struct ip *ip, const struct mac *mac)
{
	for (size_t i = 0; i < TCP_TABLE_SIZE; i++) {
		for (struct tcp_flow *flow = tcp->table[i]; flow; flow = flow->hash_next) {
			struct ip guest = flow_guest(flow);
			bool moved = memcmp(flow->guest_mac.b, mac->b, sizeof(mac->b)) != 0;

			if (!ip_equal(&guest, ip))
				continue;
			flow->guest_mac = *mac;
			if (flow->state == TCP_SYN_SENT && (moved || flow->snd_nxt == flow->iss))
				flow_send_syn(flow);
		}
	}
}
