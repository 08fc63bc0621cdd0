/* Role: engine. Moves frames.
 * Holds:    the link, the API's listener and the link's, the sockets of forwards and of the stacks, the
 *           keeper's pipes, the capture's file, the socket to the
 *           broker and what came from there.
 * Must:     own every descriptor that it will need before it is confined; write the ready byte
 *           last of all.
 * Must not: open a path but resolv.conf, exec, or enter a namespace once it is confined.
 */
#include "app/engine.h"

#include <glib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/broker.h"
#include "app/keeper.h"
#include "app/linkwatch.h"
#include "app/publish.h"
#include "app/stacks.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "net/api.h"
#include "net/capture.h"
#include "net/gate.h"
#include "net/loopback.h"
#include "net/ports.h"
#include "net/slirp.h"
#include "net/stats.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "os/proc.h"
#include "os/resolvconf.h"
#include "os/sandbox.h"
#include "os/seccomp.h"
#include "os/tap.h"

struct engine {
	const struct settings *settings;
	int signal_fd;	       /* borrowed */
	int user_fd;	       /* owned until the sandbox is entered */
	int target_fd;	       /* owned: pidfd of the process to end with; or -EBADF */
	int sender_fd;	       /* owned; of who has sent the TAP */
	int ready_fd, exit_fd; /* the caller's; FD_NONE, or -EBADF for one that was not open */
	struct loop *loop;
	struct link link;
	struct capture *capture; /* NULL: off */
	struct gate gate;
	struct slirp *slirp;
	struct stacks *stacks; /* ours; NULL: there are none yet */
	struct broker broker;
	struct loopback *loopback; /* NULL: no forward leads to the guest's loopback */
	struct publish publish;
	struct ports *ports;
	struct api *api;
	struct linkwatch *linkwatch;
	struct unixsock api_sock, link_sock;
	struct keeper keeper;
	int resolv_fd;	/* owned: the sandbox's resolv.conf */
	int end_signal; /* the signal that ends us, or 0 */
	struct loop_source *news_source, *exit_source, *target_source, *signal_source;
};

static void to_guest(const uint8_t *frame, size_t len, void *data)
{
	struct engine *engine = data;

	link_send(&engine->link, frame, len);
}

static void to_stack(const uint8_t *frame, size_t len, void *data)
{
	struct engine *engine = data;

	slirp_stack_input(engine->slirp, frame, len);
}

/* Only HUP and ERR come here: data on the descriptor does not end us. What the guest has sent until now has
 * been sent, and is still taken.
 */
static void exit_requested(uint32_t events, void *data)
{
	struct engine *engine = data;

	(void)events;
	if (engine->settings->compat)
		log_line("exitfd event");
	loop_stop(engine->loop, 0); /* first: a link that is at its end is not why */
	linkwatch_take_rest(engine->linkwatch);
}

/* A pidfd is readable once its process has ended (pidfd_open(2)). */
static void target_ended(uint32_t events, void *data)
{
	struct engine *engine = data;

	(void)events;
	loop_stop(engine->loop, 0);
}

static void signal_readable(uint32_t events, void *data)
{
	struct engine *engine = data;

	(void)events;
	engine->end_signal = proc_signals_read(engine->signal_fd);
	if (engine->end_signal != 0)
		loop_stop(engine->loop, 0);
}

static void resolv_changed(uint32_t events, void *data)
{
	struct engine *engine = data;
	char text[RESOLVCONF_MAX];
	ssize_t len = read(engine->keeper.news_fd, text, sizeof(text));
	int r;

	(void)events;
	if (len == 0) { /* the keeper has gone: what we have stays */
		loop_remove(engine->news_source);
		engine->news_source = NULL;
		log_line("the keeper has gone: resolv.conf is no longer watched, and %s",
			 "socket files will stay");
	}
	if (len <= 0)
		return;
	r = sandbox_set_resolv_conf(engine->resolv_fd, text, (size_t)len);
	if (r < 0)
		log_line("resolv.conf: %s", strerror(-r));
}

static int start_stack(struct engine *engine, const struct engine_input *input)
{
	int r = slirp_stack_new(engine->loop, engine->settings, to_guest, engine, &engine->slirp);

	if (r < 0) {
		log_line("slirp_new failed: %s", strerror(-r));
		return r;
	}
	engine->gate = (struct gate){
		.plan = &engine->settings->plan,
		.dns = engine->settings->dns,
		.ipv6 = engine->settings->ipv6,
		.mtu = UINT16_MAX, /* a guest may have a larger one than we were told */
		.pass = to_stack,
		.data = engine,
	};
	r = stacks_new(engine->loop, engine->settings, input->has_tap_mac ? &input->tap_mac : NULL,
		       &engine->link, &engine->gate, &engine->stacks);
	if (r < 0)
		log_line("cannot start TCP and UDP: %s", strerror(-r));
	return r;
}

/* The counters as they are now, for as long as that is. */
struct snapshot {
	struct tcp_stats tcp;
	struct pool_stats pool;
	struct udp_stats udp;
	struct loopback_stats loopback;
	struct ports_stats ports;
	struct capture_stats capture;
	const void *counters[STATS_MODULES]; /* as stats_json() has them */
};

const struct stats_table *const engine_stats_tables[] = {
	[STATS_LINK] = &link_stats_table,	  [STATS_GATE] = &gate_stats_table,
	[STATS_TCP] = &tcp_stats_table,		  [STATS_POOL] = &pool_stats_table,
	[STATS_UDP] = &udp_stats_table,		  [STATS_PORTS] = &ports_stats_table,
	[STATS_LOOPBACK] = &loopback_stats_table, [STATS_CAPTURE] = &capture_stats_table,
};

static void take_snapshot(const struct engine *engine, struct snapshot *ret)
{
	const struct tcp *tcp = stacks_tcp(engine->stacks);
	const struct udp *udp = stacks_udp(engine->stacks);

	*ret = (struct snapshot){ 0 };
	ret->counters[STATS_LINK] = &engine->link.stats;
	ret->counters[STATS_GATE] = &engine->gate;
	if (tcp) {
		ret->tcp = tcp_stats(tcp);
		ret->pool = tcp_pool_stats(tcp);
		ret->counters[STATS_TCP] = &ret->tcp;
		ret->counters[STATS_POOL] = &ret->pool;
	}
	if (udp) {
		ret->udp = udp_stats(udp);
		ret->counters[STATS_UDP] = &ret->udp;
	}
	if (engine->loopback) {
		ret->loopback = loopback_stats(engine->loopback);
		ret->counters[STATS_LOOPBACK] = &ret->loopback;
	}
	if (engine->capture) {
		ret->capture = capture_stats(engine->capture);
		ret->counters[STATS_CAPTURE] = &ret->capture;
	}
	ret->ports = ports_stats(engine->ports);
	ret->counters[STATS_PORTS] = &ret->ports;
}

static struct json_t *get_stats(void *data)
{
	struct snapshot now;

	take_snapshot(data, &now);
	return stats_json(engine_stats_tables, now.counters, STATS_MODULES);
}

/* After the stacks: it writes at the end of a turn what they have sent at the end of it. */
static void start_capture(struct engine *engine, const struct engine_input *input)
{
	const struct settings *settings = engine->settings;

	if (input->pcap_fd < 0)
		return;
	engine->capture = capture_new(engine->loop, input->pcap_fd, settings->pcap_path,
				      input->link_name, settings->pcap_limit_bytes);
	engine->link.capture = engine->capture;
}

static int start_loopback(struct engine *engine)
{
	int r = 0;

	if (engine->settings->guest_loopback)
		r = loopback_new(engine->loop, engine->broker.sock, &engine->loopback);
	if (r < 0)
		log_line("--guest-loopback: %s", strerror(-r));
	return r;
}

static int start_ports(struct engine *engine, const struct engine_input *input)
{
	const struct settings *settings = engine->settings;
	const struct ports_stacks stacks = {
		.loop = engine->loop,
		.slirp = engine->slirp,
		.tcp = stacks_tcp(engine->stacks),
		.udp = stacks_udp(engine->stacks),
		.loopback = engine->loopback,
		.open_path = publish_open_path,
		.close_path = publish_close_path,
		.data = &engine->publish,
	};
	struct ip guest6 = { .family = IP_NONE };

	if (settings->ipv6 && (settings->static6 || input->has_tap_mac))
		guest6 = settings_guest6(settings, &input->tap_mac);
	engine->ports = ports_new(&stacks, settings, &guest6);
	return publish_all(engine->ports, settings);
}

/* slirp4netns takes a socket away from whoever has it, and leaves it to the umask who may connect. */
static int listen_for_api(const struct settings *settings, struct unixsock *ret)
{
	const mode_t mode = settings->compat ? UNIXSOCK_MODE_UMASK : UNIXSOCK_MODE_PRIVATE;

	if (!settings->compat && unixsock_is_used(settings->api_path))
		return -EADDRINUSE;
	return unixsock_listen(settings->api_path, SOCK_STREAM, mode, SOMAXCONN, ret);
}

static int start_api(struct engine *engine)
{
	const struct settings *settings = engine->settings;
	const struct api_subjects subjects = {
		.ports = engine->ports,
		.flows = stacks_flows(engine->stacks),
		.stats = get_stats,
		.data = engine,
	};
	int r;

	if (!settings->api_path)
		return 0;
	r = listen_for_api(settings, &engine->api_sock);
	if (r == 0)
		r = api_new(engine->loop, engine->api_sock.fd, &subjects, &engine->api);
	if (r < 0 && settings->compat)
		log_line("api_bindlisten: bind: %s", strerror(-r));
	else if (r < 0)
		log_line("API socket '%s': %s", settings->api_path,
			 r == -EADDRINUSE ? "it is in use, or no socket" : strerror(-r));
	return r;
}

static int watch_sources(struct engine *engine)
{
	struct loop *loop = engine->loop;
	const struct linkwatch_order order = {
		.loop = loop,
		.settings = engine->settings,
		.link = &engine->link,
		.listener = &engine->link_sock,
		.gate = &engine->gate,
	};
	int r = linkwatch_new(&order, &engine->linkwatch);

	if (r == 0)
		r = loop_add(loop, engine->signal_fd, EPOLLIN, signal_readable, engine,
			     &engine->signal_source);
	if (r == 0 && engine->target_fd >= 0)
		r = loop_add(loop, engine->target_fd, EPOLLIN, target_ended, engine,
			     &engine->target_source);
	if (r == 0 && engine->exit_fd != FD_NONE) {
		r = loop_add(loop, engine->exit_fd, 0, exit_requested, engine,
			     &engine->exit_source);
		if (r == -EBADF) /* not open: the reference takes that as the event */
			exit_requested(0, engine);
		if (r == -EBADF || r == -EPERM) /* EPERM: a regular file never hangs up */
			r = 0;
	}
	if (r < 0)
		log_line("cannot watch a descriptor: %s", strerror(-r));
	return r;
}

static int enter_sandbox(struct engine *engine)
{
	char resolv[RESOLVCONF_MAX];
	const size_t len = resolvconf_read(resolv);
	struct unixsock sockets[2 + PUBLISH_SOCKETS_MAX] = { engine->api_sock, engine->link_sock };
	const struct keeper_order order = {
		.sockets = sockets,
		.socket_count = G_N_ELEMENTS(sockets),
		.resolv = resolv,
		.resolv_len = len,
		.seccomp = engine->settings->seccomp,
	};
	const struct sandbox_plan plan = {
		.user_fd = engine->user_fd,
		.resolv = resolv,
		.resolv_len = len,
	};
	const char *step = "cannot fork";
	int r;

	memcpy(sockets + 2, engine->publish.sockets, sizeof(engine->publish.sockets));
	r = keeper_start(&order, &engine->keeper);

	if (r == 0)
		r = sandbox_enter(&plan, &engine->resolv_fd, &step);
	fd_close(&engine->user_fd);
	if (r == 0) {
		step = "resolv.conf";
		r = loop_add(engine->loop, engine->keeper.news_fd, EPOLLIN, resolv_changed, engine,
			     &engine->news_source);
	}
	if (r < 0)
		log_line("create_sandbox failed: %s: %s", step, strerror(-r));
	return r;
}

static int confine(struct engine *engine)
{
	int r = 0;

	engine->publish.is_closed = engine->settings->sandbox || engine->settings->seccomp;
	if (engine->settings->sandbox)
		r = enter_sandbox(engine);
	if (r == 0 && engine->settings->seccomp) {
		r = seccomp_confine(SECCOMP_ENGINE);
		if (r < 0)
			log_line("enable_seccomp failed: %s", strerror(-r));
	}
	return r;
}

static int write_ready(int fd)
{
	ssize_t sent;

	do
		sent = write(fd, "1", 1);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* The byte says that everything above is done. A caller that has stopped listening is told
 * nothing, and keeps its network. Who has sent the TAP may not wait for it.
 */
static void announce_ready(struct engine *engine)
{
	int r;

	if (engine->sender_fd >= 0)
		(void)write_ready(engine->sender_fd);
	fd_close(&engine->sender_fd);
	if (engine->ready_fd == FD_NONE)
		return;
	r = write_ready(engine->ready_fd);
	if (r < 0 && engine->settings->ready_fd != FD_NONE) /* or it is not the user's */
		log_line("cannot write to ready-fd %d: %s", engine->settings->ready_fd,
			 strerror(-r));
	if (engine->ready_fd > STDERR_FILENO) /* or the next descriptor would be our stderr */
		fd_close(&engine->ready_fd);
}

static int start(struct engine *engine, const struct engine_input *input)
{
	int r;

	engine->loop = loop_new();
	if (!engine->loop) {
		r = -errno;
		log_line("cannot make an event loop: %s", strerror(-r));
		return r;
	}
	r = start_stack(engine, input);
	start_capture(engine, input);
	if (r == 0)
		r = start_loopback(engine);
	if (r == 0)
		r = start_ports(engine, input);
	if (r == 0)
		r = start_api(engine);
	if (r == 0)
		r = watch_sources(engine);
	if (r == 0)
		r = confine(engine);
	if (r < 0)
		return r;
	signal_readable(0, engine); /* one that came meanwhile: then we never were ready */
	if (engine->end_signal == 0)
		announce_ready(engine);
	return 0;
}

static void report_drops(const struct engine *engine)
{
	char reasons[512];
	struct snapshot last;

	take_snapshot(engine, &last);
	for (int i = 0; i < STATS_MODULES; i++) {
		const struct stats_table *table = engine_stats_tables[i];

		if (last.counters[i] &&
		    stats_describe_drops(table, last.counters[i], reasons, sizeof(reasons)) > 0)
			log_line("%s dropped: %s", table->dropped, reasons);
	}
}

static void finish(struct engine *engine)
{
	linkwatch_free(engine->linkwatch);
	api_free(engine->api);
	ports_free(engine->ports);
	loopback_free(engine->loopback);
	stacks_free(engine->stacks);
	slirp_stack_free(engine->slirp);
	engine->link.capture = NULL;
	capture_free(engine->capture);
	loop_free(engine->loop);
	gate_done(&engine->gate);
	if (engine->link.vnet_hdr)
		tap_reset_offloads(engine->link.fd);
	link_close(&engine->link);
	broker_end(&engine->broker);
	keeper_end(&engine->keeper);
	unixsock_unlink(&engine->api_sock);
	unixsock_unlink(&engine->link_sock);
	fd_close(&engine->api_sock.fd);
	fd_close(&engine->link_sock.fd);
	fd_close(&engine->sender_fd);
	fd_close(&engine->resolv_fd);
	fd_close(&engine->user_fd);
	fd_close(&engine->target_fd);
}

int engine_open_capture(struct engine_input *input)
{
	const char *path = input->settings->pcap_path;

	if (!path)
		return 0;
	input->pcap_fd = capture_open(path);
	if (input->pcap_fd >= 0)
		return 0;
	log_line("--pcap: cannot open '%s': %s", path,
		 input->pcap_fd == -ENXIO ? "nobody reads it" : strerror(-input->pcap_fd));
	return input->pcap_fd;
}

int engine_run(struct engine_input *input)
{
	struct engine *engine = g_new0(struct engine, 1);
	int status;

	engine->settings = input->settings;
	engine->signal_fd = input->signal_fd;
	engine->user_fd = input->user_fd;
	engine->target_fd = input->settings->exit_with ? input->target_fd : -EBADF;
	engine->sender_fd = input->sender_fd;
	engine->ready_fd = input->ready_fd;
	engine->exit_fd = input->exit_fd;
	link_move(&engine->link, &input->link);
	engine->link_sock = input->link_sock;
	engine->broker = input->broker;
	engine->api_sock = UNIXSOCK_NONE;
	publish_init(&engine->publish);
	engine->keeper = KEEPER_NONE;
	engine->resolv_fd = -EBADF;
	status = start(engine, input);
	if (status == 0) {
		status = loop_run(engine->loop);
		if (status < 0)
			log_line("the event loop failed: %s", strerror(-status));
		report_drops(engine);
	}
	finish(engine);
	if (engine->end_signal != 0)
		status = -engine->end_signal;
	else if (status < 0)
		status = 1;
	g_free(engine);
	return status;
}
