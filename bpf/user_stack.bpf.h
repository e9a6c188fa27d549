/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The user stack of the interrupted thread by frame pointers. Every frame that comes out was
 * reached by a believable step; how the walk ended is part of the result, as a chain that breaks
 * off is not a whole stack. Table-driven unwinding replaces the step, not the frame around it.
 */
#ifndef BPF_USER_STACK_BPF_H
#define BPF_USER_STACK_BPF_H

#include "regs.bpf.h"
#include "scratch.bpf.h"
#include "shared/fp_frame.h"
#include "stats.bpf.h"

struct stack_walk {
	__u64 fp;
	__u64 below; /* the next frame may not lie below this */
	enum user_end end;
};

/* The caller's return address, or 0 with walk->end set. */
static __always_inline __u64 stack_step(struct stack_walk *walk)
{
	struct fp_frame frame;

	if (walk->fp == 0) {
		walk->end = USER_END_ZERO;
		return 0;
	}
	if (!fp_may_be_frame(walk->fp, walk->below)) {
		walk->end = USER_END_NOT_RISING;
		return 0;
	}
	if (bpf_probe_read_user(&frame, sizeof(frame), (void *)walk->fp)) {
		walk->end = USER_END_UNREADABLE;
		return 0;
	}
	if (!fp_is_user_addr(frame.ra)) {
		walk->end = USER_END_BAD_RETURN;
		return 0;
	}
	walk->below = walk->fp + sizeof(frame);
	walk->fp = frame.fp;
	return frame.ra;
}

static __always_inline void user_stack_count(enum user_end end)
{
	switch (end) {
	case USER_END_ZERO:
		stat_inc(STAT_USTACK_END_ZERO);
		break;
	case USER_END_NO_REGS:
		stat_inc(STAT_USTACK_NO_REGS);
		break;
	case USER_END_COMPAT:
		stat_inc(STAT_USTACK_COMPAT);
		break;
	case USER_END_UNREADABLE:
		stat_inc(STAT_USTACK_UNREADABLE);
		break;
	case USER_END_NOT_RISING:
		stat_inc(STAT_USTACK_NOT_RISING);
		break;
	case USER_END_BAD_RETURN:
		stat_inc(STAT_USTACK_BAD_RETURN);
		break;
	case USER_END_DEPTH:
		stat_inc(STAT_USTACK_DEPTH);
		break;
	default:
		break;
	}
}

/* Appends the stack that starts at @regs to the record: fills ips, n_user and user_end. */
static __always_inline void user_stack_walk(struct scratch *s, const struct user_regs *regs)
{
	struct stack_walk walk = { .fp = regs->fp, .below = regs->sp, .end = USER_END_DEPTH };
	__u32 base = s->rec.n_kernel;
	__u32 n = 1;

	s->ips[base & SCRATCH_IPS_MASK] = regs->ip;
	for (int i = 1; i < USER_FRAMES_MAX && !regs->compat; i++) {
		__u64 ra = stack_step(&walk);

		if (!ra)
			break;
		s->ips[(base + n) & SCRATCH_IPS_MASK] = ra;
		n++;
	}

	s->rec.n_user = n;
	s->rec.user_end = regs->compat ? USER_END_COMPAT : walk.end;
	user_stack_count(s->rec.user_end);
}

#endif
