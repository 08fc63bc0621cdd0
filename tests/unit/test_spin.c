/* base/spin: it begins where it pays, and ends where it does not. */
#include <glib.h>

#include "base/spin.h"

#define US 1000

static void learn(struct spin *spin, int64_t waited_ns, unsigned times)
{
	while (times-- > 0)
		spin_learn(spin, waited_ns);
}

static void test_begins_after_some_short_waits(void)
{
	struct spin spin = { 0 };

	g_assert_cmpint(spin_ns(&spin), ==, 0);
	learn(&spin, 30 * US, 2);
	g_assert_cmpint(spin_ns(&spin), ==, 0);
	learn(&spin, 30 * US, 10);
	g_assert_cmpint(spin_ns(&spin), >, 0);
	g_assert_cmpint(spin_ns(&spin), <=, 100 * US);
}

/* However long it has paid, a few waits of the other kind end it. */
static void test_ends(void)
{
	static const int64_t waits_ns[] = { 1 * US, 1000 * US, 1000000000 };

	for (size_t i = 0; i < G_N_ELEMENTS(waits_ns); i++) {
		struct spin spin = { 0 };

		learn(&spin, 30 * US, 1000000);
		g_assert_cmpint(spin_ns(&spin), >, 0);
		learn(&spin, waits_ns[i], 16);
		g_assert_cmpint(spin_ns(&spin), ==, 0);
	}
}

/* A short wait in front of each long one does not pay for what is lost in the long one. */
static void test_not_for_every_other(void)
{
	struct spin spin = { 0 };

	for (unsigned i = 0; i < 1000; i++) {
		learn(&spin, 30 * US, 1);
		learn(&spin, 300 * US, 1);
		g_assert_cmpint(spin_ns(&spin), ==, 0);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/spin/begins", test_begins_after_some_short_waits);
	g_test_add_func("/spin/ends", test_ends);
	g_test_add_func("/spin/not-for-every-other", test_not_for_every_other);
	return g_test_run();
}
