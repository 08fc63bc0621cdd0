#include "net/neighbour.h"

#include <glib.h>
#include <string.h>

#include "wire/whohas.h"

#define ASK_PAUSE_MS 500
#define ARP_SENDER_MAC (FRAME_ETHER_HEADER + 8)
#define ETHER_SOURCE 6

struct neighbour {
	struct ip ip;
	struct mac mac;
	bool known;
	bool asked;	  /* and not answered yet */
	int64_t asked_ms; /* valid with asked */
	uint64_t used;	  /* neighbours::clock when it was looked for last */
};

struct neighbours {
	const struct addrplan *plan; /* borrowed */
	struct neighbours_output output;
	struct neighbour table[NEIGHBOURS_MAX];
	size_t count;
	uint64_t clock;
};

struct neighbours *neighbours_new(const struct addrplan *plan,
				  const struct neighbours_output *output)
{
	struct neighbours *neighbours = g_new0(struct neighbours, 1);

	neighbours->plan = plan;
	neighbours->output = *output;
	return neighbours;
}

void neighbours_free(struct neighbours *neighbours)
{
	g_free(neighbours);
}

static struct neighbour *search(struct neighbours *neighbours, const struct ip *ip)
{
	for (size_t i = 0; i < neighbours->count; i++) {
		struct neighbour *neighbour = &neighbours->table[i];

		if (ip_equal(&neighbour->ip, ip))
			return neighbour;
	}
	return NULL;
}

/* The entry of an address that somebody looks for. */
static struct neighbour *want(struct neighbours *neighbours, const struct ip *ip)
{
	struct neighbour *neighbour = search(neighbours, ip);

	if (!neighbour) {
		neighbour = neighbours->table;
		if (neighbours->count < NEIGHBOURS_MAX)
			neighbour += neighbours->count++;
		else
			for (size_t i = 1; i < NEIGHBOURS_MAX; i++) {
				if (neighbours->table[i].used < neighbour->used)
					neighbour = &neighbours->table[i];
			}
		*neighbour = (struct neighbour){ .ip = *ip };
	}
	neighbour->used = ++neighbours->clock;
	return neighbour;
}

static void ask(struct neighbours *neighbours, struct neighbour *neighbour, int64_t now_ms)
{
	const struct addrplan *plan = neighbours->plan;
	struct ip gateway = addrplan_gateway(plan, neighbour->ip.family);
	struct mac mac = addrplan_gateway_mac(plan, gateway.family);
	uint8_t frame[WHOHAS_MAX];

	if (neighbour->asked && now_ms - neighbour->asked_ms < ASK_PAUSE_MS)
		return;
	neighbour->asked = true;
	neighbour->asked_ms = now_ms;
	neighbours->output.send(frame, whohas_build(&neighbour->ip, &gateway, &mac, frame),
				neighbours->output.data);
}

void neighbours_set(struct neighbours *neighbours, const struct ip *ip, const struct mac *mac)
{
	struct neighbour *neighbour = want(neighbours, ip);

	neighbour->known = true;
	neighbour->mac = *mac;
}

bool neighbours_find(struct neighbours *neighbours, const struct ip *ip, int64_t now_ms,
		     struct mac *ret)
{
	struct neighbour *neighbour = want(neighbours, ip);

	if (neighbour->known)
		*ret = neighbour->mac;
	else
		ask(neighbours, neighbour, now_ms);
	return neighbour->known;
}

void neighbours_ask(struct neighbours *neighbours, const struct ip *ip, int64_t now_ms)
{
	ask(neighbours, want(neighbours, ip), now_ms);
}

void neighbours_input(struct neighbours *neighbours, const uint8_t *bytes,
		      const struct frame *frame)
{
	struct neighbour *neighbour = search(neighbours, &frame->src);
	struct mac mac;
	struct ip ip;

	if (!neighbour)
		return;
	memcpy(mac.b, bytes + (frame->kind == FRAME_ARP ? ARP_SENDER_MAC : ETHER_SOURCE),
	       sizeof(mac.b));
	if (mac.b[0] & 1) /* a group sends nothing */
		return;
	if (neighbour->known && !neighbour->asked &&
	    memcmp(neighbour->mac.b, mac.b, sizeof(mac.b)) == 0)
		return;
	neighbour->known = true;
	neighbour->asked = false;
	neighbour->mac = mac;
	ip = neighbour->ip; /* the callee may look for others */
	neighbours->output.learned(&ip, &mac, neighbours->output.data);
}
