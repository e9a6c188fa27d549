/* SPDX-License-Identifier: Apache-2.0 */
/* The rules that one section's FDEs give to a range of code, one after the other. */
#ifndef UNWIND_FDE_WALK_H
#define UNWIND_FDE_WALK_H

#include "unwind/fde_index.h"
#include "unwind/unwind_table.h"

struct fde_walk;

/*
 * @src and @ix must outlive the walk. It remembers where it stopped, so that ranges in ascending
 * order cost no more than one. -ENOMEM.
 */
int fde_walk_new(const struct fde_source *src, struct fde_index *ix, struct fde_walk **ret);
void fde_walk_free(struct fde_walk *w); /* NULL is fine */
DEFINE_CLEANUP(struct fde_walk *, fde_walk_free)

/* What holds in [from, to). */
struct fde_span {
	uint64_t from, to; /* ELF virtual addresses; to > from */
	bool covered;	   /* by an FDE; otherwise there is no rule */
	uint32_t rule;	   /* UNWIND_RULE_EXT(0): ext */
	struct unwind_ext ext;
};

/* Called with spans in ascending order, without a gap, from @from to @to. */
typedef int (*fde_span_fn)(void *arg, const struct fde_span *span);

struct fde_range {
	uint64_t from, to; /* ELF virtual addresses */
	size_t *budget;	   /* bytes of instructions that may yet be executed; then UNSUPPORTED */
	uint64_t *bad_fdes;
};

/* A negative errno from @fn ends the walk. -ENOMEM, -EIO, -EBADMSG: the file has changed. */
int fde_walk_range(struct fde_walk *w, const struct fde_range *range, fde_span_fn fn, void *arg);

#endif
