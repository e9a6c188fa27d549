/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of one Go function: from what its tables, its name and its first instructions say. */
#ifndef UNWIND_GO_FRAME_H
#define UNWIND_GO_FRAME_H

#include "shared/unwind_rule.h"
#include "unwind/go_code.h"

enum go_kind {
	GO_PLAIN,
	GO_OUTERMOST,
	GO_SIGRETURN, /* a signal handler returns to it; the kernel knows the rest of the stack */
	/*
	 * Sets the stack pointer to another stack and back, but keeps the frame pointer of its own
	 * frame meanwhile: the caller is found by it.
	 */
	GO_KEEPS_FP,
	GO_LEAVES_FOR_GOOD, /* goes to another stack, whose outermost frame it is then */
	GO_LEAVES,	    /* the same, but what it left is the rest of the stack */
	GO_SYSTEM_STACK,    /* as GO_KEEPS_FP if it has a frame, else as GO_GETS_STACK */
	GO_CALLS_C,	    /* as GO_KEEPS_FP, and saves the stack it left on the other one */
	GO_GETS_STACK,	    /* as GO_LEAVES; the rest can be found through struct g */
	/* Was made to look as if it had been called, from an instruction that is no call. */
	GO_INJECTED,
	GO_UNKNOWN, /* sets the stack pointer, nobody knows where or to what */
};

/* Of the function called @name with these flags (enum gofunc_flag). */
enum go_kind go_kind_of(const char *name, uint8_t flags);

struct go_frame {
	enum go_kind kind;
	uint16_t machine;
	uint64_t switched; /* from here on it is on another stack; UINT64_MAX: nowhere */
	/* Where pcsp leaves 0; UINT64_MAX: nowhere. Of special kinds it is known beforehand. */
	uint64_t begin;
	int64_t size; /* its value there */
	struct go_prologue prologue;
	bool ra_in_r12; /* x86_64: it popped its return address */
	/*
	 * GO_KEEPS_FP: from here on it is on its own stack again, and the frame pointer may be its
	 * caller's.
	 */
	uint64_t leaving;
	struct {
		uint64_t from, to;
		uint8_t saved;
	} calls[2];			 /* GO_CALLS_C: see struct go_call_range */
	struct go_stack_offsets offsets; /* GO_GETS_STACK, GO_SYSTEM_STACK */
	uint16_t code_size;		 /* GO_GETS_STACK: of the function, up to 256 */
};

/* The rule at @pc, where pcsp is @value. UNWIND_RULE_EXT(0) means *ret_ext. */
uint32_t go_frame_rule(const struct go_frame *f, uint64_t pc, int64_t value,
		       struct unwind_ext *ret_ext);

/* The first place behind @pc where the rule may change though pcsp does not. */
uint64_t go_frame_next(const struct go_frame *f, uint64_t pc);

#endif
