/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Go's tables do not say about a function, read from its instructions: from where on the
 * caller's frame pointer is saved ($GOROOT/src/cmd/internal/obj/x86/obj6.go and arm64/obj7.go,
 * preprocess()), and where hand-written code leaves its stack. Pure.
 */
#ifndef UNWIND_GO_CODE_H
#define UNWIND_GO_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GO_CODE_BEFORE 16 /* bytes in front of where the frame begins */
#define GO_CODE_BEHIND 48

/* How a function keeps its caller's registers. Offsets are from where its frame begins. */
struct go_prologue {
	bool saves_fp;	  /* x86_64: at CFA - 16; aarch64: 8 bytes below the stack pointer */
	uint8_t fp_saved; /* from here on */
	uint8_t fp_set;	  /* from here on the frame pointer is that of this frame */
	uint8_t c_saved;  /* x86_64: from here on rbx, r12 to r15 are saved below rbp; 0: never */
	bool saves_lr;	  /* aarch64: at the stack pointer, from the begin on */
};

/*
 * The frame of @size bytes begins at @code, of which GO_CODE_BEFORE bytes in front and
 * GO_CODE_BEHIND from there on are readable: there pcsp leaves 0.
 */
struct go_prologue go_prologue_x86(const uint8_t *code, uint64_t size);
struct go_prologue go_prologue_a64(const uint8_t *code);

/*
 * The end of the first instruction in @code that sets the stack pointer to what it loaded: an
 * offset, or 0: there is none. x86_64: from g.sched.sp or, at *rbx, gobuf.sp; or from
 * a register.
 */
size_t go_stack_switch_x86(const uint8_t *code, size_t len);
size_t go_stack_switch_a64(const uint8_t *code, size_t len);

/* Places in asmcgocall() on x86_64, in which it is on the thread's stack and has saved its own. */
struct go_call_range {
	size_t from, to; /* offsets; to 0: there is none */
	uint8_t saved;	 /* where, from the stack pointer on: UNWIND_CFA_GO_CALL */
};

/* The first one in @code. */
struct go_call_range go_call_range_x86(const uint8_t *code, size_t len);

/* Offsets in the runtime's structs, from morestack() or systemstack() of x86_64; 0: not found. */
struct go_stack_offsets {
	uint16_t curg;	  /* in struct m */
	uint8_t sched_bp; /* in struct g; not in systemstack() */
};

struct go_stack_offsets go_stack_offsets_x86(const uint8_t *code, size_t len);

/* Of curg in struct m, from morestack() of aarch64; 0: not found. */
uint16_t go_curg_a64(const uint8_t *code, size_t len);

#endif
