/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind rules for Go code from .gopclntab: all Go programs have it, and it knows more than the
 * .debug_frame that some have. It says which frames are outermost, and where assembly sets the
 * stack pointer to what no table can tell. What the runtime's own assembly does is known by name.
 * Foreign bytes: bounded in time and memory. Never logs.
 */
#ifndef UNWIND_GO_TABLE_H
#define UNWIND_GO_TABLE_H

#include "unwind/fde_walk.h"
#include "unwind/gopclntab.h"

#define GO_CODE_MAX 256 /* bytes */

struct go_table;

/* @ef must outlive the result. -ENODATA: it is no Go program, or none that we know. -ENOMEM. */
int go_table_open(struct elf_file *ef, struct go_table **ret);

/* The same from a table and code at hand, which must outlive the result, for @machine (EM_*). */
int go_table_of(const struct byte_source *table, const struct byte_source *code, uint16_t machine,
		struct go_table **ret);

/* What has been opened; as long as @t. */
struct gopclntab *go_table_functions(struct go_table *t);

void go_table_free(struct go_table *t); /* NULL is fine */
DEFINE_CLEANUP(struct go_table *, go_table_free)

/* The code of a function that is looked for by its name. */
struct go_code {
	const char *name; /* shorter than GOFUNC_NAME_MAX */
	uint64_t vaddr;
	size_t len; /* 0: there is none of that name */
	uint8_t bytes[GO_CODE_MAX];
};

/* Fills all @n of @wanted, with their first GO_CODE_MAX bytes at most. */
void go_table_find_code(struct go_table *t, struct go_code *wanted, size_t n);

/*
 * As fde_walk_range(): the budget is in bytes of the table, functions that are malformed count as
 * bad. Not covered is what is no Go function, and what lies between two.
 */
int go_table_range(struct go_table *t, const struct fde_range *range, fde_span_fn fn, void *arg);

#endif
