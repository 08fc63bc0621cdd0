/* net/udp with a kernel made of the input: frames and datagrams of the guest, what sockets and their
 * error queues say, calls that fail, time, forwarded ports that come and go. Nothing leaves the process. Every
 * frame to the guest has to be one, and no limit may be passed.
 */
#include <errno.h>
#include <glib.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <linux/errqueue.h> /* needs the one before */

#include "base/loop.h"
#include "net/dial.h"
#include "net/settings.h"
#include "net/udp.h"
#include "net/udp_flow.h"
#include "wire/apireq.h"

#define LIMIT 8
#define FORWARDS 3
#define STEPS 4096

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct loop_source {
	loop_source_fn *fn;
	void *data;
};

static struct {
	const uint8_t *at, *end; /* the input */
	int64_t now_ms;
	struct loop_timer *timer;
	GPtrArray *sources;
	struct settings settings;
	struct udp *udp;
	struct udp_forward *forwards[FORWARDS];
	int next_fd, errors_waiting;
	uint8_t failing; /* of 8 calls that send, how many fail */
	bool link_full, knows_mac;
} w;

static uint8_t next(void)
{
	return w.at < w.end ? *w.at++ : 0;
}

static size_t take_bytes(uint8_t *to, size_t len)
{
	size_t got = MIN(len, (size_t)(w.end - w.at));

	memset(to, 0, len);
	memcpy(to, w.at, got);
	w.at += got;
	return got;
}

/* ---- base/loop.h ---- */

int64_t loop_now_ms(const struct loop *loop)
{
	(void)loop;
	return w.now_ms;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_source_fn *fn, void *data,
	     struct loop_source **ret)
{
	(void)loop;
	(void)fd;
	(void)events;
	*ret = g_new(struct loop_source, 1);
	**ret = (struct loop_source){ fn, data };
	g_ptr_array_add(w.sources, *ret);
	return 0;
}

void loop_remove(struct loop_source *source)
{
	if (source)
		g_ptr_array_remove(w.sources, source);
	g_free(source);
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t at_ms)
{
	(void)loop;
	timer->at_ms = at_ms;
	timer->armed = true;
	w.timer = timer;
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	(void)loop;
	timer->armed = false;
}

void loop_add_turn_end(struct loop *loop, void (*fn)(void *data), void *data)
{
	(void)loop;
	(void)fn;
	(void)data;
}

void loop_remove_turn_end(struct loop *loop, void (*fn)(void *data), void *data)
{
	(void)loop;
	(void)fn;
	(void)data;
}

/* ---- the kernel ---- */

int __wrap_socket(int domain, int type, int protocol);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_close(int fd);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
		    struct timespec *timeout);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);

static int fail(void)
{
	static const int errors[] = { EAGAIN,	    ENOBUFS, ECONNREFUSED, ENETUNREACH,
				      EHOSTUNREACH, EINVAL,  EMSGSIZE,	   EPERM };

	errno = errors[next() % G_N_ELEMENTS(errors)];
	return -1;
}

int __wrap_socket(int domain, int type, int protocol)
{
	(void)domain;
	(void)type;
	(void)protocol;
	if (next() == 0xff) {
		errno = EMFILE;
		return -1;
	}
	return w.next_fd++;
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	(void)fd;
	(void)address;
	(void)len;
	if (next() != 0xff)
		return 0;
	errno = EADDRINUSE;
	return -1;
}

int __wrap_close(int fd)
{
	(void)fd;
	return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd;
	(void)level;
	(void)name;
	(void)value;
	(void)len;
	return 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	const int ttl = 64;

	(void)fd;
	(void)level;
	(void)name;
	memcpy(value, &ttl, MIN(*len, sizeof(ttl)));
	return 0;
}

/* Reads what would be sent: the sanitizers see whether it is there. */
static size_t look_at(const struct msghdr *message)
{
	const struct iovec *part = message->msg_iov;
	uint8_t sum = 0;

	for (size_t i = 0; i < part->iov_len; i++)
		sum ^= ((const uint8_t *)part->iov_base)[i];
	for (size_t i = 0; i < message->msg_controllen; i++)
		sum ^= ((const uint8_t *)message->msg_control)[i];
	if (message->msg_controllen > UDP_CONTROL || message->msg_iovlen != 1)
		abort();
	return part->iov_len + (sum & 0);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
	(void)fd;
	(void)flags;
	return next() % 8 < w.failing ? fail() : (ssize_t)look_at(message);
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
	unsigned sent = 0;

	(void)fd;
	(void)flags;
	if (count == 0 || count > UDP_BATCH)
		abort();
	while (sent < count && next() % 8 >= w.failing)
		(void)look_at(&messages[sent++].msg_hdr);
	return sent > 0 ? (int)sent : fail();
}

static void put_from(struct msghdr *message, int family)
{
	static const uint8_t loopback4[] = { 127, 0, 0, 1 };
	union sockaddr_any from = { 0 };
	uint8_t kind = next();
	uint16_t port = (uint16_t)(kind & 0x0f);

	from.any.sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		from.v6.sin6_port = htons(port);
		from.v6.sin6_addr.s6_addr[0] = (kind & 0x10) ? 0xfe : 0;
		from.v6.sin6_addr.s6_addr[1] = (kind & 0x10) ? 0x80 : 0;
		from.v6.sin6_addr.s6_addr[15] = 1 + (kind >> 6);
	} else {
		from.v4.sin_port = htons(port);
		memcpy(&from.v4.sin_addr, loopback4, 4);
		if (kind & 0x10)
			from.v4.sin_addr.s_addr = htonl(0xc0000200 | kind >> 5);
	}
	memcpy(message->msg_name, &from, MIN(message->msg_namelen, sizeof(from)));
}

static void put_control(struct msghdr *message, size_t *used, int level, int type,
			const void *value, size_t len)
{
	struct cmsghdr *control =
		(struct cmsghdr *)(void *)((uint8_t *)message->msg_control + *used);

	if (*used + CMSG_SPACE(len) > message->msg_controllen)
		abort();
	memset(control, 0, CMSG_SPACE(len));
	control->cmsg_level = level;
	control->cmsg_type = type;
	control->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(control), value, len);
	*used += CMSG_SPACE(len);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags,
		    struct timespec *timeout)
{
	const unsigned wanted = next() % 4;
	unsigned got = 0;

	(void)fd;
	(void)flags;
	(void)timeout;
	for (; got < MIN(wanted, count); got++) {
		struct msghdr *message = &messages[got].msg_hdr;
		const uint8_t what = next();
		const size_t len = (size_t)next() << (what & 7) % 9;
		const int ttl = next(), size = 1 + next() * (what & 8 ? 16 : 1);
		const uint8_t tos = next();
		size_t used = 0;

		put_from(message, (fd & 1) ? AF_INET6 : AF_INET);
		if (what & 0x10)
			put_control(message, &used, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
		if (what & 0x20)
			put_control(message, &used, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
		if (what & 0x40)
			put_control(message, &used, IPPROTO_UDP, 104, &size,
				    sizeof(size)); /* UDP_GRO */
		message->msg_controllen = used;
		memset(message->msg_iov->iov_base, ttl, len);
		messages[got].msg_len = (unsigned)len;
	}
	return got > 0 ? (int)got : fail();
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
	struct {
		struct sock_extended_err error;
		union sockaddr_any offender;
	} said = { 0 };
	size_t used = 0, len;
	uint8_t kind;

	(void)flags;
	if (w.errors_waiting == 0) {
		errno = EAGAIN;
		return -1;
	}
	w.errors_waiting--;
	kind = next();
	said.error.ee_origin = kind & 7;
	said.error.ee_type = next();
	said.error.ee_code = next();
	said.error.ee_info = next();
	said.error.ee_errno = next();
	said.offender.any.sa_family = next() & 1 ? AF_INET : AF_UNSPEC;
	put_from(message, (fd & 1) ? AF_INET6 : AF_INET);
	put_control(message, &used, (fd & 1) ? IPPROTO_IPV6 : IPPROTO_IP,
		    (fd & 1) ? IPV6_RECVERR : IP_RECVERR, &said,
		    kind & 8 ? sizeof(said.error) : sizeof(said));
	message->msg_controllen = used;
	len = next();
	return (ssize_t)take_bytes(message->msg_iov->iov_base, MIN(len, message->msg_iov->iov_len));
}

ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
	(void)flags;
	memset(bytes, 7, len);
	return (ssize_t)len;
}

/* ---- the guest ---- */

static bool take_frame(const uint8_t *headers, size_t header_len, const uint8_t *payload,
		       size_t len, const struct link_offload *offload, void *data)
{
	g_autofree uint8_t *bytes = g_malloc(header_len + len);
	struct frame frame;

	(void)data;
	memcpy(bytes, headers, header_len);
	if (len > 0)
		memcpy(bytes + header_len, payload, len);
	if (frame_parse(bytes, header_len + len, &frame) != FRAME_OK ||
	    frame.len != header_len + len)
		abort();
	if (header_len + len > ETH_HLEN + w.settings.mtu && (!offload || offload->gso_size == 0))
		abort();
	return !w.link_full;
}

static bool find_nameserver(enum ip_family family, struct dial_target *ret, void *data)
{
	(void)data;
	ret->ip.family = family;
	memset(&ret->ip.v6, 0, sizeof(ret->ip.v6));
	ret->ip.v4 = (struct ip4){ { 192, 0, 2, 53 } };
	return next() != 0xff;
}

static bool find_neighbour(const struct ip *ip, bool doubt, struct mac *ret, void *data)
{
	(void)ip;
	(void)doubt;
	(void)data;
	*ret = (struct mac){ { 2, 0, 0, 0, 0, 1 } };
	return w.knows_mac;
}

static void raw_frame(void)
{
	uint8_t bytes[256];
	size_t len = take_bytes(bytes, next());
	struct link_info info = { .checksum_valid = next() & 1, .gso_size = next() };
	struct frame frame;

	if (frame_parse(bytes, len, &frame) == FRAME_OK && frame.proto == IPPROTO_UDP &&
	    !frame.fragment)
		udp_input(w.udp, bytes, &frame, &info);
}

static void datagram(void)
{
	static const char *const to4[] = { "10.0.2.2", "10.0.2.3", "192.0.2.1", "224.0.0.1",
					   "10.0.2.255" };
	static const char *const to6[] = { "fd00::2", "fd00::3", "2001:db8::1", "ff02::1",
					   "fe80::1" };
	struct mac mac = { { 2, 0, 0, 0, 0, 1 } };
	const uint8_t kind = next(), ports = next();
	const size_t len = (size_t)next() << (kind & 7);
	struct link_info info = { .checksum_valid = true };
	g_autofree uint8_t *bytes = g_malloc0(UDPGRAM_HEADER_MAX + len);
	struct udpgram gram = { .sport = (uint16_t)(1 + (ports & 15)),
				.dport = (uint16_t)(ports >> 4),
				.ttl = next(),
				.tos = next(),
				.payload = bytes + UDPGRAM_HEADER_MAX,
				.len = len };
	struct frame frame;
	size_t header_len;

	if (gram.dport == 0)
		gram.dport = 53;
	(void)ip_parse(kind & 8 ? "fd00::64" : "10.0.2.100", &gram.src);
	(void)ip_parse((kind & 8 ? to6 : to4)[(kind >> 4) % 5], &gram.dst);
	gram.src.v6.b[kind & 8 ? 15 : 3] += gram.tos & 1; /* another address, */
	mac.b[5] += gram.tos >> 1 & 1;			  /* another guest */
	if (kind & 0x80)
		info.gso_size = (uint16_t)(1 + len / 3);
	header_len = udpgram_build(&gram, &mac, &mac, true, bytes);
	memmove(bytes + header_len, bytes + UDPGRAM_HEADER_MAX, len);
	if (frame_parse(bytes, header_len + len, &frame) != FRAME_OK)
		abort();
	udp_input(w.udp, bytes, &frame, &info);
}

static void event(void)
{
	const uint8_t which = next();
	struct loop_source *source;

	if (w.sources->len == 0)
		return;
	source = g_ptr_array_index(w.sources, which % w.sources->len);
	w.errors_waiting = next() % 40;
	source->fn(EPOLLIN | (w.errors_waiting > 0 ? EPOLLERR : 0u), source->data);
	w.errors_waiting = 0;
}

static void pass(void)
{
	w.now_ms += (int64_t)1 << next() % 18;
	if (w.timer && w.timer->armed && w.timer->at_ms <= w.now_ms) {
		w.timer->armed = false;
		w.timer->fn(w.timer->data);
	}
}

static void toggle_forward(void)
{
	const uint8_t which = next();
	struct udp_forward **forward = &w.forwards[which % FORWARDS];
	struct forward_spec spec = { .guest_port = (uint16_t)(1 + (which >> 4)), .host_port = 1 };

	(void)ip_parse((which & 8) ? "::" : "0.0.0.0", &spec.host_addr);
	(void)ip_parse((which & 8) ? "fd00::64" : "10.0.2.100", &spec.guest_addr);
	if (*forward) {
		udp_forward_close(*forward);
		*forward = NULL;
	} else if (udp_forward_listen(w.udp, &spec, NULL, forward) < 0) {
		*forward = NULL;
	}
}

static void neighbour(void)
{
	const struct mac mac = { { 2, 0, 0, 0, 0, next() } };
	struct ip ip;

	(void)ip_parse(mac.b[5] & 1 ? "fd00::64" : "10.0.2.100", &ip);
	udp_neighbour(w.udp, &ip, &mac);
}

static void circumstances(void)
{
	const uint8_t bits = next();

	w.failing = bits & 7;
	w.link_full = bits & 8;
	w.knows_mac = bits & 0x10;
	if (bits & 0x20)
		w.udp->can_segment = bits & 0x40;
	w.udp->descriptors = bits & 0x80 ? (uint64_t)w.next_fd + UDP_DESCRIPTORS_LEFT : UINT64_MAX;
}

static void turn_end(void)
{
	udp_flush(w.udp);
}

static void begin(void)
{
	const uint8_t how = next();
	const struct udp_output output = { .frame = take_frame,
					   .partial_checksums = how & 1,
					   .large_datagrams = how & 1,
					   .nameserver = find_nameserver,
					   .neighbour = find_neighbour };
	char error[ADDRPLAN_ERROR_MAX];

	w.now_ms = 1000000;
	w.next_fd = 1000;
	w.knows_mac = true;
	w.sources = g_ptr_array_new();
	w.settings = (struct settings){ .mtu = how & 2 ? 65520 : 1500,
					.udp_bindings = LIMIT,
					.udp_timeout_s = 120,
					.udp_filter = (enum udp_filter)((how >> 2) % 3),
					.host_loopback = !(how & 0x80) };
	if (!addrplan_parse("10.0.2.0/24", &w.settings.plan, error) ||
	    udp_new(NULL, &w.settings, &output, &w.udp) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static void (*const steps[])(void) = {
		raw_frame, datagram, event, pass, turn_end, toggle_forward, neighbour, circumstances
	};

	memset(&w, 0, sizeof(w));
	w.at = bytes;
	w.end = bytes + len;
	begin();
	for (int i = 0; i < STEPS && w.at < w.end; i++) {
		steps[next() % G_N_ELEMENTS(steps)]();
		if (w.udp->stats.bindings + w.udp->stats.sessions > LIMIT)
			abort();
	}
	for (size_t i = 0; i < FORWARDS; i++)
		udp_forward_close(w.forwards[i]);
	if (w.udp->held_bytes != 0 || w.udp->stats.sessions != 0)
		abort();
	udp_free(w.udp);
	if (w.sources->len != 0)
		abort();
	g_ptr_array_free(w.sources, TRUE);
	return 0;
}
