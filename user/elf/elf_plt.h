/* SPDX-License-Identifier: Apache-2.0 */
/* Stubs of the procedure linkage table: which function a stub jumps to. x86_64 and aarch64. */
#ifndef ELF_ELF_PLT_H
#define ELF_ELF_PLT_H

#include "elf/elf_file.h"

struct elf_plt_stub {
	uint64_t start;	 /* ELF virtual addresses */
	uint64_t slot;	 /* of the word that has the function's address */
	uint32_t symbol; /* number in the dynamic table; 0: not known */
	uint64_t code;	 /* of the function, or what chooses it at run time (ifunc); 0: not known */
};

/*
 * The stub that has the instruction at @vaddr, which lies in a section of stubs: start and slot.
 * -ENODATA: none of a known form.
 */
int elf_plt_stub_at(struct elf_file *ef, uint64_t vaddr, struct elf_plt_stub *ret);

/* Fills symbol and code of the @n stubs, sorted by slot, as the file's relocations say. */
void elf_plt_find_targets(struct elf_file *ef, struct elf_plt_stub *stubs, size_t n);

#endif
