/* SPDX-License-Identifier: Apache-2.0 */
/* Which samples of a profile to show, and how finely. */
#ifndef VIEW_SELECT_H
#define VIEW_SELECT_H

#include <stdbool.h>
#include <stdint.h>

#include "export/pprof.h"

struct view_select {
	const char *span_id;  /* NULL: any; hex of either case */
	const char *trace_id; /* NULL: any */
	const char *label;    /* KEY=VALUE, of string labels; NULL: any */
	int64_t pid;	      /* 0: any */
	bool by_line;	      /* frames are lines of functions; else whole functions */
};

bool view_select_matches(const struct view_select *sel, const struct pprof_sample *s);

#endif
