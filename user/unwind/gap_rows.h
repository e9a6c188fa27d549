/* SPDX-License-Identifier: Apache-2.0 */
/* Rules for the places of a file that no FDE covers, from the code there (unwind/code_rows.h). */
#ifndef UNWIND_GAP_ROWS_H
#define UNWIND_GAP_ROWS_H

#include "elf/elf_unwind.h"
#include "unwind/code_rows.h"
#include "unwind/fde_index.h"

/* Less than that between two functions is padding. */
#define GAP_MIN 16

struct gap_rows;

/*
 * @ix, with @src, tells where gaps end; NULL: there are no FDEs at all. All must outlive the
 * result. -ENOMEM.
 */
int gap_rows_new(struct elf_file *ef, const struct fde_source *src, struct fde_index *ix,
		 struct gap_rows **ret);
void gap_rows_free(struct gap_rows *g); /* NULL is fine */
DEFINE_CLEANUP(struct gap_rows *, gap_rows_free)

/* A piece of a gap. Whether the gap goes on at either end has to be found out if it is open there.
 */
struct gap_piece {
	const struct elf_span *segment;
	uint64_t from, to; /* ELF virtual addresses; to > from */
	bool open_before, open_behind;
};

/* Is all of the gap no more than padding? 1, 0; -ENOMEM, -EIO, -EBADMSG. */
int gap_rows_is_small(struct gap_rows *g, const struct gap_piece *piece);

/*
 * Rules for the piece: rows->rows, whose ->at counts from *ret_base. Valid until the next call,
 * which is cheap for pieces in ascending order. -ENOMEM, -EIO, -EBADMSG.
 */
int gap_rows_find(struct gap_rows *g, const struct gap_piece *piece, const struct code_rows **ret,
		  uint64_t *ret_base);

#endif
