/* SPDX-License-Identifier: Apache-2.0 */
/* One function of a profile: which of its lines the time went to or through. */
#ifndef VIEW_ANNOTATE_H
#define VIEW_ANNOTATE_H

#include <stdio.h>

#include "view/select.h"
#include "view/source_text.h"

struct annotate_options {
	const char *function; /* its name; else a pattern with '*' and '?'; else part of it */
	const char *in;	      /* name or path of module or source file; NULL: any */
	unsigned context;     /* lines shown around those with samples */
	struct view_select select;
};

struct annotation;

/* The hottest function that matches. -ENOENT: none does; -ENOMEM. @p and @opt must outlive it. */
int annotation_new(const struct pprof *p, const struct annotate_options *opt,
		   struct annotation **ret);
void annotation_free(struct annotation *a); /* NULL is fine */
DEFINE_CLEANUP(struct annotation *, annotation_free)

/* Borrowed, not cleaned. */
const char *annotation_function(const struct annotation *a);

/* Files that its lines are in, hottest first: at least one. Of more than these no line is shown. */
#define ANNOTATION_FILES_MAX 8
size_t annotation_files(const struct annotation *a);
const char *annotation_file(const struct annotation *a, size_t i); /* "": not known */

/* The last line of the file that has samples; 0: of none the line is known. */
uint32_t annotation_last_line(const struct annotation *a, size_t i);

/* @sources: one of each file; NULL for lines without their text. -ENOMEM, or -EIO if @out failed.
 */
int annotation_write(const struct annotation *a, struct source_text *const *sources, FILE *out);

#endif
