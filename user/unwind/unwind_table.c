/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/unwind_table.h"

#include <elf.h>
#include <string.h>

#include "elf/elf_unwind.h"
#include "unwind/fde_walk.h"
#include "unwind/gap_rows.h"
#include "unwind/go_table.h"
#include "unwind/known_code.h"
#include "unwind/page_rows.h"

#define DEBUG_FRAME_MAX (32 << 20) /* bytes of a packed .debug_frame when unpacked */

/* Bytes of instructions executed for one page. Real pages need some thousand. */
#define PAGE_BUDGET (1 << 20)

_Static_assert(KNOWN_CODE_PAGE == UNWIND_PAGE_SIZE, "one page of code for one of rows");

/* A section with its index. */
struct table_source {
	struct fde_source src;
	struct fde_index *ix; /* NULL: the file has no such section that can be used */
	uint8_t *unpacked;
};

struct unwind_table {
	struct elf_file *ef;
	const struct cfi_arch *arch;
	struct elf_span *segments; /* executable ones, by offset */
	size_t n_segments;
	struct table_source eh, debug;
	struct go_table *go; /* NULL: it has no code of Go */
	struct unwind_table_stats stats;
};

static void source_clear(struct table_source *s)
{
	fde_index_free(s->ix);
	free(s->unpacked);
}

void unwind_table_close(struct unwind_table *t)
{
	if (!t)
		return;

	source_clear(&t->eh);
	source_clear(&t->debug);
	go_table_free(t->go);
	free(t->segments);
	free(t);
}

/* --- opening ---------------------------------------------------------------------------------- */

static uint64_t lowest_code(const struct unwind_table *t)
{
	uint64_t low = UINT64_MAX;

	for (size_t i = 0; i < t->n_segments; i++)
		if (t->segments[i].vaddr < low)
			low = t->segments[i].vaddr;
	return low;
}

static int build_index(struct unwind_table *t, struct table_source *s)
{
	uint64_t bad = 0;
	int r = fde_index_build(&s->src, lowest_code(t), &bad, &s->ix);

	t->stats.bad_fdes += bad;
	return r;
}

/*
 * By the linker's table if it has one that can be searched, else by the section. That table also
 * tells where .eh_frame is in a file without section headers; it ends with its segment then.
 */
static int open_eh_frame(struct unwind_table *t, const struct elf_unwind *u)
{
	struct table_source *s = &t->eh;
	uint64_t vaddr = 0;
	int r = -EBADMSG;

	s->src = (struct fde_source){ .ef = t->ef, .span = u->eh_frame, .eh = true };
	s->src.arch = t->arch;
	if (u->hdr.size)
		r = fde_index_of_hdr(&s->src, &u->hdr, &vaddr, &s->ix);
	if (r == -ENOMEM)
		return r;
	if (vaddr && (!s->src.span.size || s->src.span.vaddr != vaddr) &&
	    elf_span_at(t->ef, vaddr, &s->src.span) < 0)
		s->src.span = u->eh_frame;
	if (!s->src.span.size) {
		fde_index_free(TAKE_PTR(s->ix));
		return 0;
	}
	return s->ix ? 0 : build_index(t, s);
}

static int open_debug_frame(struct unwind_table *t, const struct elf_unwind *u)
{
	struct table_source *s = &t->debug;
	size_t len;
	int r;

	if (!u->debug_frame.size)
		return 0;
	s->src = (struct fde_source){ .ef = t->ef, .span = u->debug_frame, .arch = t->arch };
	if (u->debug_frame_packed) {
		r = elf_unwind_unpack(t->ef, &u->debug_frame, DEBUG_FRAME_MAX, &s->unpacked, &len);
		if (r < 0)
			return r == -ENOMEM ? r : 0;
		s->src.ef = NULL;
		s->src.mem = s->unpacked;
		s->src.span = (struct elf_span){ .size = len };
	}
	return build_index(t, s);
}

/* Go's table knows all that its .debug_frame does; the C code of such a program has .eh_frame. */
static int open_sources(struct unwind_table *t, const struct elf_unwind *u)
{
	int r = open_eh_frame(t, u);

	if (r < 0)
		return r;
	r = go_table_open(t->ef, &t->go);
	return r == -ENODATA ? open_debug_frame(t, u) : r;
}

int unwind_table_open(struct elf_file *ef, struct unwind_table **ret)
{
	CLEANUP(unwind_table_closep) struct unwind_table *t = calloc(1, sizeof(*t));
	struct elf_unwind u;
	int r;

	if (!t)
		return -ENOMEM;
	t->ef = ef;
	t->arch = cfi_arch_of(elf_file_machine(ef));
	if (!t->arch)
		return -ENODATA;
	r = elf_code_segments(ef, &t->segments, &t->n_segments);
	if (r < 0)
		return r;

	elf_unwind_find(ef, &u);
	r = t->n_segments ? open_sources(t, &u) : 0;
	if (r < 0)
		return r;
	/*
	 * Code tells something without any table, too: on x86_64 nearly all, elsewhere where signal
	 * handlers return to.
	 */
	if (!t->n_segments || (t->arch->machine != EM_X86_64 && !t->eh.ix && !t->debug.ix &&
			       !t->go && (u.hdr.size || u.debug_frame.size)))
		return u.hdr.size || u.debug_frame.size ? -EBADMSG : -ENODATA;
	*ret = TAKE_PTR(t);
	return 0;
}

struct unwind_table_stats unwind_table_stats(const struct unwind_table *t)
{
	return t->stats;
}

void unwind_table_pages(const struct unwind_table *t, uint64_t *ret_first, uint64_t *ret_n)
{
	uint64_t first = UINT64_MAX, end = 0;

	for (size_t i = 0; i < t->n_segments; i++) {
		const struct elf_span *s = &t->segments[i];
		uint64_t last = (s->off + s->size - 1) >> UNWIND_PAGE_SHIFT;

		if (s->off >> UNWIND_PAGE_SHIFT < first)
			first = s->off >> UNWIND_PAGE_SHIFT;
		if (last + 1 > end)
			end = last + 1;
	}
	*ret_first = end ? first : 0;
	*ret_n = end ? end - first : 0;
}

/* --- compiling -------------------------------------------------------------------------------- */

/* What compiling some pages needs, and gives back at the end. */
struct compiler {
	struct unwind_table *t;
	struct fde_walk *eh, *debug; /* NULL: no such section */
	struct gap_rows *gaps;	     /* NULL: not for this machine */
	struct page_rows rows;
	size_t budget;
	uint64_t vaddr; /* of the page's byte 0, in the segment at hand */
	const struct elf_span *segment;
	bool has_code; /* code is of the page and segment at hand */
	bool may_look; /* for rows in the page's code */
	bool is_cut;   /* there would be some */
	struct code_page code;
};

static void compiler_free(struct compiler *c)
{
	if (!c)
		return;

	fde_walk_free(c->eh);
	fde_walk_free(c->debug);
	gap_rows_free(c->gaps);
	free(c);
}
DEFINE_CLEANUP(struct compiler *, compiler_free)

static int compiler_new(struct unwind_table *t, struct compiler **ret)
{
	CLEANUP(compiler_freep) struct compiler *c = malloc(sizeof(*c));
	int r = 0;

	if (!c)
		return -ENOMEM;
	c->t = t;
	c->eh = c->debug = NULL;
	c->gaps = NULL;
	if (t->eh.ix)
		r = fde_walk_new(&t->eh.src, t->eh.ix, &c->eh);
	if (r == 0 && t->debug.ix)
		r = fde_walk_new(&t->debug.src, t->debug.ix, &c->debug);
	if (r == 0 && t->arch->machine == EM_X86_64) {
		const struct table_source *s = t->eh.ix ? &t->eh : &t->debug;

		r = gap_rows_new(t->ef, &s->src, s->ix, &c->gaps);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

static int walk(struct compiler *c, struct fde_walk *w, uint64_t from, uint64_t to, fde_span_fn fn)
{
	const struct fde_range range = { from, to, &c->budget, &c->t->stats.bad_fdes };

	return fde_walk_range(w, &range, fn, c);
}

/* The rules that tables have come first: some room is kept for those. */
#define GAP_EXT_MAX  (UNWIND_PAGE_EXT_MAX / 2)
#define GAP_ROWS_MAX (UNWIND_PAGE_ROWS_MAX / 4 * 3)

static void add_code_row(struct compiler *c, uint64_t at, const struct code_rows *rows,
			 uint32_t rule)
{
	const struct unwind_ext *ext = NULL;

	if ((rule & 3) == UNWIND_BASE_EXT)
		ext = &rows->ext.data[rule >> 2];
	if ((ext && c->rows.page.n_ext >= GAP_EXT_MAX) || c->rows.page.n_rows >= GAP_ROWS_MAX)
		rule = UNWIND_RULE_SPECIAL(UNWIND_NONE);
	page_rows_add(&c->rows, at - c->vaddr, rule, ext);
}

/* What the code itself says where nothing else does. */
static int add_gap(struct compiler *c, const struct fde_span *span)
{
	const struct gap_piece piece = {
		.segment = c->segment,
		.from = span->from,
		.to = span->to,
		.open_before = (span->from - c->vaddr) % UNWIND_PAGE_SIZE == 0,
		.open_behind = (span->to - c->vaddr) % UNWIND_PAGE_SIZE == 0,
	};
	const struct code_rows *rows;
	uint64_t base;
	int r;

	if (!c->gaps)
		return 0;
	r = gap_rows_is_small(c->gaps, &piece);
	if (r != 0)
		return r < 0 ? r : 0;
	if (!c->may_look) {
		c->is_cut = true;
		return 0;
	}
	r = gap_rows_find(c->gaps, &piece, &rows, &base);
	for (size_t i = 0; r == 0 && i < rows->rows.n; i++) {
		const struct code_row *row = &rows->rows.data[i];
		bool is_last = i + 1 == rows->rows.n;
		uint64_t from = base + row->at;

		if (from >= span->to)
			break;
		if (!is_last && base + rows->rows.data[i + 1].at <= span->from)
			continue;
		if (from < span->from)
			from = span->from;
		add_code_row(c, from, rows, row->rule);
	}
	return r;
}

static int add_span(void *arg, const struct fde_span *span)
{
	struct compiler *c = arg;

	page_rows_add(&c->rows, span->from - c->vaddr, span->rule, &span->ext);
	return span->covered ? 0 : add_gap(c, span);
}

/* .eh_frame first; .debug_frame for what it does not cover, as Go's code in a program with C. */
static int add_span_or_ask_debug_frame(void *arg, const struct fde_span *span)
{
	struct compiler *c = arg;

	if (span->covered)
		return add_span(c, span);
	return walk(c, c->debug, span->from, span->to, add_span);
}

static int walk_sections(struct compiler *c, uint64_t from, uint64_t to)
{
	const struct fde_span nothing = { .from = from, .to = to };

	if (!c->eh && !c->debug)
		return add_span(c, &nothing);
	if (!c->eh)
		return walk(c, c->debug, from, to, add_span);
	return walk(c, c->eh, from, to, c->debug ? add_span_or_ask_debug_frame : add_span);
}

static int add_go_span_or_ask_sections(void *arg, const struct fde_span *span)
{
	return span->covered ? add_span(arg, span) : walk_sections(arg, span->from, span->to);
}

/* The part of a page that one segment has. */
static int compile_part(struct compiler *c, uint64_t from, uint64_t to)
{
	const struct fde_range range = { from, to, &c->budget, &c->t->stats.bad_fdes };

	if (c->t->go)
		return go_table_range(c->t->go, &range, add_go_span_or_ask_sections, c);
	return walk_sections(c, from, to);
}

static bool is_by_code(uint32_t rule)
{
	uint32_t base = rule & 3;

	return (base == UNWIND_BASE_SP || base == UNWIND_BASE_FP) &&
	       (rule >> UNWIND_BY_CODE_SHIFT & 1);
}

/*
 * Code that calls sigreturn(2) is not always described (musl), or as an ordinary function
 * (Go). What it does is beyond doubt.
 */
static bool may_be_stub(const struct compiler *c, uint32_t rule)
{
	return rule == UNWIND_RULE_SPECIAL(UNWIND_NONE) || is_by_code(rule) ||
	       rule == UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED) ||
	       ((c->debug || c->t->go) && rule != UNWIND_RULE_SPECIAL(UNWIND_SIGNAL));
}

/* The code of the page at hand, which is read when the first row asks for it. */
static int want_code(struct compiler *c, const struct elf_span *segment, uint64_t page)
{
	int r;

	if (c->has_code)
		return 0;
	r = code_page_read(c->t->ef, c->t->arch->machine, segment, page << UNWIND_PAGE_SHIFT,
			   &c->code);
	c->has_code = r == 0;
	return r;
}

/* In row @i of the page. */
static int mark_stub(struct compiler *c, const struct elf_span *segment, uint64_t page, unsigned i)
{
	const struct unwind_page *rows = &c->rows.page;
	int size = sigreturn_stub_size(c->t->arch->machine);
	/* It may have begun in the page before, and may end in the next one. */
	int from = i ? rows->pc[i] : 1 - size;
	int to = i + 1 < rows->n_rows ? rows->pc[i + 1] : (int)UNWIND_PAGE_SIZE;
	int r, at;

	if (to - from < size && to < (int)UNWIND_PAGE_SIZE)
		return 0;
	r = want_code(c, segment, page);
	if (r < 0)
		return r;
	if (sigreturn_stub_find(&c->code, from, to, &at))
		page_rows_overlay(&c->rows, at < 0 ? 0 : at, at + size,
				  UNWIND_RULE_SPECIAL(UNWIND_SIGNAL));
	return 0;
}

/* Is row @i the begin of a function, behind padding, as long as __start_context() at least? */
static bool may_be_context(const struct compiler *c, unsigned i)
{
	const struct unwind_page *rows = &c->rows.page;
	bool is_x86 = c->t->arch->machine == EM_X86_64;
	uint32_t entry = (is_x86 ? 1u << UNWIND_CFA_SHIFT : 0) | UNWIND_BASE_SP;
	unsigned end = i + 1 < rows->n_rows ? rows->pc[i + 1] : UNWIND_PAGE_SIZE;

	return rows->rule[i] == entry && end - rows->pc[i] >= KNOWN_CODE_MAX &&
	       (i == 0 || rows->rule[i - 1] == UNWIND_RULE_SPECIAL(UNWIND_NONE));
}

static int mark_context(struct compiler *c, const struct elf_span *segment, uint64_t page,
			unsigned i)
{
	int at = c->rows.page.pc[i];
	int r = want_code(c, segment, page);

	if (r == 0 && context_start_is_at(&c->code, at))
		page_rows_overlay(&c->rows, at, at + context_start_size(c->t->arch->machine),
				  UNWIND_RULE_SPECIAL(UNWIND_END));
	return r;
}

/* Code whose instructions tell more than its table. */
static int mark_known_code(struct compiler *c, const struct elf_span *segment, uint64_t page)
{
	const struct unwind_page *rows = &c->rows.page;
	int r = 0;

	c->has_code = false;
	for (unsigned i = 0; r == 0 && i < rows->n_rows; i++) {
		if (may_be_stub(c, rows->rule[i]))
			r = mark_stub(c, segment, page, i);
		else if (may_be_context(c, i))
			r = mark_context(c, segment, page, i);
	}
	return r;
}

static bool is_in_page(const struct elf_span *s, uint64_t page)
{
	uint64_t begin = page << UNWIND_PAGE_SHIFT;

	return s->off < begin + UNWIND_PAGE_SIZE && begin < s->off + s->size;
}

static int compile_segment(struct compiler *c, const struct elf_span *s, uint64_t page)
{
	uint64_t begin = page << UNWIND_PAGE_SHIFT, end = begin + UNWIND_PAGE_SIZE;
	uint64_t from = s->off > begin ? s->off : begin;
	uint64_t to = s->off + s->size < end ? s->off + s->size : end;
	int r;

	c->vaddr = s->vaddr + begin - s->off;
	c->segment = s;
	r = compile_part(c, c->vaddr + (from - begin), c->vaddr + (to - begin));
	if (r == 0 && to < end)
		page_rows_add(&c->rows, to - begin, UNWIND_RULE_SPECIAL(UNWIND_NONE), NULL);
	return r;
}

static int compile_page(struct compiler *c, uint64_t page)
{
	const struct unwind_table *t = c->t;
	int r = 0;

	c->budget = PAGE_BUDGET;
	page_rows_begin(&c->rows);
	page_rows_add(&c->rows, 0, UNWIND_RULE_SPECIAL(UNWIND_NONE), NULL);
	for (size_t i = 0; r == 0 && i < t->n_segments; i++)
		if (is_in_page(&t->segments[i], page))
			r = compile_segment(c, &t->segments[i], page);
	for (size_t i = 0; r == 0 && i < t->n_segments; i++)
		if (is_in_page(&t->segments[i], page))
			r = mark_known_code(c, &t->segments[i], page);
	return r;
}

static void count_page(struct unwind_table *t, const struct page_rows *b)
{
	for (unsigned i = 0; i < b->page.n_rows; i++)
		t->stats.unsupported_rows +=
			b->page.rule[i] == UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED);
	t->stats.dense_pages += b->dense;
}

static int hand_out_page(struct compiler *c, uint64_t page, unwind_page_fn fn, void *arg)
{
	int r;

	c->is_cut = false;
	r = compile_page(c, page);
	if (r < 0 || c->is_cut)
		return r;
	count_page(c->t, &c->rows);
	return fn(arg, page, &c->rows.page);
}

int unwind_table_compile(struct unwind_table *t, uint64_t first, uint64_t n, unwind_page_fn fn,
			 void *arg)
{
	CLEANUP(compiler_freep) struct compiler *c = NULL;
	int r = compiler_new(t, &c);

	for (uint64_t i = 0; r == 0 && i < n; i++) {
		c->may_look = true;
		r = hand_out_page(c, first + i, fn, arg);
	}
	return r;
}

int unwind_table_compile_group(struct unwind_table *t, const struct unwind_group *group,
			       unwind_page_fn fn, void *arg)
{
	CLEANUP(compiler_freep) struct compiler *c = NULL;
	int r = compiler_new(t, &c);

	for (uint64_t i = 0; r == 0 && i < group->n; i++) {
		uint64_t page = group->first + i;

		if (group->wants && !group->wants(arg, page))
			continue;
		c->may_look = page / UNWIND_CODE_PAGES == group->page / UNWIND_CODE_PAGES;
		r = hand_out_page(c, page, fn, arg);
	}
	return r;
}
