#include "net/sackboard.h"

#include <string.h>

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static void remove_ranges(struct sackboard *board, unsigned at, unsigned count)
{
	board->count -= count;
	memmove(&board->range[at], &board->range[at + count],
		(board->count - at) * sizeof(board->range[0]));
}

void sackboard_add(struct sackboard *board, uint32_t una, uint32_t max,
		   const struct tcpseg_sack *block)
{
	struct tcpseg_sack all = *block;
	unsigned from = 0, to;

	if (!before(all.left, all.right) || before(all.left, una) || before(max, all.right))
		return;
	while (from < board->count && before(board->range[from].right, all.left))
		from++;
	/* [from, to) touch it, and become one with it. */
	for (to = from; to < board->count && !before(all.right, board->range[to].left); to++) {
		if (before(board->range[to].left, all.left))
			all.left = board->range[to].left;
		if (before(all.right, board->range[to].right))
			all.right = board->range[to].right;
	}
	if (to > from) {
		board->range[from] = all;
		remove_ranges(board, from + 1, to - from - 1);
		return;
	}
	if (from == SACKBOARD_RANGES)
		return;
	if (board->count == SACKBOARD_RANGES)
		board->count--;
	memmove(&board->range[from + 1], &board->range[from],
		(board->count - from) * sizeof(board->range[0]));
	board->range[from] = all;
	board->count++;
}

void sackboard_advance(struct sackboard *board, uint32_t una)
{
	unsigned done = 0;

	while (done < board->count && !before(una, board->range[done].right))
		done++;
	remove_ranges(board, 0, done);
	if (board->count > 0 && before(board->range[0].left, una))
		board->range[0].left = una;
}

uint32_t sackboard_bytes(const struct sackboard *board)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < board->count; i++)
		sum += board->range[i].right - board->range[i].left;
	return sum;
}

bool sackboard_gap(const struct sackboard *board, uint32_t from, struct tcpseg_sack *ret)
{
	for (unsigned i = 0; i < board->count; i++) {
		if (before(from, board->range[i].left)) {
			*ret = (struct tcpseg_sack){ from, board->range[i].left };
			return true;
		}
		if (before(from, board->range[i].right))
			from = board->range[i].right;
	}
	return false;
}
