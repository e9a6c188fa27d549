/* SPDX-License-Identifier: Apache-2.0 */
#include "view/columns.h"

#include <stdbool.h>
#include <string.h>

#include "base/vec.h"

#define GAP	    2
#define WIDTH_LEAST 4

struct row {
	char *cell[COLUMNS_MAX]; /* of a line: start, text */
	bool is_line;
};

struct columns {
	struct column defs[COLUMNS_MAX];
	size_t n;
	unsigned width;
	VEC(struct row) rows;
};

int columns_new(const struct column *defs, size_t n, unsigned width, struct columns **ret)
{
	struct columns *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;

	c->n = n < COLUMNS_MAX ? n : COLUMNS_MAX;
	c->width = width;
	memcpy(c->defs, defs, c->n * sizeof(*defs));
	*ret = c;
	return 0;
}

static void row_clear(struct row *row)
{
	for (size_t i = 0; i < COLUMNS_MAX; i++)
		free(row->cell[i]);
}

void columns_free(struct columns *c)
{
	if (!c)
		return;

	for (size_t i = 0; i < c->rows.n; i++)
		row_clear(&c->rows.data[i]);
	vec_free(&c->rows);
	free(c);
}

static int add_row(struct columns *c, const char *const *cells, size_t n, bool is_line)
{
	struct row row = { .is_line = is_line };
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = text_clean(cells[i], &row.cell[i]);
	if (r == 0)
		r = vec_push(&c->rows, row);
	if (r < 0)
		row_clear(&row);
	return r;
}

int columns_add(struct columns *c, const char *const *cells)
{
	return add_row(c, cells, c->n, false);
}

int columns_add_line(struct columns *c, const char *start, const char *text)
{
	const char *parts[] = { start, text };

	return add_row(c, parts, 2, true);
}

/* Widest cell of the column with its title; 0 if all cells are empty. */
static unsigned natural_width(const struct columns *c, size_t col)
{
	unsigned widest = 0, title = text_width(c->defs[col].title);

	for (size_t i = 0; i < c->rows.n; i++) {
		const struct row *row = &c->rows.data[i];
		unsigned w = row->is_line ? 0 : text_width(row->cell[col]);

		if (w > widest)
			widest = w;
	}
	if (widest && widest < title)
		widest = title;
	if (!c->defs[col].min && widest > COLUMN_ID_MAX)
		widest = COLUMN_ID_MAX;
	return widest;
}

static unsigned sum_widths(const unsigned *widths, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += widths[i] ? widths[i] + (sum ? GAP : 0) : 0;
	return sum;
}

/* Takes from the widest column until all fit or none is wider than its @least. */
static void shrink_widths(const struct columns *c, const unsigned *least, unsigned *widths)
{
	while (sum_widths(widths, c->n) > c->width) {
		size_t widest = c->n;

		for (size_t i = 0; i < c->n; i++)
			if (widths[i] > least[i] && (widest == c->n || widths[i] > widths[widest]))
				widest = i;
		if (widest == c->n)
			return;
		widths[widest]--;
	}
}

/* What is not to be cut is only where ids and numbers are longer than they can truly be. */
static void fit_widths(const struct columns *c, unsigned *widths)
{
	unsigned least[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < c->n; i++)
		least[i] = c->defs[i].min ? c->defs[i].min : widths[i];
	shrink_widths(c, least, widths);
	for (size_t i = 0; i < c->n; i++)
		least[i] = WIDTH_LEAST;
	shrink_widths(c, least, widths);
}

static void pad(FILE *out, unsigned n)
{
	fprintf(out, "%*s", (int)n, "");
}

/* Nothing follows the last column, so that lines do not end in spaces. */
static void print_cell(FILE *out, const char *text, const struct column *def, unsigned width,
		       bool last)
{
	unsigned have = text_width(text);
	unsigned gap = have < width ? width - have : 0;

	if (def->align == COLUMN_RIGHT)
		pad(out, gap);
	text_write_cut(out, text, width, def->cut);
	if (def->align == COLUMN_LEFT && !last)
		pad(out, gap);
}

static void print_row(const struct columns *c, const char *const *cells, const unsigned *widths,
		      FILE *out)
{
	size_t last = 0;
	bool first = true;

	for (size_t i = 0; i < c->n; i++)
		if (widths[i])
			last = i;
	for (size_t i = 0; i < c->n; i++) {
		if (!widths[i])
			continue;
		if (!first)
			pad(out, GAP);
		first = false;
		print_cell(out, cells[i], &c->defs[i], widths[i], i == last);
	}
	fputc('\n', out);
}

static void print_line(const struct columns *c, const struct row *row, FILE *out)
{
	unsigned start = text_width(row->cell[0]);

	fputs(row->cell[0], out);
	text_write_cut(out, row->cell[1], start < c->width ? c->width - start : 0, TEXT_CUT_MIDDLE);
	fputc('\n', out);
}

void columns_print(struct columns *c, FILE *out)
{
	unsigned widths[COLUMNS_MAX] = { 0 };
	const char *titles[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < c->n; i++) {
		widths[i] = natural_width(c, i);
		titles[i] = c->defs[i].title;
	}
	fit_widths(c, widths);

	if (sum_widths(widths, c->n))
		print_row(c, titles, widths, out);
	for (size_t i = 0; i < c->rows.n; i++) {
		const struct row *row = &c->rows.data[i];

		if (!row->is_line) {
			print_row(c, (const char *const *)row->cell, widths, out);
			continue;
		}
		print_line(c, row, out);
	}
}
