/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/code_starts.h"

#include <errno.h>

#include "elf/elf_symtab.h"

/*
 * All of them are gone through for each window of code. The largest files have 2 million; a sparse
 * one may claim any number.
 */
#define SYMBOLS_MAX (4u << 20)

struct search {
	uint64_t from, to;
	struct code_starts *ret;
};

void code_starts_clear(struct code_starts *s)
{
	vec_free(&s->at);
}

static int add_symbol(void *arg, const struct elf_symtab *st, const Elf64_Sym *sym)
{
	struct search *s = arg;
	unsigned type = ELF64_ST_TYPE(sym->st_info);

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || sym->st_shndx == SHN_UNDEF ||
	    sym->st_value < s->from || sym->st_value >= s->to || s->ret->at.n >= CODE_STARTS_MAX)
		return 0;
	return vec_push(&s->ret->at, sym->st_value - s->from);
}

int code_starts_find(struct elf_file *ef, uint64_t from, uint64_t to, struct code_starts *ret)
{
	static const enum elf_symtab_kind kinds[] = { ELF_SYMTAB_FULL, ELF_SYMTAB_DYNAMIC };
	struct search s = { from, to, ret };
	struct elf_symtab st;

	*ret = (struct code_starts){ 0 };
	for (unsigned i = 0; i < 2; i++) {
		if (elf_symtab_find(ef, kinds[i], &st) < 0)
			continue;
		if (st.n_syms > SYMBOLS_MAX)
			st.n_syms = SYMBOLS_MAX;
		if (elf_symtab_walk(&st, add_symbol, &s) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}
