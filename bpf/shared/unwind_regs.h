/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The registers of a frame, as far as they are known. */
#ifndef SHARED_UNWIND_REGS_H
#define SHARED_UNWIND_REGS_H

#include "shared/unwind_rule.h"

#if defined(UNWIND_ARCH_AARCH64)
#define UNWIND_REGS  UNWIND_A64_REGS
#define UNWIND_SP    UNWIND_A64_SP_REG
#define UNWIND_FP    UNWIND_A64_FP_REG
#define UNWIND_WORDS 64 /* a power of two that holds a sigcontext's registers */
#else
#define UNWIND_REGS  UNWIND_X86_REGS
#define UNWIND_SP    UNWIND_X86_RSP
#define UNWIND_FP    UNWIND_X86_RBP
#define UNWIND_WORDS 32
#endif

struct unwind_regs {
	__u64 pc;
	__u64 reg[UNWIND_REGS]; /* by DWARF number */
	__u32 known;		/* bit n: reg[n] is what it was in this frame */
	__u8 is_exact;		/* pc is the next instruction itself, not a return address */
	__u8 by_fallback;	/* this frame was found without a table */
	__u8 falls;		/* steps so far whose caller's frame does not lie above */
	__u8 by_fp;		/* found by frame pointer: the stack pointer may be too low */
};

#define UNWIND_FALLS_MAX 8

#define UNWIND_KNOWN_ALL ((__u32)((1ULL << UNWIND_REGS) - 1))

#endif
