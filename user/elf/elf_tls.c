/* SPDX-License-Identifier: Apache-2.0 */
/* Thread-local symbols: where they are, and by which relocation code reaches them. */
#include <stdint.h>
#include <string.h>

#include "elf/elf_file.h"
#include "elf/elf_image.h"
#include "elf/elf_symtab.h"

/* Named TLS relocations of a file: real ones have tens; each costs two small reads. */
#define NAMED_RELOCS_MAX 65536

int elf_file_tls_segment(struct elf_file *ef, struct elf_tls_segment *ret)
{
	const Elf64_Phdr *ph = ef->phdrs, *end = ef->phdrs + ef->n_phdrs;
	uint64_t align;

	while (ph < end && ph->p_type != PT_TLS)
		ph++;
	if (ph == end)
		return -ENOENT;

	align = ph->p_align ? ph->p_align : 1; /* 0 and 1 both mean "none" */
	if ((align & (align - 1)) || align > INT32_MAX || ph->p_memsz > INT32_MAX)
		return -EBADMSG;

	*ret = (struct elf_tls_segment){
		.vaddr = ph->p_vaddr,
		.memsz = ph->p_memsz,
		.align = align,
	};
	return 0;
}

static bool has_tls_segment(struct elf_file *ef)
{
	for (size_t i = 0; i < ef->n_phdrs; i++)
		if (ef->phdrs[i].p_type == PT_TLS)
			return true;
	return false;
}

struct symbol_search {
	const char *name;
	unsigned int type; /* STT_* */
	struct elf_symbol found;
};

static int match_symbol(void *arg, const struct elf_symtab *st, const Elf64_Sym *sym)
{
	struct symbol_search *search = arg;

	if (ELF64_ST_TYPE(sym->st_info) != search->type || sym->st_shndx == SHN_UNDEF ||
	    !elf_symtab_name_is(st, sym->st_name, search->name))
		return 0;

	search->found = (struct elf_symbol){ sym->st_value, sym->st_size };
	return -EEXIST; /* ends the walk */
}

static bool find_in_full(struct elf_file *ef, struct symbol_search *search)
{
	struct elf_symtab st;

	return elf_symtab_find(ef, ELF_SYMTAB_FULL, &st) == 0 &&
	       elf_symtab_walk(&st, match_symbol, search) == -EEXIST;
}

/* By hash: node's .dynsym has 39,000 symbols, which took 10 ms to walk through. */
static bool find_exported(struct elf_file *ef, struct symbol_search *search)
{
	struct elf_symtab st;
	Elf64_Sym sym;
	int r;

	if (elf_symtab_find(ef, ELF_SYMTAB_DYNAMIC, &st) < 0)
		return false;
	r = elf_symtab_lookup(&st, search->name, &sym);
	if (r == -ENODATA)
		return elf_symtab_walk(&st, match_symbol, search) == -EEXIST;
	return r == 0 && match_symbol(search, &st, &sym) == -EEXIST;
}

int elf_file_find_tls_symbol(struct elf_file *ef, const char *name, bool symtab_too,
			     struct elf_symbol *ret)
{
	struct symbol_search search = { .name = name, .type = STT_TLS };

	/* Most files have no thread-local storage: their symbols need no reading. */
	if (!has_tls_segment(ef))
		return -ENOENT;
	if (!find_exported(ef, &search) && !(symtab_too && find_in_full(ef, &search)))
		return -ENOENT;
	*ret = search.found;
	return 0;
}

static int find_of_type(struct elf_file *ef, const char *name, unsigned int type,
			struct elf_symbol *ret)
{
	struct symbol_search search = { .name = name, .type = type };

	if (!find_exported(ef, &search))
		return -ENOENT;
	*ret = search.found;
	return 0;
}

int elf_file_find_object(struct elf_file *ef, const char *name, struct elf_symbol *ret)
{
	return find_of_type(ef, name, STT_OBJECT, ret);
}

int elf_file_find_function(struct elf_file *ef, const char *name, struct elf_symbol *ret)
{
	return find_of_type(ef, name, STT_FUNC, ret);
}

/* -1: of no interest. */
static int reloc_kind(uint16_t machine, uint32_t type)
{
	if (machine == EM_X86_64) {
		switch (type) {
		case R_X86_64_TLSDESC:
			return ELF_TLS_RELOC_DESC;
		case R_X86_64_DTPMOD64:
			return ELF_TLS_RELOC_DTPMOD;
		case R_X86_64_TPOFF64:
			return ELF_TLS_RELOC_TPOFF;
		}
	}
	if (machine == EM_AARCH64) {
		switch (type) {
		case R_AARCH64_TLSDESC:
			return ELF_TLS_RELOC_DESC;
		case R_AARCH64_TLS_DTPMOD:
			return ELF_TLS_RELOC_DTPMOD;
		case R_AARCH64_TLS_TPREL:
			return ELF_TLS_RELOC_TPOFF;
		}
	}
	return -1;
}

struct reloc_search {
	const struct elf_symtab *symbols;
	const char *name;
	uint32_t named; /* looked at so far */
	bool found;
	struct elf_tls_reloc best;
};

/* Is a relocation of @kind, of the file's own storage or not, of no use beside the best so far? */
static bool is_worse(const struct reloc_search *s, int kind, bool is_own)
{
	if (!s->found)
		return false;
	return is_own == s->best.is_own ? kind >= (int)s->best.kind : is_own;
}

static bool is_called(const struct reloc_search *s, uint64_t index)
{
	Elf64_Sym sym;

	return elf_symtab_get(s->symbols, index, &sym) == 0 &&
	       elf_symtab_name_is(s->symbols, sym.st_name, s->name);
}

static void search_relocs(struct elf_file *ef, uint64_t vaddr, uint64_t size,
			  struct reloc_search *s)
{
	uint64_t off, avail;
	const Elf64_Rela *r;
	struct elf_window w;

	if (!vaddr || !size || elf_image_vaddr_to_offset(ef, vaddr, &off, &avail) < 0)
		return;

	elf_window_init(&w, ef, off, size < avail ? size : avail, sizeof(*r));
	while ((r = elf_window_next(&w)) && s->named < NAMED_RELOCS_MAX) {
		int kind = reloc_kind(ef->ehdr.e_machine, ELF64_R_TYPE(r->r_info));
		bool is_own = ELF64_R_SYM(r->r_info) == 0;

		if (kind < 0 || is_worse(s, kind, is_own))
			continue;
		s->named += !is_own;
		if (!is_own && !is_called(s, ELF64_R_SYM(r->r_info)))
			continue;
		s->found = true;
		s->best = (struct elf_tls_reloc){ kind, is_own, r->r_offset, r->r_addend };
	}
}

int elf_file_find_tls_reloc(struct elf_file *ef, const char *name, struct elf_tls_reloc *ret)
{
	struct reloc_search s = { .name = name };
	struct elf_symtab symbols;
	struct elf_dynamic dyn;

	if (elf_image_dynamic(ef, &dyn) < 0 ||
	    elf_symtab_find(ef, ELF_SYMTAB_DYNAMIC, &symbols) < 0)
		return -ENOENT;

	s.symbols = &symbols;
	search_relocs(ef, dyn.rela, dyn.relasz, &s);
	if (dyn.pltrel == DT_RELA)
		search_relocs(ef, dyn.jmprel, dyn.pltrelsz, &s);
	if (!s.found)
		return -ENOENT;

	*ret = s.best;
	return 0;
}
