/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdw's own reader of ranges looks for the base address of a split unit in a file that it opens
 * itself, and reads all units up to the one that is asked for; hence this one.
 */
#include "sym/dwarf_unit.h"

#include <dwarf.h>
#include <errno.h>

#include "sym/dwarf_entry.h"
#include "unwind/dw_cursor.h"

/* --- libdw ------------------------------------------------------------------------------------ */

uint64_t dwarf_die_number(const Dwarf_Die *die, unsigned name, uint64_t otherwise)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (!dwarf_attr((Dwarf_Die *)die, name, &attr) || dwarf_formudata(&attr, &value) < 0)
		return otherwise;
	return value;
}

const char *dwarf_die_string(const Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;

	return dwarf_attr((Dwarf_Die *)die, name, &attr) ? dwarf_formstring(&attr) : NULL;
}

/* --- units ------------------------------------------------------------------------------------ */

static struct debug_bytes from(struct debug_bytes bytes, uint64_t off)
{
	if (off >= bytes.len)
		return (struct debug_bytes){ 0 };
	return (struct debug_bytes){ bytes.data + off, bytes.len - off };
}

static uint64_t offset(struct dw_cursor *c, const struct dwarf_format *f)
{
	return f->offset_size == 4 ? dw_u32(c) : dw_u64(c);
}

/* What is behind the number that a unit has, or the signature of a type. */
static void skip_ids(struct dw_cursor *c, const struct dwarf_unit *u)
{
	if (u->type == DW_UT_skeleton || u->type == DW_UT_split_compile)
		(void)dw_u64(c);
	if (u->type == DW_UT_type || u->type == DW_UT_split_type) {
		(void)dw_u64(c);
		(void)offset(c, &u->format);
	}
}

/* @c: behind the length, to the end of the unit. */
static int read_header(struct dw_cursor *c, struct dwarf_unit *u)
{
	uint64_t abbrevs;

	u->format.version = dw_u16(c);
	if (u->format.version >= 5) {
		u->type = dw_u8(c);
		u->format.addr_size = dw_u8(c);
		abbrevs = offset(c, &u->format);
		skip_ids(c, u);
	} else {
		abbrevs = offset(c, &u->format);
		u->format.addr_size = dw_u8(c);
	}
	if (c->bad || u->format.version < 2 || u->format.version > 5 ||
	    (u->format.addr_size != 8 && u->format.addr_size != 4))
		return -EBADMSG;
	u->entries = c->pos;
	u->end = c->end;
	dwarf_abbrevs_init(&u->abbrevs, u->img->sections[DEBUG_ABBREV], abbrevs, u->format);
	return 0;
}

/* What the unit's own entry says. Strings and addresses may need the bases. */
static int read_own_entry(struct dwarf_unit *u)
{
	const struct debug_bytes *sections = u->img->sections;
	bool is_old = u->format.version < 5;
	uint64_t head = u->format.offset_size == 8 ? 16 : 8;
	struct dwarf_entry own;
	struct dwarf_value v;
	int r = dwarf_entry_read(u, u->entries, &own);

	if (r < 0 || !own.abbrev)
		return -EBADMSG;
	u->addrs = from(sections[DEBUG_ADDR], dwarf_entry_number(u, &own, SLOT_ADDR_BASE, 0));
	u->str_offsets =
		from(sections[DEBUG_STR_OFFSETS],
		     dwarf_entry_number(u, &own, SLOT_STR_OFFSETS_BASE, is_old ? 0 : head));
	u->ranges = sections[is_old ? DEBUG_RANGES : DEBUG_RNGLISTS];
	/* Without the attribute the table is the first of its section, behind a header. */
	u->lists = dwarf_entry_number(u, &own, SLOT_RNGLISTS_BASE, head + 4);
	u->lines = dwarf_entry_number(u, &own, SLOT_STMT_LIST, UINT64_MAX);
	u->comp_dir = dwarf_entry_string(u, &own, SLOT_COMP_DIR);
	u->base = 0;
	if (dwarf_entry_value(u, &own, SLOT_LOW_PC, &v))
		(void)dwarf_value_address(u, &v, &u->base);
	return 0;
}

int dwarf_unit_open(const struct debug_image *img, uint64_t off, struct dwarf_unit *ret,
		    uint64_t *ret_next)
{
	struct debug_bytes info = from(img->sections[DEBUG_INFO], off);
	struct dw_cursor c = dw_cursor_of(info.data, info.len, 0);
	CLEANUP(dwarf_unit_clear)
	struct dwarf_unit u = { .img = img, .begin = info.data, .format.offset_size = 4 };
	uint64_t len = dw_u32(&c);
	int r;

	*ret_next = UINT64_MAX;
	if (len == UINT32_MAX) {
		u.format.offset_size = 8;
		len = dw_u64(&c);
	}
	if (c.bad || len > (uint64_t)(c.end - c.pos))
		return -EBADMSG;
	c.end = c.pos + len;
	if (c.end < info.data + info.len)
		*ret_next = off + (c.end - info.data);
	r = read_header(&c, &u);
	if (r == 0)
		r = read_own_entry(&u);
	if (r < 0)
		return r;
	*ret = u;
	u = (struct dwarf_unit){ 0 };
	return 0;
}

void dwarf_unit_clear(struct dwarf_unit *u)
{
	dwarf_abbrevs_clear(&u->abbrevs);
}

/* --- lists ------------------------------------------------------------------------------------ */

struct list {
	const struct dwarf_unit *unit;
	struct dw_cursor c;
	uint64_t base;
	uint64_t start, end; /* the range that was read last */
};

enum entry { ENTRY_RANGE, ENTRY_OTHER, ENTRY_END };

static uint64_t address(struct list *l)
{
	return l->unit->format.addr_size == 4 ? dw_u32(&l->c) : dw_u64(&l->c);
}

/* An address by its index. */
static uint64_t indexed(struct list *l)
{
	uint64_t size = l->unit->format.addr_size, index = dw_uleb(&l->c);
	const struct debug_bytes *a = &l->unit->addrs;
	struct dw_cursor c;

	if (index >= a->len / size) {
		l->c.bad = true;
		return 0;
	}
	c = dw_cursor_of(a->data + index * size, size, 0);
	return size == 4 ? dw_u32(&c) : dw_u64(&c);
}

/* Pairs of addresses until one of zeros; the highest address selects another base. */
static enum entry next_pair(struct list *l)
{
	uint64_t highest = l->unit->format.addr_size == 4 ? UINT32_MAX : UINT64_MAX;

	l->start = address(l);
	l->end = address(l);
	if (l->start == 0 && l->end == 0)
		return ENTRY_END;
	if (l->start == highest) {
		l->base = l->end;
		return ENTRY_OTHER;
	}
	l->start += l->base;
	l->end += l->base;
	return ENTRY_RANGE;
}

static enum entry next_coded(struct list *l)
{
	switch (dw_u8(&l->c)) {
	case DW_RLE_base_addressx:
		l->base = indexed(l);
		return ENTRY_OTHER;
	case DW_RLE_base_address:
		l->base = address(l);
		return ENTRY_OTHER;
	case DW_RLE_startx_endx:
		l->start = indexed(l);
		l->end = indexed(l);
		return ENTRY_RANGE;
	case DW_RLE_startx_length:
		l->start = indexed(l);
		l->end = l->start + dw_uleb(&l->c);
		return ENTRY_RANGE;
	case DW_RLE_offset_pair:
		l->start = l->base + dw_uleb(&l->c);
		l->end = l->base + dw_uleb(&l->c);
		return ENTRY_RANGE;
	case DW_RLE_start_end:
		l->start = address(l);
		l->end = address(l);
		return ENTRY_RANGE;
	case DW_RLE_start_length:
		l->start = address(l);
		l->end = l->start + dw_uleb(&l->c);
		return ENTRY_RANGE;
	default: /* DW_RLE_end_of_list, too */
		return ENTRY_END;
	}
}

/* Where the list of @v begins in u->ranges. */
static int list_offset(const struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *ret)
{
	struct debug_bytes offsets;
	struct dw_cursor c;
	uint64_t index;
	int r = dwarf_value_number(u, v, &index);

	if (r < 0)
		return r;
	if (v->form != DW_FORM_rnglistx) {
		*ret = index;
		return 0;
	}
	offsets = from(u->ranges, u->lists);
	if (index >= offsets.len / u->format.offset_size)
		return -EBADMSG;
	c = dw_cursor_of(offsets.data + index * u->format.offset_size, u->format.offset_size, 0);
	*ret = u->lists + offset(&c, &u->format);
	return 0;
}

static int walk_list(const struct dwarf_unit *u, uint64_t off, struct dwarf_effort *effort,
		     dwarf_range_fn fn, void *arg)
{
	struct debug_bytes bytes = from(u->ranges, off);
	struct list l = { .unit = u, .base = u->base };
	enum entry entry = ENTRY_OTHER;

	if (bytes.len == 0)
		return 1;
	l.c = dw_cursor_of(bytes.data, bytes.len, 0);
	while (dwarf_effort_take(effort)) {
		int r;

		entry = u->format.version < 5 ? next_pair(&l) : next_coded(&l);
		if (l.c.bad || entry == ENTRY_END)
			break;
		if (entry == ENTRY_OTHER || l.start >= l.end)
			continue;
		r = fn(arg, l.start, l.end);
		if (r < 0)
			return r;
	}
	return 1;
}

/* 0: it has none. */
static int pcs_of(const struct dwarf_unit *u, const struct dwarf_entry *e, uint64_t *ret_low,
		  uint64_t *ret_high)
{
	struct dwarf_value low, high;

	if (!dwarf_entry_value(u, e, SLOT_LOW_PC, &low) ||
	    !dwarf_entry_value(u, e, SLOT_HIGH_PC, &high) ||
	    dwarf_value_address(u, &low, ret_low) < 0)
		return 0;
	if (dwarf_value_address(u, &high, ret_high) == 0)
		return 1;
	if (dwarf_value_number(u, &high, ret_high) < 0)
		return 0;
	*ret_high += *ret_low;
	return 1;
}

int dwarf_unit_ranges(const struct dwarf_unit *u, const struct dwarf_entry *e,
		      struct dwarf_effort *effort, dwarf_range_fn fn, void *arg)
{
	struct dwarf_value v;
	uint64_t low, high, off;
	int r;

	if (dwarf_entry_value(u, e, SLOT_RANGES, &v)) {
		if (list_offset(u, &v, &off) < 0)
			return 1;
		return walk_list(u, off, effort, fn, arg);
	}
	if (!pcs_of(u, e, &low, &high))
		return 0;
	r = low < high ? fn(arg, low, high) : 0;
	return r < 0 ? r : 1;
}
