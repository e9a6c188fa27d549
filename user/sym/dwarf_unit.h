/* SPDX-License-Identifier: Apache-2.0 */
/* A unit of DWARF, and the address ranges of its entries (DIEs). */
#ifndef SYM_DWARF_UNIT_H
#define SYM_DWARF_UNIT_H

#include <elfutils/libdw.h>

#include "elf/debug_image.h"

/* Work that one batch may cause: entries, ranges and answers that are looked at. */
struct dwarf_effort {
	uint64_t left;
};

/* Is there any left? Takes one. */
bool dwarf_effort_take(struct dwarf_effort *e);

struct dwarf_unit {
	Dwarf_Die die;	      /* the unit's own; of a split unit, the one that has children */
	const char *comp_dir; /* that relative paths start from; NULL: not known */
	uint16_t version;
	uint8_t addr_size, offset_size;
	struct debug_bytes info;   /* what the unit's attributes are in */
	uint64_t base;		   /* address that ranges are relative to */
	struct debug_bytes ranges; /* .debug_ranges or .debug_rnglists */
	uint64_t lists;		   /* offset in ranges that DW_FORM_rnglistx counts from */
	struct debug_bytes addrs;  /* .debug_addr from the unit's base on */
};

/* @img: what @die is in. -EBADMSG. */
int dwarf_unit_init(const struct debug_image *img, const Dwarf_Die *die, struct dwarf_unit *ret);

/*
 * An attribute that is an offset or a number, as DW_AT_stmt_list; @otherwise if there is none.
 */
uint64_t dwarf_unit_number(const Dwarf_Die *die, unsigned name, uint64_t otherwise);

/* Its string, or NULL. */
const char *dwarf_unit_string(const Dwarf_Die *die, unsigned name);

/* Called for each [start, end) of an entry; negative errno ends the walk and is its result. */
typedef int (*dwarf_range_fn)(void *arg, uint64_t start, uint64_t end);

/*
 * 1 if the entry has addresses, whatever they are, 0 if it has none, or what @fn said. Broken
 * ranges end where they break.
 */
int dwarf_unit_ranges(const struct dwarf_unit *u, Dwarf_Die *die, struct dwarf_effort *effort,
		      dwarf_range_fn fn, void *arg);

#endif
