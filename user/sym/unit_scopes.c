/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/unit_scopes.h"

#include <dwarf.h>

#include "sym/dwarf_entry.h"

/* Deeper nesting of blocks, classes and inlined calls is nobody's program. */
#define DEPTH_MAX 512

/* Scopes of one unit; each is one that has an address of the batch in it. */
#define SCOPES_MAX (1U << 22)

struct walk {
	struct dwarf_unit *unit;
	const struct unit_hit *hits;
	size_t n;
	struct dwarf_effort *effort;
	struct unit_scopes *out;
	bool everywhere;	   /* look for functions inside others, too */
	bool hit;		   /* the entry at hand has an address of the batch */
	uint32_t outer, inner;	   /* the scope that it stands in, and its own */
	uint32_t stack[DEPTH_MAX]; /* the scope that entries of each level stand in */
};

/*
 * An address goes to an entry only from the scope that the entry stands in: so of two that claim
 * the same one, the first keeps it.
 */
static int take_range(void *arg, uint64_t start, uint64_t end)
{
	struct walk *w = arg;

	for (size_t i = unit_hits_from(w->hits, w->n, start);
	     i < w->n && w->hits[i].query->vaddr < end; i++) {
		if (!dwarf_effort_take(w->effort))
			break;
		if (w->out->of_hit[i] != w->outer)
			continue;
		w->out->of_hit[i] = w->inner;
		w->hit = true;
	}
	return 0;
}

/* Does the entry hold an address? If so, it becomes the scope *@scope. */
static int try_scope(struct walk *w, const struct dwarf_entry *e, uint32_t *scope, bool inlined)
{
	uint32_t index = w->out->scopes.n;
	int r;

	w->hit = false;
	w->outer = *scope;
	w->inner = index;
	r = dwarf_unit_ranges(w->unit, e, w->effort, take_range, w);
	if (r < 0 || !w->hit)
		return r < 0 ? r : 0;
	r = vec_push(&w->out->scopes,
		     (struct scope){ .at = e->at, .parent = inlined ? *scope : SCOPE_NONE });
	if (r < 0)
		return r;
	*scope = index;
	return 1;
}

/* A block holds an address of its scope, or does not say where it is. */
static int find_any(void *arg, uint64_t start, uint64_t end)
{
	struct walk *w = arg;
	size_t i = unit_hits_from(w->hits, w->n, start);

	w->hit |= i < w->n && w->hits[i].query->vaddr < end;
	return 0;
}

static bool block_is_hit(struct walk *w, const struct dwarf_entry *e)
{
	w->hit = false;
	return dwarf_unit_ranges(w->unit, e, w->effort, find_any, w) == 0 || w->hit;
}

/* 1: what is inside the entry is of interest, in the scope *@scope. */
static int visit(struct walk *w, const struct dwarf_entry *e, uint32_t *scope)
{
	bool inside = *scope != SCOPE_NONE;
	int r;

	switch (e->abbrev->tag) {
	case DW_TAG_subprogram:
		if (w->out->scopes.n >= SCOPES_MAX)
			return 0;
		r = try_scope(w, e, scope, false);
		return r ? r : w->everywhere;
	case DW_TAG_inlined_subroutine:
		if (!inside || w->out->scopes.n >= SCOPES_MAX)
			return 0;
		return try_scope(w, e, scope, true);
	case DW_TAG_lexical_block:
	case DW_TAG_try_block:
	case DW_TAG_catch_block:
	case DW_TAG_with_stmt:
		return w->everywhere || (inside && block_is_hit(w, e));
	case DW_TAG_namespace:
	case DW_TAG_module:
		return 1;
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_interface_type:
	case DW_TAG_enumeration_type: /* Rust */
		return w->everywhere || !inside;
	default:
		return 0;
	}
}

/* Where to go on: behind the entry, or inside it. NULL: its end cannot be found. */
static const uint8_t *pass(struct walk *w, const struct dwarf_entry *e, bool inside)
{
	if (!e->abbrev->has_children || inside)
		return e->end;
	return dwarf_entry_skip(w->unit, e, w->effort);
}

/* Depth first, without recursion. */
static int walk_unit(struct walk *w)
{
	const uint8_t *at = w->unit->entries;
	struct dwarf_entry e;
	int depth = -1; /* of the unit's own entry */

	while (at && dwarf_effort_take(w->effort) && dwarf_entry_read(w->unit, at, &e) == 0) {
		uint32_t scope = depth < 0 ? SCOPE_NONE : w->stack[depth];
		int r = 1;

		if (!e.abbrev) {
			at = e.end;
			if (--depth < 0)
				break;
			continue;
		}
		if (depth >= 0)
			r = visit(w, &e, &scope);
		if (r < 0)
			return r;
		r = r && e.abbrev->has_children && depth + 1 < DEPTH_MAX;
		if (r)
			w->stack[++depth] = scope;
		at = pass(w, &e, r);
		if (depth < 0)
			break;
	}
	return 0;
}

static bool is_complete(const struct walk *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->out->of_hit[i] == SCOPE_NONE)
			return false;
	return true;
}

static int walk_once(struct walk *w)
{
	w->out->scopes.n = 0;
	for (size_t i = 0; i < w->n; i++)
		w->out->of_hit[i] = SCOPE_NONE;
	return walk_unit(w);
}

int unit_scopes_find(struct dwarf_unit *unit, const struct unit_hit *hits, size_t n,
		     struct dwarf_effort *effort, struct unit_scopes *ret)
{
	CLEANUP(freep) struct walk *w = calloc(1, sizeof(*w));
	struct unit_scopes out = { 0 };
	int r;

	out.of_hit = calloc(n ? n : 1, sizeof(*out.of_hit));
	if (!w || !out.of_hit) {
		free(out.of_hit);
		return -ENOMEM;
	}
	w->unit = unit;
	w->hits = hits;
	w->n = n;
	w->effort = effort;
	w->out = &out;
	r = walk_once(w);
	if (r == 0 && !is_complete(w)) {
		w->everywhere = true;
		r = walk_once(w);
	}
	if (r < 0)
		unit_scopes_clear(&out);
	else
		*ret = out;
	return r;
}

void unit_scopes_clear(struct unit_scopes *s)
{
	vec_free(&s->scopes);
	free(s->of_hit);
	s->of_hit = NULL;
}
