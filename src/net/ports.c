#include "net/ports.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>

#include "net/forward.h"
#include "net/loopback.h"
#include "net/settings.h"
#include "net/slirp.h"

struct port {
	struct ports_entry entry;
	struct forward *forward;	   /* owned; NULL: another listens */
	struct loopback_forward *loopback; /* owned; NULL: another listens */
};

struct ports {
	struct ports_stacks stacks;
	const struct settings *settings; /* borrowed */
	struct ip guest6;
	GArray *table; /* struct port, ascending ids */
	uint64_t last_id;
};

struct ports *ports_new(const struct ports_stacks *stacks, const struct settings *settings,
			const struct ip *guest6)
{
	struct ports *ports = g_new0(struct ports, 1);

	*ports = (struct ports){
		.stacks = *stacks,
		.settings = settings,
		.guest6 = *guest6,
	};
	ports->table = g_array_new(FALSE, FALSE, sizeof(struct port));
	return ports;
}

void ports_free(struct ports *ports)
{
	if (!ports)
		return;
	for (guint i = 0; i < ports->table->len; i++) {
		forward_close(g_array_index(ports->table, struct port, i).forward);
		loopback_forward_close(g_array_index(ports->table, struct port, i).loopback);
	}
	g_array_free(ports->table, TRUE);
	g_free(ports);
}

static void fill_defaults(const struct ports *ports, struct forward_spec *forward)
{
	bool v6 = forward->host_addr.family == IP_V6 || forward->guest_addr.family == IP_V6;
	const struct ip guest4 = { .family = IP_V4, .v4 = ports->settings->plan.guest };

	if (forward->host_addr.family == IP_NONE)
		forward->host_addr.family = v6 ? IP_V6 : IP_V4;
	if (forward->guest_addr.family == IP_NONE)
		forward->guest_addr = v6 ? ports->guest6 : guest4;
}

static int check_families(const struct ports *ports, const struct forward_spec *forward)
{
	if (forward->host_addr.family == IP_V6 && !ports->settings->ipv6)
		return -EPROTONOSUPPORT;
	return forward->host_addr.family == forward->guest_addr.family ? 0 : -EAFNOSUPPORT;
}

static int start_listening(struct ports *ports, struct port *port)
{
	const struct forward_spec *forward = &port->entry.forward;

	if (ports->stacks.loopback && loopback_is_meant(forward))
		return loopback_forward_listen(ports->stacks.loop, ports->stacks.loopback,
					       ports->settings, forward, &port->loopback);
	if (!ports->stacks.tcp || forward->proto != TRANSPORT_TCP)
		return slirp_stack_add_forward(ports->stacks.slirp, forward);
	return forward_listen(ports->stacks.loop, ports->stacks.tcp, ports->settings, forward,
			      &port->forward);
}

static int stop_listening(struct ports *ports, struct port *port)
{
	if (!port->forward && !port->loopback)
		return slirp_stack_remove_forward(ports->stacks.slirp, &port->entry.forward);
	forward_close(port->forward);
	loopback_forward_close(port->loopback);
	return 0;
}

int ports_add(struct ports *ports, const struct forward_spec *forward, uint64_t *ret_id)
{
	struct port port = { .entry = { .id = ports->last_id + 1, .forward = *forward } };
	int r;

	if (ports->table->len >= PORTS_MAX)
		return -EMFILE;
	fill_defaults(ports, &port.entry.forward);
	r = check_families(ports, &port.entry.forward);
	if (r == 0)
		r = start_listening(ports, &port);
	if (r < 0)
		return r;
	ports->last_id = port.entry.id;
	g_array_append_val(ports->table, port);
	*ret_id = port.entry.id;
	return 0;
}

int ports_remove(struct ports *ports, uint64_t id)
{
	for (guint i = 0; i < ports->table->len; i++) {
		struct port *port = &g_array_index(ports->table, struct port, i);
		int r;

		if (port->entry.id != id)
			continue;
		r = stop_listening(ports, port);
		if (r == 0)
			g_array_remove_index(ports->table, i);
		return r;
	}
	return -ENOENT;
}

const struct ports_entry *ports_get(const struct ports *ports, size_t index)
{
	if (index >= ports->table->len)
		return NULL;
	return &g_array_index(ports->table, struct port, index).entry;
}
