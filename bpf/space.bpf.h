/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is remembered of an address space from one sample to the next, as long as it holds: its
 * executable mappings, and where its process publishes trace context, if it does. Looking either up
 * again would cost more than all the rest of a sample.
 */
#ifndef BPF_SPACE_BPF_H
#define BPF_SPACE_BPF_H

#include "shared/proc_info.h"
#include "shared/python_info.h"
#include "shared/unwind_arena.h"
#include "vma.bpf.h"

struct unwind_control unwind_control; /* of user space */

/* An executable mapping, with what is known of its file. */
struct mapped {
	__u64 start, end;
	__u64 to_file; /* add it to an address: offset in the file */
	__u32 state;   /* enum unwind_file_state; FREE: user space has not heard of the file */
	__u32 dir;
	__u32 first_page;
	__u32 n_pages;
};

#define SPACE_MAPPED 6 /* executable, libc, and four more libraries that a stack goes through */

struct space {
	__u64 mm;
	__u64 id;
	__u64 state;
	__u64 publisher;  /* space_publisher() of the process that the sources are of */
	__u32 generation; /* of unwind_control */
	__u32 next;	  /* the entry to be replaced next */
	__u64 unwanted;	  /* of the process, as long as publisher holds */
	struct ctx_source sources[CTX_SOURCES_MAX];
	struct python_spans python_spans;
	struct mapped mapped[SPACE_MAPPED];
};

#define SPACES 16 /* by hash of mm */

struct spaces {
	struct space space[SPACES];
};

/* Per CPU: no lock, and a CPU runs few programs at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct spaces);
} spaces SEC(".maps") __weak;

/* The entry for @mm, whatever is in it. */
static __always_inline struct space *space_of(__u64 mm)
{
	__u32 zero = 0;
	struct spaces *all = bpf_map_lookup_elem(&spaces, &zero);

	return all ? &all->space[(mm >> 6 ^ mm >> 12) & (SPACES - 1)] : NULL;
}

/* Takes up what was known of the address space, if it is still so. */
static __always_inline void space_enter(struct space *space, struct mm_struct *mm)
{
	__u64 id = vma_space_id(mm), state = 0;
	bool settled = vma_state(mm, &state);

	if (settled && space->mm == (__u64)mm && space->id == id && space->state == state &&
	    space->generation == unwind_control.generation)
		return;
	if (space->mm != (__u64)mm || space->id != id) {
		space->publisher = 0;
		NO_UNROLL
		for (int i = 0; i < PYTHON_SPANS; i++)
			space->python_spans.span[i].dict = 0;
	}
	space->mm = settled ? (__u64)mm : 0;
	space->id = id;
	space->state = state;
	space->generation = unwind_control.generation;
	space->next = 0;
	NO_UNROLL
	for (int i = 0; i < SPACE_MAPPED; i++)
		space->mapped[i].end = 0;
}

/* The process too: after vfork two share the address space. Another number after each change. */
static __always_inline __u64 space_publisher(__u32 tgid)
{
	return (__u64)(unwind_control.procs_generation + 1) << 32 | tgid;
}

#endif
