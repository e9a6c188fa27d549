/* SPDX-License-Identifier: Apache-2.0 */
/* FDEs of a section by the address of their code: the linker's table in the file, or our own. */
#ifndef UNWIND_FDE_INDEX_H
#define UNWIND_FDE_INDEX_H

#include "unwind/fde_reader.h"

#define FDE_INDEX_MAX (1 << 20) /* entries of our own; 8 bytes each */

struct fde_index;

struct fde_entry {
	uint64_t start; /* ELF virtual address */
	uint64_t off;	/* of the FDE in its section; UINT64_MAX: it lies outside of it */
};

/*
 * The table in .eh_frame_hdr at @hdr, which is left in the file; *ret_eh_frame is the virtual
 * address of .eh_frame. @src becomes valid later, and must be when entries are asked for.
 * -EBADMSG if it is not there or cannot be used: then *ret_eh_frame is set if it could be read,
 * else 0.
 */
int fde_index_of_hdr(const struct fde_source *src, const struct elf_span *hdr,
		     uint64_t *ret_eh_frame, struct fde_index **ret);

/*
 * An index of our own, of the FDEs for code from @base on, 4 GiB at most. *ret_bad: how many
 * entries could not be read. -ENOMEM, -EIO.
 */
int fde_index_build(const struct fde_source *src, uint64_t base, uint64_t *ret_bad,
		    struct fde_index **ret);

void fde_index_free(struct fde_index *ix); /* NULL is fine */
DEFINE_CLEANUP(struct fde_index *, fde_index_free)

/* Entry number @i, by ascending start. -ENOENT past the last one, -EBADMSG, -EIO. */
int fde_index_get(struct fde_index *ix, uint64_t i, struct fde_entry *ret);

/* The last entry that starts at or before @vaddr. -ENOENT if there is none, -EBADMSG, -EIO. */
int fde_index_find(struct fde_index *ix, uint64_t vaddr, uint64_t *ret);

#endif
