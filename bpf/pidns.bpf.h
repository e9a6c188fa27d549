/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Process ids as user space knows them. The kernel's helpers give those of the first PID namespace;
 * ours may be another one, as in a container that has its own.
 */
#ifndef BPF_PIDNS_BPF_H
#define BPF_PIDNS_BPF_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define PIDNS_LEVELS 33 /* MAX_PID_NS_LEVEL and the first */

const volatile __u32 cfg_pidns __weak; /* inode of our PID namespace; 0: it is the first one */

/* A task has an id in its own namespace and in each above; 0: ours is none of these. */
static __always_inline __u32 pidns_nr(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	__u64 at = (__u64)pid + bpf_core_field_offset(struct pid, numbers);

	for (__u32 i = 0; i < PIDNS_LEVELS && i <= level; i++) {
		struct upid *upid = (struct upid *)(at + i * bpf_core_type_size(struct upid));
		struct pid_namespace *ns = BPF_CORE_READ(upid, ns);

		if (BPF_CORE_READ(ns, ns.inum) == cfg_pidns)
			return BPF_CORE_READ(upid, nr);
	}
	return 0;
}

/* Out of line, as it is rare. */
static __noinline __u64 pidns_current(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	__u64 tgid = pidns_nr(BPF_CORE_READ(task, group_leader));

	return tgid ? tgid << 32 | pidns_nr(task) : 0;
}

/* As bpf_get_current_pid_tgid(); 0: the idle task, or one outside our namespace. */
static __always_inline __u64 pidns_pid_tgid(void)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	return cfg_pidns && pid_tgid ? pidns_current() : pid_tgid;
}

static __always_inline __u32 pidns_tgid_of(struct task_struct *task)
{
	if (!cfg_pidns)
		return BPF_CORE_READ(task, tgid);
	return pidns_nr(BPF_CORE_READ(task, group_leader));
}

#endif
