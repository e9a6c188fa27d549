/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Keeps the filter's set of processes while children come and go (`record -- CMD`). Done in the
 * kernel, because a child may be over before user space hears of it. Raw tracepoints: they need
 * neither tracefs nor the `tracing` program type.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "filter.bpf.h"
#include "pidns.bpf.h"
#include "stats.bpf.h"

/* TP_PROTO(struct task_struct *parent, struct task_struct *child), in the parent's context */
SEC("raw_tp/sched_process_fork")
int follow_fork(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx->args[1];
	__u32 parent_tgid = pidns_pid_tgid() >> 32;
	__u32 child_tgid = pidns_tgid_of(child);
	__u8 one = 1;

	if (child_tgid == parent_tgid || !bpf_map_lookup_elem(&targets, &parent_tgid))
		return 0;
	if (bpf_map_update_elem(&targets, &child_tgid, &one, BPF_ANY))
		stat_inc(STAT_FILTER_FORK_FAILED);
	return 0;
}

/* TP_PROTO(struct task_struct *p, …), in the context of p, after signal->live went down */
SEC("raw_tp/sched_process_exit")
int follow_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx->args[0];
	__u32 tgid = pidns_pid_tgid() >> 32;

	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
