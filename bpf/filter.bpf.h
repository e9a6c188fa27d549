/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which processes are of interest: -p, --cgroup and -- CMD act here, before a tick costs much. */
#ifndef BPF_FILTER_BPF_H
#define BPF_FILTER_BPF_H

#include <bpf/bpf_helpers.h>

#define FILTER_TARGETS_MAX 65536

const volatile bool cfg_filter_tgid __weak;   /* only the processes in `targets` */
const volatile bool cfg_filter_cgroup __weak; /* only tasks below the cgroup in `target_cgroup` */

/*
 * Preallocated, as before Linux 6.1 a perf_event program may use no other hash map, and tracepoints
 * are told off for it in the kernel's log. collect/ makes it small where nothing is filtered.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FILTER_TARGETS_MAX);
	__type(key, __u32); /* tgid */
	__type(value, __u8);
} targets SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target_cgroup SEC(".maps") __weak;

static __always_inline bool filter_wants(__u32 tgid)
{
	if (cfg_filter_tgid && !bpf_map_lookup_elem(&targets, &tgid))
		return false;
	if (cfg_filter_cgroup && bpf_current_task_under_cgroup(&target_cgroup, 0) != 1)
		return false;
	return true;
}

#endif
