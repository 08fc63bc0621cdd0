#include "net/ports.h"

#include <errno.h>
#include <glib.h>
#include <stdbool.h>

#include "net/settings.h"
#include "net/slirp.h"

struct ports {
	struct slirp *slirp;	     /* borrowed */
	const struct addrplan *plan; /* borrowed */
	bool ipv6;
	struct ip guest6;
	GArray *entries; /* struct ports_entry, ascending ids */
	uint64_t last_id;
};

struct ports *ports_new(struct slirp *slirp, const struct settings *settings,
			const struct ip *guest6)
{
	struct ports *ports = g_new0(struct ports, 1);

	*ports = (struct ports){
		.slirp = slirp,
		.plan = &settings->plan,
		.ipv6 = settings->ipv6,
		.guest6 = *guest6,
	};
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

static void fill_defaults(const struct ports *ports, struct forward_spec *forward)
{
	bool v6 = forward->host_addr.family == IP_V6 || forward->guest_addr.family == IP_V6;
	const struct ip guest4 = { .family = IP_V4, .v4 = ports->plan->guest };

	if (forward->host_addr.family == IP_NONE)
		forward->host_addr.family = v6 ? IP_V6 : IP_V4;
	if (forward->guest_addr.family == IP_NONE)
		forward->guest_addr = v6 ? ports->guest6 : guest4;
}

static int check_families(const struct ports *ports, const struct forward_spec *forward)
{
	if (forward->host_addr.family == IP_V6 && !ports->ipv6)
		return -EPROTONOSUPPORT;
	return forward->host_addr.family == forward->guest_addr.family ? 0 : -EAFNOSUPPORT;
}

int ports_add(struct ports *ports, const struct forward_spec *forward, uint64_t *ret_id)
{
	struct ports_entry entry = { .id = ports->last_id + 1, .forward = *forward };
	int r;

	if (ports->entries->len >= PORTS_MAX)
		return -EMFILE;
	fill_defaults(ports, &entry.forward);
	r = check_families(ports, &entry.forward);
	if (r == 0)
		r = slirp_stack_add_forward(ports->slirp, &entry.forward);
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
		int r;

		if (entry->id != id)
			continue;
		r = slirp_stack_remove_forward(ports->slirp, &entry->forward);
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
