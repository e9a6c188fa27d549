/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned columns for a terminal of a given width: what is too long is cut, lines never wrap. */
#ifndef VIEW_COLUMNS_H
#define VIEW_COLUMNS_H

#include "base/cleanup.h"
#include "view/text.h"

enum column_align { COLUMN_LEFT, COLUMN_RIGHT };

struct column {
	const char *title; /* must outlive the columns */
	enum column_align align;
	unsigned min; /* may be cut down to this width; 0: as long as it can be, not cut */
	enum text_cut cut;
};

#define COLUMNS_MAX   10
#define COLUMN_ID_MAX 36 /* longer than any id: is cut in every column */

struct columns;

/* @defs is copied. A column in which all cells are empty is left out. -ENOMEM. */
int columns_new(const struct column *defs, size_t n, unsigned width, struct columns **ret);
void columns_free(struct columns *c); /* NULL is fine */
DEFINE_CLEANUP(struct columns *, columns_free)

/* @cells: one string a column; cleaned and copied. -ENOMEM. */
int columns_add(struct columns *c, const char *const *cells);

/*
 * A line without columns below the last row: @start as it is, then @text, cut to what is left of
 * the width. Both are cleaned and copied. -ENOMEM.
 */
int columns_add_line(struct columns *c, const char *start, const char *text);

void columns_print(struct columns *c, FILE *out);

#endif
