/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles as text: ranked tables for the terminal. */
#ifndef VIEW_TABLE_H
#define VIEW_TABLE_H

#include <stdio.h>

#include "view/select.h"

enum view_by {
	VIEW_BY_FUNCTION,
	VIEW_BY_LINE,
	VIEW_BY_SPAN,
	VIEW_BY_TRACE,
	VIEW_BY_PROCESS,
	VIEW_BY_THREAD,
	VIEW_BY_SERVICE,
};

/* "function", "line", …; -EINVAL. */
int view_by_parse(const char *name, enum view_by *ret);

struct view_table_options {
	enum view_by by;
	struct view_select select; /* by_line: as @by says */
	size_t max_rows;	   /* 0: all */
	size_t max_functions; /* hottest functions and callers near to them, listed under each row;
				 0: none (and by function and line) */
};

/* Writes the table; -ENOMEM, or -EIO if @out failed. */
int view_table(const struct pprof *p, const struct view_table_options *opt, FILE *out);

/*
 * Brendan Gregg's folded stacks: "process;outermost;…;leaf count", sorted, counts of samples. By
 * line a frame is "function file:line".
 */
int view_folded(const struct pprof *p, const struct view_select *sel, FILE *out);

#endif
