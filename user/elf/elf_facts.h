/* SPDX-License-Identifier: Apache-2.0 */
/* What a profiler can get out of an ELF file: for people who ask why something has no name. */
#ifndef ELF_ELF_FACTS_H
#define ELF_ELF_FACTS_H

#include "elf/elf_file.h"

struct elf_facts {
	bool symtab;	 /* .symtab: names of all functions */
	bool dynsym;	 /* .dynsym: names of exported functions */
	bool debug_info; /* DWARF */
	bool mini_debug; /* .gnu_debugdata: compressed symbols */
};

void elf_facts_read(struct elf_file *ef, struct elf_facts *ret);

#endif
