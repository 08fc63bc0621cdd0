/* Frames for the unit tests: whole and right, to be spoiled by the test. */
#ifndef TESTS_UNIT_FRAMES_H
#define TESTS_UNIT_FRAMES_H

#include <stdint.h>

/* UDP from 10.0.2.100 to 192.0.2.2, four bytes of data. */
#define UDP4_FRAME                                                                                 \
	{                                                                                          \
		0x52, 0x55, 10, 0, 2, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 0, 0, 32, 0, 1, 0, 0, \
			64, 17, 0, 0, 10, 0, 2, 100, 192, 0, 2, 2, 0x0f, 0xa0, 0, 53, 0, 12, 0, 0, \
			'd', 'a', 't', 'a',                                                        \
	}

/* TCP over IPv6 from fd00::64 to 2001:db8::2, a bare header. */
#define TCP6_FRAME                                                                                 \
	{                                                                                          \
		0x52, 0x56, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, 6, 64, \
			0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x64, 0x20, 0x01, 0x0d,    \
			0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0x0f, 0xa0, 0, 80, 0, 0, 0, 1,   \
			0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,                               \
	}

/* Who has 10.0.2.2? */
#define ARP_FRAME                                                                                \
	{                                                                                        \
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x08, 0x06, 0, 1, 0x08,    \
			0x00, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 2, 100, 0, 0, 0, 0, 0, 0, 10, \
			0, 2, 2,                                                                 \
	}

#define IP_OFFSET 14  /* of the IP header in a frame */
#define UDP_OFFSET 34 /* of the UDP header in UDP4_FRAME */
#define TCP_OFFSET 54 /* of the TCP header in TCP6_FRAME */

#endif
