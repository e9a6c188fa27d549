/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/kallsyms.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sym/alias.h"

/* More than any function has. It bounds how far the last function before a gap is stretched. */
#define REACH_MAX (1ULL << 20)

/* KSYM_NAME_LEN is 512, MODULE_NAME_LEN 64 - 8; "address type name\t[module]\n". */
#define LINE_MAX_LEN 1024

struct ksym {
	uint64_t addr;
	char type;
	char *name;
	char *module; /* "[name]", or "" */
};

/* The best function so far that starts at or below a query, but above the query before it. */
struct kslot {
	uint64_t text; /* its address; 0: none */
	bool local, weak, in_module;
	uint64_t data; /* highest symbol of data, in the same span */
	char *name;    /* "name\0[module]\0" in @room bytes, kept from one candidate to the next */
	size_t room;
};

struct kallsyms {
	struct sym_batch *batch;
	struct kslot *slots;
	uint64_t etext, sinittext, einittext;
	bool any_address;
};

static void kallsyms_clear(struct kallsyms *k)
{
	for (size_t i = 0; k->slots && i < k->batch->n; i++)
		free(k->slots[i].name);
	free(k->slots);
}

/* Splits @line in place. False if it is no symbol. */
static bool parse_line(char *line, struct ksym *ret)
{
	char *end, *tab;

	errno = 0;
	ret->addr = strtoull(line, &end, 16);
	if (errno || end == line || end[0] != ' ' || !end[1] || end[2] != ' ')
		return false;
	ret->type = end[1];
	ret->name = end + 3;
	ret->name[strcspn(ret->name, "\n")] = '\0';

	ret->module = ret->name + strlen(ret->name);
	tab = strchr(ret->name, '\t');
	if (tab) {
		*tab = '\0';
		ret->module = tab + 1;
	}
	return ret->name[0] != '\0';
}

static bool is_text(const struct ksym *sym)
{
	return strchr("tTwW", sym->type);
}

static int set_candidate(struct kslot *slot, const struct ksym *sym)
{
	size_t name_len = strlen(sym->name) + 1, module_len = strlen(sym->module) + 1;

	if (name_len + module_len > slot->room) {
		char *bigger = realloc(slot->name, name_len + module_len);

		if (!bigger)
			return -ENOMEM;
		slot->name = bigger;
		slot->room = name_len + module_len;
	}
	memcpy(slot->name, sym->name, name_len);
	memcpy(slot->name + name_len, sym->module, module_len);
	slot->text = sym->addr;
	slot->local = islower((unsigned char)sym->type);
	slot->weak = tolower((unsigned char)sym->type) == 'w';
	slot->in_module = sym->module[0] != '\0';
	return 0;
}

static bool is_better(const struct kslot *slot, const struct ksym *sym)
{
	struct alias old = { slot->name, slot->local, slot->weak };
	struct alias new = { sym->name, islower((unsigned char)sym->type),
			     tolower((unsigned char)sym->type) == 'w' };

	if (sym->addr != slot->text)
		return sym->addr > slot->text;
	return alias_compare(&new, &old) > 0;
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

/* The first CPU's idle task was begun by start-up code, to which its stack leads for ever. */
static bool is_start_up(const struct kallsyms *k, uint64_t text, uint64_t addr)
{
	return k->sinittext && text >= k->sinittext && addr < k->einittext;
}

static int consider(struct kallsyms *k, const struct ksym *sym)
{
	size_t i = sym_batch_at_or_above(k->batch, sym->addr);
	struct kslot *slot = &k->slots[i];

	if (!sym->module[0])
		take_limit(k, sym);
	if (sym->addr == 0 || i == k->batch->n)
		return 0;
	if (!is_text(sym)) {
		if (sym->addr > slot->data)
			slot->data = sym->addr;
		return 0;
	}
	return is_better(slot, sym) ? set_candidate(slot, sym) : 0;
}

/* Does the function that @slot holds reach @addr, with data at @data in between, or 0? */
static bool reaches(const struct kallsyms *k, const struct kslot *slot, uint64_t data,
		    uint64_t addr)
{
	if (!slot->in_module && k->etext)
		return addr < k->etext || is_start_up(k, slot->text, addr);
	return data <= slot->text && addr - slot->text < REACH_MAX;
}

static int answer(struct kallsyms *k)
{
	const struct kslot *best = NULL;
	uint64_t data = 0;

	for (size_t i = 0; i < k->batch->n; i++) {
		struct sym_query *q = &k->batch->queries[i];
		const char *module;
		char suffix[80];
		int r;

		if (k->slots[i].text)
			best = &k->slots[i];
		if (k->slots[i].data)
			data = k->slots[i].data;
		if (!best || !reaches(k, best, data, q->vaddr))
			continue;

		module = best->name + strlen(best->name) + 1;
		snprintf(suffix, sizeof(suffix), " %s", module);
		r = sym_batch_answer(k->batch, q, best->text, best->name, *module ? suffix : NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

int kallsyms_answer(FILE *f, struct sym_batch *b)
{
	CLEANUP(kallsyms_clear) struct kallsyms k = { .batch = b };
	char line[LINE_MAX_LEN];
	struct ksym sym;
	int r;

	k.slots = calloc(b->n + 1, sizeof(*k.slots));
	if (!k.slots)
		return -ENOMEM;

	while (fgets(line, sizeof(line), f)) {
		if (!parse_line(line, &sym))
			continue;
		k.any_address |= sym.addr != 0;
		r = consider(&k, &sym);
		if (r < 0)
			return r;
	}
	if (ferror(f))
		return -EIO;
	return k.any_address ? answer(&k) : -EPERM;
}
