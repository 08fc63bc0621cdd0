/* Links behind the guest that take less than the TAP does.
 *
 * A guest that forwards, to a container or a network of its own, tells us by ICMP that a segment was
 * too big for the next link; the other end of the connection may know nothing of that link, so
 * what it said as its MSS is no help. The flow then has a smaller MSS for the rest of its life, and all
 * that is not acknowledged goes again at once: the link has let none of it through.
 *
 * RFC 5927 says how such a message could be a lie, of somebody behind the guest who can only guess. It
 * is believed if it quotes a segment that is under way (section 7.1), and if it makes segments smaller:
 * so of the many that one flight of segments brings, the first does the work. How small they get
 * has no other limit than what a link may have (wire/toobig.h): our segments are never cut on the
 * way, so one above what a link takes is the black hole that all of this is about, and the guest
 * may ask for as little in its SYN.
 *
 * Where ICMP is filtered nothing is heard at all. Three timeouts in a row of a segment that is larger
 * than what nearly every path takes are taken as that (RFC 4821 sections 7.2 and 7.7). If the guest
 * was only asleep little is lost by it: a flight is still handed over in large pieces.
 */
#include <string.h>

#include "net/tcp_flow.h"
#include "wire/toobig.h"

#define PATH_MTU4 1024 /* RFC 4821 section 7.2 */

static bool lower_mss(struct tcp_flow *flow, uint32_t mtu)
{
	uint32_t mss = mss_of_mtu(mtu, flow->key.family == IP_V6);

	if (mss >= flow->mss)
		return false;
	flow->mss = (uint16_t)mss;
	return true;
}

static bool is_under_way(const struct tcp_flow *flow, uint32_t seq)
{
	return flow->state > TCP_SYN_RECEIVED && flow->state != TCP_TIME_WAIT &&
	       seq - flow->snd_una < flow->snd_max - flow->snd_una;
}

bool tcp_too_big(struct tcp *tcp, const struct toobig *report)
{
	struct tcp_key key = {
		.guest_port = report->dport,
		.remote_port = report->sport,
		.family = (uint8_t)report->src.family,
	};
	struct tcp_flow *flow;

	memcpy(key.guest, report->dst.v6.b, report->dst.family == IP_V6 ? 16 : 4);
	memcpy(key.remote, report->src.v6.b, report->src.family == IP_V6 ? 16 : 4);
	flow = flow_find(tcp, &key);
	if (!flow)
		return false;
	if (is_under_way(flow, report->seq) && lower_mss(flow, report->mtu)) {
		tcp->stats.path_mtu_changes++;
		flow_send_again(flow);
	}
	return true;
}

void flow_doubt_path(struct tcp_flow *flow)
{
	uint32_t first = MIN(flow->to_guest.len, flow->mss);
	bool v6 = flow->key.family == IP_V6;
	uint32_t mtu = v6 ? TOOBIG_MTU_MIN6 : PATH_MTU4;

	if (flow_is_unacknowledged(flow) && flow->snd_wnd > 0 && first > mss_of_mtu(mtu, v6) &&
	    lower_mss(flow, mtu))
		flow->tcp->stats.path_mtu_guesses++;
}
