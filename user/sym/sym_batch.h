/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses of one batch, sorted, and how a source of names answers them. */
#ifndef SYM_SYM_BATCH_H
#define SYM_SYM_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "elf/elf_file.h"
#include "sym/name_table.h"

/* One wanted address. Sources are asked for sorted arrays of them. */
struct sym_query {
	uint64_t vaddr;
	struct sym_result *res; /* n_frames = 0 until a source has a name */
	bool guessed; /* the answer is the symbol before it; a better source may replace it */
};

struct sym_batch {
	struct name_table *names;
	struct sym_query *queries; /* by vaddr */
	size_t n;
};

/* Makes room for @n queries; the caller fills them and then sorts. -ENOMEM. */
int sym_batch_init(struct sym_batch *b, struct name_table *names, size_t n);
void sym_batch_sort(struct sym_batch *b);

/* Queries, sorted, for those results whose offset (left in vaddr) is in a segment of @ef. */
void sym_batch_add(struct sym_batch *b, struct elf_file *ef, struct sym_result *results, size_t n);
void sym_batch_clear(struct sym_batch *b);

/* Index of the first query at or above @vaddr; n if there is none. */
size_t sym_batch_at_or_above(const struct sym_batch *b, uint64_t vaddr);

/* Answers @q: the symbol at @start that the linker calls @raw. -ENOMEM. */
int sym_batch_answer(struct sym_batch *b, struct sym_query *q, uint64_t start, const char *raw,
		     const char *suffix);

#endif
