#include "base/spin.h"

#define SPIN_NS 50000 /* about what it takes to be woken in a virtual machine */

/* A wait that a spin would have ended, had it been on; being woken is in it. */
#define SHORT_NS (2 * SPIN_NS)
/* One that was none: there is more to do than time, and a spin would only take some of it. */
#define BUSY_NS 3000

#define WORTH_IT 4
#define WORTH_MAX 16
#define LOSS_BUSY 1 /* each takes back as many short waits */
#define LOSS_LONG 3

int64_t spin_ns(const struct spin *spin)
{
	return spin->worth >= WORTH_IT ? SPIN_NS : 0;
}

static void lose(struct spin *spin, unsigned loss)
{
	spin->worth -= spin->worth < loss ? spin->worth : loss;
}

void spin_learn(struct spin *spin, int64_t waited_ns)
{
	if (waited_ns < BUSY_NS)
		lose(spin, LOSS_BUSY);
	else if (waited_ns >= SHORT_NS)
		lose(spin, LOSS_LONG);
	else if (spin->worth < WORTH_MAX)
		spin->worth++;
}
