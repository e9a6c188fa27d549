/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/elf_names.h"

#include <stdlib.h>
#include <string.h>

#include "elf/elf_code.h"
#include "sym/alias.h"

#define TABLES_MAX 4
#define RAW_MAX	   4096 /* longer linker names are cut, and so stay mangled */

/*
 * Symbols of a sound file hardly overlap, so a batch takes few steps. A hostile one can let every
 * symbol cover every address; past these limits the first answer stays.
 */
#define COVERS_MAX (1U << 26)
#define TIES_MAX   (1U << 18)

struct candidate {
	uint64_t start;
	uint32_t name;
	uint8_t table; /* index in search.tables, plus one; 0: no candidate */
	bool sized;
	bool typed;
	bool local;
	bool weak;
};

/* What is known so far about one query. */
struct slot {
	struct candidate cover; /* the best sized symbol that holds the address */
	struct candidate
		nearest; /* the closest start, at or below it, of those above the slot before */
};

struct search {
	struct sym_batch *batch;
	struct slot *slots; /* one per query */
	struct elf_code code;
	struct elf_symtab tables[TABLES_MAX];
	size_t n_tables;
	uint32_t covers, ties;
	char name[RAW_MAX], other[RAW_MAX];
};

static void search_free(struct search *s)
{
	if (!s)
		return;
	elf_code_clear(&s->code);
	free(s->slots);
	free(s);
}
DEFINE_CLEANUP(struct search *, search_free)

static int read_name(const struct search *s, const struct candidate *c, char *buf)
{
	return elf_symtab_name(&s->tables[c->table - 1], c->name, buf, RAW_MAX);
}

/* Same start, same kind: is @a the better name? */
static bool better_alias(struct search *s, const struct candidate *a, const struct candidate *b)
{
	struct alias x = { s->name, a->local, a->weak }, y = { s->other, b->local, b->weak };

	if (a->table == b->table && a->name == b->name)
		return b->local && !a->local;
	if (s->ties++ > TIES_MAX || read_name(s, a, s->name) <= 0)
		return false;
	return read_name(s, b, s->other) <= 0 || alias_compare(&x, &y) > 0;
}

static void offer(struct search *s, struct candidate *best, const struct candidate *c)
{
	bool better;

	if (!best->table || c->start != best->start)
		better = !best->table || c->start > best->start;
	else if (c->sized != best->sized)
		better = c->sized;
	else if (c->typed != best->typed)
		better = c->typed;
	else
		better = better_alias(s, c, best);
	if (better)
		*best = *c;
}

static int consider(void *arg, const struct elf_symtab *st, const Elf64_Sym *sym)
{
	struct search *s = arg;
	struct sym_batch *b = s->batch;
	size_t i = sym_batch_at_or_above(b, sym->st_value);
	struct candidate c = {
		.start = sym->st_value,
		.name = sym->st_name,
		.table = st - s->tables + 1,
		.sized = sym->st_size > 0,
		.typed = ELF64_ST_TYPE(sym->st_info) != STT_NOTYPE,
		.local = ELF64_ST_BIND(sym->st_info) == STB_LOCAL,
		.weak = ELF64_ST_BIND(sym->st_info) == STB_WEAK,
	};

	if (i == b->n || !elf_code_is_named_by(&s->code, st, sym))
		return 0;

	offer(s, &s->slots[i].nearest, &c);
	for (; i < b->n && b->queries[i].vaddr - c.start < sym->st_size; i++) {
		if (s->covers++ > COVERS_MAX)
			break;
		offer(s, &s->slots[i].cover, &c);
	}
	return 0;
}

/* A symbol without a size reaches the address if nothing starts in between, in its section. */
static bool reaches(const struct search *s, const struct candidate *c, uint64_t vaddr)
{
	return c->table && !c->sized &&
	       elf_code_range_of(&s->code, c->start) == elf_code_range_of(&s->code, vaddr);
}

static int answer(struct search *s)
{
	struct candidate nearest = { 0 };

	for (size_t i = 0; i < s->batch->n; i++) {
		struct sym_query *q = &s->batch->queries[i];
		struct slot *slot = &s->slots[i];
		const struct candidate *c = &slot->cover;
		int r;

		if (slot->nearest.table)
			nearest = slot->nearest;
		if (!c->table && reaches(s, &nearest, q->vaddr))
			c = &nearest;
		if (q->res->n_frames || !c->table || read_name(s, c, s->name) <= 0)
			continue;
		q->guessed = !c->sized;
		r = sym_batch_answer(s->batch, q, c->start, s->name, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static void add_table(struct search *s, struct elf_file *ef, enum elf_symtab_kind kind)
{
	if (elf_symtab_find(ef, kind, &s->tables[s->n_tables]) == 0)
		s->n_tables++;
}

int elf_names_answer(struct elf_file *ef, struct elf_file *debug, struct elf_file *mini,
		     struct sym_batch *b)
{
	CLEANUP(search_freep) struct search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->batch = b;
	s->slots = calloc(b->n ? b->n : 1, sizeof(*s->slots));
	if (!s->slots)
		return -ENOMEM;
	r = elf_code_load(ef, &s->code);
	if (r < 0)
		return r;

	add_table(s, ef, ELF_SYMTAB_FULL);
	add_table(s, ef, ELF_SYMTAB_DYNAMIC);
	if (debug)
		add_table(s, debug, ELF_SYMTAB_FULL);
	if (mini)
		add_table(s, mini, ELF_SYMTAB_FULL);
	for (size_t i = 0; i < s->n_tables; i++) {
		r = elf_symtab_walk(&s->tables[i], consider, s);
		if (r < 0)
			return r;
	}
	return answer(s);
}

bool elf_names_needs_debug_file(struct elf_file *ef)
{
	struct elf_symtab st;

	return elf_symtab_find(ef, ELF_SYMTAB_FULL, &st) < 0;
}
