#include "net/tally.h"

#include <glib.h>

struct tally *tally_new(uint64_t forward_id)
{
	struct tally *tally = g_new0(struct tally, 1);

	tally->refs = 1;
	tally->forward_id = forward_id;
	return tally;
}

struct tally *tally_ref(struct tally *tally)
{
	if (tally)
		tally->refs++;
	return tally;
}

void tally_unref(struct tally *tally)
{
	if (tally && --tally->refs == 0)
		g_free(tally);
}

struct tally *tally_begin(struct tally *tally)
{
	if (!tally)
		return NULL;
	tally->accepted++;
	tally->active++;
	return tally_ref(tally);
}

void tally_end(struct tally *tally)
{
	if (!tally)
		return;
	tally->active--;
	tally_unref(tally);
}
