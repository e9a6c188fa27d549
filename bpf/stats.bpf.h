/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters: one per stat_id and CPU; user space sums them. Include after vmlinux.h. */
#ifndef BPF_STATS_BPF_H
#define BPF_STATS_BPF_H

#include <bpf/bpf_helpers.h>

#include "shared/stat.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STAT_KERNEL_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} stats SEC(".maps") __weak;

static __always_inline void stat_inc(enum stat_id id)
{
	__u32 key = id;
	__u64 *n = bpf_map_lookup_elem(&stats, &key);

	/* Not atomic: the slot is this CPU's, and a nested tick may cost one count at worst. */
	if (n)
		*n += 1;
}

#endif
