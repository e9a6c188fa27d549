/* SPDX-License-Identifier: Apache-2.0 */
/* A range of code whose rules are handed out one after the other, without a gap and within it. */
#ifndef UNWIND_FDE_PASS_H
#define UNWIND_FDE_PASS_H

#include "unwind/fde_walk.h"

struct fde_pass {
	const struct fde_range *range;
	fde_span_fn fn;
	void *arg;
	uint64_t pos; /* up to here spans were handed out */
};

/* Hands out @span from where the pass is up to @to; nothing if that is behind. What fn says. */
static inline int fde_pass_give(struct fde_pass *p, struct fde_span *span, uint64_t to)
{
	int r;

	if (to > p->range->to)
		to = p->range->to;
	if (to <= p->pos)
		return 0;
	span->from = p->pos;
	span->to = to;
	r = p->fn(p->arg, span);
	p->pos = to;
	return r;
}

static inline int fde_pass_gap(struct fde_pass *p, uint64_t to)
{
	struct fde_span gap = { .covered = false, .rule = UNWIND_RULE_SPECIAL(UNWIND_NONE) };

	return fde_pass_give(p, &gap, to);
}

static inline int fde_pass_unsupported(struct fde_pass *p, uint64_t to)
{
	struct fde_span span = { .covered = true, .rule = UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED) };

	return fde_pass_give(p, &span, to);
}

/* Of the range's budget. */
static inline void fde_pass_spend(struct fde_pass *p, size_t cost)
{
	*p->range->budget -= cost < *p->range->budget ? cost : *p->range->budget;
}

#endif
