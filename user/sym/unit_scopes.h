/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that hold the addresses of a batch, with those that were inlined into them. */
#ifndef SYM_UNIT_SCOPES_H
#define SYM_UNIT_SCOPES_H

#include "sym/dwarf_unit.h"
#include "sym/unit_index.h"

#define SCOPE_NONE UINT32_MAX

/* A function, or a call that was inlined. */
struct scope {
	const uint8_t *at; /* its entry */
	uint32_t parent; /* index of what it was inlined into; SCOPE_NONE: a function of its own */
	bool is_described;
	/* From here on once it is described. */
	const struct sym_frame *name; /* NULL: it has none */
	const char *call_file;	      /* where the parent calls it; NULL: not known */
	uint32_t call_line;
	uint64_t entry; /* of a function of its own; 0: not known */
};

struct unit_scopes {
	VEC(struct scope) scopes;
	uint32_t *of_hit; /* the innermost scope of each, SCOPE_NONE: in no function */
};

/*
 * Walks the unit once, twice where a function is not found among those that stand alone. @hits are
 * those of the unit, sorted by address. -ENOMEM.
 */
int unit_scopes_find(struct dwarf_unit *unit, const struct unit_hit *hits, size_t n,
		     struct dwarf_effort *effort, struct unit_scopes *ret);
void unit_scopes_clear(struct unit_scopes *s);

#endif
