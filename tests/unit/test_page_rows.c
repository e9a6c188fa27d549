/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/page_rows.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "leak_check.h"

TestSuite(page_rows, .fini = leak_check);

#define NONE	    UNWIND_RULE_SPECIAL(UNWIND_NONE)
#define SIGNAL	    UNWIND_RULE_SPECIAL(UNWIND_SIGNAL)
#define UNSUPPORTED UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)
#define A	    (1 << 2 | UNWIND_BASE_SP)
#define B	    (2 << 2 | UNWIND_BASE_SP)

static struct page_rows b;

static void add(unsigned pc, uint32_t rule)
{
	page_rows_add(&b, pc, rule, NULL);
}

static void add_ext(unsigned pc, int cfa_off)
{
	struct unwind_ext ext = { .cfa_off = cfa_off };

	page_rows_add(&b, pc, UNWIND_RULE_EXT(0), &ext);
}

static void expect(unsigned i, unsigned pc, uint32_t rule)
{
	cr_assert_lt(i, b.page.n_rows);
	cr_assert(eq(u16, b.page.pc[i], pc));
	cr_assert(eq(u32, b.page.rule[i], rule));
}

Test(page_rows, equal_neighbours_are_one_row)
{
	page_rows_begin(&b);
	add(0, NONE);
	add(16, NONE);
	add(32, A);
	add(48, A);
	add(64, B);
	cr_assert(eq(u16, b.page.n_rows, 3));
	expect(0, 0, NONE);
	expect(1, 32, A);
	expect(2, 64, B);
}

Test(page_rows, the_same_place_again_replaces)
{
	page_rows_begin(&b);
	add(0, NONE);
	add(0, A);
	add(16, B);
	add(16, A);
	cr_assert(eq(u16, b.page.n_rows, 1));
	expect(0, 0, A);
}

Test(page_rows, extended_rules_are_shared)
{
	page_rows_begin(&b);
	add_ext(0, 1);
	add_ext(1, 2);
	add_ext(2, 1);
	add_ext(3, 1);
	cr_assert(eq(u16, b.page.n_rows, 3));
	cr_assert(eq(u16, b.page.n_ext, 2));
	expect(0, 0, UNWIND_RULE_EXT(0));
	expect(1, 1, UNWIND_RULE_EXT(1));
	expect(2, 2, UNWIND_RULE_EXT(0));
	cr_assert(eq(i32, b.page.ext[1].cfa_off, 2));

	page_rows_begin(&b);
	add(0, NONE);
	cr_assert(zero(u16, b.page.n_ext));
}

Test(page_rows, extended_rules_that_do_not_fit_are_unsupported)
{
	page_rows_begin(&b);
	for (int i = 0; i < UNWIND_PAGE_EXT_MAX; i++)
		add_ext(i, i);
	cr_assert_not(b.dense);
	add_ext(UNWIND_PAGE_EXT_MAX, 5);
	cr_assert_not(b.dense);
	add_ext(UNWIND_PAGE_EXT_MAX + 1, 1000);
	cr_assert(b.dense);
	expect(UNWIND_PAGE_EXT_MAX, UNWIND_PAGE_EXT_MAX, UNWIND_RULE_EXT(5));
	expect(UNWIND_PAGE_EXT_MAX + 1, UNWIND_PAGE_EXT_MAX + 1, UNSUPPORTED);
	add(UNWIND_PAGE_EXT_MAX + 2, A);
	expect(UNWIND_PAGE_EXT_MAX + 2, UNWIND_PAGE_EXT_MAX + 2, A);
}

static void fill(unsigned n)
{
	page_rows_begin(&b);
	for (unsigned i = 0; i < n; i++)
		add(i, i % 2 ? A : B);
}

Test(page_rows, rows_that_do_not_fit_are_unsupported)
{
	fill(UNWIND_PAGE_ROWS_MAX - 1);
	cr_assert_not(b.dense);
	fill(UNWIND_PAGE_SIZE);
	cr_assert(b.dense);
	cr_assert(eq(u16, b.page.n_rows, UNWIND_PAGE_ROWS_MAX));
	expect(UNWIND_PAGE_ROWS_MAX - 2, UNWIND_PAGE_ROWS_MAX - 2, A);
	expect(UNWIND_PAGE_ROWS_MAX - 1, UNWIND_PAGE_ROWS_MAX - 1, UNSUPPORTED);
}

Test(page_rows, overlays_cut_what_was_there)
{
	page_rows_begin(&b);
	add(0, NONE);
	add(100, A);
	add(200, B);
	page_rows_overlay(&b, 10, 19, SIGNAL); /* within a row */
	cr_assert(eq(u16, b.page.n_rows, 5));
	expect(0, 0, NONE);
	expect(1, 10, SIGNAL);
	expect(2, 19, NONE);
	expect(3, 100, A);
	expect(4, 200, B);

	page_rows_overlay(&b, 91, 100, SIGNAL); /* up to the next */
	expect(2, 19, NONE);
	expect(3, 91, SIGNAL);
	expect(4, 100, A);

	page_rows_overlay(&b, 195, 204, SIGNAL); /* over two */
	expect(4, 100, A);
	expect(5, 195, SIGNAL);
	expect(6, 204, B);
	cr_assert(eq(u16, b.page.n_rows, 7));

	page_rows_overlay(&b, 0, 5, SIGNAL);
	page_rows_overlay(&b, UNWIND_PAGE_SIZE - 4, UNWIND_PAGE_SIZE, SIGNAL);
	expect(0, 0, SIGNAL);
	expect(1, 5, NONE);
	expect(8, UNWIND_PAGE_SIZE - 4, SIGNAL);
	cr_assert(eq(u16, b.page.n_rows, 9));
	cr_assert_not(b.dense);

	page_rows_overlay(&b, 0, UNWIND_PAGE_SIZE, SIGNAL);
	cr_assert(eq(u16, b.page.n_rows, 1));
	expect(0, 0, SIGNAL);
}

Test(page_rows, overlays_in_a_full_page)
{
	fill(UNWIND_PAGE_SIZE);
	page_rows_overlay(&b, 4000, 4009, SIGNAL);
	cr_assert(b.dense);
	cr_assert_leq(b.page.n_rows, UNWIND_PAGE_ROWS_MAX);
	expect(b.page.n_rows - 1, UNWIND_PAGE_ROWS_MAX - 1, UNSUPPORTED);
	page_rows_overlay(&b, 0, 9, SIGNAL);
	expect(0, 0, SIGNAL);
	expect(1, 9, A);
	expect(b.page.n_rows - 1, UNWIND_PAGE_ROWS_MAX - 1, UNSUPPORTED);
}
