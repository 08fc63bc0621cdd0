#include "net/slirp.h"

#include <errno.h>
#include <glib.h>
#include <libslirp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"

/* 3 brought disable_dns, 4 the timer callbacks by id; 4 is in libslirp 4.7. Nothing of the
 * later ones is used.
 */
#define CONFIG_VERSION 4
#if SLIRP_CONFIG_VERSION_MAX < CONFIG_VERSION
#error "libslirp 4.7 or later is needed"
#endif

#define NOT_POLLED -1 /* libslirp's index of a descriptor that has no events */
#define ACCEPT_PAUSE_MS 1000

struct slirp {
	struct loop *loop; /* borrowed */
	Slirp *stack;	   /* owned */
	slirp_output_fn *output;
	void *data;
	struct sockaddr_storage outbound4, outbound6; /* libslirp keeps pointers to these */
	GArray *listeners;			      /* int: the descriptors of TCP forwards */
	int64_t listen_again_ms;		      /* until then the listeners are not polled */
	struct log_limit guest_errors, warnings;
};

struct slirp_timer {
	struct slirp *owner;
	SlirpTimerId id;
	void *opaque; /* libslirp's */
	struct loop_timer timer;
};

/* #syscalls:engine socket socketcall connect bind listen accept accept4 shutdown close
 * #syscalls:engine getsockname getpeername getsockopt setsockopt fcntl fcntl64 ioctl
 * #syscalls:engine send sendto sendmsg recv recvfrom recvmsg read readv write writev
 *
 * resolv.conf, read by path when it changes:
 * #syscalls:engine open openat stat stat64 newfstatat fstatat64 statx fstat fstat64 lseek _llseek
 */
static ssize_t send_packet(const void *frame, size_t len, void *opaque)
{
	struct slirp *slirp = opaque;

	slirp->output(frame, len, slirp->data);
	return (ssize_t)len;
}

static void guest_error(const char *message, void *opaque)
{
	struct slirp *slirp = opaque;

	log_limited(&slirp->guest_errors, loop_now_ms(slirp->loop), "libslirp: %s", message);
}

/* libslirp's own words go through GLib. Its debugging is asked for by G_MESSAGES_DEBUG. */
static void log_warning(const gchar *domain, GLogLevelFlags level, const gchar *message,
			gpointer data)
{
	struct slirp *slirp = data;

	if ((level & G_LOG_LEVEL_MASK) >= G_LOG_LEVEL_INFO)
		g_log_default_handler(domain, level, message, NULL);
	else
		log_limited(&slirp->warnings, loop_now_ms(slirp->loop), "libslirp: %s", message);
}

static int64_t get_clock_ns(void *opaque)
{
	(void)opaque;
	return clock_now_ns();
}

static void run_timer(void *data)
{
	struct slirp_timer *timer = data;

	slirp_handle_timer(timer->owner->stack, timer->id, timer->opaque);
}

static void *timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
	struct slirp_timer *timer = g_new0(struct slirp_timer, 1);

	*timer = (struct slirp_timer){ .owner = opaque, .id = id, .opaque = timer_opaque };
	timer->timer.fn = run_timer;
	timer->timer.data = timer;
	return timer;
}

static void timer_free(void *handle, void *opaque)
{
	struct slirp_timer *timer = handle;

	(void)opaque;
	loop_timer_disarm(timer->owner->loop, &timer->timer);
	g_free(timer);
}

static void timer_mod(void *handle, int64_t expire_ms, void *opaque)
{
	struct slirp_timer *timer = handle;

	(void)opaque;
	loop_timer_arm(timer->owner->loop, &timer->timer, expire_ms);
}

/* The poll set is asked for anew each turn: there is nothing to keep, nor to wake. */
static void ignore_fd(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void ignore_notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = get_clock_ns,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = ignore_fd,
	.unregister_poll_fd = ignore_fd,
	.notify = ignore_notify,
	.timer_new_opaque = timer_new,
};

static const struct event_map {
	int slirp;
	short poll;
} event_map[] = {
	{ SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
	{ SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};

static bool is_listener(const struct slirp *slirp, int fd)
{
	for (guint i = 0; i < slirp->listeners->len; i++) {
		if (g_array_index(slirp->listeners, int, i) == fd)
			return true;
	}
	return false;
}

static int add_poll(int fd, int events, void *opaque)
{
	struct slirp *slirp = opaque;
	short wanted = 0;

	if (loop_now_ms(slirp->loop) < slirp->listen_again_ms && is_listener(slirp, fd))
		return NOT_POLLED;
	for (size_t i = 0; i < G_N_ELEMENTS(event_map); i++) {
		if (events & event_map[i].slirp)
			wanted |= event_map[i].poll;
	}
	return loop_guest_add(slirp->loop, fd, wanted);
}

/* Without a free descriptor accept(2) fails and the connection stays pending, so libslirp would
 * be woken for it for ever: leave the listeners alone for a while.
 */
static bool can_accept(struct slirp *slirp)
{
	int spare = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (spare < 0) {
		slirp->listen_again_ms = loop_now_ms(slirp->loop) + ACCEPT_PAUSE_MS;
		return false;
	}
	close(spare);
	return true;
}

static int get_revents(int index, void *opaque)
{
	struct slirp *slirp = opaque;
	int fd, events = 0;
	short came = loop_guest_revents(slirp->loop, index, &fd);

	if (came == 0 || (is_listener(slirp, fd) && !can_accept(slirp)))
		return 0;
	for (size_t i = 0; i < G_N_ELEMENTS(event_map); i++) {
		if (came & event_map[i].poll)
			events |= event_map[i].slirp;
	}
	return events;
}

static void fill(uint32_t *timeout_ms, void *data)
{
	struct slirp *slirp = data;

	slirp_pollfds_fill(slirp->stack, timeout_ms, add_poll, slirp);
}

static void serve(void *data)
{
	struct slirp *slirp = data;

	slirp_pollfds_poll(slirp->stack, 0, get_revents, slirp);
}

static struct in_addr to_in_addr(const struct ip4 *ip)
{
	struct in_addr in;

	memcpy(&in, ip->b, sizeof(in));
	return in;
}

static struct in6_addr to_in6_addr(const struct ip6 *ip)
{
	struct in6_addr in6;

	memcpy(&in6, ip->b, sizeof(in6));
	return in6;
}

/* The address and port as a sockaddr; the length of it. */
static socklen_t to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (ip->family == IP_V6) {
		in6.sin6_addr = to_in6_addr(&ip->v6);
		memcpy(ret, &in6, sizeof(in6));
		return sizeof(in6);
	}
	in.sin_addr = to_in_addr(&ip->v4);
	memcpy(ret, &in, sizeof(in));
	return sizeof(in);
}

int slirp_stack_new(struct loop *loop, const struct settings *settings, slirp_output_fn *output,
		    void *data, struct slirp **ret)
{
	const struct addrplan *plan = &settings->plan;
	struct ip4 mask = ip4_netmask(plan->net.prefix);
	struct loop_guest_set guest = { .fill = fill, .serve = serve };
	SlirpConfig config = {
		.version = CONFIG_VERSION,
		.in_enabled = true,
		.vnetwork = to_in_addr(&plan->net.base),
		.vnetmask = to_in_addr(&mask),
		.vhost = to_in_addr(&plan->gateway),
		.vdhcp_start = to_in_addr(&plan->dhcp_begin),
		.vnameserver = to_in_addr(&plan->dns),
		.in6_enabled = settings->ipv6,
		.vprefix_addr6 = to_in6_addr(&plan->prefix6),
		.vprefix_len = 64,
		.vhost6 = to_in6_addr(&plan->gateway6),
		.vnameserver6 = to_in6_addr(&plan->dns6),
		.if_mtu = settings->mtu,
		.if_mru = settings->mtu,
		.disable_host_loopback = !settings->host_loopback,
		.disable_dns = !settings->dns,
	};
	struct slirp *slirp;

	slirp = g_new0(struct slirp, 1);
	*slirp = (struct slirp){ .loop = loop, .output = output, .data = data };
	slirp->listeners = g_array_new(FALSE, FALSE, sizeof(int));
	if (settings->outbound4.family != IP_NONE) {
		to_sockaddr(&settings->outbound4, 0, &slirp->outbound4);
		config.outbound_addr = (struct sockaddr_in *)&slirp->outbound4;
	}
	if (settings->outbound6.family != IP_NONE) {
		to_sockaddr(&settings->outbound6, 0, &slirp->outbound6);
		config.outbound_addr6 = (struct sockaddr_in6 *)&slirp->outbound6;
	}
	slirp->stack = slirp_new(&config, &callbacks, slirp);
	if (!slirp->stack) {
		g_array_free(slirp->listeners, TRUE);
		g_free(slirp);
		return -EINVAL;
	}
	g_log_set_handler("Slirp", G_LOG_LEVEL_MASK, log_warning, slirp);
	guest.data = slirp;
	loop_set_guest(loop, &guest);
	*ret = slirp;
	return 0;
}

void slirp_stack_free(struct slirp *slirp)
{
	if (!slirp)
		return;
	loop_set_guest(slirp->loop, &(struct loop_guest_set){ 0 });
	slirp_cleanup(slirp->stack);
	g_log_set_handler("Slirp", G_LOG_LEVEL_MASK, g_log_default_handler, NULL);
	g_array_free(slirp->listeners, TRUE);
	g_free(slirp);
}

void slirp_stack_input(struct slirp *slirp, const uint8_t *frame, size_t len)
{
	slirp_input(slirp->stack, frame, (int)len);
}

static bool is_listener_of(int fd, const struct sockaddr_storage *address, socklen_t len)
{
	struct sockaddr_storage bound = { 0 };
	socklen_t bound_len = sizeof(bound), flag_len = sizeof(int);
	int listening = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &flag_len) == 0 && listening &&
	       getsockname(fd, (struct sockaddr *)&bound, &bound_len) == 0 && bound_len == len &&
	       memcmp(&bound, address, len) == 0;
}

struct listener_search {
	struct sockaddr_storage address;
	socklen_t len;
	int fd; /* found, or -EBADF */
};

static int match_listener(int fd, int events, void *opaque)
{
	struct listener_search *search = opaque;

	(void)events;
	if (is_listener_of(fd, &search->address, search->len))
		search->fd = fd;
	return NOT_POLLED;
}

/* libslirp does not give the descriptor of a listener, but it does ask to have it polled. */
static int find_listener(struct slirp *slirp, const struct forward_spec *forward)
{
	struct listener_search search = { .fd = -EBADF };
	uint32_t unused_timeout_ms = 0;

	search.len = to_sockaddr(&forward->host_addr, forward->host_port, &search.address);
	slirp_pollfds_fill(slirp->stack, &unused_timeout_ms, match_listener, &search);
	return search.fd;
}

/* libslirp listens with a backlog of 1, which loses all but one of a burst. */
static void adopt_listener(struct slirp *slirp, int fd)
{
	(void)listen(fd, SOMAXCONN);
	g_array_append_val(slirp->listeners, fd);
}

static void forget_listener(struct slirp *slirp, int fd)
{
	for (guint i = 0; i < slirp->listeners->len; i++) {
		if (g_array_index(slirp->listeners, int, i) == fd)
			g_array_remove_index_fast(slirp->listeners, i);
	}
}

/* libslirp listens at a port of the kernel's choice, but does not say at which: find a free one for it.
 * 0 or -errno.
 */
static int choose_port(struct forward_spec *forward)
{
	const int type = forward->proto == TRANSPORT_UDP ? SOCK_DGRAM : SOCK_STREAM;
	struct sockaddr_storage host;
	socklen_t len = to_sockaddr(&forward->host_addr, 0, &host);
	autofd int fd = socket(host.ss_family, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 chosen; /* its port stands where that of sockaddr_in does */

	if (fd < 0 || bind(fd, (const struct sockaddr *)&host, len) < 0)
		return -errno;
	len = sizeof(chosen);
	if (getsockname(fd, (struct sockaddr *)&chosen, &len) < 0)
		return -errno;
	forward->host_port = ntohs(chosen.sin6_port);
	return 0;
}

int slirp_stack_add_forward(struct slirp *slirp, struct forward_spec *forward)
{
	int flags = forward->proto == TRANSPORT_UDP ? SLIRP_HOSTFWD_UDP : 0;
	struct sockaddr_storage host, guest;
	int r = forward->host_port == 0 ? choose_port(forward) : 0;
	socklen_t host_len = to_sockaddr(&forward->host_addr, forward->host_port, &host);
	socklen_t guest_len = to_sockaddr(&forward->guest_addr, forward->guest_port, &guest);

	if (r < 0)
		return r;
	if (forward->host_addr.family == IP_V6)
		flags |= SLIRP_HOSTFWD_V6ONLY;
	if (slirp_add_hostxfwd(slirp->stack, (const struct sockaddr *)&host, host_len,
			       (const struct sockaddr *)&guest, guest_len, flags) < 0)
		return errno ? -errno : -EINVAL;
	if (forward->proto == TRANSPORT_TCP)
		adopt_listener(slirp, find_listener(slirp, forward));
	return 0;
}

int slirp_stack_remove_forward(struct slirp *slirp, const struct forward_spec *forward)
{
	int flags = forward->proto == TRANSPORT_UDP ? SLIRP_HOSTFWD_UDP : 0;
	struct sockaddr_storage host;
	socklen_t len = to_sockaddr(&forward->host_addr, forward->host_port, &host);
	int listener = forward->proto == TRANSPORT_TCP ? find_listener(slirp, forward) : -EBADF;

	if (slirp_remove_hostxfwd(slirp->stack, (const struct sockaddr *)&host, len, flags) < 0)
		return -ENOENT;
	forget_listener(slirp, listener);
	return 0;
}

const char *slirp_stack_version(void)
{
	return slirp_version_string();
}

unsigned slirp_stack_config_version(void)
{
	return SLIRP_CONFIG_VERSION_MAX;
}
