/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind rules for code that no table describes, from the code itself. x86_64. Pure, and bounded in
 * time and memory by the number of bytes, whatever they are.
 */
#ifndef UNWIND_CODE_ROWS_H
#define UNWIND_CODE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/vec.h"
#include "shared/unwind_rule.h"

#define CODE_ROWS_MAX (256 << 10) /* bytes of code at once */

struct code_rows_input {
	const void *bytes;
	size_t len; /* at most CODE_ROWS_MAX */
	uint64_t vaddr;
	const uint32_t *starts; /* bytes at which functions are known to begin */
	size_t n_starts;
	bool begins; /* byte 0 is no place in the middle of a function */
	bool has_entry;
	uint32_t entry; /* where the kernel starts the program */
};

/* @rule holds from byte @at on. */
struct code_row {
	uint32_t at;
	uint32_t rule; /* UNWIND_RULE_EXT(i): ext.data[i] */
};

struct code_rows {
	VEC(struct code_row) rows; /* by ascending at */
	VEC(struct unwind_ext) ext;
	uint64_t functions, accepted;
};

/* The caller clears *ret. -ENOMEM, -EFBIG. */
int code_rows_build(const struct code_rows_input *in, struct code_rows *ret);
void code_rows_clear(struct code_rows *rows);

#endif
