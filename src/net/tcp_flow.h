/* net/tcp_flow.h - one connection, as the files of our TCP share it. Not for others.
 *
 *   tcp.c       the table of flows, their birth and end, the turn, the timers
 *   tcp_in.c    what a segment from the guest does to a flow
 *   tcp_out.c   what goes to the guest: data, acknowledgements, the end
 *   tcp_loss.c  what has to go to the guest again, and the timer
 *   tcp_mtu.c   links on the way that take less than the TAP
 *   tcp_host.c  what goes to and comes from the host's socket
 *   tcp_open.c  connections that the host has accepted for the guest
 *   tcp_list.c  what is told of a connection to those who list them
 *
 * Names follow RFC 9293: SND is from us to the guest, RCV from the guest to us.
 */
#ifndef NET_TCP_FLOW_H
#define NET_TCP_FLOW_H

#include <assert.h>
#include <glib.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/wheel.h"
#include "net/bytequeue.h"
#include "net/flows.h"
#include "net/pool.h"
#include "net/reassembly.h"
#include "net/sackboard.h"
#include "net/tally.h"
#include "net/tcp.h"
#include "wire/siphash.h"

/* What each state means for the two directions. */
enum tcp_state {
	TCP_DIALING,	  /* SYN seen, the host's connect() is under way; dial is set, fd is not */
	TCP_SYN_SENT,	  /* accepted by the host, our SYN is out or waits for the guest's MAC;
			   * from here on fd is set, dial is not */
	TCP_SYN_RECEIVED, /* connected, SYN-ACK sent */
	TCP_ESTABLISHED,  /* both ways open */
	TCP_CLOSE_WAIT,	  /* the guest has finished; we may still send */
	TCP_FIN_WAIT_1,	  /* our FIN is out, not acknowledged; the guest may still send */
	TCP_FIN_WAIT_2,	  /* our FIN is acknowledged; the guest may still send */
	TCP_CLOSING,	  /* both FINs are out, ours not acknowledged, theirs came second */
	TCP_LAST_ACK,	  /* both FINs are out, ours not acknowledged, theirs came first */
	TCP_TIME_WAIT,	  /* all is said; fd is closed once to_host is empty */
};
static_assert(TCP_TIME_WAIT + 1 == TCP_STATES, "a counter per state");

struct tcp_key { /* no padding: it is hashed as bytes */
	uint8_t guest[16], remote[16];
	uint16_t guest_port, remote_port;
	uint8_t family, zero[3];
};

struct tcp_flow {
	struct tcp *tcp;
	struct tcp_key key;
	struct tcp_flow *hash_next;
	GList half_open; /* tcp::half_open, up to SYN_RECEIVED */
	GList touched;	 /* tcp::touched, while is_touched */
	struct wheel_timer timer;
	struct mac guest_mac, our_mac;

	enum tcp_state state;
	struct dial *dial; /* TCP_DIALING */
	int fd;		   /* owned; -EBADF in DIALING and TIME_WAIT */
	struct loop_source *source;
	struct tally *tally; /* of the forward that it came through, while fd is set; or NULL */
	struct flows_entry listed;
	int64_t used_ms; /* when the host's socket took or gave something last */

	uint32_t iss, snd_una, snd_nxt, snd_max; /* snd_max: the highest snd_nxt so far */
	uint32_t snd_wnd, snd_wl1, snd_wl2;
	uint32_t irs, rcv_nxt;
	uint32_t rcv_adv;   /* the right edge of the window that the guest was told */
	uint32_t rcv_acked; /* rcv_nxt as the guest was told it last */
	uint16_t mss;
	uint8_t snd_wscale, rcv_wscale;

	struct bytequeue to_guest; /* from snd_una on: sent and not acknowledged, or unsent */
	struct bytequeue to_host;  /* acknowledged, and the socket had no room for it yet */
	struct reassembly *early;  /* from the guest, behind a gap; NULL: nothing is */
	struct sackboard *sacked;  /* what the guest has behind a gap; NULL: nothing is known */

	uint32_t orphan_len;  /* of to_host, when it was looked at last */
	uint32_t recover;     /* the recovery from a loss is over when this is acknowledged */
	uint32_t resent;      /* gaps up to here have been filled in this recovery */
	uint32_t rtt_seq;     /* a round trip is measured until this is acknowledged */
	int64_t rtt_start_ms; /* 0: none is measured */
	uint32_t srtt_ms, rttvar_ms, rto_ms;
	uint8_t retries, duplicate_acks;
	uint8_t read_parts; /* segments that the socket is asked for at once */

	bool is_touched, ack_now, recovering;
	bool window_scaling; /* the guest's SYN had the option; before it, ours has */
	bool sack;	     /* the same of SACK-permitted */
	bool fin_sent;
	bool forget;			   /* TIME_WAIT without the wait */
	bool starved;			   /* the pool had no buffer; the timer tries again */
	bool host_readable, host_writable; /* edge-triggered: true until the socket says EAGAIN */
	bool host_error;		   /* the socket has something in SO_ERROR */
	bool host_eof;			   /* all that the host will say is in to_guest */
	bool host_reset; /* it has failed: RST follows the data, not FIN; to_host is given up */
	bool guest_fin;	 /* the guest has finished: SHUT_WR follows to_host */
	bool shut_write; /* it has been done */
};

struct tcp {
	struct loop *loop;		 /* borrowed */
	const struct settings *settings; /* borrowed */
	struct tcp_output output;
	struct pool *pool;	/* for what goes to the guest */
	struct pool *host_pool; /* for what goes to the host: neither takes from the other */
	struct wheel *wheel;
	struct loop_timer wake; /* for the wheel */
	struct loop_timer trim; /* for the pool */
	struct siphash_key key;
	struct tcp_flow **table; /* TCP_TABLE_SIZE chains */
	GQueue half_open;	 /* oldest first */
	GQueue touched;
	size_t senders;		 /* flows with something in to_guest */
	int64_t strays_since_ms; /* the second in which strays_answered were */
	unsigned strays_answered;
	struct tcp_stats stats;
	struct log_limit no_room[TCP_DROPS];
	uint64_t descriptors; /* RLIMIT_NOFILE at the start */
	size_t listeners;     /* descriptors that net/forward.h has */
};

#define TCP_TABLE_SIZE (1u << 14)
#define TCP_HALF_OPEN_MAX 1024
#define TCP_DESCRIPTORS_LEFT 8 /* for the API, and for what is not TCP */

/* The two ends, as addresses: those of a key are padded with zeros. */
static inline struct ip key_address(const struct tcp_key *key, const uint8_t address[16])
{
	struct ip ip = { .family = (enum ip_family)key->family };

	memcpy(ip.v6.b, address, sizeof(ip.v6.b));
	return ip;
}

static inline struct ip flow_guest(const struct tcp_flow *flow)
{
	return key_address(&flow->key, flow->key.guest);
}

static inline struct ip flow_remote(const struct tcp_flow *flow)
{
	return key_address(&flow->key, flow->key.remote);
}

static inline uint32_t flow_in_flight(const struct tcp_flow *flow)
{
	return flow->snd_nxt - flow->snd_una;
}

/* The largest payload that a packet of @mtu bytes has room for, without options. */
static inline uint32_t mss_of_mtu(uint32_t mtu, bool v6)
{
	return mtu - (v6 ? 60 : 40);
}

/* tcp.c */
const char *tcp_state_name(size_t state); /* enum tcp_state */
struct tcp_flow *flow_find(struct tcp *tcp, const struct tcp_key *key);
/* RFC 9293 section 3.10.7.1: RST for a segment that came from @from to @to, and for that alone. */
void tcp_answer_stray(struct tcp *tcp, const struct tcpseg *seg, const struct mac *from,
		      const struct mac *to);
void flow_set_state(struct tcp_flow *flow, enum tcp_state state);
struct tcp_flow *flow_new(struct tcp *tcp, const struct tcp_key *key); /* below flows_limit */
void flow_touch(struct tcp_flow *flow); /* work for it at the end of this turn */
void flow_set_timer(struct tcp_flow *flow, int64_t at_ms);
void flow_destroy(struct tcp_flow *flow); /* silently; the host's side is reset if unfinished */
void flow_kill(struct tcp_flow *flow);	  /* both ends are reset */
void flow_time_wait(struct tcp_flow *flow);
void flow_forget_early(struct tcp_flow *flow);
void flow_leave_guest(struct tcp_flow *flow);  /* it has reset; to_host is not empty */
void flow_watch_orphan(struct tcp_flow *flow); /* in TIME_WAIT: until to_host is empty */

/* tcp_in.c */
void flow_syn(struct tcp *tcp, const struct tcpseg *seg, const uint8_t *bytes,
	      const struct tcp_key *key);
void flow_begin(struct tcp_flow *flow); /* our half of the numbers, and all options offered */
void flow_take_syn(struct tcp_flow *flow, const struct tcpseg *seg); /* the guest's half */
void flow_input(struct tcp_flow *flow, const struct tcpseg *seg);

/* tcp_out.c */
void flow_send_syn(struct tcp_flow *flow);
void flow_send_syn_ack(struct tcp_flow *flow);
void flow_send_ack(struct tcp_flow *flow);
void flow_send_probe(struct tcp_flow *flow); /* asks the guest where it stands */
void flow_send_fin(struct tcp_flow *flow);
/* One segment from @seq on of what is queued, at most @len bytes: the count sent. */
uint32_t flow_send_queued(struct tcp_flow *flow, uint32_t seq, uint32_t len);
void flow_output(struct tcp_flow *flow);      /* what may go: data, FIN, an ACK that is due */
void flow_reset_guest(struct tcp_flow *flow); /* send RST; does not destroy */
uint32_t flow_segment_max(const struct tcp_flow *flow); /* bytes of payload that may go at once */
uint16_t tcp_mss(const struct tcp *tcp, bool v6);	/* what fits the link's MTU */

/* tcp_loss.c */
void flow_acknowledged(struct tcp_flow *flow, uint32_t ack, int64_t now_ms);
/* An acknowledgement that moved nothing, or brought SACK blocks: is something missing? */
void flow_look_for_loss(struct tcp_flow *flow, const struct tcpseg *seg, bool duplicate);
void flow_timeout(struct tcp_flow *flow, int64_t now_ms);
void flow_send_again(struct tcp_flow *flow);	/* all from snd_una on, as the window lets it */
void flow_arm_timer(struct tcp_flow *flow);	/* the one that fits what it waits for */
void flow_window_opened(struct tcp_flow *flow); /* it was shut */
bool flow_is_unacknowledged(const struct tcp_flow *flow);
bool flow_waits_for_window(const struct tcp_flow *flow);

/* tcp_mtu.c */
void flow_doubt_path(struct tcp_flow *flow); /* it does not answer: is it too narrow? */

/* tcp_host.c */
int flow_dial(struct tcp_flow *flow);	       /* 0, or -errno: not even tried */
int flow_adopt(struct tcp_flow *flow, int fd); /* takes it over in any case; 0 or -errno */
void flow_write_host(struct tcp_flow *flow);   /* to_host, then SHUT_WR */
/* Take bytes for the host: into the socket, and what does not fit into to_host. The count taken. */
uint32_t flow_take(struct tcp_flow *flow, const uint8_t *bytes, uint32_t len);
bool flow_read_host(struct tcp_flow *flow, uint32_t limit); /* false: nothing came */
void flow_refuse(struct tcp_flow *flow, int error); /* tell the guest as the host was told */

/* tcp_list.c */
extern const struct flows_class tcp_flows_class;

/* tcp_open.c */
void flow_open_input(struct tcp_flow *flow, const struct tcpseg *seg); /* in SYN_SENT */
void flow_open_timeout(struct tcp_flow *flow);			       /* in SYN_SENT */
void flow_doubt_neighbour(struct tcp_flow *flow); /* it does not answer: has it moved? */

#endif
