/* SPDX-License-Identifier: Apache-2.0 */
/* What stands above every table: what was measured, how much of it lies in spans and is whole. */
#ifndef VIEW_SUMMARY_H
#define VIEW_SUMMARY_H

#include <stdio.h>

#include "view/digest.h"
#include "view/text.h"

/* A few lines of at most 100 columns, and an empty one. -ENOMEM. */
int summary_write(const struct pprof *p, const struct view_select *sel, const struct digest *d,
		  FILE *out);

#endif
