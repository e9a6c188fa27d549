/* SPDX-License-Identifier: Apache-2.0 */
/* Entries (DIEs) of a unit, one after the other, and what they say. */
#ifndef SYM_DWARF_ENTRY_H
#define SYM_DWARF_ENTRY_H

#include "sym/dwarf_unit.h"

struct dwarf_entry {
	const uint8_t *at;
	const struct dwarf_abbrev *abbrev; /* NULL: no entry, but the end of those on one level */
	const uint8_t *values;
	const uint8_t *end; /* here is the next one: the first child, if it has children */
};

struct dwarf_value {
	const uint8_t *at;
	const uint8_t *end; /* of the unit */
	unsigned form;
	int64_t implicit; /* DW_FORM_implicit_const */
};

/* The entry at @at, which is in @u. -EBADMSG: it is broken. */
int dwarf_entry_read(struct dwarf_unit *u, const uint8_t *at, struct dwarf_entry *ret);

/* What is behind the entry and all inside it; NULL: that breaks, or is beyond the effort. */
const uint8_t *dwarf_entry_skip(struct dwarf_unit *u, const struct dwarf_entry *e,
				struct dwarf_effort *effort);

/* Has the entry such an attribute? */
bool dwarf_entry_value(const struct dwarf_unit *u, const struct dwarf_entry *e,
		       enum dwarf_slot slot, struct dwarf_value *ret);

/* -EBADMSG: the value is of another kind, or of one that is left to libdw; or it is broken. */
int dwarf_value_number(const struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *ret);
int dwarf_value_address(const struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *ret);
int dwarf_value_string(const struct dwarf_unit *u, const struct dwarf_value *v, const char **ret);
/* An entry of the same unit. */
int dwarf_value_reference(const struct dwarf_unit *u, const struct dwarf_value *v,
			  const uint8_t **ret);

/* The number or string of a slot; @otherwise if that is not to be had. */
uint64_t dwarf_entry_number(const struct dwarf_unit *u, const struct dwarf_entry *e,
			    enum dwarf_slot slot, uint64_t otherwise);
const char *dwarf_entry_string(const struct dwarf_unit *u, const struct dwarf_entry *e,
			       enum dwarf_slot slot);

/* The string at @off of a section; NULL if it does not end in there. */
const char *dwarf_string_at(const struct debug_bytes *section, uint64_t off);

#endif
