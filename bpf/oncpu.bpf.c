/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* On-CPU sampling: a perf event per CPU fires oncpu_sample(), which emits one sample_record. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "filter.bpf.h"
#include "focus.bpf.h"
#include "pidns.bpf.h"
#include "regs.bpf.h"
#include "rings.bpf.h"
#include "scratch.bpf.h"
#include "stats.bpf.h"
#include "trace_ctx.bpf.h"
#include "user_stack.bpf.h"

#define PF_KTHREAD 0x00200000
#define WAKE_NS	   (5 * 1000 * 1000) /* between wake-ups for want of rows, a CPU */

/* Kernel frames at most: KERNEL_FRAMES_MAX, or kernel.perf_event_max_stack where that is less. */
const volatile __u32 cfg_kernel_frames = KERNEL_FRAMES_MAX;

/* Reused memory: every field of the record is written for every sample. */
static __always_inline void record_start(struct sample_record *rec, __u64 pid_tgid, __u64 now_ns)
{
	rec->time_ns = now_ns;
	rec->tgid = pid_tgid >> 32;
	rec->tid = (__u32)pid_tgid;
	rec->cpu = bpf_get_smp_processor_id();
	rec->n_kernel = 0;
	rec->n_user = 0;
	rec->flags = 0;
	rec->user_end = USER_END_NONE;
	rec->labels_len = 0;
	rec->ctx_format = CTX_FORMAT_NONE;
	__builtin_memset(rec->reserved, 0, sizeof(rec->reserved));
	if (bpf_get_current_comm(rec->comm, sizeof(rec->comm)))
		__builtin_memset(rec->comm, 0, sizeof(rec->comm));
}

static __always_inline void add_kernel_stack(struct bpf_perf_event_data *ctx, struct scratch *s)
{
	long len = bpf_get_stack(ctx, s->frames, KERNEL_FRAMES_MAX * sizeof(__u64), 0);

	if (len < 0) {
		stat_inc(STAT_KSTACK_FAILED);
		return;
	}
	s->rec.n_kernel = (len / sizeof(__u64)) & 0x7f;
	if (s->rec.n_kernel >= cfg_kernel_frames) {
		s->rec.flags |= SAMPLE_KERNEL_TRUNCATED;
		stat_inc(STAT_KSTACK_TRUNCATED);
	}
}

static __always_inline bool is_in_execve(struct task_struct *task)
{
	return bpf_core_field_exists(struct task_struct, in_execve) &&
	       BPF_CORE_READ_BITFIELD_PROBED(task, in_execve);
}

static __always_inline void add_user_stack(struct bpf_perf_event_data *ctx,
					   struct task_struct *task, struct mm_struct *mm,
					   bool in_user, struct scratch *s)
{
	long err;

	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		s->rec.flags |= SAMPLE_KERNEL_THREAD;
	if (!mm || s->rec.flags & SAMPLE_KERNEL_THREAD) { /* without mm: on its way out */
		user_stack_count(USER_END_NONE);
		return;
	}
	err = regs_of_user(ctx, task, in_user, &s->entry_regs, &s->walk.regs);
	if (err < 0)
		s->rec.user_end = USER_END_NO_REGS;
	else if (err > 0)
		user_stack_pc_only(s, USER_END_COMPAT);
	else
		user_stack_walk(s, mm);
	/* It was in code when it called execve(2), and the address space has been replaced since.
	 */
	if (s->rec.user_end == USER_END_NO_CODE && is_in_execve(task)) {
		s->rec.n_user = 0;
		s->rec.user_end = USER_END_NONE;
		stat_inc(STAT_USTACK_REPLACED);
	}
	user_stack_count(s->rec.user_end);
}

/*
 * User space empties the rings on a timer, and before they are full, or when a stack waits for
 * rows.
 */
static __always_inline bool is_to_be_woken(struct scratch *s, __u32 len)
{
	bool urgent =
		s->rec.user_end == USER_END_NOT_LOADED && s->rec.time_ns - s->woken_ns > WAKE_NS;

	s->sent += len;
	if (s->sent < cfg_ring_wakeup && !urgent)
		return false;
	if (urgent)
		s->woken_ns = s->rec.time_ns;
	s->sent = 0;
	return true;
}

static __always_inline void emit(struct scratch *s)
{
	__u32 n = s->rec.n_kernel + s->rec.n_user, labels, len;

	if (n > KERNEL_FRAMES_MAX + USER_FRAMES_MAX)
		n = KERNEL_FRAMES_MAX + USER_FRAMES_MAX; /* for the verifier */
	labels = trace_ctx_labels_add(s);
	len = sizeof(s->rec) + n * sizeof(__u64) + labels;
	if (s->rec.user_end == USER_END_NOT_LOADED)
		len += rest_add(s, labels / sizeof(__u64));
	if (len > sizeof(struct scratch) - __builtin_offsetof(struct scratch, rec))
		return; /* for the verifier */
	if (ring_output(s->rec.cpu, &s->rec, len, is_to_be_woken(s, len)))
		stat_inc(STAT_SAMPLE_LOST_RING);
}

static __always_inline void sample(struct bpf_perf_event_data *ctx, __u64 now_ns)
{
	bool in_user = regs_are_user((struct arch_regs *)ctx);
	__u64 pid_tgid = pidns_pid_tgid();
	struct task_struct *task;
	struct mm_struct *mm;
	struct space *space;
	struct scratch *s;
	bool is_usual;

	if (!pid_tgid) {
		if (bpf_get_current_pid_tgid())
			stat_inc(STAT_SAMPLE_OUTSIDE);
		return; /* or idle */
	}
	if (!filter_wants(pid_tgid >> 32)) {
		stat_inc(STAT_SAMPLE_FILTERED);
		return;
	}

	s = scratch_get();
	if (!s)
		return; /* cannot be: there is one for each CPU */

	is_usual = focus_is_usual_tick(s);
	if (!is_usual && !focus_may_want(pid_tgid >> 32))
		return;
	task = (struct task_struct *)bpf_get_current_task();
	mm = BPF_CORE_READ(task, mm);
	space = mm ? space_of((__u64)mm) : NULL;
	if (space)
		space_enter(space, mm);
	record_start(&s->rec, pid_tgid, now_ns);
	/* Before the stacks: it must survive a failed walk. */
	trace_ctx_add(ctx, task, space, in_user, s);
	if (space && space->unwanted) {
		stat_inc(STAT_SAMPLE_FILTERED);
		return;
	}
	if (!is_usual) {
		if (!focus_may_want_context(&s->rec))
			return;
		s->rec.flags |= SAMPLE_EXTRA;
	}
	stat_inc(STAT_SAMPLE_TAKEN);
	if (!in_user)
		add_kernel_stack(ctx, s);
	add_user_stack(ctx, task, mm, in_user, s);
	emit(s);
}

SEC("perf_event")
int oncpu_sample(struct bpf_perf_event_data *ctx)
{
	__u64 begin_ns = bpf_ktime_get_ns();

	sample(ctx, begin_ns);
	stat_add_run(begin_ns);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
