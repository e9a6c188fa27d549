/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A synthetic frame, and what becomes of its registers in its caller: by a rule of an unwind table,
 * written after unwind_rule.h alone, and by libdw's description of the same place.
 */
#ifndef FRAME_VALUES_H
#define FRAME_VALUES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>

#include "unwind/unwind_table.h"

/* Every register has a value of its own, and so has every address of memory. */
struct machine {
	uint16_t e_machine;
	uint64_t pc;
};

enum frame_kind {
	FRAME_NONE,	   /* nothing is known of this place */
	FRAME_END,	   /* there is no caller */
	FRAME_UNSUPPORTED, /* of a table only */
	FRAME_CALLER,
};

struct frame_value {
	bool known;
	uint64_t value;
};

#define FRAME_SAVED_MAX 6

struct frame_values {
	enum frame_kind kind;
	uint64_t cfa; /* not for a signal's frame, where no rule says what it is */
	bool signal;
	bool by_code; /* no table says so, but the instructions */
	struct frame_value sp, ra;
	struct frame_value saved[FRAME_SAVED_MAX]; /* in the order of struct unwind_ext */
	/*
	 * Bits of saved that libdw cannot tell: it takes DW_OP_drop at an expression's begin for
	 * malformed, although the CFA is there to be dropped.
	 */
	unsigned unsaid;
};

uint64_t machine_reg(const struct machine *m, unsigned reg);
uint64_t machine_mem(uint64_t addr);
unsigned machine_saved(const struct machine *m, const int **ret_regs);

void frame_by_rule(const struct machine *m, const struct unwind_page *page, uint32_t rule,
		   struct frame_values *ret);

/* -1 if libdw cannot say it or it uses an operation that is not here. */
int frame_by_libdw(const struct machine *m, Dwarf_Frame *frame, struct frame_values *ret);

#endif
