/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/dwarf_names.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include "elf/debug_file.h"
#include "elf/elf_code.h"

#define DWARF_BYTES_MAX (24ULL << 20)

/* Functions stand in namespaces, classes and functions; deeper nesting is nobody's program. */
#define DEPTH_MAX 32

/* Entries and ranges looked at in one batch; what lies beyond stays without a name. */
#define STEPS_MAX (1U << 23)

struct dwarf_search {
	struct sym_batch *batch; /* the queries without an answer */
	uint32_t steps;
};

static void dwarf_endp(Dwarf **dw)
{
	dwarf_end(*dw);
}

static bool exhausted(struct dwarf_search *s)
{
	return s->steps++ > STEPS_MAX;
}

static const char *linker_name(Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	const char *name = NULL;

	if (dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		name = dwarf_formstring(&attr);
	return name ? name : dwarf_diename(die);
}

/* Calls @fn for each query inside @die's address ranges, until it fails. */
typedef int (*in_range_fn)(struct dwarf_search *s, Dwarf_Die *die, struct sym_query *q);

static int for_queries_in(struct dwarf_search *s, Dwarf_Die *die, in_range_fn fn)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t pos = 0;

	while (!exhausted(s) && (pos = dwarf_ranges(die, pos, &base, &start, &end)) > 0) {
		size_t i = sym_batch_at_or_above(s->batch, start);

		for (; i < s->batch->n && s->batch->queries[i].vaddr < end; i++) {
			int r = exhausted(s) ? 0 : fn(s, die, &s->batch->queries[i]);

			if (r != 0)
				return r;
		}
	}
	return 0;
}

static int found_one(struct dwarf_search *s, Dwarf_Die *die, struct sym_query *q)
{
	return 1;
}

/* The walk comes to the inner of two nested functions later, and so the inner one stays. */
static int take_name(struct dwarf_search *s, Dwarf_Die *die, struct sym_query *q)
{
	const char *name = linker_name(die);
	Dwarf_Addr start;

	if (!name || !*name)
		return 0;
	if (dwarf_entrypc(die, &start) < 0)
		start = q->vaddr;
	return sym_batch_answer(s->batch, q, start, name, NULL);
}

static bool may_hold_functions(int tag)
{
	switch (tag) {
	case DW_TAG_namespace:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type: /* Rust */
	case DW_TAG_module:
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
		return true;
	default:
		return false;
	}
}

/* Depth first, without recursion: @stack holds the way from the unit down. */
static int walk_unit(struct dwarf_search *s, Dwarf_Die *unit)
{
	Dwarf_Die stack[DEPTH_MAX];
	int depth = 0, r;

	if (dwarf_child(unit, &stack[0]) != 0)
		return 0;

	while (depth >= 0 && !exhausted(s)) {
		Dwarf_Die *die = &stack[depth];
		int tag = dwarf_tag(die);

		r = tag == DW_TAG_subprogram ? for_queries_in(s, die, take_name) : 0;
		if (r < 0)
			return r;
		if (depth + 1 < DEPTH_MAX && may_hold_functions(tag) &&
		    dwarf_child(die, &stack[depth + 1]) == 0) {
			depth++;
			continue;
		}
		while (depth >= 0 && dwarf_siblingof(&stack[depth], &stack[depth]) != 0)
			depth--;
	}
	return 0;
}

/* A unit whose contents are in a .dwo file has no functions here, and libdw would go and look. */
static bool is_skeleton(Dwarf_Die *unit, uint8_t unit_type)
{
	return unit_type == DW_UT_skeleton || dwarf_hasattr(unit, DW_AT_dwo_name) ||
	       dwarf_hasattr(unit, DW_AT_GNU_dwo_name);
}

static int walk_units(struct dwarf_search *s, Dwarf *dw)
{
	Dwarf_CU *cu = NULL;
	uint8_t unit_type;
	Dwarf_Die unit;

	while (!exhausted(s) && dwarf_get_units(dw, cu, &cu, NULL, &unit_type, &unit, NULL) == 0) {
		int r;

		if (!unit.addr || is_skeleton(&unit, unit_type) ||
		    for_queries_in(s, &unit, found_one) == 0)
			continue;
		r = walk_unit(s, &unit);
		if (r < 0)
			return r;
	}
	return 0;
}

static int unanswered(struct elf_file *ef, const struct sym_batch *b, struct sym_batch *ret)
{
	CLEANUP(elf_code_clear) struct elf_code code = { 0 };
	int r = sym_batch_init(ret, b->names, b->n);

	if (r == 0)
		r = elf_code_load(ef, &code);
	if (r < 0)
		return r;
	for (size_t i = 0; i < b->n; i++) {
		const struct sym_query *q = &b->queries[i];

		if ((q->res->n_frames == 0 || q->guessed) &&
		    elf_code_has_functions_at(&code, q->vaddr))
			ret->queries[ret->n++] = *q;
	}
	return 0;
}

int dwarf_names_answer(struct elf_file *ef, struct sym_batch *b)
{
	CLEANUP(sym_batch_clear) struct sym_batch rest = { 0 };
	struct dwarf_search s = { .batch = &rest };
	CLEANUP(dwarf_endp) Dwarf *dw = NULL;
	int r;

	if (!debug_info_is_usable(ef, DWARF_BYTES_MAX))
		return -ENODATA;
	r = unanswered(ef, b, &rest);
	if (r < 0 || rest.n == 0)
		return r;

	dw = dwarf_begin_elf(debug_info_handle(ef), DWARF_C_READ, NULL);
	if (!dw)
		return -ENODATA;
	return walk_units(&s, dw);
}
