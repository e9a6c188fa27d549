/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function: what is known of the stack at each of its instructions, by following its control
 * flow from its begin. Whether that may be believed is decided by where it leads: at every return
 * the stack pointer must be at the return address and all callee-saved registers must be restored.
 */
#ifndef UNWIND_CODE_FLOW_H
#define UNWIND_CODE_FLOW_H

#include "unwind/code_map.h"
#include "unwind/stack_state.h"

/* How sure it is that a function begins there. */
enum code_start {
	CODE_START_SURE,     /* called, or named by a symbol */
	CODE_START_ADDRESS,  /* its address is taken: it must come to an end that makes sense */
	CODE_START_POSITION, /* it follows on another one's end: it must return */
	CODE_START_PROGRAM,  /* the outermost frame of a process */
};

struct code_flow;

int code_flow_new(struct code_map *map, struct code_flow **ret); /* -ENOMEM */
void code_flow_free(struct code_flow *f);			 /* NULL is fine */
DEFINE_CLEANUP(struct code_flow *, code_flow_free)

/* Marks what the function at @start calls and refers to. -ENOMEM. */
int code_flow_scan(struct code_flow *f, uint32_t start);

/* Calls @fn with each target of a call that the last scan has seen. */
typedef int (*code_flow_call_fn)(void *arg, uint32_t target);
int code_flow_each_call(struct code_flow *f, code_flow_call_fn fn, void *arg);

struct code_flow_result {
	bool accepted;
	bool returns; /* or may, as far as can be seen */
};

/* -ENOMEM. */
int code_flow_run(struct code_flow *f, uint32_t start, enum code_start kind,
		  struct code_flow_result *ret);

/* Of an accepted function: each instruction with the state in front of it. */
typedef int (*code_flow_op_fn)(void *arg, uint32_t at, const struct stack_state *s);
int code_flow_each_op(struct code_flow *f, code_flow_op_fn fn, void *arg);

#endif
