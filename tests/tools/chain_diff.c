/* SPDX-License-Identifier: Apache-2.0 */
#include "chain_diff.h"

/* The frames, and then how it ended: no addresses of frames. */
#define ELEM_OUTERMOST 0ULL
#define ELEM_FAILED    1ULL
#define ELEM_FULL      2ULL

static uint64_t elem(const struct chain *c, uint32_t i)
{
	if (i < c->n)
		return c->frames[i] & ~FRAME_BY_FALLBACK;
	return c->end == CHAIN_OUTERMOST ? ELEM_OUTERMOST
	       : c->end == CHAIN_FAILED	 ? ELEM_FAILED
					 : ELEM_FULL;
}

static bool is_frame(uint64_t e)
{
	return e > ELEM_FULL;
}

static enum diff_kind kind_of(uint64_t ours, uint64_t theirs)
{
	if (is_frame(ours) && is_frame(theirs))
		return (ours & FRAME_ADDR_MASK) == (theirs & FRAME_ADDR_MASK) ? DIFF_EXACT
									      : DIFF_PC;
	if (is_frame(theirs))
		return ours == ELEM_FAILED ? DIFF_SHORT : DIFF_FALSE_END;
	if (is_frame(ours))
		return theirs == ELEM_FAILED ? DIFF_LONG : DIFF_PAST_END;
	return ours == ELEM_FAILED ? DIFF_NO_END : DIFF_END;
}

struct diff chain_diff(const struct chain *ours, const struct chain *theirs)
{
	for (uint32_t i = 0;; i++) {
		uint64_t a = elem(ours, i), b = elem(theirs, i);

		/* Ours has a limit that theirs has not. */
		if (a == ELEM_FULL)
			return (struct diff){ DIFF_SAME, i };
		if (a != b)
			return (struct diff){ kind_of(a, b), i };
		if (!is_frame(a))
			return (struct diff){ a == ELEM_FAILED ? DIFF_SAME_CUT : DIFF_SAME, i };
	}
}

enum verdict chain_judge(struct diff d, const struct chain *ours, const struct chain *theirs,
			 const struct chain *third)
{
	uint64_t e;

	for (uint32_t i = 0; i < d.at; i++)
		if (i >= third->n ||
		    (elem(third, i) & FRAME_ADDR_MASK) != (elem(ours, i) & FRAME_ADDR_MASK))
			return VERDICT_NOBODY;
	e = elem(third, d.at);
	if (e == elem(ours, d.at))
		return VERDICT_OURS;
	return e == elem(theirs, d.at) ? VERDICT_THEIRS : VERDICT_NOBODY;
}

const char *diff_kind_name(enum diff_kind kind)
{
	static const char *const names[DIFF_COUNT] = {
		[DIFF_SAME] = "same",	  [DIFF_SAME_CUT] = "same-cut",
		[DIFF_PC] = "pc",	  [DIFF_EXACT] = "exact",
		[DIFF_SHORT] = "short",	  [DIFF_FALSE_END] = "false-end",
		[DIFF_LONG] = "long",	  [DIFF_PAST_END] = "past-end",
		[DIFF_NO_END] = "no-end", [DIFF_END] = "end",
	};

	return names[kind];
}

const char *verdict_name(enum verdict v)
{
	static const char *const names[VERDICT_COUNT] = { "nobody", "ours", "theirs" };

	return names[v];
}
