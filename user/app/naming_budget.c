/* SPDX-License-Identifier: Apache-2.0 */
#include "app/naming_budget.h"

#include "base/clock.h"

#define CREDIT_NS ((int64_t)(30 * NSEC_PER_SEC))
#define DEBT_NS	  ((int64_t)(5 * NSEC_PER_SEC))

void naming_budget_start(struct naming_budget *b, uint64_t now_ns)
{
	*b = (struct naming_budget){ CREDIT_NS, now_ns };
}

void naming_budget_refill(struct naming_budget *b, uint64_t now_ns, double cpu_percent)
{
	b->left_ns += (int64_t)((double)(now_ns - b->refilled_ns) * cpu_percent / 100);
	if (b->left_ns > CREDIT_NS)
		b->left_ns = CREDIT_NS;
	b->refilled_ns = now_ns;
}

void naming_budget_spend(struct naming_budget *b, uint64_t ns)
{
	b->left_ns -= (int64_t)ns;
}

enum symbolizer_detail naming_budget_detail(const struct naming_budget *b, bool behind)
{
	if (b->left_ns <= -DEBT_NS || (b->left_ns <= 0 && behind))
		return SYMBOLIZER_KNOWN_ONLY;
	return b->left_ns <= 0 || behind ? SYMBOLIZER_SYMBOLS_ONLY : SYMBOLIZER_FULL;
}
