/* SPDX-License-Identifier: Apache-2.0 */
/* Where functions begin, as the symbols of a file say. */
#ifndef UNWIND_CODE_STARTS_H
#define UNWIND_CODE_STARTS_H

#include "base/vec.h"
#include "elf/elf_file.h"

#define CODE_STARTS_MAX (1 << 16)

struct code_starts {
	VEC(uint32_t) at; /* bytes from the begin of the range */
};

/*
 * Of the functions in [from, to), ELF virtual addresses, the first CODE_STARTS_MAX by the order of
 * the symbols. The caller clears *ret, whatever is returned. -ENOMEM.
 */
int code_starts_find(struct elf_file *ef, uint64_t from, uint64_t to, struct code_starts *ret);
void code_starts_clear(struct code_starts *s);

#endif
