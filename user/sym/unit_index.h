/* SPDX-License-Identifier: Apache-2.0 */
/* Which units of DWARF a batch of addresses lies in. */
#ifndef SYM_UNIT_INDEX_H
#define SYM_UNIT_INDEX_H

#include "base/vec.h"
#include "elf/elf_code.h"
#include "sym/dwarf_unit.h"
#include "sym/sym_batch.h"

struct unit_hit {
	uint64_t unit; /* offset of its header in .debug_info; UINT64_MAX: in none */
	struct sym_query *query;
};

/* Of hits by address, the first one that is not below @vaddr; @n: there is none. */
size_t unit_hits_from(const struct unit_hit *hits, size_t n, uint64_t vaddr);

struct unit_index {
	struct unit_hit *hits; /* one per query; by unit, then by address */
	size_t n;
};

struct unit_index_input {
	const struct debug_image *img;
	const struct elf_code
		*code; /* ranges that begin elsewhere are of code the linker threw away */
	struct sym_batch *batch;
	struct dwarf_effort *effort;
};

/*
 * By .debug_aranges where that knows an address, else by what the units say of themselves. -ENOMEM.
 */
int unit_index_build(const struct unit_index_input *in, struct unit_index *ret);
void unit_index_clear(struct unit_index *index);

#endif
