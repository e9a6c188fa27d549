/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_facts.h"

#include "elf/elf_image.h"
#include "elf/elf_symtab.h"

static bool has_section(struct elf_file *ef, const char *name)
{
	Elf64_Shdr sh;

	return elf_image_section_by_name(ef, name, &sh) == 0 && sh.sh_type != SHT_NOBITS;
}

void elf_facts_read(struct elf_file *ef, struct elf_facts *ret)
{
	struct elf_symtab st;

	*ret = (struct elf_facts){
		.symtab = elf_symtab_find(ef, ELF_SYMTAB_FULL, &st) == 0,
		.dynsym = elf_symtab_find(ef, ELF_SYMTAB_DYNAMIC, &st) == 0,
		.debug_info = has_section(ef, ".debug_info") || has_section(ef, ".zdebug_info"),
		.mini_debug = has_section(ef, ".gnu_debugdata"),
	};
}
