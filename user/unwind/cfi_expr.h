/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DWARF expressions of call frame information, as far as they have one of the forms that occur:
 * a register, the CFA, or what is in memory there, plus a number; an array element. Pure.
 */
#ifndef UNWIND_CFI_EXPR_H
#define UNWIND_CFI_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cfi_value_kind {
	CFI_VALUE_NUMBER,     /* add */
	CFI_VALUE_REG,	      /* reg + add */
	CFI_VALUE_CFA,	      /* CFA + add */
	CFI_VALUE_MEM_OF_REG, /* *(reg + off) + add */
	CFI_VALUE_MEM_OF_CFA, /* *(CFA + off) + add */
	CFI_VALUE_SCALED,     /* reg * 8 */
};

struct cfi_value {
	uint8_t kind; /* enum cfi_value_kind */
	uint8_t reg;
	uint8_t index; /* register + 1, of which 8 times the value is added (REG, MEM_OF_REG); 0:
			  none */
	int64_t off;
	int64_t add;
};

/* With the CFA on the stack, as rules for registers have it, or without. -EOPNOTSUPP. */
int cfi_expr_value(const uint8_t *expr, size_t len, bool with_cfa, struct cfi_value *ret);

#endif
