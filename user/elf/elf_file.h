/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ELF file opened for reading. Foreign bytes, also in processes with privileges, which libelf
 * is kept out of: every size, offset and index is checked, every loop is bounded. Never logs; every
 * error is a negative errno. 64-bit, host byte order only.
 */
#ifndef ELF_ELF_FILE_H
#define ELF_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct elf_file;

/* Does not take over @fd (it is duplicated). -ENOEXEC if it is no ELF file that we read. */
int elf_file_open_fd(int fd, struct elf_file **ret);
/*
 * The same by mapping, which is faster. But who reads it dies (SIGBUS) if the file is cut short
 * meanwhile: for processes that may die.
 */
int elf_file_open_mapped(int fd, struct elf_file **ret);
/* The same of bytes in memory, which must outlive the result. */
int elf_file_open_memory(const void *buf, size_t len, struct elf_file **ret);
void elf_file_close(struct elf_file *ef); /* NULL is fine */
DEFINE_CLEANUP(struct elf_file *, elf_file_close)

/* GNU build id; borrowed from @ef until it is closed. -ENODATA if the file has none. */
int elf_file_build_id(struct elf_file *ef, const uint8_t **ret_id, size_t *ret_len);

/*
 * What OpenTelemetry tells files apart by, with or without a build id (profiles/mappings.md:
 * htlhash): the first 16 bytes of SHA-256 over the file's first 4 KiB, its last 4 KiB, and its
 * length in big endian. Written as hex. -EBADMSG: it became shorter meanwhile; other errors of
 * pread(2).
 */
#define ELF_HTLHASH_SIZE 33
int elf_file_htlhash(struct elf_file *ef, char ret[ELF_HTLHASH_SIZE]);

/*
 * ELF virtual address of a file offset in an executable mapping, through PT_LOAD: bytes that
 * segments share are the executable one's, and what its first page holds before it, too. -ENOENT if
 * no segment holds it.
 */
int elf_file_offset_to_vaddr(struct elf_file *ef, uint64_t offset, uint64_t *ret_vaddr);

/* File offset of the executable PT_LOAD with the lowest address; 0 if there is none. */
uint64_t elf_file_code_offset(struct elf_file *ef);

/*
 * What PT_INTERP says: the dynamic linker's path, with a 0 behind. -ENOENT: there is none;
 * -EBADMSG: unreadable, or longer than @size.
 */
int elf_file_interpreter(struct elf_file *ef, char *ret, size_t size);

/* e_entry (an ELF virtual address). */
uint64_t elf_file_entry(struct elf_file *ef);

/* ET_EXEC, or ET_DYN with DF_1_PIE. */
bool elf_file_is_executable(struct elf_file *ef);

struct elf_symbol {
	uint64_t value;
	uint64_t size;
};

/*
 * A defined STT_TLS symbol of exactly this name (a @VERSION is ignored) from .dynsym, or, if
 * @symtab_too, from .symtab. -ENOENT if there is none.
 */
int elf_file_find_tls_symbol(struct elf_file *ef, const char *name, bool symtab_too,
			     struct elf_symbol *ret);

/* The same of STT_OBJECT or STT_FUNC, from .dynsym: a variable or function of the process. */
int elf_file_find_object(struct elf_file *ef, const char *name, struct elf_symbol *ret);
int elf_file_find_function(struct elf_file *ef, const char *name, struct elf_symbol *ret);

/* PT_TLS; -ENOENT if there is none, -EBADMSG if its alignment is no power of two or memsz absurd.
 */
struct elf_tls_segment {
	uint64_t vaddr;
	uint64_t memsz;
	uint64_t align;
};
int elf_file_tls_segment(struct elf_file *ef, struct elf_tls_segment *ret);

/* How the file's own code reaches a TLS symbol: the dynamic relocation, best kind first. */
enum elf_tls_reloc_kind { ELF_TLS_RELOC_DESC, ELF_TLS_RELOC_DTPMOD, ELF_TLS_RELOC_TPOFF };
struct elf_tls_reloc {
	enum elf_tls_reloc_kind kind;
	bool is_own;	    /* names no symbol: for the file's own TLS segment, from its begin on */
	uint64_t got_vaddr; /* where the dynamic linker wrote */
	int64_t addend;	    /* from the symbol, or in the segment */
};
/*
 * From DT_RELA and DT_JMPREL: the one that names @name, otherwise one that names no symbol, which
 * tells where the segment is. -ENOENT if there is none of either.
 */
int elf_file_find_tls_reloc(struct elf_file *ef, const char *name, struct elf_tls_reloc *ret);

#endif
