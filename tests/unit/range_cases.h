/* What becomes of [20,30) [40,50) [60,70) when another range is added: beside, behind, in front of,
 * between, inside of and over them, and an empty one.
 */
#ifndef TESTS_UNIT_RANGE_CASES_H
#define TESTS_UNIT_RANGE_CASES_H

#include "wire/tcpseg.h"

static const struct range_case {
	uint32_t left, right; /* added to [20,30) [40,50) [60,70) */
	unsigned count;
	struct tcpseg_sack ranges[4];
} range_cases[] = {
	{ 5, 10, 4, { { 5, 10 }, { 20, 30 }, { 40, 50 }, { 60, 70 } } },
	{ 80, 90, 4, { { 20, 30 }, { 40, 50 }, { 60, 70 }, { 80, 90 } } },
	{ 32, 38, 4, { { 20, 30 }, { 32, 38 }, { 40, 50 }, { 60, 70 } } },
	{ 10, 20, 3, { { 10, 30 }, { 40, 50 }, { 60, 70 } } },
	{ 30, 35, 3, { { 20, 35 }, { 40, 50 }, { 60, 70 } } },
	{ 35, 40, 3, { { 20, 30 }, { 35, 50 }, { 60, 70 } } },
	{ 42, 48, 3, { { 20, 30 }, { 40, 50 }, { 60, 70 } } },
	{ 40, 50, 3, { { 20, 30 }, { 40, 50 }, { 60, 70 } } },
	{ 38, 52, 3, { { 20, 30 }, { 38, 52 }, { 60, 70 } } },
	{ 30, 40, 2, { { 20, 50 }, { 60, 70 } } },
	{ 25, 45, 2, { { 20, 50 }, { 60, 70 } } },
	{ 10, 80, 1, { { 10, 80 } } },
	{ 30, 60, 1, { { 20, 70 } } },
	{ 1, 100, 1, { { 1, 100 } } },
	{ 50, 50, 3, { { 20, 30 }, { 40, 50 }, { 60, 70 } } },
};

#endif
