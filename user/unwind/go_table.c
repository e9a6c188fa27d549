/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/go_table.h"

#include <elf.h>
#include <string.h>

#include "elf/elf_go.h"
#include "unwind/fde_pass.h"
#include "unwind/go_frame.h"

#define SPECIAL_CODE   256 /* bytes; the longest of these functions has 200 */
#define SPECIAL_VALUES 16  /* the frame begins with one of the first */
#define LAST_INSN      4   /* bytes of the one that frees a frame */
#define FUNC_COST      16  /* of a function, in bytes of the budget */

struct go_table {
	struct byte_source table, code;
	uint16_t machine;
	struct gopclntab tab;
	struct byte_window code_window;
};

/* A walk of a range: what stays the same during it. */
struct pass {
	struct go_table *t;
	struct fde_pass out;
};

struct gopclntab *go_table_functions(struct go_table *t)
{
	return &t->tab;
}

void go_table_free(struct go_table *t)
{
	free(t);
}

/* --- code ------------------------------------------------------------------------------------- */

/* @len bytes of code at @vaddr; what is not there is 0. */
static void read_code(struct go_table *t, uint64_t vaddr, uint8_t *buf, size_t len)
{
	const struct elf_span *span = &t->code.span;
	uint64_t missing = vaddr < span->vaddr ? span->vaddr - vaddr : 0;
	const uint8_t *p;
	size_t there;

	memset(buf, 0, len);
	if (missing >= len ||
	    byte_window_peek(&t->code_window, vaddr + missing - span->vaddr, &p, &there) < 0)
		return;
	len -= missing;
	memcpy(buf + missing, p, there < len ? there : len);
}

static void read_prologue(struct go_table *t, struct go_frame *f)
{
	uint8_t code[GO_CODE_BEFORE + GO_CODE_BEHIND];

	read_code(t, f->begin - GO_CODE_BEFORE, code, sizeof(code));
	if (t->machine == EM_X86_64) {
		f->prologue = go_prologue_x86(code + GO_CODE_BEFORE, f->size);
		f->ra_in_r12 = code[GO_CODE_BEFORE - 2] == 0x41 && code[GO_CODE_BEFORE - 1] == 0x5c;
		return;
	}
	f->prologue = go_prologue_a64(code + GO_CODE_BEFORE);
	/* It stores x30 first, below the stack pointer, and lowers that afterwards. */
	if (f->kind == GO_INJECTED)
		f->prologue.saves_lr = true;
}

/* x86_64: one with a goroutine's stack to go back to, one without. */
static void find_calls(const uint8_t *code, size_t len, uint64_t start, struct go_frame *f)
{
	size_t at = 0;

	for (size_t i = 0; i < sizeof(f->calls) / sizeof(f->calls[0]); i++) {
		struct go_call_range range = go_call_range_x86(code + at, len - at);

		if (!range.to)
			return;
		f->calls[i].from = start + at + range.from;
		f->calls[i].to = start + at + range.to;
		f->calls[i].saved = range.saved;
		at += range.to;
	}
}

static void begin_frame(struct go_table *t, const struct gopcsp *s, struct go_frame *f)
{
	f->begin = s->from;
	f->size = s->value;
	read_prologue(t, f);
}

static void find_frame(struct go_table *t, const struct gofunc *func, struct go_frame *f)
{
	struct gopcsp s;

	gopcsp_begin(&t->tab, func, &s);
	for (int i = 0; i < SPECIAL_VALUES && gopcsp_next(&t->tab, &s) == 1; i++)
		if (s.value) {
			begin_frame(t, &s, f);
			return;
		}
}

/* What has to be known beforehand of those few functions that are special. */
static void read_special(struct go_table *t, const struct gofunc *func, struct go_frame *f)
{
	bool is_x86 = t->machine == EM_X86_64;
	uint8_t code[SPECIAL_CODE];
	size_t len = func->end - func->start, at;

	if (f->kind == GO_PLAIN || f->kind == GO_OUTERMOST || f->kind == GO_SIGRETURN)
		return;
	find_frame(t, func, f);
	if (f->kind == GO_UNKNOWN || f->kind == GO_INJECTED || f->kind == GO_KEEPS_FP)
		return;
	if (len > sizeof(code))
		len = sizeof(code);
	read_code(t, func->start, code, len);
	f->code_size = len;
	if (f->kind == GO_CALLS_C && is_x86)
		find_calls(code, len, func->start, f);
	if ((f->kind == GO_GETS_STACK || f->kind == GO_SYSTEM_STACK) && is_x86)
		f->offsets = go_stack_offsets_x86(code, len);
	at = is_x86 ? go_stack_switch_x86(code, len) : go_stack_switch_a64(code, len);
	if (at)
		f->switched = func->start + at;
}

/* --- opening ---------------------------------------------------------------------------------- */

#define CHECKED_FUNCS 64

/* Does a frame begin in the code where function @i says so? -ENOENT: it has none. */
static int check_func(struct go_table *t, uint64_t i)
{
	struct go_frame f = { .machine = t->machine };
	struct gopcsp s;
	struct gofunc func;
	int r = gopclntab_func(&t->tab, i, &func);

	if (r < 0)
		return r;
	gopcsp_begin(&t->tab, &func, &s);
	for (int n = 0; n < SPECIAL_VALUES; n++) {
		r = gopcsp_next(&t->tab, &s);
		if (r <= 0)
			return r < 0 ? r : -ENOENT;
		if (s.value) {
			begin_frame(t, &s, &f);
			return f.prologue.saves_fp;
		}
	}
	return -ENOENT;
}

/*
 * Is the table that of the code, at the address that it is believed to have? Of functions from all
 * of the table nearly all begin as compilers make them; elsewhere in the code next to none would.
 */
static bool fits_code(struct go_table *t)
{
	uint64_t step = t->tab.n_funcs / CHECKED_FUNCS + 1;
	unsigned n = 0, good = 0;

	for (uint64_t i = 0; i < t->tab.n_funcs; i += step) {
		int r = check_func(t, i);

		n += r != -ENOENT;
		good += r == 1;
	}
	return good > n * 3 / 4;
}

static int set_machine(struct go_table *t, uint16_t machine)
{
	t->machine = machine;
	if (machine == EM_X86_64)
		return t->tab.quantum == 1 ? 0 : -ENODATA;
	return machine == EM_AARCH64 && t->tab.quantum == 4 ? 0 : -ENODATA;
}

int go_table_of(const struct byte_source *table, const struct byte_source *code, uint16_t machine,
		struct go_table **ret)
{
	CLEANUP(go_table_freep) struct go_table *t = malloc(sizeof(*t));
	int r;

	if (!t)
		return -ENOMEM;
	t->table = *table;
	t->code = *code;
	byte_window_init(&t->code_window, &t->code);
	r = gopclntab_open(&t->table, &t->tab);
	if (r == 0)
		r = set_machine(t, machine);
	if (r < 0)
		return r == -EBADMSG ? -ENODATA : r;
	if (t->tab.version >= GOPCLNTAB_118)
		t->tab.text = code->span.vaddr;
	if (!fits_code(t))
		return -ENODATA;
	*ret = TAKE_PTR(t);
	return 0;
}

/* With the code that begins at @text, where that may be. */
static int open_at(struct elf_file *ef, const struct elf_span *table, uint64_t text,
		   struct go_table **ret)
{
	struct byte_source table_source = { .ef = ef, .span = *table }, code = { .ef = ef };
	int r = elf_span_at(ef, text, &code.span);

	if (r < 0)
		return -ENODATA;
	return go_table_of(&table_source, &code, elf_file_machine(ef), ret);
}

int go_table_open(struct elf_file *ef, struct go_table **ret)
{
	struct elf_go go;
	uint64_t text;
	int r = elf_go_find(ef, &go);

	if (r < 0)
		return r == -ENOMEM ? r : -ENODATA;
	r = -ENODATA;
	for (unsigned i = 0; r == -ENODATA && elf_go_text(ef, &go, i, &text) == 0; i++)
		r = open_at(ef, &go.pclntab, text, ret);
	return r;
}

/* --- code by name ----------------------------------------------------------------------------- */

static void take_code(struct go_table *t, const struct gofunc *func, struct go_code *ret)
{
	ret->vaddr = func->start;
	ret->len = func->end - func->start;
	if (ret->len > sizeof(ret->bytes))
		ret->len = sizeof(ret->bytes);
	read_code(t, ret->vaddr, ret->bytes, ret->len);
}

void go_table_find_code(struct go_table *t, struct go_code *wanted, size_t n)
{
	char name[GOFUNC_NAME_MAX];
	struct gofunc func;
	int r = 0;

	for (size_t i = 0; i < n; i++)
		wanted[i].len = 0;
	for (uint64_t i = 0; r != -ENOENT && r != -EIO; i++) {
		r = gopclntab_func(&t->tab, i, &func);
		if (r < 0 || gopclntab_name(&t->tab, &func, name) < 0)
			continue;
		for (size_t w = 0; w < n; w++)
			if (strcmp(name, wanted[w].name) == 0)
				take_code(t, &func, &wanted[w]);
	}
}

/* --- walking ---------------------------------------------------------------------------------- */

static bool keeps_fp(enum go_kind kind)
{
	return kind == GO_KEEPS_FP || kind == GO_CALLS_C || kind == GO_SYSTEM_STACK;
}

/* Is it about to free its frame at the end of @s? */
static uint64_t find_leaving(struct go_table *t, const struct go_frame *f, const struct gopcsp *s)
{
	struct gopcsp next = *s;

	if (!keeps_fp(f->kind) || s->value == 0 || gopcsp_next(&t->tab, &next) != 1)
		return UINT64_MAX;
	return next.value == 0 && s->to - s->from > LAST_INSN ? s->to - LAST_INSN : UINT64_MAX;
}

/* The places of one value. */
static int walk_value(struct pass *p, struct go_frame *f, const struct gopcsp *s, uint64_t end)
{
	struct fde_span span = { .covered = true };
	uint64_t to = s->to < end ? s->to : end;
	int r = 0;

	if (s->value && f->begin == UINT64_MAX)
		begin_frame(p->t, s, f);
	f->leaving = find_leaving(p->t, f, s);
	while (r == 0 && p->out.pos < to && p->out.pos < p->out.range->to) {
		uint64_t next = go_frame_next(f, p->out.pos);

		span.rule = go_frame_rule(f, p->out.pos, s->value, &span.ext);
		r = fde_pass_give(&p->out, &span, next < to ? next : to);
	}
	return r;
}

static int next_value(struct pass *p, struct gopcsp *s)
{
	uint64_t before = s->next;
	int r;

	if (*p->out.range->budget == 0)
		return -E2BIG;
	r = gopcsp_next(&p->t->tab, s);
	fde_pass_spend(&p->out, r == 1 ? s->next - before : 1);
	return r;
}

/* The function up to @end, where the next one starts; what is behind its last place is padding. */
static int walk_func(struct pass *p, const struct gofunc *func, uint64_t end)
{
	struct go_frame f = { .machine = p->t->machine,
			      .begin = UINT64_MAX,
			      .switched = UINT64_MAX,
			      .leaving = UINT64_MAX };
	char name[GOFUNC_NAME_MAX];
	struct gopcsp s;
	int r = gopclntab_name(&p->t->tab, func, name);

	f.kind = go_kind_of(r < 0 ? "" : name, func->flags);
	read_special(p->t, func, &f);
	gopcsp_begin(&p->t->tab, func, &s);
	while (p->out.pos < end && p->out.pos < p->out.range->to) {
		r = next_value(p, &s);
		if (r == 0)
			return fde_pass_gap(&p->out, end);
		if (r < 0) {
			*p->out.range->bad_fdes += r == -EBADMSG;
			return fde_pass_unsupported(&p->out, end);
		}
		r = walk_value(p, &f, &s, end);
		if (r < 0)
			return r;
	}
	return 0;
}

static int walk_index(struct pass *p, uint64_t i)
{
	struct gofunc func;
	int r = gopclntab_func(&p->t->tab, i, &func);

	if (*p->out.range->budget == 0)
		return fde_pass_unsupported(&p->out, p->out.range->to);
	fde_pass_spend(&p->out, FUNC_COST);
	if (r == -EBADMSG) {
		++*p->out.range->bad_fdes;
		return fde_pass_unsupported(&p->out, p->out.range->to);
	}
	if (r < 0)
		return r == -ENOENT ? fde_pass_gap(&p->out, p->out.range->to) : r;
	if (func.end <= p->out.pos)
		return 0;
	r = fde_pass_gap(&p->out, func.start);
	return r < 0 ? r : walk_func(p, &func, func.end);
}

int go_table_range(struct go_table *t, const struct fde_range *range, fde_span_fn fn, void *arg)
{
	struct pass p = { .t = t, .out = { range, fn, arg, range->from } };
	uint64_t i = 0;
	int r = gopclntab_find(&t->tab, range->from, &i);

	if (r == -ENOENT)
		r = 0;
	for (; r == 0 && p.out.pos < range->to; i++)
		r = walk_index(&p, i);
	return r;
}
