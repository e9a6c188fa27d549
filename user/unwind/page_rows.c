/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/page_rows.h"

#include <string.h>

#define UNSUPPORTED UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)
#define BASE_MASK   3

void page_rows_begin(struct page_rows *b)
{
	b->page.n_rows = b->page.n_ext = 0;
	b->dense = b->full = false;
}

/* The rule that refers to @ext among the page's, or UNWIND_UNSUPPORTED if there are too many. */
static uint32_t share_ext(struct page_rows *b, const struct unwind_ext *ext)
{
	struct unwind_page *page = &b->page;

	for (unsigned i = 0; i < page->n_ext; i++)
		if (memcmp(&page->ext[i], ext, sizeof(*ext)) == 0)
			return UNWIND_RULE_EXT(i);
	if (page->n_ext == UNWIND_PAGE_EXT_MAX) {
		b->dense = true;
		return UNSUPPORTED;
	}
	page->ext[page->n_ext] = *ext;
	return UNWIND_RULE_EXT(page->n_ext++);
}

static void push_row(struct page_rows *b, unsigned pc, uint32_t rule)
{
	struct unwind_page *page = &b->page;

	if (b->full || (page->n_rows && page->rule[page->n_rows - 1] == rule))
		return;
	/* The last row is kept for what does not fit. */
	if (page->n_rows == UNWIND_PAGE_ROWS_MAX - 1) {
		b->dense = b->full = true;
		if (page->rule[page->n_rows - 1] == UNSUPPORTED)
			return;
		rule = UNSUPPORTED;
	}
	page->pc[page->n_rows] = pc;
	page->rule[page->n_rows++] = rule;
}

void page_rows_add(struct page_rows *b, unsigned pc, uint32_t rule, const struct unwind_ext *ext)
{
	struct unwind_page *page = &b->page;

	if ((rule & BASE_MASK) == UNWIND_BASE_EXT)
		rule = share_ext(b, ext);
	if (!b->full && page->n_rows && page->pc[page->n_rows - 1] == pc)
		page->n_rows--;
	push_row(b, pc, rule);
}

/* The row that holds at @pc. */
static unsigned row_at(const struct unwind_page *page, unsigned pc)
{
	unsigned i = page->n_rows;

	while (i > 1 && page->pc[i - 1] > pc)
		i--;
	return i - 1;
}

/*
 * Rare, so by building the page again: the rows before, the new one, the rule that held at the end
 * of it, the rows after.
 */
void page_rows_overlay(struct page_rows *b, unsigned from, unsigned to, uint32_t rule)
{
	const struct unwind_page old = b->page;
	unsigned last = row_at(&old, to < UNWIND_PAGE_SIZE ? to : UNWIND_PAGE_SIZE - 1);

	b->page.n_rows = 0;
	b->full = false;
	for (unsigned i = 0; i < old.n_rows && old.pc[i] < from; i++)
		push_row(b, old.pc[i], old.rule[i]);
	push_row(b, from, rule);
	if (to < UNWIND_PAGE_SIZE)
		push_row(b, to, old.rule[last]);
	for (unsigned i = last + 1; i < old.n_rows; i++)
		push_row(b, old.pc[i], old.rule[i]);
}
