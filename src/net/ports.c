#include "net/ports.h"

#include <errno.h>
#include <glib.h>

#include "net/slirp.h"

struct ports {
	struct slirp *slirp;		/* borrowed */
	const struct addrplan *plan;	/* borrowed */
	struct ip guest6;
	GArray *entries;		/* struct ports_entry, ascending ids */
	uint64_t last_id;
};

/* What one entry listens on: up to one listener of each family. */
struct listeners {
	struct forward_spec at[2];
	unsigned count;
};

struct ports *ports_new(struct slirp *slirp, const struct addrplan *plan, const struct ip *guest6)
{
	struct ports *ports = g_new0(struct ports, 1);

	*ports = (struct ports){ .slirp = slirp, .plan = plan, .guest6 = *guest6 };
	ports->entries = g_array_new(FALSE, FALSE, sizeof(struct ports_entry));
	return ports;
}

void ports_free(struct ports *ports)
{
	if (!ports)
		return;
	g_array_free(ports->entries, TRUE);
	g_free(ports);
}

/* The guest address of a family that a forward gets by default; IP_NONE if there is none. */
static struct ip default_guest(const struct ports *ports, enum ip_family family)
{
	struct ip guest4 = { .family = IP_V4, .v4 = ports->plan->guest };

	return family == IP_V6 ? ports->guest6 : guest4;
}

/* A forward on :: without a guest address is one for each family, so it is kept as asked. */
static bool is_dual(const struct forward_spec *forward)
{
	return forward->host_addr.family == IP_V6 && ip_is_any(&forward->host_addr) &&
	       forward->guest_addr.family == IP_NONE;
}

static void fill_defaults(const struct ports *ports, struct forward_spec *forward)
{
	if (forward->host_addr.family == IP_NONE) {
		forward->host_addr.family =
			forward->guest_addr.family == IP_V6 ? IP_V6 : IP_V4;
	}
	if (forward->guest_addr.family == IP_NONE && !is_dual(forward))
		forward->guest_addr = default_guest(ports, forward->host_addr.family);
}

static int resolve(const struct ports *ports, const struct forward_spec *forward,
		   struct listeners *ret)
{
	struct listeners listeners = { .at = { *forward }, .count = 1 };

	if (is_dual(forward)) {
		struct forward_spec *v4 = &listeners.at[1];

		listeners.at[0].guest_addr = ports->guest6;
		listeners.count = 2;
		*v4 = *forward;
		v4->host_addr = (struct ip){ .family = IP_V4 };
		v4->guest_addr = default_guest(ports, IP_V4);
	}
	for (unsigned i = 0; i < listeners.count; i++) {
		const struct forward_spec *one = &listeners.at[i];

		if (one->host_addr.family != one->guest_addr.family ||
		    (one->host_addr.family == IP_V6 && ports->guest6.family == IP_NONE))
			return -EAFNOSUPPORT;
	}
	*ret = listeners;
	return 0;
}

static int listen_all(struct ports *ports, const struct listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		int r = slirp_stack_add_forward(ports->slirp, &listeners->at[i]);

		while (r < 0 && i > 0)
			slirp_stack_remove_forward(ports->slirp, &listeners->at[--i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int ports_add(struct ports *ports, const struct forward_spec *forward, uint64_t *ret_id)
{
	struct ports_entry entry = { .id = ports->last_id + 1, .forward = *forward };
	struct listeners listeners;
	int r;

	if (ports->entries->len >= PORTS_MAX)
		return -EMFILE;
	fill_defaults(ports, &entry.forward);
	r = resolve(ports, &entry.forward, &listeners);
	if (r == 0)
		r = listen_all(ports, &listeners);
	if (r < 0)
		return r;
	ports->last_id = entry.id;
	g_array_append_val(ports->entries, entry);
	*ret_id = entry.id;
	return 0;
}

int ports_remove(struct ports *ports, uint64_t id)
{
	for (guint i = 0; i < ports->entries->len; i++) {
		const struct ports_entry *entry = ports_get(ports, i);
		struct listeners listeners;
		int r;

		if (entry->id != id)
			continue;
		r = resolve(ports, &entry->forward, &listeners);
		for (unsigned at = 0; r == 0 && at < listeners.count; at++)
			r = slirp_stack_remove_forward(ports->slirp, &listeners.at[at]);
		if (r == 0)
			g_array_remove_index(ports->entries, i);
		return r;
	}
	return -ENOENT;
}

const struct ports_entry *ports_get(const struct ports *ports, size_t index)
{
	if (index >= ports->entries->len)
		return NULL;
	return &g_array_index(ports->entries, struct ports_entry, index);
}
