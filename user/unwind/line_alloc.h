/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of the arenas are taken: runs of them, first fit, within one arena. */
#ifndef UNWIND_LINE_ALLOC_H
#define UNWIND_LINE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "shared/unwind_arena.h"

struct line_bitmap {
	uint64_t taken[UNWIND_ARENA_LINES / 64];
	uint32_t n_free;
	uint32_t fits; /* no run of as many as this is free; 0: not known */
};

/* A zeroed struct has no arenas. */
struct line_alloc {
	VEC(struct line_bitmap) arenas;
	size_t n_taken; /* lines */
};

/* One more arena, all of it free, but for line 0 of the first. -ENOMEM. */
int line_alloc_grow(struct line_alloc *a);

/* The first line of @n taken in a row. -ENOSPC: not without another arena, or freeing. */
int line_alloc_take(struct line_alloc *a, uint32_t n, uint32_t *ret);
void line_alloc_give(struct line_alloc *a, uint32_t line, uint32_t n);

void line_alloc_clear(struct line_alloc *a);

#endif
