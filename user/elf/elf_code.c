/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/elf_code.h"

#include "elf/elf_image.h"

static void add_range(struct elf_code *code, uint64_t start, uint64_t size, bool stubs)
{
	if (size && size <= UINT64_MAX - start)
		code->ranges[code->n++] = (struct elf_code_range){ start, start + size, stubs };
}

static int compare_ranges(const void *a, const void *b)
{
	const struct elf_code_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

int elf_code_load(struct elf_file *ef, struct elf_code *ret)
{
	struct elf_code code = { 0 };
	size_t room = ef->n_sections > ef->n_phdrs ? ef->n_sections : ef->n_phdrs;
	Elf64_Shdr sh;

	code.ranges = calloc(room + 1, sizeof(*code.ranges));
	if (!code.ranges)
		return -ENOMEM;

	for (size_t i = 1; elf_image_section(ef, i, &sh) == 0; i++)
		if ((sh.sh_flags & (SHF_ALLOC | SHF_EXECINSTR)) == (SHF_ALLOC | SHF_EXECINSTR))
			add_range(&code, sh.sh_addr, sh.sh_size,
				  elf_image_section_starts(ef, &sh, ".plt"));

	for (size_t i = 0; ef->n_sections == 0 && i < ef->n_phdrs; i++)
		if (ef->phdrs[i].p_type == PT_LOAD && (ef->phdrs[i].p_flags & PF_X))
			add_range(&code, ef->phdrs[i].p_vaddr, ef->phdrs[i].p_memsz, false);

	qsort(code.ranges, code.n, sizeof(*code.ranges), compare_ranges);
	code.has_mapping_symbols = ef->ehdr.e_machine == EM_AARCH64;
	*ret = code;
	return 0;
}

void elf_code_clear(struct elf_code *code)
{
	free(code->ranges);
	*code = (struct elf_code){ 0 };
}

int elf_code_range_of(const struct elf_code *code, uint64_t vaddr)
{
	size_t lo = 0, hi = code->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (code->ranges[mid].start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && vaddr < code->ranges[lo - 1].end ? (int)lo - 1 : -1;
}

bool elf_code_has_functions_at(const struct elf_code *code, uint64_t vaddr)
{
	int range = elf_code_range_of(code, vaddr);

	return range >= 0 && !code->ranges[range].stubs;
}

static bool is_mapping_symbol(const struct elf_symtab *st, const Elf64_Sym *sym)
{
	char buf[2];

	return elf_symtab_name(st, sym->st_name, buf, sizeof(buf)) > 0 && buf[0] == '$';
}

bool elf_code_is_named_by(const struct elf_code *code, const struct elf_symtab *st,
			  const Elf64_Sym *sym)
{
	unsigned type = ELF64_ST_TYPE(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || sym->st_name == 0 ||
	    elf_code_range_of(code, sym->st_value) < 0)
		return false;
	if (type == STT_FUNC || type == STT_GNU_IFUNC)
		return true;
	/* An absolute untyped symbol is a number that happens to look like an address. */
	return type == STT_NOTYPE && sym->st_shndx != SHN_ABS &&
	       !(code->has_mapping_symbols && is_mapping_symbol(st, sym));
}
