/* SPDX-License-Identifier: Apache-2.0 */
/* Where a Go program has its table of functions, and the code that the table is of. */
#ifndef ELF_ELF_GO_H
#define ELF_ELF_GO_H

#include "elf/elf_unwind.h"

struct elf_go {
	struct elf_span pclntab; /* from its header on; may have more behind it than is its own */
};

/*
 * By the section's name; where it has none of its own (old PIE by an external linker, no section
 * headers) by its first bytes. -ENODATA: this is no Go program.
 */
int elf_go_find(struct elf_file *ef, struct elf_go *ret);

/*
 * The ELF virtual address of runtime.text, guess number @i: what the table's header says, where
 * .text begins, what runtime.firstmoduledata or its relocations say. -ENOENT past the last guess.
 */
int elf_go_text(struct elf_file *ef, const struct elf_go *go, unsigned i, uint64_t *ret);

/*
 * The word at @off of runtime.firstmoduledata, guess number @i: as the file has it, or as
 * relocations put it there; 0: this guess leads nowhere. -ENOENT past the last guess.
 */
int elf_go_module_word(struct elf_file *ef, const struct elf_go *go, unsigned off, unsigned i,
		       uint64_t *ret);

/*
 * The minor number of the Go release that made the program: 26 for go1.26.8, by its build
 * information. -ENODATA: it says none, or says something else.
 */
int elf_go_version(struct elf_file *ef, unsigned int *ret_minor);

#endif
