/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/dwarf_entry.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "unwind/dw_cursor.h"

/* --- entries ---------------------------------------------------------------------------------- */

/* Codes have one or two bytes, nearly always. */
static const uint8_t *read_code(const uint8_t *pos, const uint8_t *end, uint64_t *ret)
{
	struct dw_cursor c;

	if (pos < end && *pos < 0x80) {
		*ret = *pos;
		return pos + 1;
	}
	c = dw_cursor_of(pos, end - pos, 0);
	*ret = dw_uleb(&c);
	return c.bad ? NULL : c.pos;
}

static const uint8_t *skip_values(const struct dwarf_unit *u, const struct dwarf_abbrev *a,
				  size_t n, const uint8_t *pos)
{
	for (size_t i = 0; pos && i < n; i++)
		pos = dwarf_form_skip(u->format, a->specs[i].form, pos, u->end);
	return pos;
}

int dwarf_entry_read(struct dwarf_unit *u, const uint8_t *at, struct dwarf_entry *ret)
{
	const struct dwarf_abbrev *a;
	uint64_t code;

	*ret = (struct dwarf_entry){ .at = at };
	ret->values = ret->end = read_code(at, u->end, &code);
	if (!ret->end)
		return -EBADMSG;
	if (code == 0)
		return 0;
	ret->abbrev = a = dwarf_abbrevs_get(&u->abbrevs, code);
	if (!a)
		return -EBADMSG;
	if (a->size == DWARF_NOT_FIXED)
		ret->end = skip_values(u, a, a->n_specs, ret->values);
	else
		ret->end = a->size <= u->end - ret->values ? ret->values + a->size : NULL;
	return ret->end ? 0 : -EBADMSG;
}

/* Where the entry says that the next one of its level is: further on, or there is no end to it. */
static const uint8_t *sibling_of(const struct dwarf_unit *u, const struct dwarf_entry *e)
{
	struct dwarf_value v;
	const uint8_t *to;

	if (!dwarf_entry_value(u, e, SLOT_SIBLING, &v) || dwarf_value_reference(u, &v, &to) < 0)
		return NULL;
	return to > e->end ? to : NULL;
}

const uint8_t *dwarf_entry_skip(struct dwarf_unit *u, const struct dwarf_entry *e,
				struct dwarf_effort *effort)
{
	struct dwarf_entry at = *e;
	const uint8_t *next;
	size_t depth = 0;

	for (;;) {
		next = at.end;
		if (!at.abbrev) {
			depth--;
		} else if (at.abbrev->has_children) {
			const uint8_t *sibling = sibling_of(u, &at);

			next = sibling ? sibling : next;
			depth += !sibling;
		}
		if (depth == 0)
			return next;
		if (!dwarf_effort_take(effort) || dwarf_entry_read(u, next, &at) < 0)
			return NULL;
	}
}

/* --- values ----------------------------------------------------------------------------------- */

bool dwarf_entry_value(const struct dwarf_unit *u, const struct dwarf_entry *e,
		       enum dwarf_slot slot, struct dwarf_value *ret)
{
	const struct dwarf_abbrev *a = e->abbrev;
	size_t i = a->slots[slot];

	if (!i)
		return false;
	i--;
	ret->at = a->offsets[slot] == DWARF_NOT_FIXED ? skip_values(u, a, i, e->values)
						      : e->values + a->offsets[slot];
	ret->end = u->end;
	ret->form = a->specs[i].form;
	ret->implicit = a->specs[i].implicit;
	if (ret->form == DW_FORM_indirect) {
		struct dw_cursor c = dw_cursor_of(ret->at, ret->end - ret->at, 0);

		ret->form = dw_uleb(&c);
		ret->at = c.pos;
	}
	return true;
}

/* The entry was found to be whole, so values of fixed size are. */
static uint64_t bytes_at(const uint8_t *at, size_t len)
{
	uint64_t v = 0;

	memcpy(&v, at, len);
	return v;
}

static int uleb_at(const struct dwarf_value *v, uint64_t *ret)
{
	struct dw_cursor c = dw_cursor_of(v->at, v->end - v->at, 0);

	*ret = dw_uleb(&c);
	return c.bad ? -EBADMSG : 0;
}

int dwarf_value_number(const struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *ret)
{
	struct dw_cursor c;

	switch (v->form) {
	case DW_FORM_data1:
		*ret = *v->at;
		return 0;
	case DW_FORM_data2:
		*ret = bytes_at(v->at, 2);
		return 0;
	case DW_FORM_data4:
		*ret = bytes_at(v->at, 4);
		return 0;
	case DW_FORM_data8:
		*ret = bytes_at(v->at, 8);
		return 0;
	case DW_FORM_sec_offset:
		*ret = bytes_at(v->at, u->format.offset_size);
		return 0;
	case DW_FORM_implicit_const:
		*ret = v->implicit;
		return 0;
	case DW_FORM_udata:
	case DW_FORM_rnglistx:
		return uleb_at(v, ret);
	case DW_FORM_sdata:
		c = dw_cursor_of(v->at, v->end - v->at, 0);
		*ret = dw_sleb(&c);
		return c.bad ? -EBADMSG : 0;
	default:
		return -EBADMSG;
	}
}

/* The number that addrx and strx forms count by. */
static int index_at(const struct dwarf_value *v, uint64_t *ret)
{
	switch (v->form) {
	case DW_FORM_addrx1:
	case DW_FORM_strx1:
		*ret = *v->at;
		return 0;
	case DW_FORM_addrx2:
	case DW_FORM_strx2:
		*ret = bytes_at(v->at, 2);
		return 0;
	case DW_FORM_addrx3:
	case DW_FORM_strx3:
		*ret = bytes_at(v->at, 3);
		return 0;
	case DW_FORM_addrx4:
	case DW_FORM_strx4:
		*ret = bytes_at(v->at, 4);
		return 0;
	case DW_FORM_addrx:
	case DW_FORM_strx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		return uleb_at(v, ret);
	default:
		return -EBADMSG;
	}
}

static int indexed(const struct debug_bytes *table, uint64_t index, size_t size, uint64_t *ret)
{
	if (index >= table->len / size)
		return -EBADMSG;
	*ret = bytes_at(table->data + index * size, size);
	return 0;
}

int dwarf_value_address(const struct dwarf_unit *u, const struct dwarf_value *v, uint64_t *ret)
{
	uint64_t index;
	int r;

	if (v->form == DW_FORM_addr) {
		*ret = bytes_at(v->at, u->format.addr_size);
		return 0;
	}
	r = index_at(v, &index);
	return r < 0 ? r : indexed(&u->addrs, index, u->format.addr_size, ret);
}

const char *dwarf_string_at(const struct debug_bytes *section, uint64_t off)
{
	const uint8_t *s;

	if (off >= section->len)
		return NULL;
	s = section->data + off;
	return memchr(s, '\0', section->len - off) ? (const char *)s : NULL;
}

static int string_of_section(const struct dwarf_unit *u, enum debug_section id, uint64_t off,
			     const char **ret)
{
	const char *s = dwarf_string_at(&u->img->sections[id], off);

	if (!s)
		return -EBADMSG;
	*ret = s;
	return 0;
}

int dwarf_value_string(const struct dwarf_unit *u, const struct dwarf_value *v, const char **ret)
{
	uint64_t off;
	int r;

	switch (v->form) {
	case DW_FORM_string: /* ends in the unit, or the entry would not be whole */
		*ret = (const char *)v->at;
		return 0;
	case DW_FORM_strp:
		return string_of_section(u, DEBUG_STR, bytes_at(v->at, u->format.offset_size), ret);
	case DW_FORM_line_strp:
		return string_of_section(u, DEBUG_LINE_STR, bytes_at(v->at, u->format.offset_size),
					 ret);
	default:
		r = index_at(v, &off);
		if (r == 0)
			r = indexed(&u->str_offsets, off, u->format.offset_size, &off);
		return r < 0 ? r : string_of_section(u, DEBUG_STR, off, ret);
	}
}

int dwarf_value_reference(const struct dwarf_unit *u, const struct dwarf_value *v,
			  const uint8_t **ret)
{
	const uint8_t *from = u->begin;
	uint64_t off;

	switch (v->form) {
	case DW_FORM_ref1:
		off = *v->at;
		break;
	case DW_FORM_ref2:
		off = bytes_at(v->at, 2);
		break;
	case DW_FORM_ref4:
		off = bytes_at(v->at, 4);
		break;
	case DW_FORM_ref8:
		off = bytes_at(v->at, 8);
		break;
	case DW_FORM_ref_udata:
		if (uleb_at(v, &off) < 0)
			return -EBADMSG;
		break;
	case DW_FORM_ref_addr:
		if (u->format.version == 2)
			return -EBADMSG;
		off = bytes_at(v->at, u->format.offset_size);
		from = u->img->sections[DEBUG_INFO].data;
		break;
	default:
		return -EBADMSG;
	}
	if (off >= (size_t)(u->end - from) || from + off < u->entries)
		return -EBADMSG;
	*ret = from + off;
	return 0;
}

uint64_t dwarf_entry_number(const struct dwarf_unit *u, const struct dwarf_entry *e,
			    enum dwarf_slot slot, uint64_t otherwise)
{
	struct dwarf_value v;
	uint64_t n;

	if (!dwarf_entry_value(u, e, slot, &v) || dwarf_value_number(u, &v, &n) < 0)
		return otherwise;
	return n;
}

const char *dwarf_entry_string(const struct dwarf_unit *u, const struct dwarf_entry *e,
			       enum dwarf_slot slot)
{
	struct dwarf_value v;
	const char *s;

	if (!dwarf_entry_value(u, e, slot, &v) || dwarf_value_string(u, &v, &s) < 0)
		return NULL;
	return s;
}
