/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/line_alloc.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

#define ARENAS 3
#define LINES  (ARENAS * UNWIND_ARENA_LINES)

static struct line_alloc a;
static unsigned char taken[LINES]; /* as it has to be */

static void set_up(void)
{
	memset(taken, 0, sizeof(taken));
	taken[0] = 1;
}

static void tear_down(void)
{
	line_alloc_clear(&a);
	leak_check();
}

TestSuite(line_alloc, .init = set_up, .fini = tear_down);

static void grow(int n)
{
	while (n--)
		cr_assert(zero(int, line_alloc_grow(&a)));
}

/* Is there a run of @n free lines in one of the first @arenas? */
static int has_run(int arenas, uint32_t n)
{
	for (int k = 0; k < arenas; k++)
		for (uint32_t i = 0, run = 0; i < UNWIND_ARENA_LINES; i++) {
			run = taken[k * UNWIND_ARENA_LINES + i] ? 0 : run + 1;
			if (run >= n)
				return 1;
		}
	return 0;
}

/* Takes a run, and checks that it is one. */
static uint32_t take(int arenas, uint32_t n)
{
	uint32_t line = UINT32_MAX;
	int r = line_alloc_take(&a, n, &line);

	cr_assert(eq(int, r, has_run(arenas, n) ? 0 : -ENOSPC), "%u lines", n);
	if (r < 0) {
		cr_assert(eq(u32, line, UINT32_MAX));
		return 0;
	}
	cr_assert(lt(u32, line + n - 1, arenas * UNWIND_ARENA_LINES));
	cr_assert(eq(u32, line / UNWIND_ARENA_LINES, (line + n - 1) / UNWIND_ARENA_LINES));
	for (uint32_t i = line; i < line + n; i++) {
		cr_assert(zero(int, taken[i]), "line %u is taken twice", i);
		taken[i] = 1;
	}
	return line;
}

static void give(uint32_t line, uint32_t n)
{
	line_alloc_give(&a, line, n);
	memset(taken + line, 0, n);
}

Test(line_alloc, without_arenas_there_is_nothing)
{
	uint32_t line;

	cr_assert(eq(int, line_alloc_take(&a, 1, &line), -ENOSPC));
	cr_assert(zero(sz, a.n_taken));
}

/* Line 0 says "nothing there" wherever a line is named. */
Test(line_alloc, line_0_is_never_taken)
{
	grow(1);
	for (uint32_t i = 1; i < UNWIND_ARENA_LINES; i++)
		cr_assert(ne(u32, take(1, 1), 0));
	take(1, 1);
	cr_assert(eq(sz, a.n_taken, UNWIND_ARENA_LINES - 1));
}

Test(line_alloc, whole_arenas)
{
	grow(3);
	cr_assert(eq(u32, take(3, UNWIND_ARENA_LINES), UNWIND_ARENA_LINES));
	cr_assert(eq(u32, take(3, UNWIND_ARENA_LINES), 2 * UNWIND_ARENA_LINES));
	take(3, UNWIND_ARENA_LINES); /* the first is not whole */
	cr_assert(eq(u32, take(3, UNWIND_ARENA_LINES - 1), 1));
	take(3, 1);
	give(UNWIND_ARENA_LINES, UNWIND_ARENA_LINES);
	cr_assert(eq(u32, take(3, UNWIND_ARENA_LINES), UNWIND_ARENA_LINES));
}

Test(line_alloc, hole_of_each_size)
{
	for (uint32_t hole = 1; hole < 200; hole++) {
		grow(1);
		take(1, UNWIND_ARENA_LINES - 1);
		give(700, hole);
		take(1, hole + 1);
		cr_assert(eq(u32, take(1, hole), 700));
		take(1, 1);
		line_alloc_clear(&a);
		set_up();
	}
}

/* What did not fit may do so after something was given back. */
Test(line_alloc, neighbours_become_one)
{
	grow(1);
	take(1, UNWIND_ARENA_LINES - 1);
	give(100, 10);
	give(120, 10);
	take(1, 11);
	give(110, 10);
	cr_assert(eq(u32, take(1, 30), 100));
}

struct run {
	uint32_t line, n;
};

Test(line_alloc, random_order)
{
	static struct run runs[LINES];
	unsigned seed = 1;
	size_t n = 0, lines = 0;

	grow(ARENAS);
	for (int i = 0; i < 30000; i++) {
		/* Waves: mostly taking, then mostly giving back. */
		int take_more = rand_r(&seed) % 100 < (i / 3000 % 2 ? 30 : 70);
		struct run run = { 0, 1 + rand_r(&seed) % (i % 50 ? 90 : 900) };

		if (take_more || n == 0) {
			run.line = take(ARENAS, run.n);
			if (!run.line)
				continue;
			runs[n++] = run;
			lines += run.n;
		} else {
			size_t k = rand_r(&seed) % n;

			give(runs[k].line, runs[k].n);
			lines -= runs[k].n;
			runs[k] = runs[--n];
		}
		cr_assert(eq(sz, a.n_taken, lines));
	}
}
