/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a row of an unwind table says: from a frame's registers to its caller's. One rule is 32
 * bits and complete in itself; the few that do not fit are an extended rule beside the rows.
 *
 * A rule holds for the psABI's callee-saved registers and the return address only: no other
 * register is known in a caller's frame. Register numbers are DWARF's (x86-64 psABI 3.6.2,
 * AADWARF64 4.1). The architecture is UNWIND_ARCH_*, that of the program in which this is compiled
 * unless it is set before, as tests do.
 */
#ifndef SHARED_UNWIND_RULE_H
#define SHARED_UNWIND_RULE_H

#include "shared/types.h"

#if !defined(UNWIND_ARCH_X86_64) && !defined(UNWIND_ARCH_AARCH64)
#if defined(__TARGET_ARCH_x86) || defined(__x86_64__)
#define UNWIND_ARCH_X86_64
#elif defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define UNWIND_ARCH_AARCH64
#endif
#endif

/* Bits 0 and 1 of a rule. The other bits depend on it. */
enum unwind_base {
	UNWIND_BASE_SPECIAL, /* bits 2…: enum unwind_special */
	UNWIND_BASE_SP,	     /* CFA = stack pointer + offset */
	UNWIND_BASE_FP,	     /* CFA = frame pointer + offset */
	UNWIND_BASE_EXT,     /* bits 2…: index of a struct unwind_ext */
};

enum unwind_special {
	UNWIND_NONE,   /* no table covers this place */
	UNWIND_END,    /* the outermost frame: its return address is undefined */
	UNWIND_SIGNAL, /* a signal handler returned to here: all registers are in the sigcontext
			  at the stack pointer */
	UNWIND_PLT, /* x86_64 linkers' .plt: CFA = sp + 8, and 8 more from byte 11 of an entry on */
	UNWIND_PLT_SEC,	    /* the same from byte 10 on (.plt with endbr64 or bnd) */
	UNWIND_PLT_IBT,	    /* the same from byte 9 on (with endbr64 since binutils 2.40) */
	UNWIND_UNSUPPORTED, /* a table covers it, with a rule that none of these can express */
};

#define UNWIND_RULE_SPECIAL(what) ((__u32)(what) << 2 | UNWIND_BASE_SPECIAL)
#define UNWIND_RULE_EXT(index)	  ((__u32)(index) << 2 | UNWIND_BASE_EXT)

/*
 * x86_64, bases SP and FP: the return address is at CFA - 8.
 *   bits 2-12   offset of the CFA / 8, not negative
 *   bit 13      no table says so: the rule was found by looking at the code
 *   bits 14-31  for rbx, rbp, r12, r13, r14, r15 three bits each: 0 the register is as it is in
 *               this frame; n it was saved at CFA - 8 * (n + 1)
 *
 * aarch64, bases SP and FP:
 *   bits 2-13   as above
 *   bits 14-15  enum unwind_a64_saved
 *   bits 16-28  where they were saved: at CFA - 8 * n, n from 1 on
 * The return address is x30's value, without its pointer authentication code.
 */
#define UNWIND_CFA_SHIFT 2
#define UNWIND_CFA_BITS	 11

#define UNWIND_BY_CODE_SHIFT 13

#define UNWIND_X86_SLOT_SHIFT 14
#define UNWIND_X86_SLOT_BITS  3
#define UNWIND_X86_SLOTS      6 /* in the order above */

#define UNWIND_A64_SAVED_SHIFT 14
#define UNWIND_A64_AT_SHIFT    16
#define UNWIND_A64_AT_BITS     13

enum unwind_a64_saved {
	UNWIND_A64_NONE, /* x29 and x30 are as they are in this frame */
	UNWIND_A64_PAIR, /* x29 there, x30 8 bytes above it */
	UNWIND_A64_LR,	 /* x30 there; x29 as it is */
	UNWIND_A64_FP,	 /* x29 there; x30 as it is */
};

#define UNWIND_X86_RBX	  3
#define UNWIND_X86_RBP	  6
#define UNWIND_X86_RSP	  7
#define UNWIND_X86_RIP	  16
#define UNWIND_X86_REGS	  16 /* 0-15; the return address column is 16 */
#define UNWIND_A64_FP_REG 29
#define UNWIND_A64_LR_REG 30
#define UNWIND_A64_SP_REG 31
#define UNWIND_A64_REGS	  32

/* Where a register of the caller is to be found. */
enum unwind_where {
	UNWIND_AS_IS,	 /* in the same register */
	UNWIND_AT_CFA,	 /* in memory at CFA + off */
	UNWIND_AT_REG,	 /* in memory at reg + off */
	UNWIND_IN_REG,	 /* the value of reg + off (off is 0 for DW_CFA_register) */
	UNWIND_CFA_PLUS, /* the value CFA + off (DW_CFA_val_offset) */
	UNWIND_UNKNOWN,	 /* nowhere that this can express, or undefined */
};

struct unwind_place {
	__u8 where; /* enum unwind_where */
	__u8 reg;   /* for AT_REG, IN_REG */
	__s16 off;  /* bytes */
};

enum unwind_ext_cfa {
	UNWIND_CFA_REG,	  /* CFA = reg + off */
	UNWIND_CFA_DEREF, /* CFA = *(reg + off + 8 * index) + add */
	/*
	 * Go's asmcgocall(), which has left a goroutine's stack: at reg + off lies how far it was
	 * below the stack's end, then the struct g, or the stack pointer and 0. CFA = that stack
	 * pointer + add. The frame pointer would do, if the stack had not moved meanwhile.
	 */
	UNWIND_CFA_GO_CALL,
	/*
	 * x86_64: Go's morestack() and (before Go 1.21) systemstack(), likewise. r14 is the struct
	 * g of the thread, whose struct m has the goroutine at off; that has the caller's rip and
	 * rsp, and its rbp at add (0: nowhere). ra.off: bytes of morestack(), which the goroutine
	 * must have called; 0: need not.
	 */
	UNWIND_CFA_GO_STACK,
};

/* Of Go's struct g and m, in all versions since 1.5. */
#define UNWIND_GO_G_STACK_END 8
#define UNWIND_GO_G_M	      48 /* followed by rsp and rip */
#define UNWIND_GO_M_G0	      0

/* Callee-saved registers of an extended rule, in this order. */
#if defined(UNWIND_ARCH_AARCH64)
#define UNWIND_EXT_SAVED 2 /* x29, x30 */
#else
#define UNWIND_EXT_SAVED 6 /* rbx, rbp, r12, r13, r14, r15 */
#endif
#define UNWIND_EXT_SAVED_MAX 6

/*
 * The caller's place is that of an instruction which was interrupted, not behind a call: Go's
 * runtime lets signal handlers make it look as if this frame had been called.
 */
#define UNWIND_EXT_EXACT   1
#define UNWIND_EXT_BY_CODE 2 /* as for rules of 32 bits */

struct unwind_ext {
	__u8 cfa; /* enum unwind_ext_cfa */
	__u8 cfa_reg;
	__u8 flags;	/* UNWIND_EXT_* */
	__u8 cfa_index; /* register + 1; 0: none */
	__s32 cfa_off;
	__s32 cfa_add;
	struct unwind_place ra; /* UNWIND_UNKNOWN: as UNWIND_UNSUPPORTED */
	struct unwind_place saved[UNWIND_EXT_SAVED_MAX];
};

_Static_assert(sizeof(struct unwind_ext) == 40, "map value ABI");

#endif
