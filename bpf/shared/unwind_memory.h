/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a walk over a stack asks of its surroundings. Declared here, and defined by each of those
 * who walk: BPF over the current process, user space over a copy of a stack.
 */
#ifndef SHARED_UNWIND_MEMORY_H
#define SHARED_UNWIND_MEMORY_H

#include "shared/unwind_arena.h"

struct unwind_memory;

/* Reads @len bytes (8 to 512, a multiple of 8). 0, or negative if not all of it can be read. */
static long unwind_read(struct unwind_memory *mem, void *dst, __u32 len, __u64 addr);

/* The rule for the instruction at @addr; returns enum unwind_found, with *ret filled for the first.
 */
static int unwind_find(struct unwind_memory *mem, __u64 addr, struct unwind_found_rule *ret);

/* Is @addr in executable memory that no file is mapped to: made by a just-in-time compiler? */
static int unwind_is_jit(struct unwind_memory *mem, __u64 addr);

/* Do [@sp, @end) lie in one mapping? */
static int unwind_is_stack(struct unwind_memory *mem, __u64 sp, __u64 end);

#endif
