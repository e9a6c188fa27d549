/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/kallsyms.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/vec.h"
#include "sym/alias.h"
#include "sym/packed_names.h"

/* More than any function has. It bounds how far the last function before a gap is stretched. */
#define REACH_MAX (1ULL << 20)

/* KSYM_NAME_LEN is 512, MODULE_NAME_LEN 64 - 8; "address type name\t[module]\n". */
#define LINE_MAX_LEN 1024

struct ksym {
	uint64_t addr;
	char type;
	const char *name;
	const char *module; /* "[name]", or "" */
};

struct kallsyms {
	/* Functions of the kernel proper that come in the order of their addresses, as they do. */
	VEC(uint32_t) offsets; /* of these from @base */
	uint64_t base;
	struct packed_names *names;
	/* All others, and data among functions; by address, the best name first. */
	VEC(struct ksym) others;
	struct arena strings;
	uint64_t etext, sinittext, einittext; /* 0: not known */
};

void kallsyms_free(struct kallsyms *k)
{
	if (!k)
		return;
	vec_free(&k->offsets);
	vec_free(&k->others);
	packed_names_free(k->names);
	arena_clear(&k->strings);
	free(k);
}

size_t kallsyms_bytes(const struct kallsyms *k)
{
	return sizeof(*k) + k->offsets.cap * sizeof(uint32_t) + packed_names_bytes(k->names) +
	       k->others.cap * sizeof(struct ksym) + k->strings.total;
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

static bool reaches(const struct kallsyms *k, const struct closest *c, uint64_t addr)
{
	if (!c->text.addr)
		return false;
	if (!c->text.module[0] && k->etext)
		return addr < k->etext || is_start_up(k, c->text.addr, addr);
	return c->data <= c->text.addr && addr - c->text.addr < REACH_MAX;
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
