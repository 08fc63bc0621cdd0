#include "net/ports.h"

#include <assert.h>
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "net/forward.h"
#include "net/loopback.h"
#include "net/settings.h"
#include "net/slirp.h"
#include "net/tally.h"
#include "net/tcp.h"
#include "net/udp.h"

#define LISTENERS_MAX (2 * 65535u) /* every port, both families */
#define DESCRIPTORS_LEFT 64	   /* for what is not a listener, but at most a quarter */
#define CHOICES_MAX 16		   /* ports of the kernel's choice that the other family has not */

struct listener {
	bool is_open;
	struct forward *forward;	   /* owned; NULL: another listens */
	struct loopback_forward *loopback; /* owned; NULL: another listens */
	struct udp_forward *udp;	   /* owned; NULL: another listens */
};

/* What an entry has for one family. */
struct half {
	struct ip host_addr, guest_addr;
	bool gives_way;		    /* to a forward that is asked for at an IPv4 address */
	uint32_t open;		    /* listeners that are */
	struct listener *listeners; /* owned; one for each port of the entry */
};

#define HALVES_MAX 2

struct port {
	struct ports_entry entry;
	struct half halves[HALVES_MAX]; /* of IPv6 first */
	size_t half_count;
	struct tally *tally; /* a reference; NULL: nobody counts */
	int path_fd;	     /* borrowed from open_path(); -EBADF: not a Unix socket */
};

struct ports {
	struct ports_stacks stacks;
	const struct settings *settings; /* borrowed */
	struct ip guest6;
	GPtrArray *table; /* struct port *, ascending ids */
	uint64_t last_id;
	struct ports_stats stats;
};

/* A listener that gave way to an entry which is not all there yet. */
struct taken {
	struct port *port;
	uint32_t index;
};

static const char *const drop_names[] = {
	[PORTS_DROP_FORWARDS] = "forwards",
	[PORTS_DROP_LISTENERS] = "listeners",
};
static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == PORTS_DROPS, "a name per reason");

static const char *drop_name(size_t index)
{
	return drop_names[index];
}

static const struct stats_row rows[] = {
	{ "forwards", "Forwards that there are", STATS_NUMBER(struct ports_stats, forwards) },
	{ "forwards_limit", "Forwards that there may be",
	  STATS_NUMBER(struct ports_stats, forwards_limit) },
	{ "listeners", "Sockets that listen for them, one for each port and family",
	  STATS_NUMBER(struct ports_stats, listeners) },
	{ "listeners_limit", "Such sockets that there may be",
	  STATS_NUMBER(struct ports_stats, listeners_limit) },
	{ "drops", "Forwards that were refused, by the limit that they met",
	  STATS_ARRAY(struct ports_stats, drops, drop_name), .counts_drops = true },
	{ 0 },
};

const struct stats_table ports_stats_table = { "ports", "forwards", rows };

struct ports_stats ports_stats(const struct ports *ports)
{
	return ports->stats;
}

static size_t find_listeners_limit(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur > LISTENERS_MAX)
		return LISTENERS_MAX;
	return files.rlim_cur - MIN(DESCRIPTORS_LEFT, files.rlim_cur / 4);
}

struct ports *ports_new(const struct ports_stacks *stacks, const struct settings *settings,
			const struct ip *guest6)
{
	struct ports *ports = g_new0(struct ports, 1);

	*ports = (struct ports){
		.stacks = *stacks,
		.settings = settings,
		.guest6 = *guest6,
		.table = g_ptr_array_new(),
	};
	ports->stats.forwards_limit = PORTS_MAX;
	ports->stats.listeners_limit = find_listeners_limit();
	return ports;
}

static bool is_unix(const struct port *port)
{
	return port->entry.spec.host_path[0] != '\0';
}

static struct forward_spec spec_of(const struct port *port, const struct half *half, uint32_t index)
{
	const struct portspec *spec = &port->entry.spec;

	return (struct forward_spec){
		.proto = spec->proto,
		.host_addr = half->host_addr,
		.host_port = (uint16_t)(spec->host_port + index),
		.guest_addr = half->guest_addr,
		.guest_port = (uint16_t)(spec->guest_port + index),
	};
}

static bool is_loopbacks(const struct ports *ports, const struct portspec *spec)
{
	return ports->stacks.loopback && loopback_is_meant(&spec->guest_addr);
}

static bool is_slirps(const struct ports *ports, const struct portspec *spec)
{
	if (is_loopbacks(ports, spec))
		return false;
	return spec->proto == TRANSPORT_UDP ? !ports->stacks.udp : !ports->stacks.tcp;
}

static int listen_for_udp(struct ports *ports, struct port *port, struct forward_spec *spec,
			  struct listener *listener)
{
	int r = udp_forward_listen(ports->stacks.udp, spec, port->tally, &listener->udp);

	if (r == 0)
		spec->host_port = udp_forward_port(listener->udp);
	return r;
}

static int listen_for_loopback(struct ports *ports, struct port *port, struct forward_spec *spec,
			       struct listener *listener)
{
	struct loopback *loopback = ports->stacks.loopback;
	int r;

	if (is_unix(port))
		return loopback_forward_serve(loopback, port->path_fd, spec, port->tally,
					      &listener->loopback);
	r = loopback_forward_listen(loopback, spec, port->tally, &listener->loopback);
	if (r == 0)
		spec->host_port = loopback_forward_port(listener->loopback);
	return r;
}

/* Host port 0 of @spec becomes the one that was chosen. */
static int listen_at(struct ports *ports, struct port *port, struct forward_spec *spec,
		     struct listener *listener)
{
	const struct forward_context context = {
		.loop = ports->stacks.loop,
		.tcp = ports->stacks.tcp,
		.settings = ports->settings,
		.tally = port->tally,
	};
	int r;

	if (is_loopbacks(ports, &port->entry.spec))
		return listen_for_loopback(ports, port, spec, listener);
	if (is_unix(port))
		return forward_serve(&context, port->path_fd, spec, &listener->forward);
	if (is_slirps(ports, &port->entry.spec))
		return slirp_stack_add_forward(ports->stacks.slirp, spec);
	if (spec->proto == TRANSPORT_UDP)
		return listen_for_udp(ports, port, spec, listener);
	r = forward_listen(&context, spec, &listener->forward);
	if (r == 0)
		spec->host_port = forward_port(listener->forward);
	return r;
}

static void stop_listening(struct ports *ports, struct port *port, const struct forward_spec *spec,
			   const struct listener *listener)
{
	if (is_slirps(ports, &port->entry.spec))
		(void)slirp_stack_remove_forward(ports->stacks.slirp, spec); /* it knows of it */
	else if (listener->loopback)
		loopback_forward_close(listener->loopback);
	else if (listener->udp)
		udp_forward_close(listener->udp);
	else
		forward_close(listener->forward);
}

static int open_listener(struct ports *ports, struct port *port, struct half *half, uint32_t index)
{
	struct listener *listener = &half->listeners[index];
	struct forward_spec spec = spec_of(port, half, index);
	int r = listen_at(ports, port, &spec, listener);

	if (r < 0)
		return r;
	if (index == 0)
		port->entry.spec.host_port = spec.host_port;
	listener->is_open = true;
	half->open++;
	ports->stats.listeners++;
	if (half->gives_way)
		port->entry.guest4 = half->guest_addr;
	return 0;
}

static void close_listener(struct ports *ports, struct port *port, struct half *half,
			   uint32_t index)
{
	struct listener *listener = &half->listeners[index];
	const struct forward_spec spec = spec_of(port, half, index);

	if (!listener->is_open)
		return;
	stop_listening(ports, port, &spec, listener);
	*listener = (struct listener){ 0 };
	half->open--;
	ports->stats.listeners--;
	if (half->gives_way && half->open == 0)
		port->entry.guest4.family = IP_NONE;
}

/* The last that was opened is the first that libslirp finds. */
static void close_listeners(struct ports *ports, struct port *port)
{
	for (size_t h = port->half_count; h > 0; h--) {
		for (uint32_t i = port->entry.spec.count; i > 0; i--)
			close_listener(ports, port, &port->halves[h - 1], i - 1);
	}
}

static void close_path(struct ports *ports, struct port *port)
{
	if (port->path_fd >= 0)
		ports->stacks.close_path(port->path_fd, ports->stacks.data);
	port->path_fd = -EBADF;
}

static void port_free(struct port *port)
{
	for (size_t h = 0; h < port->half_count; h++)
		g_free(port->halves[h].listeners);
	tally_unref(port->tally);
	g_free(port);
}

void ports_free(struct ports *ports)
{
	if (!ports)
		return;
	for (guint i = 0; i < ports->table->len; i++) {
		struct port *port = ports->table->pdata[i];

		if (!is_slirps(ports, &port->entry.spec))
			close_listeners(ports, port);
		close_path(ports, port);
		port_free(port);
	}
	g_ptr_array_free(ports->table, TRUE);
	g_free(ports);
}

/* Of an entry whose port that is: the IPv4 listener, or NULL. */
static struct listener *ip4_listener(struct port *port, enum transport proto, uint16_t host_port,
				     struct half **ret_half)
{
	const struct portspec *spec = &port->entry.spec;

	if (is_unix(port) || spec->proto != proto || host_port < spec->host_port ||
	    host_port - spec->host_port >= spec->count)
		return NULL;
	for (size_t h = 0; h < port->half_count; h++) {
		struct half *half = &port->halves[h];
		struct listener *listener = &half->listeners[host_port - spec->host_port];

		*ret_half = half;
		if (half->host_addr.family == IP_V4 && listener->is_open)
			return listener;
	}
	return NULL;
}

/* Whether a forward of ours has that port of IPv4. */
static bool is_ours(const struct ports *ports, enum transport proto, uint16_t host_port)
{
	struct half *half;

	for (guint i = 0; i < ports->table->len; i++) {
		if (ip4_listener(ports->table->pdata[i], proto, host_port, &half))
			return true;
	}
	return false;
}

/* Close a listener there that gives way. False: there is none. */
static bool take_over(struct ports *ports, enum transport proto, uint16_t host_port, GArray *taken)
{
	for (guint i = 0; i < ports->table->len; i++) {
		struct port *port = ports->table->pdata[i];
		struct half *half;
		struct taken took = { .port = port };

		if (!ip4_listener(port, proto, host_port, &half) || !half->gives_way)
			continue;
		took.index = (uint32_t)(host_port - port->entry.spec.host_port);
		close_listener(ports, port, half, took.index);
		g_array_append_val(taken, took);
		return true;
	}
	return false;
}

static void give_back(struct ports *ports, const GArray *taken)
{
	for (guint i = 0; i < taken->len; i++) {
		const struct taken *took = &g_array_index(taken, struct taken, i);
		struct port *port = took->port;
		struct half *half = &port->halves[port->half_count - 1];
		int r = open_listener(ports, port, half, took->index);

		if (r < 0) /* somebody else was faster */
			log_line("ports: IPv4 clients of %s port %u are not served any more: %s",
				 transport_name(port->entry.spec.proto),
				 port->entry.spec.host_port + took->index, strerror(-r));
	}
}

static int open_port(struct ports *ports, struct port *port, struct half *half, uint32_t index,
		     GArray *taken)
{
	const enum transport proto = port->entry.spec.proto;
	const uint16_t host_port = spec_of(port, half, index).host_port;
	int r = open_listener(ports, port, half, index);

	if (r != -EADDRINUSE || half->host_addr.family != IP_V4 || is_unix(port))
		return r;
	if (half->gives_way)
		return is_ours(ports, proto, host_port) ? 0 : r;
	while (r == -EADDRINUSE && take_over(ports, proto, host_port, taken))
		r = open_listener(ports, port, half, index);
	return r;
}

/* What may be done about it. */
static const char *hint(int error, bool path)
{
	static const struct {
		int error;
		bool path;
		const char *text;
	} hints[] = {
		{ -EACCES, false,
		  " (the sysctl net.ipv4.ip_unprivileged_port_start is the first port that "
		  "needs no privilege)" },
		{ -EADDRNOTAVAIL, false, " (it is no address of this host)" },
		{ -ENOSYS, true, " (the process is confined: only --publish can make one)" },
		{ -EMFILE, true, " (or there are as many Unix sockets as there may be)" },
		{ -EOPNOTSUPP, true, " (only with --tcp=native)" },
		{ -EOPNOTSUPP, false, " (only TCP gets to the guest's loopback)" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(hints); i++) {
		if (hints[i].error == error && hints[i].path == path)
			return hints[i].text;
	}
	return "";
}

static void describe(const struct port *port, const struct half *half, uint32_t index, int error,
		     char reterr[PORTS_ERROR_MAX])
{
	const struct forward_spec spec = spec_of(port, half, index);
	bool v6 = spec.host_addr.family == IP_V6;
	char host[IP_TEXT_MAX];

	if (is_unix(port))
		snprintf(reterr, PORTS_ERROR_MAX, "unix:%s: %s%s", port->entry.spec.host_path,
			 strerror(-error), hint(error, true));
	else
		snprintf(reterr, PORTS_ERROR_MAX, "%s %s%s%s:%u: %s%s", transport_name(spec.proto),
			 v6 ? "[" : "", ip_format(&spec.host_addr, host), v6 ? "]" : "",
			 spec.host_port, strerror(-error), hint(error, false));
}

/* All of them, or none. */
static int open_listeners(struct ports *ports, struct port *port, char reterr[PORTS_ERROR_MAX])
{
	g_autoptr(GArray) taken = g_array_new(FALSE, FALSE, sizeof(struct taken));
	const uint16_t asked_port = port->entry.spec.host_port;

	for (size_t h = 0; h < port->half_count; h++) {
		struct half *half = &port->halves[h];

		for (uint32_t i = 0; i < port->entry.spec.count; i++) {
			int r = open_port(ports, port, half, i, taken);

			if (r == 0)
				continue;
			describe(port, half, i, r, reterr);
			close_listeners(ports, port);
			give_back(ports, taken);
			port->entry.spec.host_port = asked_port;
			return r == -EAFNOSUPPORT ? -EPROTONOSUPPORT : r;
		}
	}
	return 0;
}

/* The port that the kernel chose for one family may be taken in the other. */
static int open_some_port(struct ports *ports, struct port *port, char reterr[PORTS_ERROR_MAX])
{
	int r = -EADDRINUSE;

	for (int i = 0; i < CHOICES_MAX && r == -EADDRINUSE; i++) {
		r = open_listeners(ports, port, reterr);
		if (r == 0 && port->half_count == HALVES_MAX && port->halves[1].open == 0) {
			r = -EADDRINUSE;
			describe(port, &port->halves[1], 0, r, reterr);
			close_listeners(ports, port);
			port->entry.spec.host_port = 0;
		}
	}
	return r;
}

/* Without addresses both families are meant, where there are both. */
static void fill_host_address(const struct ports *ports, struct portspec *spec)
{
	bool both = spec->guest_addr.family == IP_NONE && spec->host_path[0] == '\0' &&
		    ports->settings->ipv6 && ports->guest6.family == IP_V6;
	bool v6 = spec->guest_addr.family == IP_V6 || both;

	if (spec->host_addr.family == IP_NONE)
		spec->host_addr = (struct ip){ .family = v6 ? IP_V6 : IP_V4 };
}

static void add_half(struct port *port, const struct ip *host, const struct ip *guest,
		     bool gives_way)
{
	port->halves[port->half_count++] = (struct half){
		.host_addr = *host,
		.guest_addr = *guest,
		.gives_way = gives_way,
		.listeners = g_new0(struct listener, port->entry.spec.count),
	};
}

static int plan(const struct ports *ports, struct port *port, char reterr[PORTS_ERROR_MAX])
{
	struct portspec *spec = &port->entry.spec;
	const struct ip any4 = { .family = IP_V4 };
	const struct ip guest4 = { .family = IP_V4, .v4 = ports->settings->plan.guest };
	bool v6 = spec->host_addr.family == IP_V6;
	bool both = v6 && ip_is_any(&spec->host_addr) && spec->guest_addr.family == IP_NONE;

	if (v6 && !ports->settings->ipv6) {
		g_strlcpy(reterr, "IPv6 is not switched on", PORTS_ERROR_MAX);
		return -EPROTONOSUPPORT;
	}
	if (spec->guest_addr.family == IP_NONE)
		spec->guest_addr = v6 ? ports->guest6 : guest4;
	if (spec->guest_addr.family == IP_NONE) {
		g_strlcpy(reterr, "the guest's IPv6 address is not known", PORTS_ERROR_MAX);
		return -EAFNOSUPPORT;
	}
	if (spec->guest_addr.family != spec->host_addr.family) {
		g_strlcpy(reterr, "the guest address is not of the family of the host address",
			  PORTS_ERROR_MAX);
		return -EAFNOSUPPORT;
	}
	add_half(port, &spec->host_addr, &spec->guest_addr, false);
	if (both)
		add_half(port, &any4, &guest4, true);
	return 0;
}

/* Before anything is opened. */
static int check_limits(struct ports *ports, const struct port *port, char reterr[PORTS_ERROR_MAX])
{
	struct ports_stats *stats = &ports->stats;
	size_t wanted = port->half_count * port->entry.spec.count;

	if (stats->forwards >= stats->forwards_limit) {
		stats->drops[PORTS_DROP_FORWARDS]++;
		snprintf(reterr, PORTS_ERROR_MAX, "there are %zu forwards already",
			 stats->forwards);
		return -EMFILE;
	}
	if (stats->listeners + wanted > stats->listeners_limit) {
		stats->drops[PORTS_DROP_LISTENERS]++;
		snprintf(reterr, PORTS_ERROR_MAX,
			 "%zu listeners are more than the limit of open files has room for: "
			 "%zu in all, %zu are in use",
			 wanted, stats->listeners_limit, stats->listeners);
		return -EMFILE;
	}
	return 0;
}

static int open_path(struct ports *ports, struct port *port, char reterr[PORTS_ERROR_MAX])
{
	const struct ports_stacks *stacks = &ports->stacks;
	int fd = -EOPNOTSUPP; /* libslirp has none */

	if (stacks->open_path && !is_slirps(ports, &port->entry.spec))
		fd = stacks->open_path(port->entry.spec.host_path, stacks->data);
	if (fd < 0) {
		describe(port, &port->halves[0], 0, fd, reterr);
		return fd;
	}
	port->path_fd = fd;
	return 0;
}

static int port_open(struct ports *ports, struct port *port, char reterr[PORTS_ERROR_MAX])
{
	int r = plan(ports, port, reterr);

	if (r == 0)
		r = check_limits(ports, port, reterr);
	if (r < 0)
		return r;
	if (!is_slirps(ports, &port->entry.spec))
		port->tally = tally_new(ports->last_id + 1); /* the id that it will have */
	port->entry.tally = port->tally;
	if (is_unix(port)) {
		r = open_path(ports, port, reterr);
		if (r == 0)
			r = open_listeners(ports, port, reterr);
		if (r < 0)
			close_path(ports, port);
		return r;
	}
	if (port->entry.spec.host_port == 0)
		return open_some_port(ports, port, reterr);
	return open_listeners(ports, port, reterr);
}

static int add(struct ports *ports, const struct portspec *spec, uint64_t *ret_id,
	       char reterr[PORTS_ERROR_MAX])
{
	struct port *port = g_new0(struct port, 1);
	int r;

	port->entry.spec = *spec;
	port->path_fd = -EBADF;
	r = port_open(ports, port, reterr);
	if (r < 0) {
		port_free(port);
		return r;
	}
	port->entry.id = ++ports->last_id;
	g_ptr_array_add(ports->table, port);
	ports->stats.forwards++;
	*ret_id = port->entry.id;
	return 0;
}

int ports_add(struct ports *ports, const struct portspec *spec, uint64_t *ret_id,
	      char reterr[PORTS_ERROR_MAX])
{
	const bool either = spec->host_addr.family == IP_NONE && spec->guest_addr.family == IP_NONE;
	struct portspec full = *spec;
	int r;

	fill_host_address(ports, &full);
	r = add(ports, &full, ret_id, reterr);
	/* A host whose kernel has no IPv6: nobody has asked for it by name. */
	if (r == -EPROTONOSUPPORT && either && full.host_addr.family == IP_V6) {
		full.host_addr = (struct ip){ .family = IP_V4 };
		r = add(ports, &full, ret_id, reterr);
	}
	return r;
}

static void drop_connections(struct ports *ports, const struct port *port)
{
	if (is_loopbacks(ports, &port->entry.spec))
		loopback_drop(ports->stacks.loopback, port->tally);
	else if (port->tally && port->entry.spec.proto == TRANSPORT_TCP)
		tcp_drop(ports->stacks.tcp, port->tally);
}

int ports_remove(struct ports *ports, uint64_t id, bool drop)
{
	for (guint i = 0; i < ports->table->len; i++) {
		struct port *port = ports->table->pdata[i];

		if (port->entry.id != id)
			continue;
		close_listeners(ports, port);
		close_path(ports, port);
		if (drop)
			drop_connections(ports, port);
		port_free(port);
		g_ptr_array_remove_index(ports->table, i);
		ports->stats.forwards--;
		return 0;
	}
	return -ENOENT;
}

const struct ports_entry *ports_get(const struct ports *ports, size_t index)
{
	const struct port *port;

	if (index >= ports->table->len)
		return NULL;
	port = ports->table->pdata[index];
	return &port->entry;
}

const struct ports_entry *ports_find(const struct ports *ports, uint64_t id)
{
	const struct ports_entry *entry;

	for (size_t i = 0; (entry = ports_get(ports, i)); i++) {
		if (entry->id == id)
			return entry;
	}
	return NULL;
}
