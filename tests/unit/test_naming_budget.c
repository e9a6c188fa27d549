/* SPDX-License-Identifier: Apache-2.0 */
#include "app/naming_budget.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/clock.h"
#include "leak_check.h"

TestSuite(naming_budget, .fini = leak_check);

static struct naming_budget made(void)
{
	struct naming_budget b;

	naming_budget_start(&b, NSEC_PER_SEC);
	return b;
}

static int detail(const struct naming_budget *b, bool behind)
{
	return naming_budget_detail(b, behind);
}

Test(naming_budget, a_new_host_may_cost_half_a_minute)
{
	struct naming_budget b = made();

	naming_budget_spend(&b, 30 * NSEC_PER_SEC - 1);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_FULL));
	naming_budget_spend(&b, 1);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_SYMBOLS_ONLY));
	/* One per cent of 2 s. */
	naming_budget_refill(&b, 3 * NSEC_PER_SEC, 1);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_FULL));
	naming_budget_spend(&b, 19 * NSEC_PER_MSEC);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_FULL));
	naming_budget_spend(&b, 2 * NSEC_PER_MSEC);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_SYMBOLS_ONLY));
}

Test(naming_budget, no_more_than_the_credit_is_saved_up)
{
	struct naming_budget b = made();

	naming_budget_refill(&b, 100000 * NSEC_PER_SEC, 50);
	naming_budget_spend(&b, 30 * NSEC_PER_SEC);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_SYMBOLS_ONLY));
}

Test(naming_budget, debts_cost_all_but_what_is_known)
{
	struct naming_budget b = made();

	naming_budget_spend(&b, 35 * NSEC_PER_SEC - 1);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_SYMBOLS_ONLY));
	naming_budget_spend(&b, 1);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_KNOWN_ONLY));
	/* Half of a CPU for 10 s and 20 ms. */
	naming_budget_refill(&b, 11 * NSEC_PER_SEC + 20 * NSEC_PER_MSEC, 50);
	cr_assert(eq(int, detail(&b, false), SYMBOLIZER_FULL));
}

Test(naming_budget, profiles_that_pile_up_are_named_faster)
{
	struct naming_budget b = made();

	cr_assert(eq(int, detail(&b, true), SYMBOLIZER_SYMBOLS_ONLY));
	naming_budget_spend(&b, 30 * NSEC_PER_SEC);
	cr_assert(eq(int, detail(&b, true), SYMBOLIZER_KNOWN_ONLY));
}
