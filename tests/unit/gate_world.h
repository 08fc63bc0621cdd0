/* net/gate: a gate for tests, and what came through it. */
#ifndef TESTS_UNIT_GATE_WORLD_H
#define TESTS_UNIT_GATE_WORLD_H

#include <glib.h>
#include <string.h>

#include "frames.h"
#include "net/gate.h"

#define PROTO_TCP 6
#define PROTO_UDP 17
#define TCP4_OFFSET 34
#define UDP6_OFFSET 54

/* TCP from 10.0.2.100 to 192.0.2.2, four bytes of data, urgent up to the third of them. */
#define URGENT4_FRAME                                                                              \
	{                                                                                          \
		0x52, 0x55, 10, 0, 2, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0, 0, 44, 0, 1, 0, 0, \
			64, 6, 0, 0, 10, 0, 2, 100, 192, 0, 2, 2, 0x0f, 0xa0, 0, 80, 0, 0, 0, 1,   \
			0, 0, 0, 1, 0x50, 0x38, 0xff, 0xff, 0, 0, 0, 3, 'd', 'a', 't', 'a',        \
	}

/* UDP over IPv6 from fd00::64 to fd00::2, four bytes of data. */
#define UDP6_FRAME                                                                               \
	{                                                                                        \
		0x52, 0x56, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 12, 17,  \
			64, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64, 0xfd, 0, 0, 0, \
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x0f, 0xa0, 0, 53, 0, 12, 0, 0, 'd', \
			'a', 't', 'a',                                                           \
	}

static const struct link_info plain;

/* A gate, and what came through it. */
struct world {
	struct addrplan plan;
	struct gate gate;
	unsigned stack_frames, tcp_frames, udp_frames;
	uint8_t last[4096]; /* frame, to any of them */
	size_t last_len;
};

static inline void take(const uint8_t *frame, size_t len, void *data)
{
	struct world *world = data;

	world->stack_frames++;
	world->last_len = len;
	memcpy(world->last, frame, MIN(len, sizeof(world->last)));
}

static inline void take_tcp(const uint8_t *frame, size_t len, const struct frame *parsed,
			    const struct link_info *info, void *data)
{
	struct world *world = data;

	(void)info;
	g_assert_cmpuint(parsed->proto, ==, PROTO_TCP);
	g_assert_cmpuint(parsed->len, ==, len);
	world->tcp_frames++;
	memcpy(world->last, frame, MIN(len, sizeof(world->last)));
}

static inline void take_udp(const uint8_t *frame, size_t len, const struct frame *parsed,
			    const struct link_info *info, void *data)
{
	struct world *world = data;

	g_assert_cmpuint(parsed->proto, ==, PROTO_UDP);
	g_assert_cmpuint(parsed->len, ==, len);
	g_assert_cmpuint(parsed->transport + parsed->transport_len, ==, len);
	g_assert_false(parsed->fragment);
	g_assert_true(info->gso_type == 0 || info->gso_size != 0);
	world->udp_frames++;
	world->last_len = len;
	memcpy(world->last, frame, MIN(len, sizeof(world->last)));
}

static inline void make_world(struct world *world)
{
	char error[ADDRPLAN_ERROR_MAX];

	*world = (struct world){
		.gate = { .plan = &world->plan,
			  .dns = true,
			  .ipv6 = true,
			  .mtu = 1500,
			  .pass = take },
	};
	world->gate.data = world->gate.tcp_data = world->gate.udp_data = world;
	g_assert_true(addrplan_parse("10.0.2.0/24", &world->plan, error));
}

/* Send a frame into a new gate, and say what becomes of it. */
static inline enum gate_drop judge(struct world *world, const uint8_t *bytes, size_t len,
				   const struct link_info *info)
{
	g_autofree uint8_t *frame = g_memdup2(bytes, len);
	enum gate_drop drop = GATE_OK;
	uint64_t drops = 0;

	make_world(world);
	gate_input(&world->gate, frame, len, info);
	for (int i = 0; i < GATE_DROPS; i++) {
		drops += world->gate.drops[i];
		if (world->gate.drops[i] != 0)
			drop = (enum gate_drop)i;
	}
	g_assert_cmpuint(drops + world->gate.passed, ==, 1);
	g_assert_cmpuint(world->stack_frames, ==, drop == GATE_OK);
	return drop;
}

static inline void put_ip4(uint8_t *at, const char *text)
{
	struct ip4 ip;

	g_assert_true(ip4_parse(text, &ip));
	memcpy(at, ip.b, sizeof(ip.b));
}

static inline void put_ip6(uint8_t *at, const char *text)
{
	struct ip6 ip;

	g_assert_true(ip6_parse(text, &ip));
	memcpy(at, ip.b, sizeof(ip.b));
}

static inline void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

#endif
