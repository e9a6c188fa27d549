/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdw opens .dwo files by the name that a foreign file gives them, and knows no packages. So it
 * is given an image of each unit in which its sections, wherever they come from, begin where the
 * unit's part of them begins: its addresses and ranges, which are in the file of the skeleton, too.
 */
#include "sym/split_unit.h"

#include <dwarf.h>
#include <errno.h>

#include "sym/debug_files.h"
#include "unwind/dw_cursor.h"

/* Columns of a package's index. */
#define COLUMNS_MAX 16

static uint64_t unit_id(const Dwarf_Die *die)
{
	uint64_t id;

	return dwarf_cu_info(die->cu, NULL, NULL, NULL, NULL, &id, NULL, NULL) < 0 ? 0 : id;
}

bool split_unit_is_skeleton(const Dwarf_Die *die)
{
	uint8_t type;

	return dwarf_cu_info(die->cu, NULL, &type, NULL, NULL, NULL, NULL, NULL) == 0 &&
	       type == DW_UT_skeleton;
}

static struct debug_bytes from(struct debug_bytes bytes, uint64_t off)
{
	if (off >= bytes.len)
		return (struct debug_bytes){ 0 };
	return (struct debug_bytes){ bytes.data + off, bytes.len - off };
}

/* What the unit has in the file of its skeleton. */
static void add_parts_of_skeleton(const struct split_units *s, const struct dwarf_unit *skeleton,
				  struct debug_bytes parts[DEBUG_SECTIONS])
{
	const struct debug_bytes *sections = s->img->sections;
	const Dwarf_Die *die = &skeleton->die;

	parts[DEBUG_ADDR] = skeleton->addrs;
	if (skeleton->format.version < 5)
		parts[DEBUG_RANGES] = from(sections[DEBUG_RANGES],
					   dwarf_die_number(die, DW_AT_GNU_ranges_base, 0));
	/* For its table of files. */
	if (parts[DEBUG_LINE].len == 0)
		parts[DEBUG_LINE] = from(sections[DEBUG_LINE],
					 dwarf_die_number(die, DW_AT_stmt_list, UINT64_MAX));
	if (parts[DEBUG_LINE_STR].len == 0)
		parts[DEBUG_LINE_STR] = sections[DEBUG_LINE_STR];
}

static int find_unit(struct split_unit *u, uint64_t id, Dwarf_Die *ret)
{
	Dwarf_CU *cu = NULL;
	uint8_t type;
	Dwarf_Die die;

	while (dwarf_get_units(u->dwarf, cu, &cu, NULL, &type, &die, NULL) == 0)
		if (type == DW_UT_split_compile && unit_id(&die) == id) {
			*ret = die;
			return 0;
		}
	return -ENOENT;
}

static int open_parts(const struct split_units *s, const struct dwarf_unit *skeleton,
		      struct debug_bytes parts[DEBUG_SECTIONS], struct split_unit *u)
{
	Dwarf_Die die;
	uint64_t next;
	int r;

	add_parts_of_skeleton(s, skeleton, parts);
	r = debug_image_join(parts, &u->joined);
	if (r < 0)
		return r;
	u->dwarf = dwarf_begin_elf(u->joined->elf, DWARF_C_READ, NULL);
	if (!u->dwarf)
		return -EBADMSG;
	r = find_unit(u, unit_id(&skeleton->die), &die);
	if (r == 0)
		r = dwarf_unit_open(u->joined, dwarf_dieoffset(&die) - dwarf_cuoffset(&die),
				    &u->unit, &next);
	if (r < 0)
		return r;
	u->unit.die = die;
	if (u->unit.lines == UINT64_MAX)
		u->unit.lines = 0; /* of files, the first of its part */
	u->unit.base = skeleton->base;
	if (skeleton->comp_dir)
		u->unit.comp_dir = skeleton->comp_dir;
	return 0;
}

void split_unit_close(struct split_unit *u)
{
	dwarf_unit_clear(&u->unit);
	dwarf_end(u->dwarf);
	debug_image_close(u->joined);
	debug_image_close(u->whole);
	*u = (struct split_unit){ 0 };
}

/* --- packages --------------------------------------------------------------------------------- */

/* The index of a package, as it lies in the file. */
struct package_index {
	unsigned version;
	uint32_t n_columns, n_units, n_slots;
	const uint8_t *ids, *rows; /* per slot */
	const uint8_t *columns, *offsets, *sizes;
};

static uint32_t u32_at(const uint8_t *table, uint64_t index)
{
	struct dw_cursor c = dw_cursor_of(table + 4 * index, 4, 0);

	return dw_u32(&c);
}

static int read_index(struct debug_bytes bytes, struct package_index *ret)
{
	struct dw_cursor c = dw_cursor_of(bytes.data, bytes.len, 0);
	struct package_index x = { .version = dw_u16(&c) };
	uint64_t table;

	dw_u16(&c);
	x.n_columns = dw_u32(&c);
	x.n_units = dw_u32(&c);
	x.n_slots = dw_u32(&c);
	if (c.bad || (x.version != 2 && x.version != 5) || x.n_columns > COLUMNS_MAX ||
	    x.n_slots == 0 || (x.n_slots & (x.n_slots - 1)))
		return -EBADMSG;
	table = 4ULL * x.n_columns * x.n_units;
	x.ids = dw_take(&c, 8ULL * x.n_slots);
	x.rows = dw_take(&c, 4ULL * x.n_slots);
	x.columns = dw_take(&c, 4ULL * x.n_columns);
	x.offsets = dw_take(&c, table);
	x.sizes = dw_take(&c, table);
	if (c.bad)
		return -EBADMSG;
	*ret = x;
	return 0;
}

/* A hash table: the row of the unit called @id, from 0. */
static int find_row(const struct package_index *x, uint64_t id, uint32_t *ret)
{
	uint64_t mask = x->n_slots - 1, step = ((id >> 32) & mask) | 1, slot = id & mask;

	for (uint32_t i = 0; i < x->n_slots; i++, slot = (slot + step) & mask) {
		struct dw_cursor c = dw_cursor_of(x->ids + 8 * slot, 8, 0);
		uint32_t row = u32_at(x->rows, slot);

		if (row == 0)
			return -ENOENT;
		if (dw_u64(&c) != id)
			continue;
		if (row > x->n_units)
			return -EBADMSG;
		*ret = row - 1;
		return 0;
	}
	return -ENOENT;
}

/* Which section a column is about; DEBUG_SECTIONS: one that is not looked at. */
static enum debug_section section_of(unsigned version, uint32_t column)
{
	switch (column) {
	case DW_SECT_INFO:
		return DEBUG_INFO;
	case DW_SECT_ABBREV:
		return DEBUG_ABBREV;
	case DW_SECT_LINE:
		return DEBUG_LINE;
	case DW_SECT_STR_OFFSETS:
		return DEBUG_STR_OFFSETS;
	case DW_SECT_RNGLISTS: /* macros in version 2 */
		return version == 5 ? DEBUG_RNGLISTS : DEBUG_SECTIONS;
	default:
		return DEBUG_SECTIONS;
	}
}

/* The unit's part of each section; strings are common to all units. */
static int find_parts(const struct debug_image *package, uint64_t id,
		      struct debug_bytes parts[DEBUG_SECTIONS])
{
	struct package_index x;
	uint32_t row;
	int r = read_index(package->sections[DEBUG_CU_INDEX], &x);

	if (r == 0)
		r = find_row(&x, id, &row);
	if (r < 0)
		return r;
	parts[DEBUG_STR] = package->sections[DEBUG_STR];
	for (uint32_t i = 0; i < x.n_columns; i++) {
		uint64_t cell = (uint64_t)row * x.n_columns + i;
		enum debug_section id_of = section_of(x.version, u32_at(x.columns, i));
		struct debug_bytes all, *part;

		if (id_of == DEBUG_SECTIONS)
			continue;
		all = package->sections[id_of];
		part = &parts[id_of];
		*part = from(all, u32_at(x.offsets, cell));
		if (u32_at(x.sizes, cell) > part->len)
			return -EBADMSG;
		part->len = u32_at(x.sizes, cell);
	}
	return 0;
}

static void open_package(struct split_units *s)
{
	struct sym_file_wanted wanted = { .kind = SYM_FILE_DWP };

	if (s->package_tried)
		return;
	s->package_tried = true;
	for (unsigned nth = 0; !s->package; nth++) {
		CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
		int r = debug_files_open_split(s->source, &wanted, nth, &ef);

		if (r == -ENOENT || r == -ENOMEM)
			return;
		if (r == 0)
			(void)debug_image_open(ef, true, s->budget, &s->package);
	}
}

void split_units_clear(struct split_units *s)
{
	debug_image_close(s->package);
	s->package = NULL;
}

static int from_package(struct split_units *s, const struct dwarf_unit *skeleton,
			struct split_unit *ret)
{
	struct debug_bytes parts[DEBUG_SECTIONS] = { 0 };
	struct split_unit u = { 0 };
	int r;

	open_package(s);
	if (!s->package)
		return -ENOENT;
	r = find_parts(s->package, unit_id(&skeleton->die), parts);
	if (r == 0)
		r = open_parts(s, skeleton, parts, &u);
	if (r < 0) {
		split_unit_close(&u);
		return r;
	}
	*ret = u;
	return 0;
}

/* --- single files ----------------------------------------------------------------------------- */

static int from_file(struct split_units *s, const struct dwarf_unit *skeleton, struct elf_file *ef,
		     struct split_unit *ret)
{
	struct debug_bytes parts[DEBUG_SECTIONS];
	struct split_unit u = { 0 };
	int r = debug_image_open(ef, true, s->budget, &u.whole);

	if (r < 0)
		return r;
	for (size_t i = 0; i < DEBUG_SECTIONS; i++)
		parts[i] = u.whole->sections[i];
	r = open_parts(s, skeleton, parts, &u);
	if (r < 0) {
		split_unit_close(&u);
		return r;
	}
	*ret = u;
	return 0;
}

static const char *either_string(const Dwarf_Die *die, unsigned name, unsigned old_name)
{
	const char *s = dwarf_die_string(die, name);

	return s ? s : dwarf_die_string(die, old_name);
}

static int from_files(struct split_units *s, const struct dwarf_unit *skeleton,
		      struct split_unit *ret)
{
	const Dwarf_Die *die = &skeleton->die;
	struct sym_file_wanted wanted = {
		.kind = SYM_FILE_DWO,
		.name = either_string(die, DW_AT_dwo_name, DW_AT_GNU_dwo_name),
		.comp_dir = skeleton->comp_dir,
	};

	if (!wanted.name)
		return -ENOENT;
	for (unsigned nth = 0;; nth++) {
		CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
		int r = debug_files_open_split(s->source, &wanted, nth, &ef);

		if (r == -ENOENT || r == -ENOMEM)
			return r;
		if (r == 0 && from_file(s, skeleton, ef, ret) == 0)
			return 0;
	}
}

int split_unit_open(struct split_units *s, const struct dwarf_unit *skeleton,
		    struct split_unit *ret)
{
	int r = from_package(s, skeleton, ret);

	return r == -ENOMEM || r == 0 ? r : from_files(s, skeleton, ret);
}
