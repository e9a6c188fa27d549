/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdw's own reader of ranges looks for the base address of a split unit in a file that it opens
 * itself, hence this one.
 */
#include "sym/dwarf_unit.h"

#include <dwarf.h>
#include <errno.h>

#include "unwind/dw_cursor.h"

bool dwarf_effort_take(struct dwarf_effort *e)
{
	if (e->left == 0)
		return false;
	e->left--;
	return true;
}

uint64_t dwarf_unit_number(const Dwarf_Die *die, unsigned name, uint64_t otherwise)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (!dwarf_attr((Dwarf_Die *)die, name, &attr) || dwarf_formudata(&attr, &value) < 0)
		return otherwise;
	return value;
}

const char *dwarf_unit_string(const Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;

	return dwarf_attr((Dwarf_Die *)die, name, &attr) ? dwarf_formstring(&attr) : NULL;
}

static struct debug_bytes from(struct debug_bytes bytes, uint64_t off)
{
	if (off >= bytes.len)
		return (struct debug_bytes){ 0 };
	return (struct debug_bytes){ bytes.data + off, bytes.len - off };
}

int dwarf_unit_init(const struct debug_image *img, const Dwarf_Die *die, struct dwarf_unit *ret)
{
	struct dwarf_unit u = { .die = *die };
	Dwarf_Half version;
	Dwarf_Addr base;

	if (dwarf_cu_info(die->cu, &version, NULL, NULL, NULL, NULL, &u.addr_size, &u.offset_size) <
	    0)
		return -EBADMSG;
	u.version = version;
	u.comp_dir = dwarf_unit_string(die, DW_AT_comp_dir);
	u.info = img->sections[DEBUG_INFO];
	u.ranges = img->sections[version < 5 ? DEBUG_RANGES : DEBUG_RNGLISTS];
	/* Without the attribute the table is the first of its section, behind a header. */
	u.lists = dwarf_unit_number(die, DW_AT_rnglists_base, u.offset_size == 8 ? 20 : 12);
	u.addrs = from(img->sections[DEBUG_ADDR],
		       dwarf_unit_number(die, DW_AT_addr_base,
					 dwarf_unit_number(die, DW_AT_GNU_addr_base, 0)));
	if (dwarf_lowpc(&u.die, &base) == 0)
		u.base = base;
	*ret = u;
	return 0;
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
	return l->unit->addr_size == 4 ? dw_u32(&l->c) : dw_u64(&l->c);
}

/* An address by its index. */
static uint64_t indexed(struct list *l)
{
	uint64_t size = l->unit->addr_size, index = dw_uleb(&l->c);
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
	uint64_t highest = l->unit->addr_size == 4 ? UINT32_MAX : UINT64_MAX;

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

/* Where the list of @attr begins in u->ranges. */
static int list_offset(const struct dwarf_unit *u, Dwarf_Attribute *attr, uint64_t *ret)
{
	struct debug_bytes offsets;
	struct dw_cursor c;
	uint64_t index;

	if (dwarf_whatform(attr) != DW_FORM_rnglistx)
		return dwarf_formudata(attr, ret) < 0 ? -EBADMSG : 0;

	index = attr->valp - u->info.data;
	if (index >= u->info.len)
		return -EBADMSG;
	c = dw_cursor_of(attr->valp, u->info.len - index, 0);
	index = dw_uleb(&c);
	offsets = from(u->ranges, u->lists);
	if (c.bad || index >= offsets.len / u->offset_size)
		return -EBADMSG;
	c = dw_cursor_of(offsets.data + index * u->offset_size, u->offset_size, 0);
	*ret = u->lists + (u->offset_size == 4 ? dw_u32(&c) : dw_u64(&c));
	return 0;
}

static int walk_list(const struct dwarf_unit *u, uint64_t off, struct dwarf_effort *effort,
		     dwarf_range_fn fn, void *arg)
{
	struct debug_bytes bytes = from(u->ranges, off);
	struct list l = { .unit = u, .base = u->base };
	enum entry entry = ENTRY_OTHER;

	if (bytes.len == 0 || (u->addr_size != 8 && u->addr_size != 4))
		return 1;
	l.c = dw_cursor_of(bytes.data, bytes.len, 0);
	while (dwarf_effort_take(effort)) {
		int r;

		entry = u->version < 5 ? next_pair(&l) : next_coded(&l);
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

int dwarf_unit_ranges(const struct dwarf_unit *u, Dwarf_Die *die, struct dwarf_effort *effort,
		      dwarf_range_fn fn, void *arg)
{
	Dwarf_Attribute attr;
	Dwarf_Addr low, high;
	uint64_t off;
	int r;

	if (dwarf_attr(die, DW_AT_ranges, &attr)) {
		if (list_offset(u, &attr, &off) < 0)
			return 1;
		return walk_list(u, off, effort, fn, arg);
	}
	if (dwarf_highpc(die, &high) < 0 || dwarf_lowpc(die, &low) < 0)
		return 0;
	r = low < high ? fn(arg, low, high) : 0;
	return r < 0 ? r : 1;
}
