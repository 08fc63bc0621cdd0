#include "udp_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"
#include "wire/bytes.h"

#define TIMEOUT_MS 10000

const struct mac guest_mac = { { 2, 0, 0, 0, 0, 1 } }, other_mac = { { 2, 0, 0, 0, 0, 2 } };
const struct mac gateway_mac = { { 0x52, 0x55, 10, 0, 2, 2 } };
const struct link_info plain, verified = { .checksum_valid = true };

static bool take_frame(const uint8_t *headers, size_t header_len, const uint8_t *payload,
		       size_t len, const struct link_offload *offload, void *data)
{
	struct world *w = data;
	struct sent *sent;

	if (w->full)
		return false;
	sent = g_new(struct sent, 1);
	g_assert_cmpuint(header_len + len, <=, sizeof(sent->bytes));
	memcpy(sent->bytes, headers, header_len);
	if (len > 0)
		memcpy(sent->bytes + header_len, payload, len);
	sent->len = header_len + len;
	sent->gso_size = offload ? offload->gso_size : 0;
	g_ptr_array_add(w->frames, sent);
	return true;
}

static bool find_nameserver(enum ip_family family, struct dial_target *ret, void *data);
static bool find_neighbour(const struct ip *ip, bool doubt, struct mac *ret, void *data)
{
	struct world *w = data;

	(void)ip;
	w->doubts += doubt;
	if (w->knows_mac)
		*ret = guest_mac;
	return w->knows_mac;
}

/* A socket of the host at 127.0.0.@last; port 0 is the kernel's choice. */
int host_socket(uint8_t last, uint16_t port, uint16_t *ret_port)
{
	const struct timeval patience = { .tv_sec = TIMEOUT_MS / 1000 };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	socklen_t len = sizeof(address);
	const int on = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &len), ==, 0);
	g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), ==,
			0);
	g_assert_cmpint(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), ==, 0);
	g_assert_cmpint(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), ==, 0);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

void prepare(struct world *w)
{
	char error[ADDRPLAN_ERROR_MAX];

	*w = (struct world){ .knows_mac = true, .ttl = 64 };
	w->loop.now_ms = 1000000;
	w->flows = flows_new();
	w->settings.mtu = 1500;
	w->settings.native_udp = true;
	w->settings.udp_bindings = 1000;
	w->settings.udp_timeout_s = 120;
	w->settings.host_loopback = true;
	g_assert_true(addrplan_parse("10.0.2.0/24", &w->settings.plan, error));
	w->frames = g_ptr_array_new_with_free_func(g_free);
	for (int i = 0; i < SERVERS; i++)
		w->server[i] = host_socket(1, 0, &w->port[i]);
	w->dport = w->port[0];
}

void begin(struct world *w, bool large_datagrams)
{
	const struct udp_output output = {
		.frame = take_frame,
		.partial_checksums = large_datagrams,
		.large_datagrams = large_datagrams,
		.data = w,
		.nameserver = find_nameserver,
		.neighbour = find_neighbour,
		.flows = w->flows,
	};

	g_assert_cmpint(udp_new(&w->loop, &w->settings, &output, &w->udp), ==, 0);
}

void start(struct world *w)
{
	prepare(w);
	begin(w, false);
}

void finish(struct world *w)
{
	udp_free(w->udp);
	g_assert_null(flows_next(w->flows, 0));
	flows_free(w->flows);
	still_loop_done(&w->loop);
	g_ptr_array_free(w->frames, TRUE);
	for (int i = 0; i < SERVERS; i++) {
		if (w->server[i] >= 0)
			close(w->server[i]);
	}
}

static bool find_nameserver(enum ip_family family, struct dial_target *ret, void *data)
{
	struct world *w = data;

	if (w->nameserver_port == 0 || family != IP_V4)
		return false;
	ret->ip.v4 = (struct ip4){ { 127, 0, 0, 1 } };
	ret->port = w->nameserver_port; /* a test may not have port 53 */
	return true;
}

static uint32_t epoll_of(short revents)
{
	return (revents & POLLIN ? EPOLLIN : 0) | (revents & POLLERR ? EPOLLERR : 0);
}

/* A turn: what the guest has sent goes out, and what waits at the sockets comes in. */
void turn(struct world *w)
{
	GPtrArray *sources = w->loop.sources;

	w->loop.turn_end(w->loop.turn_end_data);
	for (guint i = 0; sources && i < sources->len; i++) {
		struct loop_source *source = g_ptr_array_index(sources, i);
		struct pollfd polled = { .fd = source->fd, .events = POLLIN };

		if (poll(&polled, 1, 0) > 0)
			source->fn(epoll_of(polled.revents), source->data);
	}
}

void pass(struct world *w, int64_t ms)
{
	w->loop.now_ms += ms;
	(void)still_loop_run_timer(&w->loop, w->loop.now_ms);
}

/* Turns until that many frames have come to the guest. */
const struct sent *wait_frames(struct world *w, guint count)
{
	const gint64 end = g_get_monotonic_time() + TIMEOUT_MS * 1000;

	while (w->frames->len < count) {
		turn(w);
		g_assert_cmpint(g_get_monotonic_time(), <, end);
	}
	g_assert_cmpuint(w->frames->len, ==, count);
	return g_ptr_array_index(w->frames, count - 1);
}

struct udpgram from_guest(const struct world *w, uint16_t sport, const void *bytes, size_t len)
{
	return (struct udpgram){
		.src = { .family = IP_V4, .v4 = w->settings.plan.guest },
		.dst = { .family = IP_V4, .v4 = w->settings.plan.gateway },
		.sport = sport,
		.dport = w->dport,
		.ttl = w->ttl,
		.tos = w->tos,
		.dont_fragment = true,
		.payload = bytes,
		.len = len,
	};
}

void send_gram_from(struct world *w, const struct mac *mac, const struct udpgram *gram,
		    const struct link_info *info)
{
	g_autofree uint8_t *bytes = g_malloc(UDPGRAM_HEADER_MAX + gram->len);
	size_t header_len = udpgram_build(gram, mac, &gateway_mac, false, bytes);
	struct frame frame;

	if (gram->len > 0)
		memcpy(bytes + header_len, gram->payload, gram->len);
	g_assert_cmpint(frame_parse(bytes, header_len + gram->len, &frame), ==, FRAME_OK);
	udp_input(w->udp, bytes, &frame, info);
}

void send_gram(struct world *w, const struct udpgram *gram, const struct link_info *info)
{
	send_gram_from(w, &guest_mac, gram, info);
}

void guest_sends(struct world *w, uint16_t sport, const char *text)
{
	const struct udpgram gram = from_guest(w, sport, text, strlen(text));

	send_gram(w, &gram, &plain);
}

/* To an address other than the gateway. */
void guest_sends_to(struct world *w, const char *address, uint16_t port, const char *text)
{
	struct udpgram gram = from_guest(w, GUEST_PORT, text, strlen(text));

	gram.dport = port;
	g_assert_true(ip_parse(address, &gram.dst));
	send_gram(w, &gram, &plain);
}

struct heard *hear(struct world *w, int fd, const char *text)
{
	static struct heard heard;
	uint8_t control[256] __attribute__((aligned(8)));
	struct iovec part = { heard.text, sizeof(heard.text) - 1 };
	struct msghdr message = { .msg_name = &heard.from,
				  .msg_namelen = sizeof(heard.from),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t len;

	turn(w);
	len = recvmsg(fd, &message, 0);
	g_assert_cmpint(len, ==, (ssize_t)strlen(text));
	heard.text[len] = '\0';
	g_assert_cmpstr(heard.text, ==, text);
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
		if (at->cmsg_type == IP_TTL)
			memcpy(&heard.ttl, CMSG_DATA(at), sizeof(heard.ttl));
		if (at->cmsg_type == IP_TOS)
			heard.tos = *CMSG_DATA(at);
	}
	return &heard;
}

bool is_silent(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void say(int fd, const struct sockaddr_in *to, const void *bytes, size_t len)
{
	g_assert_cmpint(sendto(fd, bytes, len, 0, (const struct sockaddr *)to, sizeof(*to)), ==,
			(ssize_t)len);
}

/* A frame of the guest's that is a whole datagram. */
struct udpgram gram_of(const struct sent *sent)
{
	struct udpgram gram;
	struct frame frame;

	g_assert_cmpint(frame_parse(sent->bytes, sent->len, &frame), ==, FRAME_OK);
	g_assert_cmpint(frame.proto, ==, IPPROTO_UDP);
	g_assert_true(udpgram_parse(sent->bytes, &frame, &gram));
	return gram;
}

void expect_gram(const struct sent *sent, const char *src, uint16_t sport, uint16_t dport,
		 const char *text)
{
	const struct udpgram gram = gram_of(sent);
	char address[IP_TEXT_MAX];
	struct frame frame;

	g_assert_cmpstr(ip_format(&gram.src, address), ==, src);
	g_assert_cmpstr(ip_format(&gram.dst, address), ==, "10.0.2.100");
	g_assert_cmpuint(gram.sport, ==, sport);
	g_assert_cmpuint(gram.dport, ==, dport);
	g_assert_cmpmem(gram.payload, (int)gram.len, text, (int)strlen(text));
	g_assert_cmpmem(sent->bytes, 6, guest_mac.b, 6);
	g_assert_cmpint(frame_parse(sent->bytes, sent->len, &frame), ==, FRAME_OK);
	g_assert_true(udpgram_checksum_ok(sent->bytes, &frame));
}

/* An ICMP error from @router about a datagram to @dst:@dport. */
void expect_error(const struct sent *sent, const char *router, uint8_t type, uint8_t code,
		  const char *dst, uint16_t dport)
{
	const uint8_t *ip = sent->bytes + FRAME_ETHER_HEADER, *icmp = ip + 20, *quoted = icmp + 8;
	struct ip4 address;
	char text[IP_TEXT_MAX];

	g_assert_cmpuint(sent->len, >=, FRAME_ETHER_HEADER + 56);
	g_assert_cmpuint(ip[9], ==, IPPROTO_ICMP);
	memcpy(address.b, ip + 12, 4);
	g_assert_cmpstr(ip4_format(&address, text), ==, router);
	g_assert_cmpuint(icmp[0], ==, type);
	g_assert_cmpuint(icmp[1], ==, code);
	g_assert_cmpuint(quoted[9], ==, IPPROTO_UDP);
	memcpy(address.b, quoted + 12, 4);
	g_assert_cmpstr(ip4_format(&address, text), ==, "10.0.2.100");
	memcpy(address.b, quoted + 16, 4);
	g_assert_cmpstr(ip4_format(&address, text), ==, dst);
	g_assert_cmpuint(get16(quoted + 20), ==, GUEST_PORT);
	g_assert_cmpuint(get16(quoted + 22), ==, dport);
}

uint64_t drops(const struct world *w, enum udp_drop drop)
{
	return udp_stats(w->udp).drops[drop];
}

struct sockaddr_in at_loopback(uint8_t last, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
	return address;
}
