/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/fde_index.h"

#include <dwarf.h>
#include <string.h>

#include "base/vec.h"

#define HDR_MAX	     64 /* bytes before the table */
#define HDR_VERSION  1
#define HDR_ROWS_MAX (4 << 20) /* of the linker's table; a file with more is indexed by us */
#define WINDOW	     512       /* rows of it that are held */
#define ENTRIES_MAX  (2 * FDE_INDEX_MAX) /* looked at in a section: CIEs and discarded FDEs too */
#define SECTION_MAX  (256u << 20)	 /* bytes looked at: a sparse file costs nothing to make */

/* A row of the linker's table: both relative to the begin of .eh_frame_hdr. */
struct hdr_row {
	int32_t start;
	int32_t fde;
};

/* A row of ours. */
struct own_row {
	uint32_t start; /* from the base */
	uint32_t off;
};

struct fde_index {
	const struct fde_source *src;
	uint64_t n;
	/* ours */
	uint64_t base;
	VEC(struct own_row) own;
	/* the linker's */
	bool is_hdr;
	uint64_t hdr_vaddr;
	uint64_t rows_off; /* in the file */
	uint64_t held_from, held;
	struct hdr_row window[WINDOW];
};

void fde_index_free(struct fde_index *ix)
{
	if (!ix)
		return;

	vec_free(&ix->own);
	free(ix);
}

/* --- the linker's table ----------------------------------------------------------------------- */

static int read_rows(struct fde_index *ix, uint64_t from, struct hdr_row *rows, size_t n)
{
	return elf_span_read(ix->src->ef, ix->rows_off + from * sizeof(*rows), rows,
			     n * sizeof(*rows));
}

static int hold_rows(struct fde_index *ix, uint64_t from)
{
	uint64_t n = ix->n - from < WINDOW ? ix->n - from : WINDOW;
	int r;

	ix->held = 0;
	r = read_rows(ix, from, ix->window, n);
	if (r < 0)
		return r;
	ix->held_from = from;
	ix->held = n;
	return 0;
}

/*
 * A search in a table that is not sorted would find something wrong. Addresses are sorted as what
 * they are relative to, unless they wrap around.
 */
static int check_sorted(struct fde_index *ix)
{
	int32_t last = INT32_MIN;
	int r;

	if (ix->hdr_vaddr < (uint64_t)INT32_MAX + 1 && ix->n) {
		r = hold_rows(ix, 0);
		if (r < 0)
			return r;
		if ((int64_t)ix->hdr_vaddr + ix->window[0].start < 0)
			return -EBADMSG;
	}
	if (ix->hdr_vaddr > UINT64_MAX - INT32_MAX)
		return -EBADMSG;

	for (uint64_t i = 0; i < ix->n; i += ix->held) {
		r = hold_rows(ix, i);
		if (r < 0)
			return r;
		for (size_t k = 0; k < ix->held; k++) {
			if (ix->window[k].start < last)
				return -EBADMSG;
			last = ix->window[k].start;
		}
	}
	return 0;
}

/* The fields before the table. */
static int read_hdr(struct fde_index *ix, const struct elf_span *hdr, uint64_t *ret_eh_frame)
{
	uint8_t buf[HDR_MAX] = { 0 }, frame_enc, count_enc, table_enc;
	size_t len = hdr->size < sizeof(buf) ? hdr->size : sizeof(buf);
	struct dw_cursor c = dw_cursor_of(buf, len, hdr->vaddr);
	uint64_t eh_frame, at;

	if (elf_span_read(ix->src->ef, hdr->off, buf, len) < 0 || dw_u8(&c) != HDR_VERSION)
		return -EBADMSG;
	frame_enc = dw_u8(&c);
	count_enc = dw_u8(&c);
	table_enc = dw_u8(&c);
	eh_frame = dw_pointer(&c, frame_enc, hdr->vaddr);
	if (c.bad)
		return -EBADMSG;
	*ret_eh_frame = eh_frame;

	ix->n = dw_pointer(&c, count_enc, hdr->vaddr);
	at = c.addr - hdr->vaddr;
	if (c.bad || table_enc != (DW_EH_PE_datarel | DW_EH_PE_sdata4) || ix->n == 0 ||
	    ix->n > HDR_ROWS_MAX || ix->n > (hdr->size - at) / sizeof(struct hdr_row))
		return -EBADMSG;
	ix->rows_off = hdr->off + at;
	return 0;
}

int fde_index_of_hdr(const struct fde_source *src, const struct elf_span *hdr,
		     uint64_t *ret_eh_frame, struct fde_index **ret)
{
	CLEANUP(fde_index_freep) struct fde_index *ix = calloc(1, sizeof(*ix));
	int r;

	*ret_eh_frame = 0;
	if (!ix)
		return -ENOMEM;
	ix->src = src;
	ix->is_hdr = true;
	ix->hdr_vaddr = hdr->vaddr;
	r = read_hdr(ix, hdr, ret_eh_frame);
	if (r == 0)
		r = check_sorted(ix);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(ix);
	return 0;
}

/* --- ours ------------------------------------------------------------------------------------- */

static int compare_rows(const void *a, const void *b)
{
	const struct own_row *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->off > y->off) - (x->off < y->off);
}

static void sort_rows(struct own_row *rows, size_t n)
{
	size_t i = 1;

	while (i < n && compare_rows(&rows[i - 1], &rows[i]) <= 0)
		i++;
	if (i < n)
		qsort(rows, n, sizeof(*rows), compare_rows);
}

static int add_fde(struct fde_index *ix, struct fde_reader *reader, uint64_t off)
{
	struct cfi_fde fde;
	int r;

	r = fde_reader_range(reader, off, &fde);
	if (r == -ERANGE)
		return 0;
	if (r < 0)
		return r;
	if (fde.start < ix->base || fde.start - ix->base > UINT32_MAX)
		return 0;
	return vec_push(&ix->own, (struct own_row){ fde.start - ix->base, off });
}

static int scan(struct fde_index *ix, struct fde_reader *reader, uint64_t *bad)
{
	uint64_t off = 0;
	struct cfi_head h;
	int r;

	for (size_t i = 0; i < ENTRIES_MAX && ix->own.n < FDE_INDEX_MAX && off < SECTION_MAX; i++) {
		r = fde_reader_head(reader, off, &h);
		if (r == -ENODATA)
			return 0;
		if (r == 0 && h.size && !h.is_cie)
			r = add_fde(ix, reader, off);
		if (r == -EBADMSG)
			++*bad;
		else if (r < 0)
			return r;
		/* Without its head nobody knows where the next entry begins. */
		if (fde_reader_head(reader, off, &h) < 0)
			return 0;
		off += h.size ? h.size : sizeof(uint32_t);
	}
	return 0;
}

int fde_index_build(const struct fde_source *src, uint64_t base, uint64_t *ret_bad,
		    struct fde_index **ret)
{
	CLEANUP(fde_index_freep) struct fde_index *ix = calloc(1, sizeof(*ix));
	CLEANUP(fde_reader_freep) struct fde_reader *reader = NULL;
	uint64_t bad = 0;
	int r;

	if (!ix)
		return -ENOMEM;
	r = fde_reader_new(src, &reader);
	if (r < 0)
		return r;
	ix->src = src;
	ix->base = base;
	r = scan(ix, reader, &bad);
	if (r < 0)
		return r;

	sort_rows(ix->own.data, ix->own.n);
	ix->n = ix->own.n;
	*ret_bad = bad;
	*ret = TAKE_PTR(ix);
	return 0;
}

/* --- both ------------------------------------------------------------------------------------- */

static struct fde_entry entry_of_row(const struct fde_index *ix, const struct hdr_row *row)
{
	uint64_t fde = ix->hdr_vaddr + (int64_t)row->fde;
	uint64_t off = fde - ix->src->span.vaddr;

	return (struct fde_entry){
		.start = ix->hdr_vaddr + (int64_t)row->start,
		.off = off < ix->src->span.size ? off : UINT64_MAX,
	};
}

int fde_index_get(struct fde_index *ix, uint64_t i, struct fde_entry *ret)
{
	int r;

	if (i >= ix->n)
		return -ENOENT;
	if (!ix->is_hdr) {
		*ret = (struct fde_entry){ ix->base + ix->own.data[i].start, ix->own.data[i].off };
		return 0;
	}

	if (i < ix->held_from || i - ix->held_from >= ix->held) {
		r = hold_rows(ix, i);
		if (r < 0)
			return r;
	}
	*ret = entry_of_row(ix, &ix->window[i - ix->held_from]);
	return 0;
}

/* Where entry @i starts, without giving up the window for it. */
static int start_of(struct fde_index *ix, uint64_t i, uint64_t *ret)
{
	struct fde_entry entry;
	struct hdr_row row;
	int r;

	if (ix->is_hdr && (i < ix->held_from || i - ix->held_from >= ix->held)) {
		r = read_rows(ix, i, &row, 1);
		entry = entry_of_row(ix, &row);
	} else {
		r = fde_index_get(ix, i, &entry);
	}
	if (r < 0)
		return r;
	*ret = entry.start;
	return 0;
}

/* Narrows [*lo, *hi) to the window if the answer is there, as when pages come in order. */
static void try_window(struct fde_index *ix, uint64_t vaddr, uint64_t *lo, uint64_t *hi)
{
	uint64_t first, last;

	if (!ix->is_hdr || ix->held < 2)
		return;
	first = entry_of_row(ix, &ix->window[0]).start;
	last = entry_of_row(ix, &ix->window[ix->held - 1]).start;
	if (vaddr < first || vaddr >= last)
		return;
	*lo = ix->held_from;
	*hi = ix->held_from + ix->held;
}

int fde_index_find(struct fde_index *ix, uint64_t vaddr, uint64_t *ret)
{
	uint64_t lo = 0, hi = ix->n, start;
	int r;

	try_window(ix, vaddr, &lo, &hi);
	/* All before lo start at or before vaddr, none from hi on does. */
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		r = start_of(ix, mid, &start);
		if (r < 0)
			return r;
		if (start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return -ENOENT;
	*ret = lo - 1;
	return 0;
}
