/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Registers and thread pointer of the interrupted task. All that depends on the architecture is
 * here.
 *
 * The layouts are those of the UAPI (struct pt_regs, struct user_pt_regs in asm/ptrace.h). They are
 * spelled out because the verifier wants register loads from a perf_event context to be 8 bytes
 * wide, while a CO-RE load follows the kernel's own type, where cs is a u16 since FRED (6.9).
 */
#ifndef BPF_REGS_BPF_H
#define BPF_REGS_BPF_H

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* What a walk over the user stack starts from. */
struct user_regs {
	__u64 ip;
	__u64 sp;
	__u64 fp;
	bool compat; /* 32-bit code */
};

/* THREAD_SIZE, for kernels without bpf_task_pt_regs() (before 5.15); 16 KiB unless KASAN or 64K
 * pages. */
const volatile __u32 cfg_thread_size __weak = 16384;

#if defined(__TARGET_ARCH_x86)

struct arch_regs {
	__u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	__u64 orig_rax, rip, cs, flags, rsp, ss;
};

#define USER32_CS 0x23

static __always_inline bool regs_are_user(const struct arch_regs *regs)
{
	return (regs->cs & 3) == 3;
}

static __always_inline void regs_to_user(const struct arch_regs *regs, struct user_regs *ret)
{
	ret->ip = regs->rip;
	ret->sp = regs->rsp;
	ret->fp = regs->rbp;
	ret->compat = (regs->cs & 0xffff) == USER32_CS;
}

/* FS base as of the last switch or arch_prctl(2); libc sets it once per thread. */
static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.fsbase);
}

#elif defined(__TARGET_ARCH_arm64)

struct arch_regs {
	__u64 regs[31];
	__u64 sp, pc, pstate;
};

#define PSR_MODE_MASK  0xf
#define PSR_MODE32_BIT 0x10

static __always_inline bool regs_are_user(const struct arch_regs *regs)
{
	return (regs->pstate & PSR_MODE_MASK) == 0; /* EL0t */
}

static __always_inline void regs_to_user(const struct arch_regs *regs, struct user_regs *ret)
{
	ret->ip = regs->pc;
	ret->sp = regs->sp;
	ret->fp = regs->regs[29];
	ret->compat = regs->pstate & PSR_MODE32_BIT;
}

/* TPIDR_EL0 as saved at the last switch; 0 for a main thread that has never been switched. */
static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.uw.tp_value);
}

#else
#error "architecture not supported"
#endif

/* Registers with which @task entered the kernel. */
static __always_inline long regs_of_entry(struct task_struct *task, struct arch_regs *ret)
{
	__u64 top;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		top = bpf_task_pt_regs(bpf_get_current_task_btf());
	else
		top = (__u64)BPF_CORE_READ(task, stack) + cfg_thread_size -
		      bpf_core_type_size(struct pt_regs);
	return bpf_probe_read_kernel(ret, sizeof(*ret), (void *)top);
}

/* User registers of the current task, be it interrupted in user space or in the kernel. */
static __always_inline long regs_of_user(struct bpf_perf_event_data *ctx, struct task_struct *task,
					 bool in_user, struct user_regs *ret)
{
	struct arch_regs saved;
	long err;

	if (in_user) {
		regs_to_user((struct arch_regs *)ctx, ret);
		return 0;
	}

	err = regs_of_entry(task, &saved);
	if (err)
		return err;
	if (!regs_are_user(&saved))
		return -14; /* EFAULT: not what a system call or interrupt leaves there */
	regs_to_user(&saved, ret);
	return 0;
}

#endif
