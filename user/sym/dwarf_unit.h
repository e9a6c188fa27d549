/* SPDX-License-Identifier: Apache-2.0 */
/* A unit of DWARF, and the address ranges of its entries. */
#ifndef SYM_DWARF_UNIT_H
#define SYM_DWARF_UNIT_H

#include <elfutils/libdw.h>

#include "elf/debug_image.h"
#include "sym/dwarf_abbrev.h"

/* Work that one batch may cause: entries, ranges and answers that are looked at. */
struct dwarf_effort {
	uint64_t left;
};

/* For work in bulk. */
static inline void dwarf_effort_spend(struct dwarf_effort *e, uint64_t n)
{
	e->left -= n < e->left ? n : e->left;
}

/* Is there any left? Takes one. */
static inline bool dwarf_effort_take(struct dwarf_effort *e)
{
	return e->left && e->left--;
}

struct dwarf_unit {
	const struct debug_image *img;
	const uint8_t *begin;	/* its header: references inside the unit count from here */
	const uint8_t *entries; /* the first one is the unit's own */
	const uint8_t *end;
	uint8_t type; /* DW_UT_*; 0 before DWARF 5 */
	struct dwarf_format format;
	struct dwarf_abbrevs abbrevs;
	Dwarf_Die die;	      /* the unit's own, for libdw; its addr is NULL until it is needed */
	const char *comp_dir; /* that relative paths start from; NULL: not known */
	uint64_t lines;	      /* offset of its line program; UINT64_MAX: none */
	uint64_t base;	      /* address that ranges are relative to */
	struct debug_bytes ranges;	/* .debug_ranges or .debug_rnglists */
	uint64_t lists;			/* offset in ranges that DW_FORM_rnglistx counts from */
	struct debug_bytes addrs;	/* .debug_addr from the unit's base on */
	struct debug_bytes str_offsets; /* .debug_str_offsets likewise; none: not known */
};

struct dwarf_entry;

/*
 * The unit whose header is at @off of .debug_info of @img, which it does not outlive. *@ret_next:
 * where the next one begins, also if this one is broken (-EBADMSG); UINT64_MAX: there is none.
 */
int dwarf_unit_open(const struct debug_image *img, uint64_t off, struct dwarf_unit *ret,
		    uint64_t *ret_next);
void dwarf_unit_clear(struct dwarf_unit *u);

/* What libdw says of @die: a number, as DW_AT_stmt_list; @otherwise if it has no such attribute. */
uint64_t dwarf_die_number(const Dwarf_Die *die, unsigned name, uint64_t otherwise);

/* Its string, or NULL. */
const char *dwarf_die_string(const Dwarf_Die *die, unsigned name);

/* Called for each [start, end) of an entry; negative errno ends the walk and is its result. */
typedef int (*dwarf_range_fn)(void *arg, uint64_t start, uint64_t end);

/*
 * 1 if the entry has addresses, whatever they are, 0 if it has none, or what @fn said. Broken
 * ranges end where they break.
 */
int dwarf_unit_ranges(const struct dwarf_unit *u, const struct dwarf_entry *e,
		      struct dwarf_effort *effort, dwarf_range_fn fn, void *arg);

#endif
