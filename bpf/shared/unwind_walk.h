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

/* Before the first frame, with @n others before it; w->regs is the caller's to set. */
static inline void unwind_start(struct unwind_walk *w, __u32 n)
{
	w->scratch.n = 0;
	w->n = n;
	w->end = USER_END_NONE;
}

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
	if (!unwind_knows(r, UNWIND_A64_LR_REG))
		return 0;
	ra = unwind_strip(r->reg[UNWIND_A64_LR_REG]);
#else
	__u32 first;

	if (!unwind_words(mem, s, cfa, 1, &first))
		return 0;
	ra = unwind_word(s, first);
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
 * A frame pointer chain, guarded: it rises, stays in this stack, and leads behind a call. Only
 * interpreters made by a just-in-time compiler enter functions by pushing an address and jumping.
 */
static inline enum unwind_step unwind_by_fp(struct unwind_memory *mem, struct unwind_regs *r,
					    struct unwind_scratch *s)
{
	__u64 fp = r->reg[UNWIND_FP], sp = r->reg[UNWIND_SP], ra, target;
	__u32 first;

	if (!unwind_knows(r, UNWIND_FP))
		return UNWIND_STEP_NO_RULE;
	if (!fp_may_be_frame(fp, sp) || !unwind_is_stack(mem, sp, fp + 16))
		return UNWIND_STEP_NO_RULE;
	if (!unwind_words(mem, s, fp, 2, &first))
		return UNWIND_STEP_UNREADABLE;
	ra = unwind_strip(unwind_word(s, first + 1));
	if (!fp_is_user_addr(ra))
		return UNWIND_STEP_NO_RULE;
	if (!unwind_is_call(mem, ra, &target) && !unwind_is_jit(mem, ra))
		return UNWIND_STEP_NO_RULE;
	r->reg[UNWIND_FP] = unwind_word(s, first);
	r->known = 1u << UNWIND_FP | 1u << UNWIND_SP;
	unwind_return(r, fp + 16, ra);
	r->by_fallback = 1;
	r->by_fp = 1;
	return UNWIND_STEP_OK;
}

RARELY enum user_end unwind_fall_back(struct unwind_memory *mem, struct unwind_walk *w)
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
 * Between a frame that was found by its frame pointer and the one that it was called by may lie
 * arguments, which V8's trampolines push for a function that they jump to. Code that is reckoned
 * from the stack pointer is misled by them; what has no tables keeps frame pointers there.
 */
static inline int unwind_prefers_fp(const struct unwind_regs *r, __u32 rule)
{
	return r->by_fp && (rule & 3) == UNWIND_BASE_SP && unwind_rule_is_by_code(rule);
}

/* From the frame in w->regs, whose rule is w->found, to its caller's. */
static inline enum user_end unwind_to_caller(struct unwind_memory *mem, struct unwind_walk *w)
{
	__u32 rule = w->found.rule;
	enum unwind_step step;

	if (unwind_prefers_fp(&w->regs, rule) && unwind_fall_back(mem, w) == USER_END_NONE)
		return USER_END_NONE;
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
 * The rule for the frame in w->regs. A call may be the last instruction of its function, so a
 * return address belongs to the byte before it. Where no table covers that one, but one begins
 * right at the address, nothing was called: somebody has put the address there for a function to
 * return to, the kernel that of a signal's trampoline, or makecontext(3) that of the outermost
 * frame. Anything else there means that the way was wrong. An exact address behind the trampoline's
 * last byte is that of a thread whose system call has not taken it back yet.
 */
static inline int unwind_find_rule(struct unwind_memory *mem, struct unwind_walk *w)
{
	const __u32 none = UNWIND_RULE_SPECIAL(UNWIND_NONE);
	struct unwind_regs *r = &w->regs;
	int found = unwind_find(mem, r->is_exact ? r->pc : r->pc - 1, &w->found);

	if (found != UNWIND_FOUND || w->found.rule != none)
		return found;
	found = unwind_find(mem, r->is_exact ? r->pc - 1 : r->pc, &w->found);
	if (found != UNWIND_FOUND)
		w->found.rule = none; /* the other byte is code, at least */
	else if (w->found.rule == UNWIND_RULE_SPECIAL(UNWIND_SIGNAL))
		r->is_exact = 1; /* the byte before is not of its function */
	else if (r->is_exact || w->found.rule != UNWIND_RULE_SPECIAL(UNWIND_END))
		w->found.rule = none;
	return found == UNWIND_NOT_LOADED ? found : UNWIND_FOUND;
}

/*
 * Takes in the frame in w->regs, and goes to its caller's. Returns 1 if there is a frame to append,
 * which is *ret_frame. Sets w->end when it is the last, or there is none.
 */
static inline int unwind_frame(struct unwind_memory *mem, struct unwind_walk *w, __u64 *ret_frame)
{
	int found = unwind_find_rule(mem, w);

	*ret_frame = unwind_frame_value(&w->regs);
	if (found == UNWIND_NOT_CODE && w->n > 0) {
		w->end = USER_END_BAD_RETURN;
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
