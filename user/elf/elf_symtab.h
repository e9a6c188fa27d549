/* SPDX-License-Identifier: Apache-2.0 */
/* Symbol tables of an ELF file, walked piece by piece: memory does not grow with the table. */
#ifndef ELF_ELF_SYMTAB_H
#define ELF_ELF_SYMTAB_H

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/elf_file.h"

enum elf_symtab_kind {
	ELF_SYMTAB_FULL,    /* .symtab */
	ELF_SYMTAB_DYNAMIC, /* .dynsym; without section headers, as the dynamic section says */
};

/* Where a table lies in the file. */
struct elf_symtab {
	struct elf_file *ef;
	uint64_t syms_off;
	uint64_t n_syms;
	uint64_t strs_off;
	uint64_t strs_size;
};

/* -ENOENT if the file has no such table. The result is valid until @ef is closed. */
int elf_symtab_find(struct elf_file *ef, enum elf_symtab_kind kind, struct elf_symtab *ret);

/*
 * The defined symbol called @name of table @st of the dynamic kind, by the file's DT_GNU_HASH.
 * -ENOENT: there is none; -ENODATA: the file has no such hash table, so that nothing is known.
 */
int elf_symtab_lookup(const struct elf_symtab *st, const char *name, Elf64_Sym *ret);

/* Called for each symbol; negative errno ends the walk and is its result. */
typedef int (*elf_symtab_fn)(void *arg, const struct elf_symtab *st, const Elf64_Sym *sym);
int elf_symtab_walk(const struct elf_symtab *st, elf_symtab_fn fn, void *arg);

/* Symbol number @index. -EBADMSG if there is none. */
int elf_symtab_get(const struct elf_symtab *st, uint64_t index, Elf64_Sym *ret);

/*
 * The string at @off of the table's strings, without its @VERSION, NUL-terminated in @buf and cut
 * to fit. Returns its length (@size - 1 may mean that it was cut), or -EBADMSG.
 */
int elf_symtab_name(const struct elf_symtab *st, uint32_t off, char *buf, size_t size);

/* Is the string at @off exactly @name, but for a @VERSION? */
bool elf_symtab_name_is(const struct elf_symtab *st, uint32_t off, const char *name);

#endif
