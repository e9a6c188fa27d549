/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/plt_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/vec.h"
#include "elf/elf_code.h"
#include "elf/elf_plt.h"
#include "elf/elf_symtab.h"
#include "sym/elf_names.h"

#define NAME_MAX_LEN 4096

/* A query and the stub it is in. */
struct place {
	struct elf_plt_stub stub;
	struct sym_query *query;
};

struct places {
	VEC(struct elf_plt_stub) stubs; /* by slot, each once */
	VEC(struct place) list;
};

static void places_clear(struct places *p)
{
	vec_free(&p->stubs);
	vec_free(&p->list);
}

static int compare_slots(const void *a, const void *b)
{
	const struct elf_plt_stub *x = a, *y = b;

	return (x->slot > y->slot) - (x->slot < y->slot);
}

static int find_places(struct elf_file *ef, const struct elf_code *code, struct sym_batch *b,
		       struct places *ret)
{
	for (size_t i = 0; i < b->n; i++) {
		struct place p = { .query = &b->queries[i] };
		int range = elf_code_range_of(code, p.query->vaddr), r;

		if (p.query->res->n_frames || range < 0 || !code->ranges[range].stubs ||
		    elf_plt_stub_at(ef, p.query->vaddr, &p.stub) < 0)
			continue;
		r = vec_push(&ret->list, p);
		if (r == 0)
			r = vec_push(&ret->stubs, p.stub);
		if (r < 0)
			return r;
	}
	if (ret->stubs.n)
		qsort(ret->stubs.data, ret->stubs.n, sizeof(*ret->stubs.data), compare_slots);
	return 0;
}

/* What the dynamic linker looks for. */
static int name_by_symbol(const struct elf_symtab *st, const struct place *p, struct sym_batch *b)
{
	char name[NAME_MAX_LEN];
	Elf64_Sym sym;

	if (elf_symtab_get(st, p->stub.symbol, &sym) < 0 ||
	    elf_symtab_name(st, sym.st_name, name, sizeof(name)) <= 0)
		return 0;
	return sym_batch_answer(b, p->query, p->stub.start, name, "@plt");
}

/* The file's own function, of which only the address is known. */
static int name_by_code(const struct place *p, const struct sym_result *res, struct sym_batch *b)
{
	char name[32];

	if (res->n_frames && res->start == p->stub.code) {
		const struct sym_frame *f = &res->frames[0];

		return sym_batch_answer(b, p->query, p->stub.start,
					f->linkage ? f->linkage : f->function, "@plt");
	}
	snprintf(name, sizeof(name), "*ABS*+0x%" PRIx64, p->stub.code);
	return sym_batch_answer(b, p->query, p->stub.start, name, "@plt");
}

/* Those that no symbol names: what is at their code is asked for like any other place. */
static int name_by_codes(struct elf_file *ef, const struct places *places, struct sym_batch *b)
{
	CLEANUP(freep)
	struct sym_result *results = calloc(places->list.n, sizeof(*results));
	CLEANUP(sym_batch_clear) struct sym_batch codes = { 0 };
	int r = results ? sym_batch_init(&codes, b->names, places->list.n) : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = 0; i < places->list.n; i++)
		if (places->list.data[i].stub.code)
			codes.queries[codes.n++] =
				(struct sym_query){ .vaddr = places->list.data[i].stub.code,
						    .res = &results[i] };
	if (!codes.n)
		return 0;
	sym_batch_sort(&codes);
	r = elf_names_answer(ef, NULL, NULL, &codes);
	for (size_t i = 0; r == 0 && i < places->list.n; i++)
		if (places->list.data[i].stub.code)
			r = name_by_code(&places->list.data[i], &results[i], b);
	return r;
}

static int name_by_symbols(struct elf_file *ef, const struct places *places, struct sym_batch *b)
{
	struct elf_symtab st;
	int r = 0;

	if (elf_symtab_find(ef, ELF_SYMTAB_DYNAMIC, &st) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < places->list.n; i++)
		if (places->list.data[i].stub.symbol)
			r = name_by_symbol(&st, &places->list.data[i], b);
	return r;
}

static void find_targets(struct elf_file *ef, struct places *places)
{
	elf_plt_find_targets(ef, places->stubs.data, places->stubs.n);
	for (size_t i = 0; i < places->list.n; i++) {
		struct elf_plt_stub *stub = &places->list.data[i].stub;
		const struct elf_plt_stub *target =
			bsearch(stub, places->stubs.data, places->stubs.n,
				sizeof(*places->stubs.data), compare_slots);

		stub->symbol = target->symbol;
		stub->code = target->symbol ? 0 : target->code;
	}
}

int plt_names_answer(struct elf_file *ef, struct sym_batch *b)
{
	CLEANUP(elf_code_clear) struct elf_code code = { 0 };
	CLEANUP(places_clear) struct places places = { 0 };
	int r = elf_code_load(ef, &code);

	if (r == 0)
		r = find_places(ef, &code, b, &places);
	if (r < 0 || !places.list.n)
		return r;
	find_targets(ef, &places);
	r = name_by_symbols(ef, &places, b);
	return r < 0 ? r : name_by_codes(ef, &places, b);
}
