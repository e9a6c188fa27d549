/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The user stack of the interrupted thread. How the walk ended is part of the result, as one that
 * breaks off is not a whole stack. Where a table is not loaded, what user space needs to go on
 * goes with the sample: registers, and a copy of the stack.
 */
#ifndef BPF_USER_STACK_BPF_H
#define BPF_USER_STACK_BPF_H

#include "regs.bpf.h"
#include "rings.bpf.h"
#include "scratch.bpf.h"
#include "stats.bpf.h"

/* The counters of how stacks end are in the order of enum user_end. */
_Static_assert(STAT_USTACK_DEPTH - STAT_USTACK_NONE == USER_END_DEPTH, "one for each end");

static __always_inline void user_stack_count(__u32 end)
{
	UNWIND_KEEP(end);
	if (end < USER_END_COUNT) /* for the verifier */
		stat_inc(STAT_USTACK_NONE + end);
}

/*
 * One frame; 1: it was the last. A global function, as the verifier looks at those once and not
 * at each turn of the loop around it, on every kernel. So it finds everything by itself.
 */
__noinline int user_stack_frame(void)
{
	struct scratch *s = scratch_get();
	struct unwind_memory mem = {};
	__u64 frame;
	__u32 at;

	if (!s)
		return 1;
	mem.room = &s->room;
	mem.space = space_of(s->room.mm);
	if (!mem.space)
		return 1;
	at = s->rec.n_kernel + s->walk.n;
	if (unwind_frame(&mem, &s->walk, &frame)) {
		s->frames[at & SCRATCH_FRAMES_MASK] = frame;
		if (frame & FRAME_BY_FALLBACK)
			stat_inc(STAT_FRAME_BY_FALLBACK);
	}
	return s->walk.end != USER_END_NONE;
}

/* Appends the stack that starts at s->walk.regs: fills frames, n_user and user_end. */
static __always_inline void user_stack_walk(struct scratch *s, struct mm_struct *mm)
{
	s->room.mm = (__u64)mm;
	s->room.stack_start = 0;
	s->room.stack_end = 0;
	s->room.at = 0;
	s->room.is_changing = 0;
	s->room.now = s->rec.time_ns >> 30;
	__builtin_memset(&s->room.key, 0, sizeof(s->room.key));
	__builtin_memset(&s->room.backing, 0, sizeof(s->room.backing));
	unwind_start(&s->walk, 0);
	for (int i = 0; i < USER_FRAMES_MAX; i++)
		if (user_stack_frame())
			break;
	s->rec.n_user = s->walk.n;
	s->rec.user_end = s->walk.end == USER_END_NONE ? USER_END_DEPTH : s->walk.end;
}

static __always_inline void user_stack_pc_only(struct scratch *s, enum user_end end)
{
	s->frames[s->rec.n_kernel & SCRATCH_FRAMES_MASK] = s->walk.regs.pc | FRAME_EXACT;
	s->rec.n_user = 1;
	s->rec.user_end = end;
}

/* --- what user space needs to go on --------------------------------------------------------- */

#define RED_ZONE 128 /* bytes below the stack pointer that x86_64 code may use */

/* From @start on, which is a little below the stack pointer; REST_STACK_MAX at most. */
static __always_inline __u32 rest_stack_len(struct scratch *s, __u64 start)
{
	__u64 len;

	if (!user_stack_vma(s->walk.regs.reg[UNWIND_SP]))
		return 0;
	len = s->room.vma.end - start;
	return len < REST_STACK_MAX ? len : REST_STACK_MAX;
}

/*
 * Page by page, into rest->stack_len bytes. What was never touched, as most of a large array on the
 * stack, is not in memory; the frames above it are. If the innermost function has such an array,
 * the page of the stack pointer is absent, too.
 */
static __always_inline void rest_copy_stack(struct sample_rest *rest, __u64 start, __u32 len)
{
	__u32 first = REST_CHUNK - (start & (REST_CHUNK - 1));
	__u8 *dst = (__u8 *)(rest + 1);

	if (bpf_probe_read_user(dst, first, (void *)start))
		rest->absent = 1;
	else
		rest->stack_len = first < len ? first : len;
	NO_UNROLL
	for (__u32 i = 0; i < REST_STACK_MAX / REST_CHUNK; i++) {
		__u32 at = first + i * REST_CHUNK;

		if (at >= len)
			break;
		/* In memory, not in a variable: the verifier tells apart what it knows of those. */
		if (bpf_probe_read_user(dst + i * REST_CHUNK + first, REST_CHUNK,
					(void *)(start + at)))
			rest->absent |= 2u << i;
		else
			rest->stack_len = at + REST_CHUNK < len ? at + REST_CHUNK : len;
	}
}

RARELY __u32 rest_copy(struct scratch *s, struct sample_rest *rest)
{
	__u32 len = rest_stack_len(s, rest->stack_addr);

	if (len)
		rest_copy_stack(rest, rest->stack_addr, len);
	return rest->stack_len;
}

/* Bytes of it behind the frames and @n_labels words of labels. */
RARELY __u32 rest_add(struct scratch *s, __u32 n_labels)
{
	__u32 n = (s->rec.n_kernel + s->rec.n_user + n_labels) & SCRATCH_FRAMES_MASK;
	struct sample_rest *rest = (struct sample_rest *)&s->frames[n];
	struct unwind_file_key key = s->room.key;

	rest->key = key;
	rest->backing = s->room.backing;
	rest->stack_addr = (s->walk.regs.reg[UNWIND_SP] - RED_ZONE) & ~7ULL;
	rest->stack_len = 0;
	rest->absent = 0;
	rest->regs = s->walk.regs;
	if (!ring_has_room(s->rec.cpu)) {
		stat_inc(STAT_REST_LEFT_OUT); /* samples come first */
		return sizeof(*rest);
	}
	return sizeof(*rest) + rest_copy(s, rest);
}

#endif
