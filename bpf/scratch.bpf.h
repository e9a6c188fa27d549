/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a record is put together before it goes into a ring: too large for the 512-byte stack. */
#ifndef BPF_SCRATCH_BPF_H
#define BPF_SCRATCH_BPF_H

#include <bpf/bpf_helpers.h>

#include "regs.bpf.h"
#include "shared/ctx_room.h"
#include "shared/record.h"
#include "unwind_rows.bpf.h"

#define SCRATCH_FRAMES	    2048 /* a power of two, so that the verifier is content with a mask */
#define SCRATCH_FRAMES_MASK (SCRATCH_FRAMES - 1)

_Static_assert(KERNEL_FRAMES_MAX + USER_FRAMES_MAX + CTX_LABELS_ROOM / 8 < SCRATCH_FRAMES,
	       "a record fits");
_Static_assert(sizeof(struct sample_rest) % 8 == 0, "what follows is aligned");

struct scratch {
	struct arch_regs entry_regs;
	struct ctx_room ctx;
	struct unwind_walk walk;
	__u64 woken_ns; /* when user space was woken up for want of rows */
	__u32 sent;	/* bytes since it was woken up for the last time */
	__u32 ticks;	/* since the last one at which everything was sampled */
	struct unwind_room room;
	/* What goes into the ring: */
	struct sample_record rec;
	__u64 frames[SCRATCH_FRAMES]; /* the rest follows the last one */
	__u8 rest[sizeof(struct sample_rest) + REST_STACK_MAX + REST_CHUNK];
};

/*
 * One per CPU, of plain memory: that of per-CPU maps is scarce. A tick runs to its end on its CPU:
 * perf does not nest programs of one CPU.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* collect/ makes it as many as there are CPUs */
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps") __weak;

static __always_inline struct scratch *scratch_get(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&scratches, &cpu);
}

__noinline int user_vma(__u64 addr)
{
	struct scratch *s = scratch_get();

	return s ? vma_find((struct mm_struct *)s->room.mm, addr, &s->room.node, &s->room.vma)
		 : VMA_NONE;
}

/*
 * A function makes room for its frame before the stack grows, and much at once if it has a large
 * array: looked for as far up as a copy of the stack goes.
 */
__noinline int user_stack_vma(__u64 sp)
{
	__u64 addr = sp;
	int found = VMA_NONE;

	NO_UNROLL
	for (__u32 i = 0; i < REST_STACK_MAX / UNWIND_PAGE_SIZE; i++) {
		found = user_vma(addr);
		if (found)
			break;
		addr = (addr | (UNWIND_PAGE_SIZE - 1)) + 1;
	}
	return found;
}

#endif
