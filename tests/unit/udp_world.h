/* net/udp without a network: a guest made of single frames, and real sockets on the host's loopback,
 * which the gateway's address leads to. The clock stands until it is moved, and a turn of the loop is
 * made when the test says so, which is why base/loop is stood in for here.
 */
#ifndef TESTS_UNIT_UDP_WORLD_H
#define TESTS_UNIT_UDP_WORLD_H

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/link.h"
#include "net/settings.h"
#include "net/udp.h"
#include "net/udp_flow.h"
#include "still_loop.h"
#include "wire/udpgram.h"

#define GUEST_PORT 40000
#define TIMEOUT_MS 10000
#define SERVERS 4

struct sent { /* a frame to the guest */
	uint8_t bytes[FRAME_MAX];
	size_t len;
	uint16_t gso_size;
};

struct world {
	struct loop loop;
	struct settings settings;
	struct udp *udp;
	struct flows *flows;
	GPtrArray *frames; /* struct sent */
	int server[SERVERS];
	uint16_t port[SERVERS];
	uint16_t nameserver_port; /* 0: there is none */
	bool knows_mac;
	unsigned doubts;
	bool full; /* the link takes nothing */
	uint8_t ttl, tos;
	uint16_t dport;
};

struct heard { /* by a socket of the host */
	char text[65536];
	struct sockaddr_in from;
	int ttl, tos;
};

extern const struct mac guest_mac, other_mac, gateway_mac;
extern const struct link_info plain, verified;

/* A world with its settings, which may be changed, and with everything. */
void prepare(struct world *w);
void begin(struct world *w, bool large_datagrams);
void start(struct world *w);
void finish(struct world *w);

/* A socket of the host at 127.0.0.@last; port 0 is the kernel's choice. */
int host_socket(uint8_t last, uint16_t port, uint16_t *ret_port);
struct sockaddr_in at_loopback(uint8_t last, uint16_t port);

/* A turn: what the guest has sent goes out, and what waits at the sockets comes in. */
void turn(struct world *w);
void pass(struct world *w, int64_t ms); /* time, and the timer that is due then */

/* Turns until that many frames have come to the guest; the last of them. */
const struct sent *wait_frames(struct world *w, guint count);

struct udpgram from_guest(const struct world *w, uint16_t sport, const void *bytes, size_t len);
void send_gram_from(struct world *w, const struct mac *mac, const struct udpgram *gram,
		    const struct link_info *info);
void send_gram(struct world *w, const struct udpgram *gram, const struct link_info *info);
void guest_sends(struct world *w, uint16_t sport, const char *text);
/* To an address other than the gateway, from GUEST_PORT. */
void guest_sends_to(struct world *w, const char *address, uint16_t port, const char *text);

/* What a socket of the host hears next is @text. Valid until the next call. */
struct heard *hear(struct world *w, int fd, const char *text);
bool is_silent(int fd);
void say(int fd, const struct sockaddr_in *to, const void *bytes, size_t len);

/* A frame to the guest is a whole datagram; it is this one; it is an ICMP error of @router about a
 * datagram from GUEST_PORT to @dst:@dport.
 */
struct udpgram gram_of(const struct sent *sent);
void expect_gram(const struct sent *sent, const char *src, uint16_t sport, uint16_t dport,
		 const char *text);
void expect_error(const struct sent *sent, const char *router, uint8_t type, uint8_t code,
		  const char *dst, uint16_t dport);

uint64_t drops(const struct world *w, enum udp_drop drop);

#endif
