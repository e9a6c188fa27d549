/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/gap_rows.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "unwind/code_starts.h"
#include "unwind/fde_walk.h"

#define AHEAD	    (16 << 10) /* bytes of code for which rows are found at once */
#define MARGIN	    (16 << 10) /* looked at on both sides, so that functions there are whole */
#define SYMBOLS_MIN 512	       /* for less code, symbols are not worth a walk through the table */

#define PROBE_BUDGET (1 << 20) /* bytes of call frame instructions */

_Static_assert(AHEAD + 2 * MARGIN <= CODE_ROWS_MAX, "a window can be taken at once");

struct gap_rows {
	struct elf_file *ef;
	struct fde_walk *probe; /* NULL: there are no FDEs */
	struct code_rows rows;
	uint64_t base;		       /* of the rows */
	uint64_t valid_from, valid_to; /* where they can be relied on */
};

/* Code that is looked at together. */
struct window {
	uint64_t from, to;
	bool begins, ends; /* with the gap */
};

void gap_rows_free(struct gap_rows *g)
{
	if (!g)
		return;

	fde_walk_free(g->probe);
	code_rows_clear(&g->rows);
	free(g);
}

int gap_rows_new(struct elf_file *ef, const struct fde_source *src, struct fde_index *ix,
		 struct gap_rows **ret)
{
	CLEANUP(gap_rows_freep) struct gap_rows *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return -ENOMEM;
	g->ef = ef;
	if (ix) {
		r = fde_walk_new(src, ix, &g->probe);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(g);
	return 0;
}

/* --- where the gap ends ----------------------------------------------------------------------- */

static int note_last(void *arg, const struct fde_span *span)
{
	struct window *w = arg;

	if (span->covered) {
		w->from = span->to;
		w->begins = true;
	}
	return 0;
}

static int note_first(void *arg, const struct fde_span *span)
{
	struct window *w = arg;

	if (!span->covered)
		return 0;
	w->to = span->from;
	w->ends = true;
	return -ECANCELED;
}

static int probe(struct gap_rows *g, uint64_t from, uint64_t to, fde_span_fn fn, struct window *w)
{
	size_t budget = PROBE_BUDGET;
	uint64_t bad = 0;
	const struct fde_range range = { from, to, &budget, &bad };
	int r;

	if (!g->probe || from >= to)
		return 0;
	r = fde_walk_range(g->probe, &range, fn, w);
	return r == -ECANCELED ? 0 : r;
}

/* As far as @before bytes before the piece and @behind bytes behind its begin. */
static int find_window(struct gap_rows *g, const struct gap_piece *piece, uint64_t before,
		       uint64_t behind, struct window *w)
{
	uint64_t begin = piece->segment->vaddr, end = begin + piece->segment->size;
	int r = 0;

	*w = (struct window){ piece->from, piece->to, true, true };
	if (piece->open_before) {
		w->begins = piece->from - begin <= before;
		w->from = w->begins ? begin : piece->from - before;
		r = probe(g, w->from, piece->from, note_last, w);
	}
	if (r == 0 && piece->open_behind) {
		w->ends = end - piece->from <= behind;
		w->to = w->ends ? end : piece->from + behind;
		r = probe(g, piece->to, w->to, note_first, w);
	}
	return r;
}

int gap_rows_is_small(struct gap_rows *g, const struct gap_piece *piece)
{
	struct window w;
	int r;

	if (!g->probe || piece->to - piece->from >= GAP_MIN)
		return 0;
	r = find_window(g, piece, GAP_MIN, 2 * GAP_MIN, &w);
	return r < 0 ? r : w.begins && w.ends && w.to - w.from < GAP_MIN;
}

/* --- rows ------------------------------------------------------------------------------------- */

/*
 * Does a process begin at @entry? Linkers give a library one, too: the begin of its code. What the
 * kernel starts marks itself as outermost (x86-64 psABI 3.4.1: xor %ebp, %ebp, or of %rbp).
 */
static bool is_start(struct gap_rows *g, const uint8_t *entry, size_t len)
{
	static const uint8_t mark[] = { 0x48, 0x31, 0xed };

	return elf_file_is_executable(g->ef) || (len >= 3 && memcmp(entry, mark, 3) == 0) ||
	       (len >= 2 && memcmp(entry, mark + 1, 2) == 0);
}

static int build(struct gap_rows *g, const struct elf_span *segment, const struct window *w)
{
	CLEANUP(code_starts_clear) struct code_starts found = { 0 };
	CLEANUP(freep) uint8_t *bytes = malloc(w->to - w->from);
	struct code_rows_input in = { .len = w->to - w->from, .vaddr = w->from };
	uint64_t entry = elf_file_entry(g->ef);
	int r;

	if (!bytes)
		return -ENOMEM;
	r = elf_span_read(g->ef, segment->off + (w->from - segment->vaddr), bytes, in.len);
	if (r < 0)
		return r;
	if (in.len >= SYMBOLS_MIN)
		r = code_starts_find(g->ef, w->from, w->to, &found);
	if (r < 0)
		return r;
	in.bytes = bytes;
	in.starts = found.at.data;
	in.n_starts = found.at.n;
	in.begins = w->begins;
	in.has_entry = entry && entry >= w->from && entry < w->to &&
		       is_start(g, bytes + (entry - w->from), w->to - entry);
	in.entry = in.has_entry ? entry - w->from : 0;
	return code_rows_build(&in, &g->rows);
}

static bool is_valid(const struct gap_rows *g, const struct gap_piece *piece)
{
	return piece->from >= g->valid_from && piece->to <= g->valid_to;
}

int gap_rows_find(struct gap_rows *g, const struct gap_piece *piece, const struct code_rows **ret,
		  uint64_t *ret_base)
{
	struct window w;
	int r = 0;

	if (!is_valid(g, piece)) {
		code_rows_clear(&g->rows);
		g->valid_from = g->valid_to = 0;
		r = find_window(g, piece, MARGIN, AHEAD + MARGIN, &w);
		if (r == 0)
			r = build(g, piece->segment, &w);
		if (r < 0)
			return r;
		g->base = w.from;
		g->valid_from = w.begins ? w.from : piece->from;
		g->valid_to = w.ends ? w.to : w.to - MARGIN;
	}
	*ret = &g->rows;
	*ret_base = g->base;
	return 0;
}
