/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of .eh_frame or .debug_frame by their offset, read piece by piece: a few blocks of the
 * file and a few parsed CIEs are kept.
 */
#ifndef UNWIND_FDE_READER_H
#define UNWIND_FDE_READER_H

#include "elf/elf_unwind.h"
#include "unwind/cfi.h"

/*
 * The longest of the 3.2 million FDEs on a Debian machine full of compilers has 33 KiB. What is
 * longer is malformed: a page of rows may need all of it executed.
 */
#define FDE_SIZE_MAX (256 << 10)
#define CIE_SIZE_MAX 512

/* One of the two sections. */
struct fde_source {
	struct elf_file *ef; /* NULL: bytes in memory */
	const uint8_t *mem;
	struct elf_span span;
	bool eh; /* .eh_frame, else .debug_frame */
	const struct cfi_arch *arch;
};

struct fde_reader;

/* @src must outlive the reader. -ENOMEM. */
int fde_reader_new(const struct fde_source *src, struct fde_reader **ret);
void fde_reader_free(struct fde_reader *r); /* NULL is fine */
DEFINE_CLEANUP(struct fde_reader *, fde_reader_free)

/* The head of the entry at @off. -ENODATA at the end of the section, -EBADMSG, -EIO, -ENOMEM. */
int fde_reader_head(struct fde_reader *r, uint64_t off, struct cfi_head *ret);

/*
 * The FDE at @off, valid until the next call; or only its range. -ERANGE: it covers nothing.
 * -EBADMSG, -EIO, -ENOMEM.
 */
int fde_reader_load(struct fde_reader *r, uint64_t off, struct cfi_fde *ret);
int fde_reader_range(struct fde_reader *r, uint64_t off, struct cfi_fde *ret);

#endif
