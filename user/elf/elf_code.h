/* SPDX-License-Identifier: Apache-2.0 */
/* Where a file's code is, and which symbols name code. */
#ifndef ELF_ELF_CODE_H
#define ELF_ELF_CODE_H

#include "elf/elf_symtab.h"

struct elf_code_range {
	uint64_t start;
	uint64_t end;
	bool stubs; /* .plt and its like: made by the linker, without functions */
};

/* Executable sections, or segments where there are no section headers; by address. */
struct elf_code {
	struct elf_code_range *ranges;
	size_t n;
	bool has_mapping_symbols; /* $x, $d: marks of the ABI, not names */
};

int elf_code_load(struct elf_file *ef, struct elf_code *ret); /* -ENOMEM */
void elf_code_clear(struct elf_code *code);

/* Index of the range that holds @vaddr, or -1. */
int elf_code_range_of(const struct elf_code *code, uint64_t vaddr);

/* Is there code of functions at @vaddr? */
bool elf_code_has_functions_at(const struct elf_code *code, uint64_t vaddr);

/* Does @sym name a function, or, as in assembly, an untyped place in the code? */
bool elf_code_is_named_by(const struct elf_code *code, const struct elf_symtab *st,
			  const Elf64_Sym *sym);

#endif
