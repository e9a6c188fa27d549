/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/kallsyms.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/vec.h"
#include "sym/alias.h"
#include "sym/packed_names.h"

/* More than any function has. It bounds the last one before a gap, where nothing else does. */
#define REACH_MAX (1ULL << 20)

/*
 * The same of what the kernel makes at run time: BPF programs, of which each function is a symbol,
 * trampolines, probes. They lie packed, in units of 64 bytes in areas of 2 MiB, or in pages of
 * their own, so that behind one is the next one or nothing. Our largest program has 30 KB, of many
 * functions; 128 KiB are 30,000 instructions.
 */
#define REACH_MADE_MAX (128ULL << 10)

/* KSYM_NAME_LEN is 512, MODULE_NAME_LEN 64 - 8; "address type name\t[module]\n". */
#define LINE_MAX_LEN 1024

struct ksym {
	uint64_t addr;
	char type;
	const char *name;
	const char *module; /* "[name]", or "" */
};

struct kmodule {
	const char *name;
	uint64_t start, end; /* addresses */
};

struct kallsyms {
	/* Functions of the kernel proper that come in the order of their addresses, as they do. */
	VEC(uint32_t) offsets; /* of these from @base */
	uint64_t base;
	struct packed_names *names;
	/* All others, and data among functions; by address, the best name first. */
	VEC(struct ksym) others;
	VEC(struct kmodule) modules; /* by name */
	struct arena strings;
	uint64_t etext, sinittext, einittext; /* 0: not known */
};

void kallsyms_free(struct kallsyms *k)
{
	if (!k)
		return;
	vec_free(&k->offsets);
	vec_free(&k->others);
	vec_free(&k->modules);
	packed_names_free(k->names);
	arena_clear(&k->strings);
	free(k);
}

size_t kallsyms_bytes(const struct kallsyms *k)
{
	return sizeof(*k) + k->offsets.cap * sizeof(uint32_t) + packed_names_bytes(k->names) +
	       k->others.cap * sizeof(struct ksym) + k->modules.cap * sizeof(struct kmodule) +
	       k->strings.total;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct reading {
	struct kallsyms *k;
	struct ksym last; /* the best function at the last address; name NULL: none */
	char name[LINE_MAX_LEN];
	bool any_address;
};

/* Splits @line in place. False if it is no symbol. */
static bool parse_line(char *line, struct ksym *ret)
{
	char *end, *name, *tab;

	errno = 0;
	ret->addr = strtoull(line, &end, 16);
	if (errno || end == line || end[0] != ' ' || !end[1] || end[2] != ' ')
		return false;
	ret->type = end[1];
	name = end + 3;
	name[strcspn(name, "\n")] = '\0';
	tab = strchr(name, '\t');
	if (tab)
		*tab = '\0';
	ret->module = tab ? tab + 1 : name + strlen(name);
	ret->name = name;
	return *name != '\0';
}

static bool is_text(const struct ksym *sym)
{
	return strchr("tTwW", sym->type);
}

static struct alias alias_of(const struct ksym *sym)
{
	return (struct alias){ sym->name, islower((unsigned char)sym->type),
			       tolower((unsigned char)sym->type) == 'w' };
}

static bool is_better(const struct ksym *a, const struct ksym *b)
{
	struct alias x = alias_of(a), y = alias_of(b);

	return alias_compare(&x, &y) > 0;
}

/* Where parts of the kernel proper begin and end. */
static void take_limit(struct kallsyms *k, const struct ksym *sym)
{
	if (strcmp(sym->name, "_etext") == 0)
		k->etext = sym->addr;
	else if (strcmp(sym->name, "_sinittext") == 0)
		k->sinittext = sym->addr;
	else if (strcmp(sym->name, "_einittext") == 0)
		k->einittext = sym->addr;
}

/* The last function is complete: none of its names comes any more. */
static int flush(struct reading *r)
{
	struct kallsyms *k = r->k;
	int err;

	if (!r->last.name)
		return 0;
	if (!k->offsets.n)
		k->base = r->last.addr;
	err = vec_push(&k->offsets, (uint32_t)(r->last.addr - k->base));
	if (err == 0)
		err = packed_names_add(k->names, r->last.name);
	r->last.name = NULL;
	return err;
}

static void keep_last(struct reading *r, const struct ksym *sym)
{
	r->last = *sym;
	memcpy(r->name, sym->name, strlen(sym->name) + 1);
	r->last.name = r->name;
}

static int take_other(struct kallsyms *k, const struct ksym *sym)
{
	struct ksym copy = *sym;

	copy.name = arena_strndup(&k->strings, sym->name, strlen(sym->name));
	copy.module = arena_strndup(&k->strings, sym->module, strlen(sym->module));
	return copy.name && copy.module ? vec_push(&k->others, copy) : -ENOMEM;
}

/* Data behind the end of the kernel's code limits nothing, nor does what lies below all code. */
static bool limits_functions(const struct reading *r, const struct ksym *sym)
{
	return sym->module[0] || (!r->k->etext && r->last.name);
}

static int take_symbol(struct reading *r, const struct ksym *sym)
{
	struct kallsyms *k = r->k;
	int err;

	if (!sym->module[0])
		take_limit(k, sym);
	if (sym->addr == 0)
		return 0;
	r->any_address = true;
	if (!is_text(sym))
		return limits_functions(r, sym) ? take_other(k, sym) : 0;
	if (sym->module[0] || (r->last.name && sym->addr < r->last.addr) ||
	    (k->offsets.n && sym->addr - k->base > UINT32_MAX))
		return take_other(k, sym);
	if (r->last.name && sym->addr == r->last.addr) {
		if (is_better(sym, &r->last))
			keep_last(r, sym);
		return 0;
	}
	err = flush(r);
	if (err == 0)
		keep_last(r, sym);
	return err;
}

static int compare_others(const void *a, const void *b)
{
	const struct ksym *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return is_better(x, y) ? -1 : is_better(y, x);
}

static int read_lines(struct reading *r, FILE *f)
{
	char line[LINE_MAX_LEN];
	struct ksym sym;
	int err = 0;

	while (err == 0 && fgets(line, sizeof(line), f))
		if (parse_line(line, &sym))
			err = take_symbol(r, &sym);
	if (err == 0)
		err = flush(r);
	if (err == 0)
		err = packed_names_end(r->k->names);
	return err == 0 && ferror(f) ? -EIO : err;
}

int kallsyms_read(FILE *f, struct kallsyms **ret)
{
	CLEANUP(kallsyms_freep) struct kallsyms *k = calloc(1, sizeof(*k));
	struct reading r = { .k = k };
	int err;

	if (!k)
		return -ENOMEM;
	err = packed_names_new(&k->names);
	if (err == 0)
		err = read_lines(&r, f);
	if (err < 0)
		return err;
	if (!r.any_address)
		return -EPERM;
	if (k->others.n)
		qsort(k->others.data, k->others.n, sizeof(struct ksym), compare_others);
	*ret = TAKE_PTR(k);
	return 0;
}

/* --- modules ---------------------------------------------------------------------------------- */

/* "name size users by,whom, state 0xaddress (flags)"; zero is an address that is hidden. */
static int take_module(struct kallsyms *k, const char *line)
{
	struct kmodule m;
	uint64_t size;
	int len;

	if (sscanf(line, "%*s%n %" SCNu64 " %*s %*s %*s %" SCNx64, &len, &size, &m.start) != 2 ||
	    !m.start || size > UINT64_MAX - m.start)
		return 0;
	m.end = m.start + size;
	m.name = arena_strndup(&k->strings, line, (size_t)len);
	return m.name ? vec_push(&k->modules, m) : -ENOMEM;
}

static int compare_modules(const void *a, const void *b)
{
	return strcmp(((const struct kmodule *)a)->name, ((const struct kmodule *)b)->name);
}

int kallsyms_read_modules(struct kallsyms *k, FILE *f)
{
	CLEANUP(freep) char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, f) > 0)
		r = take_module(k, line);
	if (k->modules.n)
		qsort(k->modules.data, k->modules.n, sizeof(struct kmodule), compare_modules);
	return r;
}

/* The module "[name]"; NULL: not known. */
static const struct kmodule *find_module(const struct kallsyms *k, const char *bracketed)
{
	size_t len = strlen(bracketed), lo = 0, hi = k->modules.n;

	while (len > 2 && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct kmodule *m = &k->modules.data[mid];
		int order = strncmp(m->name, bracketed + 1, len - 2);

		if (order == 0)
			order = m->name[len - 2];
		if (order == 0)
			return m;
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* --- answering -------------------------------------------------------------------------------- */

/* How many of the fixed functions begin at or below @addr. */
static size_t count_fixed(const struct kallsyms *k, uint64_t addr)
{
	size_t lo = 0, hi = k->offsets.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->base + k->offsets.data[mid] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static size_t count_others(const struct kallsyms *k, uint64_t addr)
{
	size_t lo = 0, hi = k->others.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->others.data[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* The first CPU's idle task was begun by start-up code, to which its stack leads for ever. */
static bool is_start_up(const struct kallsyms *k, uint64_t text, uint64_t addr)
{
	return k->sinittext && text >= k->sinittext && addr < k->einittext;
}

/* What begins closest below an address. */
struct closest {
	uint64_t data;	  /* 0: none */
	struct ksym text; /* name NULL: none, or that of fixed function @fixed */
	size_t fixed;
};

static struct closest find_closest(const struct kallsyms *k, uint64_t addr)
{
	size_t i = count_others(k, addr), n = count_fixed(k, addr);
	struct closest c = { 0 };

	for (; i > 0 && !c.text.name; i--) {
		const struct ksym *sym = &k->others.data[i - 1];

		if (is_text(sym))
			c.text = *sym;
		else if (!c.data)
			c.data = sym->addr;
	}
	/* Its best name comes first. */
	for (; i > 0 && k->others.data[i - 1].addr == c.text.addr; i--)
		if (is_text(&k->others.data[i - 1]))
			c.text = k->others.data[i - 1];
	if (n && k->base + k->offsets.data[n - 1] >= c.text.addr) {
		c.text = (struct ksym){ .addr = k->base + k->offsets.data[n - 1], .module = "" };
		c.fixed = n - 1;
	}
	return c;
}

static bool is_made_at_run_time(const struct ksym *text)
{
	return strcmp(text->module, "[bpf]") == 0 || strncmp(text->module, "[__builtin__", 12) == 0;
}

/* How far the last function before a gap may be stretched, whatever is not known of it. */
static uint64_t end_of(const struct kallsyms *k, const struct ksym *text)
{
	const struct kmodule *m = find_module(k, text->module);

	if (is_made_at_run_time(text))
		return text->addr + REACH_MADE_MAX;
	/* What a module has at its start only may lie elsewhere. */
	if (m && text->addr >= m->start && text->addr < m->end)
		return m->end;
	return text->addr + REACH_MAX;
}

static bool reaches(const struct kallsyms *k, const struct closest *c, uint64_t addr)
{
	if (!c->text.addr)
		return false;
	if (!c->text.module[0] && k->etext)
		return addr < k->etext || is_start_up(k, c->text.addr, addr);
	return c->data <= c->text.addr && addr - c->text.addr < end_of(k, &c->text) - c->text.addr;
}

int kallsyms_answer(struct kallsyms *k, struct sym_batch *b)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->n; i++) {
		struct sym_query *q = &b->queries[i];
		struct closest c = find_closest(k, q->vaddr);
		const char *name = c.text.name;
		char suffix[80];

		if (!reaches(k, &c, q->vaddr))
			continue;
		if (!name)
			name = packed_names_get(k->names, c.fixed);
		if (!name)
			continue;
		snprintf(suffix, sizeof(suffix), " %s", c.text.module);
		r = sym_batch_answer(b, q, c.text.addr, name, c.text.module[0] ? suffix : NULL);
	}
	return r;
}

bool kallsyms_is_fixed(const struct kallsyms *k, uint64_t addr)
{
	if (!k->offsets.n || addr < k->base)
		return false;
	return addr < k->etext || is_start_up(k, addr, addr);
}
