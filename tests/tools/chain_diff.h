/* SPDX-License-Identifier: Apache-2.0 */
/* Two opinions on one stack: where they part, and how. */
#ifndef CHAIN_DIFF_H
#define CHAIN_DIFF_H

#include "stop.h"

enum diff_kind {
	DIFF_SAME,	/* to the last frame, and on what that one is */
	DIFF_SAME_CUT,	/* both break off at the same frame */
	DIFF_PC,	/* another caller */
	DIFF_EXACT,	/* a return address or not */
	DIFF_SHORT,	/* ours breaks off where theirs goes on */
	DIFF_FALSE_END, /* ours says outermost where theirs goes on */
	DIFF_LONG,	/* ours goes on where theirs breaks off */
	DIFF_PAST_END,	/* ours goes on where theirs says outermost */
	DIFF_NO_END,	/* ours breaks off where theirs says outermost */
	DIFF_END,	/* ours says outermost where theirs breaks off */
	DIFF_COUNT,
};

struct diff {
	enum diff_kind kind;
	uint32_t at; /* first frame, or end, that is not the same */
};

struct diff chain_diff(const struct chain *ours, const struct chain *theirs);
const char *diff_kind_name(enum diff_kind kind);

enum verdict { VERDICT_NOBODY, VERDICT_OURS, VERDICT_THEIRS, VERDICT_COUNT };

/* With whom is @third at the place where the two part? */
enum verdict chain_judge(struct diff d, const struct chain *ours, const struct chain *theirs,
			 const struct chain *third);
const char *verdict_name(enum verdict v);

#endif
