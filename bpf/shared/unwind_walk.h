/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The walk over a user stack, frame by frame: each is appended to the sample, its rule looked up,
 * one step made. BPF runs it while the thread stands interrupted; user space runs it over a copy of
 * the stack, to finish walks that met a table which was not loaded, and in tests over recorded
 * stacks.
 */
#ifndef SHARED_UNWIND_WALK_H
#define SHARED_UNWIND_WALK_H

#include "shared/record.h"
#include "shared/unwind_memory.h"
#include "shared/unwind_step.h"

struct unwind_walk {
	struct unwind_regs regs; /* of the frame at hand */
	struct unwind_scratch scratch;
	struct unwind_found_rule found;
	__u32 n;   /* frames so far */
	__u32 end; /* enum user_end; USER_END_NONE: goes on */
};

static inline enum user_end unwind_end_of(enum unwind_step step)
{
	switch (step) {
	case UNWIND_STEP_OK:
		return USER_END_NONE;
	case UNWIND_STEP_END:
		return USER_END_ENTRY;
	case UNWIND_STEP_ZERO:
		return USER_END_ZERO;
	case UNWIND_STEP_NO_RULE:
		return USER_END_NO_RULE;
	case UNWIND_STEP_UNREADABLE:
		return USER_END_UNREADABLE;
	case UNWIND_STEP_NOT_RISING:
		return USER_END_NOT_RISING;
	case UNWIND_STEP_BAD_RETURN:
		return USER_END_BAD_RETURN;
	default:
		return USER_END_UNSUPPORTED;
	}
}

/* --- without a rule ------------------------------------------------------------------------- */

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

	if ((insn & 0xfc000000) == 0x94000000) { /* bl */
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

/* What was called directly is not far before the place where it is interrupted. */
#define UNWIND_LEAF_MAX 4096

/*
 * A function without rules that has not pushed anything: its return address is at hand. Believed
 * only if a direct call precedes it that leads to just before the program counter.
 */
static inline int unwind_leaf(struct unwind_memory *mem, struct unwind_regs *r,
			      struct unwind_scratch *s)
{
	__u64 ra, target, cfa = r->reg[UNWIND_SP];

#if defined(UNWIND_ARCH_AARCH64)
	ra = unwind_strip(r->reg[UNWIND_A64_LR_REG]);
#else
	if (unwind_read(mem, &s->word[0], 8, cfa))
		return 0;
	ra = s->word[0];
	cfa += 8;
#endif
	if (!fp_is_user_addr(ra) || !unwind_is_call(mem, ra, &target))
		return 0;
	if (target > r->pc || r->pc - target > UNWIND_LEAF_MAX)
		return 0;
	unwind_return(r, cfa, ra);
	r->known &= UNWIND_KEPT;
	r->by_fallback = 1;
	return 1;
}

/*
 * A frame pointer chain, guarded: it rises and stays in this stack. That it leads behind a call is
 * seen when the caller is looked up.
 */
static inline enum unwind_step unwind_by_fp(struct unwind_memory *mem, struct unwind_regs *r,
					    struct unwind_scratch *s)
{
	__u64 fp = r->reg[UNWIND_FP], sp = r->reg[UNWIND_SP], ra;

	if (!unwind_knows(r, UNWIND_FP))
		return UNWIND_STEP_NO_RULE;
	if (!fp_may_be_frame(fp, sp) || !unwind_is_stack(mem, sp, fp + 16))
		return UNWIND_STEP_NO_RULE;
	if (unwind_read(mem, s->word, 16, fp))
		return UNWIND_STEP_UNREADABLE;
	ra = unwind_strip(s->word[1]);
	if (!fp_is_user_addr(ra))
		return UNWIND_STEP_NO_RULE;
	r->reg[UNWIND_FP] = s->word[0];
	r->known = 1u << UNWIND_FP | 1u << UNWIND_SP;
	unwind_return(r, fp + 16, ra);
	r->by_fallback = 1;
	return UNWIND_STEP_OK;
}

static inline enum user_end unwind_fall_back(struct unwind_memory *mem, struct unwind_walk *w)
{
	struct unwind_regs *r = &w->regs;

	if (r->is_exact && unwind_leaf(mem, r, &w->scratch))
		return USER_END_NONE;
	/* The psABI's mark of the outermost frame. */
	if (unwind_knows(r, UNWIND_FP) && r->reg[UNWIND_FP] == 0)
		return USER_END_ZERO;
	return unwind_end_of(unwind_by_fp(mem, r, &w->scratch));
}

/* --- one frame ------------------------------------------------------------------------------ */

static inline __u64 unwind_frame_value(const struct unwind_regs *r)
{
	return r->pc | (r->is_exact ? FRAME_EXACT : 0) | (r->by_fallback ? FRAME_BY_FALLBACK : 0);
}

/*
 * A frame that was found without a rule: does it follow a call? Code made at run time need not, as
 * interpreters return to where they want to go on (HotSpot's "return entries").
 */
static inline int unwind_is_believed(struct unwind_memory *mem, const struct unwind_walk *w)
{
	__u64 target;

	return !w->regs.by_fallback || w->found.rule == UNWIND_RULE_SPECIAL(UNWIND_NO_FILE) ||
	       unwind_is_call(mem, w->regs.pc, &target);
}

/* From the frame in w->regs, whose rule is w->found, to its caller's. */
static inline enum user_end unwind_to_caller(struct unwind_memory *mem, struct unwind_walk *w)
{
	__u32 rule = w->found.rule;
	enum unwind_step step;

	switch (rule & 3) {
	case UNWIND_BASE_SP:
	case UNWIND_BASE_FP:
		step = unwind_plain(mem, &w->regs, &w->scratch, rule);
		break;
	case UNWIND_BASE_EXT:
		step = unwind_ext(mem, &w->regs, &w->scratch, &w->found.ext);
		break;
	default:
		step = unwind_special(mem, &w->regs, &w->scratch, rule >> 2);
		break;
	}
	if (step == UNWIND_STEP_NO_RULE)
		return unwind_fall_back(mem, w);
	return unwind_end_of(step);
}

/*
 * Takes in the frame in w->regs, and goes to its caller's. Returns 1 if there is a frame to append,
 * which is *ret_frame. Sets w->end when it is the last, or there is none.
 */
static inline int unwind_frame(struct unwind_memory *mem, struct unwind_walk *w, __u64 *ret_frame)
{
	/* A call may be the last instruction of its function. */
	__u64 addr = w->regs.is_exact ? w->regs.pc : w->regs.pc - 1;
	int found = unwind_find(mem, addr, &w->found);

	*ret_frame = unwind_frame_value(&w->regs);
	if (found == UNWIND_NOT_CODE && w->n > 0) {
		w->end = w->regs.by_fallback ? USER_END_NO_RULE : USER_END_BAD_RETURN;
		return 0;
	}
	if (found == UNWIND_FOUND && !unwind_is_believed(mem, w)) {
		w->end = USER_END_NO_RULE;
		return 0;
	}
	if (found == UNWIND_NOT_LOADED)
		w->end = USER_END_NOT_LOADED;
	else if (found == UNWIND_NOT_CODE)
		w->end = USER_END_NO_CODE;
	else
		w->end = unwind_to_caller(mem, w);
	w->n++;
	return 1;
}

#endif
