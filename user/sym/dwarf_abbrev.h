/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Abbreviations: what the entries (DIEs) of a unit look like. libdw reads entries, too, but finds
 * out anew for each how long it is, under a lock; for names most are only passed over.
 */
#ifndef SYM_DWARF_ABBREV_H
#define SYM_DWARF_ABBREV_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "elf/debug_image.h"

/* Attributes that are looked at. */
enum dwarf_slot {
	SLOT_SIBLING,
	SLOT_LOW_PC,
	SLOT_HIGH_PC,
	SLOT_RANGES,
	SLOT_ENTRY_PC,
	SLOT_NAME,
	SLOT_LINKAGE_NAME,
	SLOT_ORIGIN,
	SLOT_SPECIFICATION,
	SLOT_CALL_FILE,
	SLOT_CALL_LINE,
	/* Of units. */
	SLOT_STMT_LIST,
	SLOT_COMP_DIR,
	SLOT_ADDR_BASE,
	SLOT_RNGLISTS_BASE,
	SLOT_STR_OFFSETS_BASE,
	SLOT_DWO_NAME,
	SLOTS,
};

/* What the size of a value depends on. */
struct dwarf_format {
	uint16_t version;
	uint8_t addr_size, offset_size;
};

struct dwarf_spec {
	uint16_t form;
	int64_t implicit; /* DW_FORM_implicit_const: the value */
};

#define DWARF_NOT_FIXED UINT32_MAX

struct dwarf_abbrev {
	uint64_t code;
	uint16_t tag;
	bool has_children;
	uint32_t size;		 /* of all values; DWARF_NOT_FIXED: each has to be read */
	uint32_t offsets[SLOTS]; /* of the slot's value from the first one; DWARF_NOT_FIXED */
	uint16_t slots[SLOTS];	 /* index in specs plus one; 0: it has no such attribute */
	uint16_t n_specs;
	struct dwarf_spec specs[];
};

/* One table, read as far as was asked for. */
struct dwarf_abbrevs {
	struct dwarf_format format;
	struct debug_bytes rest; /* what was not read yet */
	uint64_t len;		 /* of all of it */
	struct arena memory;
	VEC(const struct dwarf_abbrev *) in_order; /* those whose code is their place, from 1 */
	struct hashmap others;
};

/* The table at @off of @section, which is not copied. */
void dwarf_abbrevs_init(struct dwarf_abbrevs *t, struct debug_bytes section, uint64_t off,
			struct dwarf_format format);
void dwarf_abbrevs_clear(struct dwarf_abbrevs *t);

/* Bytes that were read so far. */
uint64_t dwarf_abbrevs_bytes_read(const struct dwarf_abbrevs *t);

/* Valid until @t is cleared. NULL: the table has no such code, or breaks before it. */
const struct dwarf_abbrev *dwarf_abbrevs_get(struct dwarf_abbrevs *t, uint64_t code);

/* The byte behind the value of @form at @pos; NULL: it goes past @end, or there is no such form. */
const uint8_t *dwarf_form_skip(struct dwarf_format format, unsigned form, const uint8_t *pos,
			       const uint8_t *end);

#endif
