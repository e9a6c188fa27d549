/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters: one set per CPU, side by side in plain memory; user space sums them. */
#ifndef BPF_STATS_BPF_H
#define BPF_STATS_BPF_H

#include <bpf/bpf_helpers.h>

#include "shared/stat.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* collect/ makes it as many as there are CPUs */
	__type(key, __u32);
	__type(value, struct cpu_stats);
} stats SEC(".maps") __weak;

static __always_inline void stat_inc(__u32 id)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct cpu_stats *s = bpf_map_lookup_elem(&stats, &cpu);

	/* Not atomic: the set is this CPU's, and a tick within follow_* may cost one count at
	 * worst. */
	if (s)
		s->n[id] += 1;
}

/*
 * At the end of a run that began at @begin_ns. The kernel's own count, BPF_STATS_RUN_TIME, wants
 * CAP_SYS_ADMIN, and taxes every BPF program of the host.
 */
static __always_inline void stat_add_run(__u64 begin_ns)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct cpu_stats *s = bpf_map_lookup_elem(&stats, &cpu);
	__u64 end_ns = bpf_ktime_get_ns();

	if (!s)
		return;
	s->runs += 1;
	if (end_ns > begin_ns) /* a tick within an update of the clock may see it step back */
		s->run_ns += end_ns - begin_ns;
}

#endif
