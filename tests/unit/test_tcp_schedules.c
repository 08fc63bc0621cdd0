/* net/tcp under schedules made by chance: what two programs do, and what the network between the
 * guest and us does to their segments. The rules are in tcp_sim.c.
 *
 *     SCHEDULES=1000000 build/tests/unit/test-tcp_schedules     more of them, from SEED=... on
 *     SEED=17 TRACE=1 build/tests/unit/test-tcp_schedules       one again, with its segments
 */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/tcp_flow.h"
#include "tcp_sim.h"

#define SCHEDULES 20000
#define FIRST_SEED 1
#define BURST_MAX 65000 /* and headers: one IP packet */

static uint64_t draw_state;

static uint64_t draw(uint64_t limit)
{
	return sim_random(&draw_state) % limit;
}

static bool chance(unsigned percent)
{
	return draw(100) < percent;
}

static int draw_gap(void)
{
	return chance(60) ? 0 : (int)draw(50);
}

static uint64_t draw_length(void)
{
	unsigned which = (unsigned)draw(200);

	if (which < 20)
		return 0;
	if (which < 120)
		return draw(100);
	if (which < 180)
		return draw(5000);
	if (which < 199)
		return draw(70000);
	return draw(2000000);
}

static void draw_program(struct sim_program *program)
{
	program->total = draw_length();
	program->write_size = chance(40) ? program->total + 1 : program->total / (1 + draw(20)) + 1;
	program->write_gap = draw_gap();
	program->read_size = chance(60) ? UINT64_MAX : program->total / (1 + draw(10)) + 100;
	program->read_gap = draw_gap();
	program->finish_gap = draw_gap();
}

static uint32_t draw_number(void)
{
	/* Half of them so near the end of the circle that the connection crosses it. */
	return chance(50) ? (uint32_t)draw(UINT32_MAX) : (uint32_t)(0 - draw(3000));
}

static void draw_guest(struct sim_plan *plan)
{
	static const uint16_t sizes[] = { 0, 1, 28, 88, 536, 1000, 1220, 1440, 1460, 8960, 65480 };
	struct guest_options *guest = &plan->guest;
	uint64_t longest = MAX(plan->host_program.total, plan->guest_program.total);

	guest->iss = draw_number();
	guest->mss = sizes[draw(G_N_ELEMENTS(sizes))];
	if (longest > 10000 && guest->mss > 0)
		guest->mss = MAX(guest->mss, 536);
	if (longest > 100000 && guest->mss > 0)
		guest->mss = MAX(guest->mss, 1220);
	guest->wscale = chance(30) ? TCPSEG_WSCALE_NONE : (uint8_t)draw(TCPSEG_WSCALE_MAX + 1);
	guest->sack = chance(70);
	guest->reassembles = chance(70);
	guest->bare_probes = chance(50);
	guest->resets_late = chance(30);
	guest->buffer = chance(50) ? 65535 * 4 : 100 + (uint32_t)draw(20000);
	if (longest > 100000)
		guest->buffer = MAX(guest->buffer, 5000);
	while (guest->wscale != TCPSEG_WSCALE_NONE && guest->buffer >> guest->wscale < 8)
		guest->wscale--; /* what is too small for a unit can never be offered */
	guest->burst = plan->mtu - (plan->v6 ? 60 : 40);
	if (chance(30)) /* as a kernel with segmentation offload does */
		guest->burst *= 1 + (uint32_t)draw(40);
	guest->burst = MIN(guest->burst, BURST_MAX);
	guest->flight = chance(50) ? UINT32_MAX / 2 : guest->burst * (1 + (uint32_t)draw(20));
	guest->ack_delay_ms = chance(70) ? 0 : 40;
}

static void draw_trouble(struct sim_plan *plan)
{
	static const int errors[] = { -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH, -EACCES,
				      -EMFILE };

	plan->latency = chance(40) ? 0 : (int)draw(20);
	plan->jitter = chance(60) ? 0 : (int)draw(30);
	plan->drop = chance(50) ? 0 : (unsigned)draw(150);
	plan->twice = chance(60) ? 0 : (unsigned)draw(100);
	plan->spurious = chance(70) ? 0 : (unsigned)draw(500);
	plan->dial_gap = draw_gap();
	plan->active = chance(25);
	if (!plan->active && chance(2))
		plan->dial_error = errors[draw(G_N_ELEMENTS(errors))];
	if (chance(4)) {
		plan->abort = chance(50) ? SIM_GUEST_ABORTS : SIM_HOST_BREAKS;
		plan->abort_at = (int)draw(200);
	}
	if (chance(5)) {
		plan->pool_empty_from = (int)draw(100);
		plan->pool_empty_to = plan->pool_empty_from + 1 + (int)draw(1000);
	}
	plan->shrink_at = -1;
	if (chance(5)) {
		plan->guest.shrinks = true;
		plan->shrink_at = (int)draw(100);
	}
	plan->clean = plan->drop == 0 && plan->jitter == 0 && plan->dial_error == 0 &&
		      plan->abort == SIM_ENDS_WELL && plan->pool_empty_to == 0 &&
		      !plan->guest.shrinks;
}

static void draw_plan(struct sim_plan *plan, uint64_t seed)
{
	static const unsigned mtus[] = { 576, 1280, 1500, 9000, 65520 };

	draw_state = seed;
	*plan = (struct sim_plan){ 0 };
	plan->large = chance(50);
	plan->v6 = chance(30);
	plan->mtu = mtus[draw(G_N_ELEMENTS(mtus))];
	plan->iss_bits = draw_number();
	draw_program(&plan->guest_program);
	draw_program(&plan->host_program);
	if (chance(50)) {
		bool guest = chance(50);

		plan->guest_program.waits = guest;
		plan->host_program.waits = !guest;
	}
	plan->capacity = chance(50) ? WORLD_ENDLESS : 1000 + draw(200000);
	draw_guest(plan);
	draw_trouble(plan);
}

static void show_plan(const struct sim_plan *plan)
{
	const struct sim_program *g = &plan->guest_program, *h = &plan->host_program;

	fprintf(stderr,
		"large %d active %d mtu %u latency %d jitter %d drop %u twice %u clean %d abort %d at %d dial %d\n"
		"to host %" PRIu64 " by %" PRIu64 ", capacity %" PRIu64 ", reads %" PRIu64
		"/%d ms\n"
		"to guest %" PRIu64 " by %" PRIu64 ", buffer %u scale %u mss %u, reads %" PRIu64
		"/%d ms; sack %d reassembles %d shrinks %d delack %d\n",
		plan->large, plan->active, plan->mtu, plan->latency, plan->jitter, plan->drop,
		plan->twice, plan->clean, plan->abort, plan->abort_at, plan->dial_error, g->total,
		g->write_size, plan->capacity, h->read_size, h->read_gap, h->total, h->write_size,
		plan->guest.buffer, plan->guest.wscale, plan->guest.mss, g->read_size, g->read_gap,
		plan->guest.sack, plan->guest.reassembles, plan->guest.shrinks,
		plan->guest.ack_delay_ms);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = g_getenv(name);

	return text ? g_ascii_strtoull(text, NULL, 0) : otherwise;
}

static void test_schedules(void)
{
	uint64_t seed = from_environment("SEED", FIRST_SEED);
	uint64_t count = from_environment("SCHEDULES", g_getenv("SEED") ? 1 : SCHEDULES);
	bool trace = from_environment("TRACE", 0) != 0;
	struct sim_result all = { 0 };

	for (uint64_t i = 0; i < count; i++, seed++) {
		struct sim_result result;
		struct sim_plan plan;

		snprintf(world_label, sizeof(world_label), "SEED=%" PRIu64, seed);
		draw_plan(&plan, seed);
		if (trace)
			show_plan(&plan);
		result = sim_run(&plan, seed, trace);
		all.segments += result.segments;
		all.states |= result.states;
		all.ms = MAX(all.ms, result.ms);
	}
	sim_end();
	g_test_message("%" PRIu64 " schedules, %" PRIu64 " segments, the longest took %" PRId64
		       " ms",
		       count, all.segments, all.ms);
	if (count >= SCHEDULES)
		g_assert_cmpuint(all.states, ==, (2u << TCP_TIME_WAIT) - 1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/tcp/schedules", test_schedules);
	return g_test_run();
}
