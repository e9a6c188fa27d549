/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/go_names.h"

#include <errno.h>
#include <string.h>

#include "base/load.h"
#include "elf/elf_go.h"
#include "unwind/go_table.h"

#define NAME_MAX_LEN 1024 /* longer names and paths are cut */
#define DEPTH_MAX    64	  /* inlined calls in one place */

/* Steps through tables of values for one batch: those of 100,000 places take a tenth. */
#define STEPS_MAX (1u << 26)

/* $GOROOT/src/internal/abi/symtab.go: indices of a function's tables. */
#define PCDATA_INLINED	 2
#define FUNCDATA_INLINED 3
#define FUNCDATA_NONE	 UINT32_MAX

/* $GOROOT/src/runtime/symtab.go: words of the header; moduledata.gofunc of 1.18, of 1.20. */
#define CU_IN_HEADER	    40
#define FILES_IN_HEADER	    48
#define GOFUNC_IN_MODULE_18 304
#define GOFUNC_IN_MODULE_20 320

struct go_names {
	struct gopclntab *tab;
	struct byte_window *inlined; /* NULL: not known */
	uint64_t files_of_unit, files;
	uint32_t steps; /* that are left */
	struct sym_batch *batch;
};

/* What struct _func says beyond what unwinding needs, each 0 or an offset in the table of values.
 */
struct function {
	struct gofunc f;
	uint32_t pcfile, pcline, pcinlined;
	uint32_t unit;	  /* of its files */
	uint32_t inlined; /* offset of its inlined calls; FUNCDATA_NONE */
};

/* A function that was inlined, and where the call is, as an address of its caller. */
struct call {
	uint32_t name;
	uint64_t at;
};

static int read_u32(struct byte_window *w, uint64_t off, uint32_t *ret)
{
	const uint8_t *p;
	int r = byte_window_get(w, off, 4, &p);

	if (r < 0)
		return r;
	*ret = load_u32(p);
	return 0;
}

/* --- functions -------------------------------------------------------------------------------- */

/* Go 1.20 put a field, of the function's first line, before the last word. */
static uint64_t func_size(const struct gopclntab *t)
{
	return t->version >= GOPCLNTAB_120 ? 44 : 40;
}

/* Numbers of tables of values follow, then offsets of other data. */
static int read_tables(struct go_names *g, struct function *fn, uint32_t n_values, uint8_t n_data)
{
	uint64_t values = fn->f.at + func_size(g->tab);
	uint64_t data = values + 4ULL * n_values;
	int r = 0;

	if (n_values > PCDATA_INLINED)
		r = read_u32(&g->tab->window, values + 4 * PCDATA_INLINED, &fn->pcinlined);
	if (r == 0 && n_data > FUNCDATA_INLINED)
		r = read_u32(&g->tab->window, data + 4 * FUNCDATA_INLINED, &fn->inlined);
	return r;
}

static int read_function(struct go_names *g, const struct gofunc *f, struct function *ret)
{
	uint64_t size = func_size(g->tab);
	struct function fn = { .f = *f, .inlined = FUNCDATA_NONE };
	uint32_t n_values;
	const uint8_t *p;
	int r;

	if (g->tab->version >= GOPCLNTAB_118) {
		r = byte_window_get(&g->tab->window, f->at, size, &p);
		if (r < 0)
			return r;
		fn.pcfile = load_u32(p + 20);
		fn.pcline = load_u32(p + 24);
		n_values = load_u32(p + 28);
		fn.unit = load_u32(p + 32);
		r = read_tables(g, &fn, n_values, p[size - 1]);
		if (r < 0)
			return r;
	}
	*ret = fn;
	return 0;
}

/* The value that the table at @table has for @addr. -ENODATA: none. */
static int value_at(struct go_names *g, const struct function *fn, uint32_t table, uint64_t addr,
		    int64_t *ret)
{
	struct gofunc f = fn->f;
	struct gopcsp s;
	int r;

	f.pcsp = table;
	gopcsp_begin(g->tab, &f, &s);
	while ((r = gopcsp_next(g->tab, &s)) == 1) {
		if (!g->steps)
			return -EBADMSG;
		g->steps--;
		if (addr < s.to) {
			*ret = s.value;
			return 0;
		}
	}
	return r < 0 ? r : -ENODATA;
}

static int read_string(struct go_names *g, uint64_t off, char ret[NAME_MAX_LEN])
{
	size_t n = 0;

	while (n < NAME_MAX_LEN - 1) {
		const uint8_t *p, *end;
		size_t len;
		int r = byte_window_peek(&g->tab->window, off + n, &p, &len);

		if (r < 0)
			return r;
		if (len > NAME_MAX_LEN - 1 - n)
			len = NAME_MAX_LEN - 1 - n;
		end = memchr(p, '\0', len);
		memcpy(ret + n, p, end ? (size_t)(end - p) : len);
		n += end ? (size_t)(end - p) : len;
		if (end)
			break;
	}
	ret[n] = '\0';
	return 0;
}

/* --- places ----------------------------------------------------------------------------------- */

/* The file of number @file of the function's unit, and what it is called. */
static int read_file(struct go_names *g, const struct function *fn, int64_t file, const char **ret)
{
	char path[NAME_MAX_LEN];
	uint32_t off;
	int r;

	if (file < 0 || file > UINT32_MAX)
		return -ENODATA;
	r = read_u32(&g->tab->window, g->files_of_unit + 4 * (fn->unit + (uint64_t)file), &off);
	if (r < 0)
		return r;
	if (off == UINT32_MAX)
		return -ENODATA;
	r = read_string(g, g->files + off, path);
	return r < 0 ? r : name_table_intern_file(g->batch->names, path, ret);
}

/* Without one that can be read, the frame has none. */
static int add_line(struct go_names *g, const struct function *fn, uint64_t addr,
		    struct sym_frame *frame)
{
	int64_t file, line;
	int r;

	if (value_at(g, fn, fn->pcfile, addr, &file) < 0 ||
	    value_at(g, fn, fn->pcline, addr, &line) < 0)
		return 0;
	r = read_file(g, fn, file, &frame->file);
	if (r == 0 && line > 0 && line <= UINT32_MAX)
		frame->line = (uint32_t)line;
	return r == -ENOMEM ? r : 0;
}

/*
 * What was inlined at @addr: -ENODATA: nothing. An entry has, among others, the name and where the
 * call is, from the function's begin on: 16 bytes since Go 1.20, 20 before.
 */
static int read_call(struct go_names *g, const struct function *fn, uint64_t addr, struct call *ret)
{
	bool is_new = g->tab->version >= GOPCLNTAB_120;
	uint64_t size = is_new ? 16 : 20;
	const uint8_t *p;
	int64_t i;
	int r;

	if (!g->inlined || fn->inlined == FUNCDATA_NONE)
		return -ENODATA;
	r = value_at(g, fn, fn->pcinlined, addr, &i);
	if (r < 0 || i < 0)
		return r < 0 ? r : -ENODATA;
	r = byte_window_get(g->inlined, fn->inlined + size * (uint64_t)i, size, &p);
	if (r < 0)
		return r;
	ret->name = load_u32(p + (is_new ? 4 : 12));
	ret->at = fn->f.start + load_u32(p + (is_new ? 8 : 16));
	return ret->at < fn->f.end ? 0 : -EBADMSG;
}

static int add_frame(struct go_names *g, uint32_t name, struct sym_frame *ret)
{
	char text[NAME_MAX_LEN];
	struct sym_frame *named;
	int r = read_string(g, g->tab->names + name, text);

	if (r == 0 && !text[0])
		r = -ENODATA;
	if (r == 0)
		r = name_table_intern(g->batch->names, text, NULL, &named);
	if (r == 0)
		*ret = *named;
	return r;
}

/* The frames at @addr, innermost first: their number, or an error. */
static int find_frames(struct go_names *g, const struct function *fn, uint64_t addr,
		       struct sym_frame *frames)
{
	struct call call;
	int n = 0, r = 0;

	while (n < DEPTH_MAX - 1 && read_call(g, fn, addr, &call) == 0) {
		r = add_frame(g, call.name, &frames[n]);
		if (r == 0)
			r = add_line(g, fn, addr, &frames[n++]);
		if (r < 0)
			return r;
		addr = call.at;
	}
	r = add_frame(g, fn->f.name, &frames[n]);
	if (r == 0)
		r = add_line(g, fn, addr, &frames[n++]);
	return r < 0 ? r : n;
}

static int find_function(struct go_names *g, uint64_t addr, struct function *ret)
{
	struct gofunc f;
	uint64_t i;
	int r = gopclntab_find(g->tab, addr, &i);

	if (r == 0)
		r = gopclntab_func(g->tab, i, &f);
	if (r == 0 && addr >= f.end)
		r = -ENOENT;
	return r < 0 ? r : read_function(g, &f, ret);
}

static int answer(struct go_names *g, struct sym_query *q)
{
	struct sym_frame found[DEPTH_MAX] = { 0 }, *frames;
	struct function fn;
	int n, r;

	r = find_function(g, q->vaddr, &fn);
	if (r < 0)
		return r;
	n = find_frames(g, &fn, q->vaddr, found);
	if (n < 0)
		return n;
	frames = name_table_frames(g->batch->names, (size_t)n);
	if (!frames)
		return -ENOMEM;
	memcpy(frames, found, (size_t)n * sizeof(*frames));
	q->res->frames = frames;
	q->res->n_frames = (size_t)n;
	q->res->start = fn.f.start;
	q->guessed = false;
	return 0;
}

static bool is_answered(const struct sym_query *q)
{
	return q->res->n_frames && !q->guessed;
}

int go_names_answer_from(struct gopclntab *tab, const struct byte_source *inlined,
			 struct sym_batch *b)
{
	struct go_names g = { .tab = tab, .steps = STEPS_MAX, .batch = b };
	CLEANUP(freep) struct byte_window *window = NULL;
	const uint8_t *head;
	int r;

	r = byte_window_get(&tab->window, 0, GOPCLNTAB_HEADER, &head);
	if (r < 0)
		return -ENODATA;
	memcpy(&g.files_of_unit, head + CU_IN_HEADER, 8);
	memcpy(&g.files, head + FILES_IN_HEADER, 8);
	if (inlined) {
		window = malloc(sizeof(*window));
		if (!window)
			return -ENOMEM;
		byte_window_init(window, inlined);
		g.inlined = window;
	}
	for (size_t i = 0; i < b->n; i++) {
		struct sym_query *q = &b->queries[i];

		if (!is_answered(q) && answer(&g, q) == -ENOMEM)
			return -ENOMEM;
	}
	return 0;
}

/* --- go:func.* -------------------------------------------------------------------------------- */

#define CHECKED_CALLS 64
#define CHECKED_FUNCS 65536

/* Does the first inlined call of the function make sense? -ENODATA: it has none. */
static int check_function(struct go_names *g, uint64_t i)
{
	struct function fn;
	struct gofunc f;
	const uint8_t *p;
	uint32_t name, at;
	bool is_new = g->tab->version >= GOPCLNTAB_120;
	int r = gopclntab_func(g->tab, i, &f);

	if (r == 0)
		r = read_function(g, &f, &fn);
	if (r < 0 || fn.inlined == FUNCDATA_NONE)
		return -ENODATA;
	r = byte_window_get(g->inlined, fn.inlined, 20, &p);
	if (r < 0)
		return r;
	name = load_u32(p + (is_new ? 4 : 12));
	at = load_u32(p + (is_new ? 8 : 16));
	return name < g->tab->window.src->span.size && at < f.end - f.start ? 0 : -EBADMSG;
}

/* Nearly all do where the data is, and next to none elsewhere. */
static bool fits_functions(struct gopclntab *tab, const struct byte_source *src)
{
	CLEANUP(freep) struct byte_window *window = malloc(sizeof(*window));
	struct go_names g = { .tab = tab, .inlined = window };
	unsigned n = 0, good = 0;

	if (!window)
		return false;
	byte_window_init(window, src);
	for (uint64_t i = 0; i < tab->n_funcs && i < CHECKED_FUNCS && n < CHECKED_CALLS; i++) {
		int r = check_function(&g, i);

		n += r != -ENODATA;
		good += r == 0;
	}
	return n && good == n;
}

static int find_inlined(struct elf_file *ef, struct gopclntab *tab, struct byte_source *ret)
{
	bool is_new = tab->version >= GOPCLNTAB_120;
	unsigned off = is_new ? GOFUNC_IN_MODULE_20 : GOFUNC_IN_MODULE_18;
	struct elf_go go;
	uint64_t vaddr;

	if (tab->version < GOPCLNTAB_118 || elf_go_find(ef, &go) < 0)
		return -ENODATA;
	for (unsigned i = 0; elf_go_module_word(ef, &go, off, i, &vaddr) == 0; i++) {
		*ret = (struct byte_source){ .ef = ef };
		if (vaddr && elf_span_at(ef, vaddr, &ret->span) == 0 && fits_functions(tab, ret))
			return 0;
	}
	return -ENODATA;
}

static bool all_are_answered(const struct sym_batch *b)
{
	for (size_t i = 0; i < b->n; i++)
		if (!is_answered(&b->queries[i]))
			return false;
	return true;
}

int go_names_answer(struct elf_file *ef, struct sym_batch *b)
{
	CLEANUP(go_table_freep) struct go_table *t = NULL;
	struct byte_source inlined;
	struct gopclntab *tab;
	int r;

	if (all_are_answered(b))
		return 0;
	r = go_table_open(ef, &t);
	if (r < 0)
		return r == -ENOMEM ? r : -ENODATA;
	tab = go_table_functions(t);
	r = find_inlined(ef, tab, &inlined);
	return go_names_answer_from(tab, r == 0 ? &inlined : NULL, b);
}
