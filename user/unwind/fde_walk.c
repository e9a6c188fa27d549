/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/fde_walk.h"

#include "unwind/fde_pass.h"
#include "unwind/rule_encode.h"

struct fde_walk {
	struct fde_index *ix;
	struct fde_reader *reader;

	/* The FDE that is executed, and its row that was reached last. */
	bool active;
	uint64_t index;
	uint64_t row_from, row_to;
	struct cfi_exec exec;
};

/* A walk of a range: what stays the same during it. */
struct pass {
	struct fde_walk *w;
	struct fde_pass out;
};

int fde_walk_new(const struct fde_source *src, struct fde_index *ix, struct fde_walk **ret)
{
	CLEANUP(fde_walk_freep) struct fde_walk *w = malloc(sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->ix = ix;
	w->reader = NULL;
	w->active = false;
	r = fde_reader_new(src, &w->reader);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

void fde_walk_free(struct fde_walk *w)
{
	if (!w)
		return;

	fde_reader_free(w->reader);
	free(w);
}

/* Executes up to the end of the next row, within the budget. */
static int next_row(struct pass *p)
{
	struct fde_walk *w = p->w;
	const uint8_t *before = w->exec.in.pos;
	int r;

	if (*p->out.range->budget == 0)
		return -E2BIG;
	r = cfi_exec_next(&w->exec, &w->row_from, &w->row_to);
	fde_pass_spend(&p->out, w->exec.in.pos - before + 1);
	return r;
}

/* The rows of the FDE being executed, up to @to. */
static int walk_rows(struct pass *p, uint64_t to)
{
	struct fde_walk *w = p->w;
	struct fde_span span = { .covered = true };
	int r;

	while (p->out.pos < to) {
		if (w->row_to <= p->out.pos) {
			r = next_row(p);
			if (r <= 0) {
				w->active = false;
				*p->out.range->bad_fdes += r == -EBADMSG;
				return fde_pass_unsupported(&p->out, to);
			}
			continue;
		}
		span.rule = rule_encode(w->exec.cie, &w->exec.now, &span.ext);
		r = fde_pass_give(&p->out, &span, w->row_to < to ? w->row_to : to);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Reading an entry costs as much as executing it. What is longer than FDE_SIZE_MAX is not read, and
 * one without a head neither.
 */
static void spend_entry(struct pass *p, uint64_t off)
{
	struct cfi_head head;

	if (fde_reader_head(p->w->reader, off, &head) == 0 && head.size <= FDE_SIZE_MAX)
		fde_pass_spend(&p->out, head.size);
}

/* Makes entry @i of the index the FDE that is executed. -ERANGE: it covers nothing. */
static int begin_fde(struct pass *p, uint64_t i, const struct fde_entry *entry)
{
	struct fde_walk *w = p->w;
	struct cfi_fde fde;
	int r;

	if (w->active && w->index == i && w->row_from <= p->out.pos)
		return 0;

	w->active = false;
	if (entry->off == UINT64_MAX)
		return -EBADMSG;
	if (*p->out.range->budget == 0)
		return -E2BIG;
	/* Whatever comes of it: rows for each byte of code may all lead here, and to other code. */
	spend_entry(p, entry->off);
	r = fde_reader_load(w->reader, entry->off, &fde);
	if (r < 0)
		return r;
	if (fde.start != entry->start)
		return -EBADMSG;
	cfi_exec_init(&w->exec, &fde);
	w->active = true;
	w->index = i;
	w->row_from = w->row_to = fde.start;
	return 0;
}

/*
 * The same; if the FDE is empty, of the one that follows it in the section if that starts at the
 * same place: of two such, BOLT keeps the first in the table.
 */
static int begin_next_to(struct pass *p, uint64_t i, const struct fde_entry *entry)
{
	struct fde_entry next = *entry;
	struct cfi_head head;
	int r = begin_fde(p, i, entry);

	if (r != -ERANGE)
		return r;
	if (fde_reader_head(p->w->reader, entry->off, &head) == 0)
		next.off += head.size;
	return begin_fde(p, i, &next) == 0 ? 0 : -ERANGE;
}

/* Entry @i, which rules up to @to: where the next one starts, or the range ends. */
static int walk_fde(struct pass *p, uint64_t i, const struct fde_entry *entry, uint64_t to)
{
	int r = begin_next_to(p, i, entry);

	if (r == -ERANGE)
		return fde_pass_gap(&p->out, to);
	/* How far it would reach is not known either. */
	if (r == -EBADMSG || r == -E2BIG) {
		*p->out.range->bad_fdes += r == -EBADMSG;
		return fde_pass_unsupported(&p->out, to);
	}
	if (r < 0)
		return r;

	r = walk_rows(p, p->w->exec.end < to ? p->w->exec.end : to);
	return r < 0 ? r : fde_pass_gap(&p->out, to);
}

int fde_walk_range(struct fde_walk *w, const struct fde_range *range, fde_span_fn fn, void *arg)
{
	struct pass p = { .w = w, .out = { range, fn, arg, range->from } };
	struct fde_entry entry, next;
	uint64_t i;
	int r;

	r = fde_index_find(w->ix, range->from, &i);
	if (r == -ENOENT) {
		i = 0;
		r = fde_index_get(w->ix, i, &next);
		if (r == -ENOENT)
			return fde_pass_gap(&p.out, range->to);
		if (r == 0)
			r = fde_pass_gap(&p.out, next.start < range->to ? next.start : range->to);
	}
	while (r == 0 && p.out.pos < range->to) {
		uint64_t to = range->to;

		r = fde_index_get(w->ix, i, &entry);
		if (r < 0)
			return r;
		r = fde_index_get(w->ix, i + 1, &next);
		if (r == 0 && next.start < to)
			to = next.start;
		if (r == 0 || r == -ENOENT) /* of several with the same start the last one counts */
			r = to > p.out.pos ? walk_fde(&p, i, &entry, to) : 0;
		i++;
	}
	return r;
}
