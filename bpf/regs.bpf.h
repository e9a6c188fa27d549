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

#include "shared/unwind_regs.h"

/*
 * THREAD_SIZE, for kernels without bpf_task_pt_regs() (before 5.15); 16 KiB unless KASAN or 64K
 * pages.
 */
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

static __always_inline bool regs_are_compat(const struct arch_regs *regs)
{
	return (regs->cs & 0xffff) == USER32_CS;
}

static __always_inline void regs_to_user(const struct arch_regs *regs, struct unwind_regs *ret)
{
	ret->pc = regs->rip;
	ret->reg[0] = regs->rax;
	ret->reg[1] = regs->rdx;
	ret->reg[2] = regs->rcx;
	ret->reg[3] = regs->rbx;
	ret->reg[4] = regs->rsi;
	ret->reg[5] = regs->rdi;
	ret->reg[6] = regs->rbp;
	ret->reg[7] = regs->rsp;
	ret->reg[8] = regs->r8;
	ret->reg[9] = regs->r9;
	ret->reg[10] = regs->r10;
	ret->reg[11] = regs->r11;
	ret->reg[12] = regs->r12;
	ret->reg[13] = regs->r13;
	ret->reg[14] = regs->r14;
	ret->reg[15] = regs->r15;
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

/* The verifier wants the offset into a context in the load itself; the compiler may share a sum. */
static __always_inline __u64 regs_load(const struct arch_regs *regs, __u32 at)
{
	__asm__ volatile("" : "+r"(regs));
	return *(const __u64 *)((const char *)regs + at);
}

#define REGS_LOAD(regs, field) regs_load(regs, __builtin_offsetof(struct arch_regs, field))

static __always_inline bool regs_are_user(const struct arch_regs *regs)
{
	return (REGS_LOAD(regs, pstate) & PSR_MODE_MASK) == 0; /* EL0t */
}

static __always_inline bool regs_are_compat(const struct arch_regs *regs)
{
	return REGS_LOAD(regs, pstate) & PSR_MODE32_BIT;
}

static __always_inline void regs_to_user(const struct arch_regs *regs, struct unwind_regs *ret)
{
	ret->pc = REGS_LOAD(regs, pc);
#pragma clang loop unroll(full)
	for (int i = 0; i < 31; i++)
		ret->reg[i] = regs_load(regs, 8 * i);
	ret->reg[UNWIND_A64_SP_REG] = REGS_LOAD(regs, sp);
}

/* TPIDR_EL0 as saved at the last switch; 0 for a main thread that has never been switched. */
static __always_inline __u64 thread_pointer(struct task_struct *task)
{
	return BPF_CORE_READ(task, thread.uw.tp_value);
}

#else
#error "architecture not supported"
#endif

/* Where the registers are with which @task entered the kernel: a struct arch_regs. */
static __always_inline __u64 entry_regs_of(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return bpf_task_pt_regs(bpf_get_current_task_btf());
	return (__u64)BPF_CORE_READ(task, stack) + cfg_thread_size -
	       bpf_core_type_size(struct pt_regs);
}

static __always_inline long regs_of_entry(struct task_struct *task, struct arch_regs *ret)
{
	return bpf_probe_read_kernel(ret, sizeof(*ret), (void *)entry_regs_of(task));
}

/*
 * User registers of the current task, be it interrupted in user space or in the kernel. 1: it runs
 * 32-bit code, of which only pc is set. @room, for what lies on the kernel stack, is too large for
 * that of BPF.
 */
static __always_inline long regs_of_user(struct bpf_perf_event_data *ctx, struct task_struct *task,
					 bool in_user, struct arch_regs *room,
					 struct unwind_regs *ret)
{
	long err;

	ret->known = UNWIND_KNOWN_ALL;
	ret->is_exact = 1;
	ret->by_fallback = 0;
	ret->falls = 0;
	ret->by_fp = 0;
	if (in_user) {
		regs_to_user((struct arch_regs *)ctx, ret);
		err = regs_are_compat((struct arch_regs *)ctx);
		/* So that the end of this is not one with what follows: no load is from both. */
		__asm__ volatile("" : "+r"(err));
		return err;
	}

	err = regs_of_entry(task, room);
	if (err)
		return err;
	if (!regs_are_user(room))
		return -14; /* EFAULT: not what a system call or interrupt leaves there */
	regs_to_user(room, ret);
	return regs_are_compat(room);
}

/*
 * Where Go has its struct g on aarch64: user space's x28. On x86_64 nothing is done, as TLS always
 * has it.
 */
static __always_inline void regs_take_go_g(struct bpf_perf_event_data *ctx,
					   struct task_struct *task, bool in_user, __u64 *ret)
{
#if defined(__TARGET_ARCH_arm64)
	const __u32 at = __builtin_offsetof(struct arch_regs, regs[28]);

	if (in_user)
		*ret = regs_load((struct arch_regs *)ctx, at);
	else if (bpf_probe_read_kernel(ret, sizeof(*ret), (void *)(entry_regs_of(task) + at)))
		*ret = 0;
#endif
}

#endif
