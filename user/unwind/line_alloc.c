/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/line_alloc.h"

#include <string.h>

static int is_taken(const struct line_bitmap *b, uint32_t i)
{
	return b->taken[i / 64] >> (i % 64) & 1;
}

static void mark(struct line_bitmap *b, uint32_t from, uint32_t n, int taken)
{
	for (uint32_t i = from; i < from + n; i++)
		if (taken)
			b->taken[i / 64] |= 1ULL << (i % 64);
		else
			b->taken[i / 64] &= ~(1ULL << (i % 64));
}

int line_alloc_grow(struct line_alloc *a)
{
	int first = a->arenas.n == 0;
	struct line_bitmap *b;
	int r = vec_reserve(&a->arenas, 1);

	if (r < 0)
		return r;
	b = &a->arenas.data[a->arenas.n++];
	memset(b, 0, sizeof(*b));
	b->n_free = UNWIND_ARENA_LINES - first;
	mark(b, 0, first, 1);
	return 0;
}

/* The first free line from @i on. */
static uint32_t skip_taken(const struct line_bitmap *b, uint32_t i)
{
	while (i < UNWIND_ARENA_LINES && is_taken(b, i))
		i = b->taken[i / 64] == UINT64_MAX ? (i / 64 + 1) * 64 : i + 1;
	return i;
}

/* Start of the first run of @n free lines, or UNWIND_ARENA_LINES. */
static uint32_t find_run(const struct line_bitmap *b, uint32_t n)
{
	uint32_t start = skip_taken(b, 0), i = start;

	while (start + n <= UNWIND_ARENA_LINES) {
		while (i < start + n && !is_taken(b, i))
			i++;
		if (i == start + n)
			return start;
		start = i = skip_taken(b, i);
	}
	return UNWIND_ARENA_LINES;
}

int line_alloc_take(struct line_alloc *a, uint32_t n, uint32_t *ret)
{
	for (size_t k = 0; k < a->arenas.n; k++) {
		struct line_bitmap *b = &a->arenas.data[k];
		uint32_t start;

		if (n > b->n_free || (b->fits && n >= b->fits))
			continue;
		start = find_run(b, n);
		if (start == UNWIND_ARENA_LINES) {
			b->fits = n;
			continue;
		}
		mark(b, start, n, 1);
		b->n_free -= n;
		a->n_taken += n;
		*ret = k * UNWIND_ARENA_LINES + start;
		return 0;
	}
	return -ENOSPC;
}

void line_alloc_give(struct line_alloc *a, uint32_t line, uint32_t n)
{
	struct line_bitmap *b = &a->arenas.data[line / UNWIND_ARENA_LINES];

	mark(b, line % UNWIND_ARENA_LINES, n, 0);
	b->n_free += n;
	b->fits = 0;
	a->n_taken -= n;
}

void line_alloc_clear(struct line_alloc *a)
{
	vec_free(&a->arenas);
	a->n_taken = 0;
}
