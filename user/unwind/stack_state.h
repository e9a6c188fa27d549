/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known at one place of a function about its stack, in terms of what its caller had: where
 * the CFA is, and where the return address and the callee-saved registers are. x86_64. Pure.
 */
#ifndef UNWIND_STACK_STATE_H
#define UNWIND_STACK_STATE_H

#include <stdbool.h>

#include "shared/unwind_rule.h"
#include "unwind/code_op.h"

#define STACK_CELLS 12

/* Something plus an offset. */
enum stack_symbol {
	STACK_UNKNOWN,
	STACK_CFA,
	STACK_BASE,	 /* where the stack pointer was when it last got a value nobody knows */
	STACK_RA,	 /* the return address itself */
	STACK_ORIG = 16, /* + register: its value when the function was called */
};

struct stack_value {
	uint32_t symbol : 6;
	int32_t off : 26;
};

/* Eight bytes of the stack. */
struct stack_cell {
	struct stack_value at, held;
};

struct stack_state {
	struct stack_value reg[UNWIND_X86_REGS];
	struct stack_cell cell[STACK_CELLS];
	uint8_t n_cells;
	bool outermost; /* nobody has called this */
	bool after_syscall;
};

/* At the first instruction of a function. */
void stack_state_enter(struct stack_state *s);

/* After @op, that is not a jump. */
void stack_state_step(struct stack_state *s, const struct code_op *op);

/* Is all as it was on entry, so that the function may return, or jump to another? */
bool stack_state_may_leave(const struct stack_state *s);

/*
 * Does @op use what a function has no business with: its caller's values in callee-saved registers,
 * or its return address?
 */
bool stack_state_is_misused(const struct stack_state *s, const struct code_op *op);

/*
 * Keeps in @s what holds in @other as well. 1 if @s has changed, 0 if not, -EINVAL if both cannot
 * be true: then it is left as it was.
 */
int stack_state_join(struct stack_state *s, const struct stack_state *other);

/*
 * The rule for a frame in this state, marked as found by its code. UNWIND_RULE_EXT(0) means
 * *ret_ext, which is written only then; UNWIND_NONE if there is none.
 */
uint32_t stack_state_rule(const struct stack_state *s, struct unwind_ext *ret_ext);

#endif
