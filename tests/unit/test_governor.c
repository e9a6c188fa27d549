/* SPDX-License-Identifier: Apache-2.0 */
#include "app/governor.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "leak_check.h"

TestSuite(governor, .fini = leak_check);

/* What sampling takes at @hz, if it takes @per_hz of a CPU for each Hz and @fixed in any case. */
static double cost(unsigned hz, double per_hz, double fixed)
{
	return fixed + hz * per_hz;
}

static unsigned settle(unsigned wanted, double budget, double per_hz, double fixed)
{
	unsigned hz = wanted;

	for (int i = 0; i < 100; i++)
		hz = governor_afford(wanted, hz, cost(hz, per_hz, fixed), budget);
	return hz;
}

Test(governor, cheap_sampling_stays_as_it_is)
{
	cr_expect(eq(u32, governor_afford(19, 19, 0.001, 0.01), 19));
	cr_expect(eq(u32, governor_afford(19, 19, 0.01, 0.01), 19));
	cr_expect(eq(u32, settle(99, 0.01, 0.00009, 0), 99));
}

Test(governor, dear_sampling_settles_within_the_budget)
{
	unsigned hz = settle(500, 0.01, 0.0001, 0.001);

	cr_expect(le(dbl, cost(hz, 0.0001, 0.001), 0.01));
	cr_expect(ge(u32, hz, 60), "%u", hz);
}

Test(governor, goes_up_in_steps_when_it_is_cheap_again)
{
	unsigned hz = 100, before;

	for (int i = 0; i < 20 && hz < 1000; i++) {
		before = hz;
		hz = governor_afford(1000, hz, 0.0001, 0.01);
		cr_expect(gt(u32, hz, before));
		cr_expect(le(u32, hz, before + before / 4 + 1));
	}
	cr_expect(eq(u32, hz, 1000));
	cr_expect(eq(u32, governor_afford(19, 1, 0, 0.01), 2));
}

/* Events of a storm cost as much at any frequency. */
Test(governor, never_below_a_tenth)
{
	cr_expect(eq(u32, settle(1000, 0.01, 0, 0.5), 100));
	cr_expect(eq(u32, settle(19, 0.01, 0, 0.5), 2));
	cr_expect(eq(u32, settle(1, 0.01, 0, 0.5), 1));
}

Test(governor, takes_over_a_lower_frequency_at_once)
{
	cr_expect(eq(u32, governor_afford(19, 99, 0.001, 0.01), 19));
}

/* What it took before is not counted again. */
Test(governor, the_kernel_side_counts)
{
	struct agent_config c = { .frequency = 1000, .budgets = { .cpu_percent = 100 } };
	struct governor g = { 0 };

	governor_start(&g, 1000);
	usleep(10000);
	cr_expect(eq(u32, governor_decide(&g, &c, 0).frequency, 1000));
	usleep(10000);
	cr_expect(eq(u32, governor_decide(&g, &c, 10 * NSEC_PER_SEC).frequency, 100));
	usleep(10000);
	cr_expect(gt(u32, governor_decide(&g, &c, 10 * NSEC_PER_SEC).frequency, 100));
}

/* The others are sampled as often as before, as near as whole ticks come to it. */
Test(governor, raise_of_one_process)
{
	struct agent_config c = { .frequency = 19, .budgets = { .cpu_percent = 100 } };
	struct sample_focus focus = { .tgid = getpid() };
	struct governor g = { 0 };
	struct session_rate rate;

	governor_start(&g, 19);
	governor_raise(&g, 999, &focus, monotonic_ns());
	rate = governor_decide(&g, &c, 0);
	cr_expect(eq(u32, rate.frequency, 999));
	cr_expect(eq(u32, rate.focus.tgid, getpid()));
	cr_expect(eq(u32, rate.focus.every, 53));
	governor_raise(&g, 5, &focus, monotonic_ns());
	cr_expect(eq(u32, governor_decide(&g, &c, 0).focus.every, 1));
	governor_raise(&g, 999, NULL, monotonic_ns());
	cr_expect(zero(u32, governor_decide(&g, &c, 0).focus.every));
	governor_raise(&g, 999, &focus, monotonic_ns());
	cr_expect(governor_raise_is_over(&g, monotonic_ns()));
	cr_expect(zero(u32, governor_decide(&g, &c, 0).focus.every));
}

Test(governor, raise_ends)
{
	struct agent_config c = { .frequency = 19, .budgets = { .cpu_percent = 100 } };
	struct governor g = { 0 };
	uint64_t now = monotonic_ns();

	governor_start(&g, 19);
	governor_raise(&g, 999, NULL, now + NSEC_PER_SEC);
	cr_expect(eq(u32, governor_decide(&g, &c, 0).frequency, 999));
	cr_expect(not(governor_raise_is_over(&g, now)));
	cr_expect(governor_raise_is_over(&g, now + NSEC_PER_SEC));
	cr_expect(not(governor_raise_is_over(&g, now + 2 * NSEC_PER_SEC)));
	cr_expect(eq(u32, governor_decide(&g, &c, 0).frequency, 19));
	cr_expect(eq(u32, governor_frequency(&g), 19));
}

Test(governor, raise_ends_with_its_process)
{
	struct sample_focus focus = { .tgid = getpid() };
	uint64_t now = monotonic_ns(), until = now + 3600 * NSEC_PER_SEC;
	struct governor g = { 0 };
	pid_t child;

	governor_start(&g, 19);
	governor_raise(&g, 999, &focus, until);
	cr_expect(not(governor_raise_is_over(&g, now)));

	child = fork();
	if (child == 0)
		_exit(0);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	focus.tgid = child;
	governor_raise(&g, 999, &focus, until);
	cr_expect(governor_raise_is_over(&g, now));
	cr_expect(not(governor_raise_is_over(&g, now)));

	governor_raise(&g, 999, NULL, until);
	cr_expect(not(governor_raise_is_over(&g, now)));
}
