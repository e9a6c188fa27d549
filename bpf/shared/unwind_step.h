/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One step of the walk over a user stack: from a frame's registers, by the rule for its program
 * counter, to its caller's. Compiled for BPF, for user space and for tests.
 */
#ifndef SHARED_UNWIND_STEP_H
#define SHARED_UNWIND_STEP_H

#include "shared/fp_frame.h"
#include "shared/unwind_memory.h"
#include "shared/unwind_regs.h"
#include "shared/unwind_rule.h"

enum unwind_step {
	UNWIND_STEP_OK,
	UNWIND_STEP_END,	 /* this frame is the outermost */
	UNWIND_STEP_ZERO,	 /* the return address is 0: likewise, by convention */
	UNWIND_STEP_NO_RULE,	 /* the rule is UNWIND_NONE */
	UNWIND_STEP_UNREADABLE,	 /* the stack cannot be read */
	UNWIND_STEP_NOT_RISING,	 /* the caller's frame would not lie above this one */
	UNWIND_STEP_BAD_RETURN,	 /* the return address is no user address */
	UNWIND_STEP_UNSUPPORTED, /* the rule needs what is not known here */
};

/*
 * What was read of a stack last. Frames are small and lie one behind the other, so that the next
 * ones come with it, and a read costs as much for many words as for two. Not on the stack of BPF,
 * which has 512 bytes.
 */
#define UNWIND_AHEAD 32

struct unwind_scratch {
	__u64 start; /* address of the first word */
	__u32 n;     /* words that are valid */
	__u32 reserved;
	__u64 word[UNWIND_WORDS];
	__u64 saved[UNWIND_EXT_SAVED]; /* of an extended rule's caller */
};

static inline int unwind_knows(const struct unwind_regs *r, __u32 reg)
{
	return r->known >> (reg & 31) & 1;
}

static inline __u64 unwind_reg(const struct unwind_regs *r, __u32 reg)
{
	return r->reg[reg & (UNWIND_REGS - 1)];
}

static inline void unwind_set(struct unwind_regs *r, __u32 reg, __u64 value)
{
	r->reg[reg & (UNWIND_REGS - 1)] = value;
	r->known |= 1u << (reg & 31);
}

static inline __u64 unwind_rule_cfa_off(__u32 rule)
{
	return (__u64)(rule >> UNWIND_CFA_SHIFT & ((1 << UNWIND_CFA_BITS) - 1)) * 8;
}

/* Was the rule found by looking at the code? */
static inline __u8 unwind_rule_is_by_code(__u32 rule)
{
	return rule >> UNWIND_BY_CODE_SHIFT & 1;
}

/* The frame is its caller's from here on. */
static inline enum unwind_step unwind_return(struct unwind_regs *r, __u64 cfa, __u64 ra)
{
	r->reg[UNWIND_SP] = cfa;
	r->pc = ra;
	r->is_exact = 0;
	r->by_fallback = 0;
	r->by_fp = 0;
	if (ra == 0)
		return UNWIND_STEP_ZERO;
	return fp_is_user_addr(ra) ? UNWIND_STEP_OK : UNWIND_STEP_BAD_RETURN;
}

/*
 * Stacks grow down, so a caller's frame lies above. Where the CFA comes from a frame pointer that
 * need not be so: the function may have gone to another stack. Not for ever, though.
 */
static inline int unwind_rises(struct unwind_regs *r, __u64 cfa, int by_fp)
{
	if (cfa > r->reg[UNWIND_SP])
		return 1;
	return by_fp && r->falls++ < UNWIND_FALLS_MAX;
}

static inline int unwind_refill(struct unwind_memory *mem, struct unwind_scratch *s, __u64 addr,
				__u32 n)
{
	s->n = 0;
	UNWIND_KEEP(n);
	if (n > UNWIND_WORDS) /* for the verifier */
		return 0;
	if (unwind_read(mem, s->word, 8 * n, addr))
		return 0;
	s->start = addr;
	s->n = n;
	return 1;
}

/*
 * The @n words from @addr on (UNWIND_WORDS at most), of which the first is unwind_word(s,
 * *ret_first). 0: not all of them can be read. What is read ahead ends with the page: it is in
 * memory if they are.
 */
OUT_OF_LINE int unwind_words(struct unwind_memory *mem, struct unwind_scratch *s, __u64 addr,
			     __u32 n, __u32 *ret_first)
{
	__u64 at = addr - s->start;
	__u32 ahead = (UNWIND_PAGE_SIZE - (addr & (UNWIND_PAGE_SIZE - 1))) / 8;

	*ret_first = at / 8;
	if (at % 8 == 0 && at / 8 + n <= s->n)
		return 1;
	*ret_first = 0;
	if (ahead > UNWIND_AHEAD)
		ahead = UNWIND_AHEAD;
	return (ahead > n && unwind_refill(mem, s, addr, ahead)) || unwind_refill(mem, s, addr, n);
}

static inline __u64 unwind_word(const struct unwind_scratch *s, __u32 i)
{
	return s->word[i & (UNWIND_WORDS - 1)];
}

/* Does a call end at @ra, as far as that can be read? To where, if it says so itself. */
static inline int unwind_is_call(struct unwind_memory *mem, __u64 ra, __u64 *ret_target)
{
	union {
		__u64 word;
		__u8 byte[8];
	} code;

	*ret_target = 0;
	if (unwind_read(mem, &code.word, 8, ra - 8))
		return 1;
#if defined(UNWIND_ARCH_AARCH64)
	__u32 insn = code.word >> 32;

	if ((insn & 0xfc000000) == 0x94000000) { /* bl: by 26 bits, signed, of 4 bytes each */
		*ret_target = ra - 4 + ((__s64)(__s32)(insn << 6) >> 4);
		return 1;
	}
	return (insn & 0xfefff000) == 0xd63f0000; /* blr, blraa… */
#else
	if (code.byte[3] == 0xe8) { /* call rel32 */
		*ret_target = ra + (__s64)(__s32)(code.word >> 32);
		return 1;
	}
	/* call r/m64 (ff /2) of each length: register, disp8, disp32 or rip-relative, with SIB. */
	return (code.byte[6] == 0xff && (code.byte[7] & 0x38) == 0x10) ||
	       (code.byte[5] == 0xff && (code.byte[6] & 0x38) == 0x10) ||
	       (code.byte[4] == 0xff && (code.byte[5] & 0x38) == 0x10) ||
	       (code.byte[2] == 0xff && (code.byte[3] & 0x38) == 0x10) ||
	       (code.byte[1] == 0xff && (code.byte[2] & 0x38) == 0x10);
#endif
}

#if defined(UNWIND_ARCH_AARCH64)

/* Where x0, …, x30, sp, pc lie in the kernel's struct rt_sigframe (arch/arm64/kernel/signal.c). */
#define UNWIND_SIGFRAME_REGS 312
#define UNWIND_SIGFRAME_N    33

/* Callee-saved registers other than these are not followed. */
#define UNWIND_KEPT (1u << UNWIND_A64_FP_REG | 1u << UNWIND_A64_SP_REG)

/* Without its pointer authentication code, for 48 bits of user addresses (TTBR0). */
static inline __u64 unwind_strip(__u64 ra)
{
	return ra & ((1ULL << 48) - 1);
}

static inline enum unwind_step unwind_signal(struct unwind_memory *mem, struct unwind_regs *r,
					     struct unwind_scratch *s)
{
	__u32 first;

	if (!unwind_words(mem, s, r->reg[UNWIND_SP] + UNWIND_SIGFRAME_REGS, UNWIND_SIGFRAME_N,
			  &first))
		return UNWIND_STEP_UNREADABLE;
	NO_UNROLL
	for (int i = 0; i < UNWIND_REGS; i++)
		r->reg[i] = unwind_word(s, first + i);
	r->known = UNWIND_KNOWN_ALL;
	r->pc = unwind_word(s, first + 32);
	r->is_exact = 1;
	r->by_fallback = 0;
	r->by_fp = 0;
	return fp_is_user_addr(r->pc) ? UNWIND_STEP_OK : UNWIND_STEP_BAD_RETURN;
}

/* Both, with x30 in hand where it was not saved. */
static inline enum unwind_step unwind_plain(struct unwind_memory *mem, struct unwind_regs *r,
					    struct unwind_scratch *s, __u32 rule)
{
	__u32 base = (rule & 3) == UNWIND_BASE_SP ? UNWIND_SP : UNWIND_FP;
	__u32 saved = rule >> UNWIND_A64_SAVED_SHIFT & 3;
	__u64 at = (__u64)(rule >> UNWIND_A64_AT_SHIFT & ((1 << UNWIND_A64_AT_BITS) - 1)) * 8;
	__u64 cfa = r->reg[base & (UNWIND_REGS - 1)] + unwind_rule_cfa_off(rule);
	__u64 ra = r->reg[UNWIND_A64_LR_REG];
	enum unwind_step step;
	__u32 first = 0;

	if (!unwind_knows(r, base))
		return UNWIND_STEP_UNSUPPORTED;
	if ((saved == UNWIND_A64_NONE || saved == UNWIND_A64_FP) &&
	    !unwind_knows(r, UNWIND_A64_LR_REG))
		return UNWIND_STEP_UNSUPPORTED;
	if (cfa != r->reg[UNWIND_SP] && !unwind_rises(r, cfa, base == UNWIND_FP))
		return UNWIND_STEP_NOT_RISING;
	if (saved != UNWIND_A64_NONE &&
	    !unwind_words(mem, s, cfa - at, saved == UNWIND_A64_PAIR ? 2 : 1, &first))
		return UNWIND_STEP_UNREADABLE;
	if (saved == UNWIND_A64_PAIR || saved == UNWIND_A64_FP)
		unwind_set(r, UNWIND_A64_FP_REG, unwind_word(s, first));
	if (saved == UNWIND_A64_PAIR)
		ra = unwind_word(s, first + 1);
	if (saved == UNWIND_A64_LR)
		ra = unwind_word(s, first);
	r->known &= UNWIND_KEPT;
	step = unwind_return(r, cfa, unwind_strip(ra));
	r->by_fallback = unwind_rule_is_by_code(rule);
	return step;
}

static inline __u32 unwind_ext_reg(__u32 i)
{
	return i ? UNWIND_A64_LR_REG : UNWIND_A64_FP_REG;
}

/* x30 is a caller's own only where the rule says where it was saved. */
#define UNWIND_EXT_KEPT UNWIND_KEPT

#else /* x86_64 */

/* Where r8, …, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip lie in the kernel's struct
 * rt_sigframe, behind the return address (arch/x86/include/asm/sigframe.h, uapi sigcontext.h). */
#define UNWIND_SIGFRAME_REGS 40
#define UNWIND_SIGFRAME_N    17

/* The psABI's callee-saved registers: rbx, rbp, rsp, r12 to r15. */
#define UNWIND_KEPT	     0xf0c8u
#define UNWIND_EXT_KEPT	     UNWIND_KEPT

static inline __u64 unwind_strip(__u64 ra)
{
	return ra;
}

static inline enum unwind_step unwind_signal(struct unwind_memory *mem, struct unwind_regs *r,
					     struct unwind_scratch *s)
{
	__u32 first;

	if (!unwind_words(mem, s, r->reg[UNWIND_SP] + UNWIND_SIGFRAME_REGS, UNWIND_SIGFRAME_N,
			  &first))
		return UNWIND_STEP_UNREADABLE;
	NO_UNROLL
	for (int i = 0; i < 8; i++)
		r->reg[8 + i] = unwind_word(s, first + i);
	r->reg[5] = unwind_word(s, first + 8); /* rdi */
	r->reg[4] = unwind_word(s, first + 9); /* rsi */
	r->reg[UNWIND_X86_RBP] = unwind_word(s, first + 10);
	r->reg[UNWIND_X86_RBX] = unwind_word(s, first + 11);
	r->reg[1] = unwind_word(s, first + 12); /* rdx */
	r->reg[0] = unwind_word(s, first + 13); /* rax */
	r->reg[2] = unwind_word(s, first + 14); /* rcx */
	r->reg[UNWIND_X86_RSP] = unwind_word(s, first + 15);
	r->pc = unwind_word(s, first + 16);
	r->known = UNWIND_KNOWN_ALL;
	r->is_exact = 1;
	r->by_fallback = 0;
	r->by_fp = 0;
	return fp_is_user_addr(r->pc) ? UNWIND_STEP_OK : UNWIND_STEP_BAD_RETURN;
}

static inline __u32 unwind_x86_slot(__u32 slots, int i)
{
	return slots >> (UNWIND_X86_SLOT_BITS * i) & ((1 << UNWIND_X86_SLOT_BITS) - 1);
}

/* The register of each slot. */
static inline __u32 unwind_ext_reg(__u32 i)
{
	return i == 0 ? UNWIND_X86_RBX : i == 1 ? UNWIND_X86_RBP : 10 + i;
}

/* All that was saved lies in the words up to the CFA: one read. */
static inline enum unwind_step unwind_pop(struct unwind_memory *mem, struct unwind_regs *r,
					  struct unwind_scratch *s, __u64 cfa, __u32 slots)
{
	__u32 deepest = 0, first;

	NO_UNROLL
	for (int i = 0; i < UNWIND_X86_SLOTS; i++)
		if (unwind_x86_slot(slots, i) > deepest)
			deepest = unwind_x86_slot(slots, i);
	if (!unwind_words(mem, s, cfa - 8 * (deepest + 1), deepest + 1, &first))
		return UNWIND_STEP_UNREADABLE;
	NO_UNROLL
	for (int i = 0; i < UNWIND_X86_SLOTS; i++) {
		__u32 slot = unwind_x86_slot(slots, i);

		if (slot)
			unwind_set(r, unwind_ext_reg(i), unwind_word(s, first + deepest - slot));
	}
	r->known &= UNWIND_KEPT;
	return unwind_return(r, cfa, unwind_word(s, first + deepest));
}

static inline enum unwind_step unwind_plain(struct unwind_memory *mem, struct unwind_regs *r,
					    struct unwind_scratch *s, __u32 rule)
{
	__u32 base = (rule & 3) == UNWIND_BASE_SP ? UNWIND_SP : UNWIND_FP;
	__u64 cfa = r->reg[base & (UNWIND_REGS - 1)] + unwind_rule_cfa_off(rule);
	enum unwind_step step;

	if (!unwind_knows(r, base))
		return UNWIND_STEP_UNSUPPORTED;
	if (!unwind_rises(r, cfa, base == UNWIND_FP))
		return UNWIND_STEP_NOT_RISING;
	step = unwind_pop(mem, r, s, cfa, rule >> UNWIND_X86_SLOT_SHIFT);
	r->by_fallback = unwind_rule_is_by_code(rule);
	return step;
}

/* The second instruction of an entry has pushed; entries are of 16 bytes. */
static inline enum unwind_step unwind_plt(struct unwind_memory *mem, struct unwind_regs *r,
					  struct unwind_scratch *s, __u32 pushed_from)
{
	__u64 pushed = (r->pc & 15) >= pushed_from ? 8 : 0;

	return unwind_pop(mem, r, s, r->reg[UNWIND_SP] + 8 + pushed, 0);
}

#endif

/* --- extended rules: rare, and general ------------------------------------------------------- */

static inline enum unwind_step unwind_place_read(struct unwind_memory *mem,
						 const struct unwind_regs *r,
						 const struct unwind_place *p, __u64 cfa,
						 __u64 *ret)
{
	__u64 base = p->where == UNWIND_AT_CFA || p->where == UNWIND_CFA_PLUS
			     ? cfa
			     : unwind_reg(r, p->reg);

	if ((p->where == UNWIND_AT_REG || p->where == UNWIND_IN_REG) && !unwind_knows(r, p->reg))
		return UNWIND_STEP_UNSUPPORTED;
	if (p->where == UNWIND_IN_REG || p->where == UNWIND_CFA_PLUS) {
		*ret = base + p->off;
		return UNWIND_STEP_OK;
	}
	if (unwind_read(mem, ret, 8, base + p->off))
		return UNWIND_STEP_UNREADABLE;
	return UNWIND_STEP_OK;
}

/*
 * Hand-written code keeps its CFA in a register that callees may change when it knows that its own
 * do not: OpenSSL's AES-GCM has it in rax. Believed if it leads up in this stack, to where a call
 * came from.
 */
static inline int unwind_may_be_cfa(struct unwind_memory *mem, const struct unwind_regs *r,
				    __u64 value)
{
	__u64 sp = r->reg[UNWIND_SP];

	return value > sp && value % 8 == 0 && unwind_is_stack(mem, sp, value);
}

static inline enum unwind_step unwind_go_call(struct unwind_memory *mem, __u64 *value)
{
	__u64 saved[2], end = 0;

	if (unwind_read(mem, saved, sizeof(saved), *value))
		return UNWIND_STEP_UNREADABLE;
	if (saved[1] && unwind_read(mem, &end, 8, saved[1] + UNWIND_GO_G_STACK_END))
		return UNWIND_STEP_UNREADABLE;
	*value = saved[1] ? end - saved[0] : saved[0];
	return UNWIND_STEP_OK;
}

static inline enum unwind_step unwind_ext_find_cfa(struct unwind_memory *mem,
						   const struct unwind_regs *r,
						   const struct unwind_ext *ext, __u64 *ret)
{
	__u64 value = unwind_reg(r, ext->cfa_reg) + ext->cfa_off;

	if (!unwind_knows(r, ext->cfa_reg) && !unwind_may_be_cfa(mem, r, value))
		return UNWIND_STEP_UNSUPPORTED;
	if (ext->cfa_index) {
		if (!unwind_knows(r, ext->cfa_index - 1))
			return UNWIND_STEP_UNSUPPORTED;
		value += unwind_reg(r, ext->cfa_index - 1) * 8;
	}
	if (ext->cfa == UNWIND_CFA_DEREF) {
		if (unwind_read(mem, &value, 8, value))
			return UNWIND_STEP_UNREADABLE;
		value += ext->cfa_add;
	}
	if (ext->cfa == UNWIND_CFA_GO_CALL) {
		enum unwind_step step = unwind_go_call(mem, &value);

		if (step != UNWIND_STEP_OK)
			return step;
		value += ext->cfa_add;
	}
	*ret = value;
	return UNWIND_STEP_OK;
}

#if !defined(UNWIND_ARCH_AARCH64)
#define UNWIND_GO_G 14 /* r14 */

/* Bytes behind the call in morestack() to the end of its padding. */
#define UNWIND_GO_NEXT_FUNC 64

/* Does @ra follow a call of morestack(), or of morestack_noctxt() behind it? @pc is in it. */
static inline int unwind_go_grows(struct unwind_memory *mem, __u64 ra, __u64 pc, __u64 size)
{
	__u64 target;

	return unwind_is_call(mem, ra, &target) && target + size >= pc &&
	       target <= pc + UNWIND_GO_NEXT_FUNC;
}

/*
 * From the frame in which the runtime replaces a goroutine's stack to the goroutine. No goroutine:
 * the scheduler runs here, and what it left does not wait for it. It is believed only if all three
 * structs refer to each other; hand-written code may have put something else into the register. A
 * goroutine that waits somewhere else is one that the scheduler is about to run.
 */
static inline enum unwind_step unwind_go_stack(struct unwind_memory *mem, struct unwind_regs *r,
					       const struct unwind_ext *ext)
{
	__u64 m, g0, g, saved[3] /* m, rsp, rip */, fp = 0;

	if (!unwind_knows(r, UNWIND_GO_G))
		return UNWIND_STEP_UNSUPPORTED;
	if (unwind_read(mem, &m, 8, r->reg[UNWIND_GO_G] + UNWIND_GO_G_M) ||
	    unwind_read(mem, &g0, 8, m + UNWIND_GO_M_G0) || g0 != r->reg[UNWIND_GO_G] ||
	    unwind_read(mem, &g, 8, m + ext->cfa_off))
		return UNWIND_STEP_UNSUPPORTED;
	if (g == 0)
		return UNWIND_STEP_END;
	if (unwind_read(mem, saved, sizeof(saved), g + UNWIND_GO_G_M) || saved[0] != m ||
	    (ext->cfa_add && unwind_read(mem, &fp, 8, g + ext->cfa_add)) ||
	    r->falls++ >= UNWIND_FALLS_MAX)
		return UNWIND_STEP_UNSUPPORTED;
	if (ext->ra.off && !unwind_go_grows(mem, saved[2], r->pc, ext->ra.off))
		return UNWIND_STEP_END;
	unwind_set(r, UNWIND_X86_RBP, fp);
	unwind_set(r, UNWIND_GO_G, g);
	r->known = 1u << UNWIND_GO_G | 1u << UNWIND_X86_RSP;
	if (ext->cfa_add)
		r->known |= 1u << UNWIND_X86_RBP;
	return unwind_return(r, saved[1], saved[2]);
}
#endif

/* Caller's registers are read before one is set: a place may refer to a register of this frame. */
RARELY enum unwind_step unwind_ext(struct unwind_memory *mem, struct unwind_regs *r,
				   struct unwind_scratch *s, const struct unwind_ext *ext)
{
	__u32 known = r->known & UNWIND_EXT_KEPT;
	int guessed = !unwind_knows(r, ext->cfa_reg);
	enum unwind_step step;
	__u64 cfa, ra, target;

#if !defined(UNWIND_ARCH_AARCH64)
	if (ext->cfa == UNWIND_CFA_GO_STACK)
		return unwind_go_stack(mem, r, ext);
#endif
	step = unwind_ext_find_cfa(mem, r, ext, &cfa);
	if (step != UNWIND_STEP_OK)
		return step;
	if (cfa != r->reg[UNWIND_SP] && !unwind_rises(r, cfa, 1))
		return UNWIND_STEP_NOT_RISING;
	if (ext->ra.where == UNWIND_AS_IS || ext->ra.where == UNWIND_UNKNOWN)
		return UNWIND_STEP_UNSUPPORTED;
	step = unwind_place_read(mem, r, &ext->ra, cfa, &ra);
	if (step != UNWIND_STEP_OK)
		return step;
	if (guessed && !unwind_is_call(mem, unwind_strip(ra), &target))
		return UNWIND_STEP_UNSUPPORTED;
	NO_UNROLL
	for (int i = 0; i < UNWIND_EXT_SAVED; i++) {
		const struct unwind_place *p = &ext->saved[i];

		s->saved[i] = unwind_reg(r, unwind_ext_reg(i));
		if (p->where == UNWIND_AS_IS)
			continue;
		if (p->where != UNWIND_UNKNOWN &&
		    unwind_place_read(mem, r, p, cfa, &s->saved[i]) == UNWIND_STEP_OK)
			known |= 1u << unwind_ext_reg(i);
		else
			known &= ~(1u << unwind_ext_reg(i));
	}
	NO_UNROLL
	for (int i = 0; i < UNWIND_EXT_SAVED; i++)
		r->reg[unwind_ext_reg(i) & (UNWIND_REGS - 1)] = s->saved[i];
	r->known = known;
	step = unwind_return(r, cfa, unwind_strip(ra));
	r->by_fallback = guessed || ext->flags & UNWIND_EXT_BY_CODE;
	r->is_exact = ext->flags & UNWIND_EXT_EXACT;
	return step;
}

RARELY enum unwind_step unwind_special(struct unwind_memory *mem, struct unwind_regs *r,
				       struct unwind_scratch *s, __u32 what)
{
	switch (what) {
	case UNWIND_NONE:
		return UNWIND_STEP_NO_RULE;
	case UNWIND_END:
		return UNWIND_STEP_END;
	case UNWIND_SIGNAL:
		return unwind_signal(mem, r, s);
#if !defined(UNWIND_ARCH_AARCH64)
	case UNWIND_PLT:
		return unwind_plt(mem, r, s, 11);
	case UNWIND_PLT_SEC:
		return unwind_plt(mem, r, s, 10);
	case UNWIND_PLT_IBT:
		return unwind_plt(mem, r, s, 9);
#endif
	default:
		return UNWIND_STEP_UNSUPPORTED;
	}
}

#endif
