/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of struct elf_file, for the modules of elf/ alone: headers held in memory, contents
 * read piece by piece. Reading by pread(2), never by mapping, means that a file which is truncated
 * under us gives -EBADMSG and not SIGBUS, and that a huge one costs no memory.
 */
#ifndef ELF_ELF_IMAGE_H
#define ELF_ELF_IMAGE_H

#include <elf.h>

#include "elf/elf_file.h"

#define ELF_BUILD_ID_MAX 64

struct elf_file {
	int fd;		    /* -1: bytes in memory, of no file */
	const uint8_t *mem; /* NULL: a file */
	bool mapped;	    /* mem is ours to unmap; else it is borrowed */
	uint64_t touched;   /* bytes of it that were read since it was last forgotten */
	uint64_t size;
	Elf64_Ehdr ehdr;
	Elf64_Phdr *phdrs;
	size_t n_phdrs;
	Elf64_Shdr *shdrs; /* NULL: not read yet */
	size_t n_sections; /* 0: no section headers */
	size_t shstrndx;
	uint8_t build_id[ELF_BUILD_ID_MAX];
	size_t build_id_len;
};

/* All of @len bytes at @off; -EBADMSG if they are not all inside the file. */
int elf_image_read(struct elf_file *ef, uint64_t off, void *buf, size_t len);

/*
 * File offset of an ELF virtual address, and how many bytes follow it in the same segment.
 * -EBADMSG if no segment has it in the file.
 */
int elf_image_vaddr_to_offset(struct elf_file *ef, uint64_t vaddr, uint64_t *ret_off,
			      uint64_t *ret_avail);

/* -ENOENT past the last section, -EBADMSG if the header is unreadable. Index 0 is never used. */
int elf_image_section(struct elf_file *ef, size_t index, Elf64_Shdr *ret);

/* The first section called @name. -ENOENT. */
int elf_image_section_by_name(struct elf_file *ef, const char *name, Elf64_Shdr *ret);

/* Does the name of section @sh begin with @prefix? */
bool elf_image_section_starts(struct elf_file *ef, const Elf64_Shdr *sh, const char *prefix);

/*
 * A file of debug information holds headers of code without the code; then its program headers
 * describe another file's contents.
 */
bool elf_image_is_debug_only(struct elf_file *ef);

/* What the dynamic section says; absent entries are 0. Addresses are ELF virtual addresses. */
struct elf_dynamic {
	uint64_t symtab, strtab, strsz;
	uint64_t hash, gnu_hash;
	uint64_t rela, relasz;
	uint64_t jmprel, pltrelsz, pltrel;
	uint64_t flags_1;
};

/* -ENOENT if there is none. */
int elf_image_dynamic(struct elf_file *ef, struct elf_dynamic *ret);

/*
 * What a window ends after: a sparse file may claim any size. The longest table of real files has
 * 2 million symbols, of 24 bytes each.
 */
#define ELF_WINDOW_MAX (256ull << 20) /* bytes */

/* A run of equal records in the file, seen through a window of bounded size. */
struct elf_window {
	struct elf_file *ef;
	uint64_t off;  /* of the first record */
	uint64_t n;    /* records */
	uint64_t next; /* index of the first record that was not read yet */
	size_t elem;
	size_t held, pos; /* records in buf, and of these delivered */
	_Alignas(8) uint8_t buf[32768];
};

/* @bytes may exceed what the file holds: the window ends with the file, or ELF_WINDOW_MAX. */
void elf_window_init(struct elf_window *w, struct elf_file *ef, uint64_t off, uint64_t bytes,
		     size_t elem);
/* The next record, borrowed until the next call, or NULL at the end or when reading fails. */
const void *elf_window_next(struct elf_window *w);

#endif
