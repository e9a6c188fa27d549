/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Looks mappings of the process up that runs it, as the sampling program does: without a lock. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "vma.bpf.h"
#include "vma_lookup.h"

struct vma_lookup lookups[LOOKUPS];
__u32 n_lookups;
__u64 state, has_state;

__u32 at;

/* A global function: the verifier looks at it once, not in each turn of the loop. */
__noinline int look_up_one(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct vma_lookup *l = &lookups[at & (LOOKUPS - 1)];
	struct vma_node node;
	struct vma vma = {};

	__builtin_memset(&l->is_found, 0, sizeof(*l) - sizeof(l->addr));
	if (vma_find(mm, l->addr, &node, &vma) != VMA_FOUND)
		return 0;
	l->is_found = 1;
	l->start = vma.start;
	l->end = vma.end;
	l->offset = vma.offset;
	l->flags = vma.flags;
	if (vma.file)
		l->key = vma.key;
	return 0;
}

/* A raw tracepoint runs as a perf event does, in an RCU read-side critical section. */
SEC("raw_tp")
int look_up(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();

	has_state = vma_state(BPF_CORE_READ(task, mm), &state);
	for (__u32 i = 0; i < LOOKUPS && i < n_lookups; i++) {
		at = i;
		if (look_up_one())
			break;
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
