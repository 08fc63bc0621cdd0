#include "net/sackboard.h"

#include <string.h>

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

	/* As distances from @una: comparing numbers in pairs is right only for those that are less than
	 * half of the circle apart, and a lie need not be.
	 */
	if (all.left - una >= all.right - una || all.right - una > max - una)
		return;
	while (from < board->count && seq_before(board->range[from].right, all.left))
		from++;
	/* [from, to) touch it, and become one with it. */
	for (to = from; to < board->count && !seq_before(all.right, board->range[to].left); to++) {
		if (seq_before(board->range[to].left, all.left))
			all.left = board->range[to].left;
		if (seq_before(all.right, board->range[to].right))
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

	while (done < board->count && !seq_before(una, board->range[done].right))
		done++;
	remove_ranges(board, 0, done);
	if (board->count > 0 && seq_before(board->range[0].left, una))
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
		if (seq_before(from, board->range[i].left)) {
			*ret = (struct tcpseg_sack){ from, board->range[i].left };
			return true;
		}
		if (seq_before(from, board->range[i].right))
			from = board->range[i].right;
	}
	return false;
}
