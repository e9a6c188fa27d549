/* SPDX-License-Identifier: Apache-2.0 */
/* Where an ELF file's code and its unwind information lie, and bytes of them. */
#ifndef ELF_ELF_UNWIND_H
#define ELF_ELF_UNWIND_H

#include "elf/elf_file.h"

/* Bytes of the file and the ELF virtual address of the first; size 0: there are none. */
struct elf_span {
	uint64_t off;
	uint64_t size;
	uint64_t vaddr; /* 0 for .debug_frame, which is not loaded */
};

struct elf_unwind {
	struct elf_span hdr;	     /* .eh_frame_hdr: PT_GNU_EH_FRAME, else by its section */
	struct elf_span eh_frame;    /* by its section */
	struct elf_span debug_frame; /* .debug_frame, as it is in the file */
	bool debug_frame_packed;     /* then elf_unwind_unpack() gives its bytes */
};

/* What the headers claim; sizes end with the file. */
void elf_unwind_find(struct elf_file *ef, struct elf_unwind *ret);

/*
 * Unpacks a compressed .debug_frame (zlib: SHF_COMPRESSED, or the older .zdebug_frame) into fresh
 * memory, which the caller frees. -EFBIG if it would be more than @max bytes, -EBADMSG if it is not
 * what it claims to be, -EOPNOTSUPP if it is packed in another way.
 */
int elf_unwind_unpack(struct elf_file *ef, const struct elf_span *packed, size_t max, uint8_t **ret,
		      size_t *ret_len);

/* The file's bytes from ELF virtual address @vaddr to the end of its segment; -EBADMSG. */
int elf_span_at(struct elf_file *ef, uint64_t vaddr, struct elf_span *ret);

/* All of @len bytes at file offset @off; -EBADMSG if they are not all inside the file. */
int elf_span_read(struct elf_file *ef, uint64_t off, void *buf, size_t len);

/*
 * The file's executable segments, by offset, where two overlap cut so that each byte is in one, and
 * without what lies before the first and behind the last executable section in them; the caller
 * frees the array. -ENOMEM.
 */
int elf_code_segments(struct elf_file *ef, struct elf_span **ret, size_t *ret_n);

/* e_machine. */
uint16_t elf_file_machine(struct elf_file *ef);

#endif
