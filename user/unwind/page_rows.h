/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the rows of one page: merges equal neighbours, shares extended rules, keeps the limits. */
#ifndef UNWIND_PAGE_ROWS_H
#define UNWIND_PAGE_ROWS_H

#include <stdbool.h>

#include "unwind/unwind_table.h"

struct page_rows {
	struct unwind_page page;
	bool dense; /* something did not fit */
	bool full;  /* the last row stands for all that follows */
};

void page_rows_begin(struct page_rows *b);

/*
 * @rule holds from @pc on; calls come with ascending @pc, the first with 0. @ext is what
 * UNWIND_RULE_EXT(0) refers to, otherwise not looked at. The same @pc again replaces.
 */
void page_rows_add(struct page_rows *b, unsigned pc, uint32_t rule, const struct unwind_ext *ext);

/* @rule, not an extended one, holds in [@from, @to) whatever was there. */
void page_rows_overlay(struct page_rows *b, unsigned from, unsigned to, uint32_t rule);

#endif
