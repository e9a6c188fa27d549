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
	/* Row 0 of each window, of which one is held: a search reads one window at most. */
	VEC(int32_t) firsts;
	uint64_t held_from, held;
	struct hdr_row window[WINDOW];
};

void fde_index_free(struct fde_index *ix)
{
	if (!ix)
		return;

	vec_free(&ix->own);
	vec_free(&ix->firsts);
	free(ix);
}

/* --- the linker's table ----------------------------------------------------------------------- */

/* Makes the window that has row @i the one that is held. */
static int hold_row(struct fde_index *ix, uint64_t i)
{
	uint64_t from = i - i % WINDOW, n = ix->n - from < WINDOW ? ix->n - from : WINDOW;
	int r;

	if (ix->held && ix->held_from == from)
		return 0;
	ix->held = 0;
	r = elf_span_read(ix->src->ef, ix->rows_off + from * sizeof(ix->window[0]), ix->window,
			  n * sizeof(ix->window[0]));
	if (r < 0)
		return r;
	ix->held_from = from;
	ix->held = n;
	return 0;
}

/* Do the rows of the window ascend, from @last on? */
static bool is_sorted(const struct fde_index *ix, int32_t last)
{
	for (size_t k = 0; k < ix->held; k++) {
		if (ix->window[k].start < last)
			return false;
		last = ix->window[k].start;
	}
	return true;
}

/* A search in a table that is not sorted would find something wrong. */
static int load_firsts(struct fde_index *ix)
{
	int32_t last = INT32_MIN;
	int r;

	for (uint64_t i = 0; i < ix->n; i += WINDOW) {
		r = hold_row(ix, i);
		if (r < 0)
			return r;
		if (!is_sorted(ix, last))
			return -EBADMSG;
		last = ix->window[ix->held - 1].start;
		r = vec_push(&ix->firsts, ix->window[0].start);
		if (r < 0)
			return r;
	}
	/* Addresses ascend as what they are relative to, unless they wrap around. */
	if (ix->hdr_vaddr > INT64_MAX - INT32_MAX ||
	    (int64_t)ix->hdr_vaddr + ix->firsts.data[0] < 0)
		return -EBADMSG;
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
		r = load_firsts(ix);
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

	r = hold_row(ix, i);
	if (r < 0)
		return r;
	*ret = entry_of_row(ix, &ix->window[i - ix->held_from]);
	return 0;
}

/* Narrows [*lo, *hi) to the one window where the answer is. */
static void narrow(const struct fde_index *ix, uint64_t vaddr, uint64_t *lo, uint64_t *hi)
{
	uint64_t first = 0, end = ix->firsts.n;

	while (first < end) {
		uint64_t mid = first + (end - first) / 2;

		if (ix->hdr_vaddr + (int64_t)ix->firsts.data[mid] <= vaddr)
			first = mid + 1;
		else
			end = mid;
	}
	*lo = first ? (first - 1) * WINDOW : 0;
	*hi = first * WINDOW < ix->n ? first * WINDOW : ix->n;
}

int fde_index_find(struct fde_index *ix, uint64_t vaddr, uint64_t *ret)
{
	uint64_t lo = 0, hi = ix->n;
	struct fde_entry entry;
	int r;

	if (ix->is_hdr)
		narrow(ix, vaddr, &lo, &hi);
	/* All before lo start at or before vaddr, none from hi on does. */
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;

		r = fde_index_get(ix, mid, &entry);
		if (r < 0)
			return r;
		if (entry.start <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return -ENOENT;
	*ret = lo - 1;
	return 0;
}
