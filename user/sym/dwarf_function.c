/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/dwarf_function.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "sym/dwarf_entry.h"
#include "unwind/dw_cursor.h"

/* A function's entry refers to its declaration, that to another: never further than this. */
#define REFERENCES_MAX 16

/* What libdw keeps of a unit that it was asked about. */
#define HELD_OF_UNIT (32U << 10)

/* --- libdw ------------------------------------------------------------------------------------ */

static int begin(struct dwarf_functions *f)
{
	if (f->dwarf)
		return 0;
	f->dwarf = dwarf_begin_elf(f->img->elf, DWARF_C_READ, NULL);
	if (!f->dwarf)
		return -EBADMSG;
	if (f->alt_img)
		f->alt = dwarf_begin_elf(f->alt_img->elf, DWARF_C_READ, NULL);
	if (f->alt)
		dwarf_setalt(f->dwarf, f->alt);
	return 0;
}

void dwarf_functions_forget(struct dwarf_functions *f)
{
	dwarf_end(f->dwarf);
	dwarf_end(f->alt);
	f->dwarf = f->alt = NULL;
	f->held = 0;
}

int dwarf_functions_attach(struct dwarf_functions *f, struct dwarf_unit *u)
{
	int r = u->die.addr ? 0 : begin(f);

	if (r < 0 || u->die.addr)
		return r;
	f->held += HELD_OF_UNIT;
	return dwarf_offdie(f->dwarf, u->entries - f->img->sections[DEBUG_INFO].data, &u->die)
		       ? 0
		       : -EBADMSG;
}

/* libdw 0.188 looks up DWARF 5's references to the supplementary file in the file itself. */
static bool refer_to_alt(const struct dwarf_functions *f, const Dwarf_Attribute *attr,
			 Dwarf_Die *ret)
{
	const struct debug_bytes *info = &f->img->sections[DEBUG_INFO];
	size_t at = attr->valp - info->data;
	struct dw_cursor c;
	uint64_t off;

	if (!f->alt || at >= info->len)
		return false;
	c = dw_cursor_of(attr->valp, info->len - at, 0);
	off = attr->form == DW_FORM_ref_sup4 ? dw_u32(&c) : dw_u64(&c);
	return !c.bad && dwarf_offdie(f->alt, off, ret);
}

static bool refer(const struct dwarf_functions *f, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	unsigned form;
	Dwarf_Die to;

	if (!dwarf_attr(die, name, &attr))
		return false;
	form = dwarf_whatform(&attr);
	if (form == DW_FORM_ref_sup4 || form == DW_FORM_ref_sup8) {
		if (!refer_to_alt(f, &attr, &to))
			return false;
	} else if (!dwarf_formref_die(&attr, &to)) {
		return false;
	}
	*die = to;
	return true;
}

/* What the linker calls it, else what the source does. */
static const char *libdw_name(const struct dwarf_functions *f, const Dwarf_Die *die)
{
	const char *plain = NULL;
	Dwarf_Die at = *die;

	for (int i = 0; i < REFERENCES_MAX; i++) {
		const char *linkage = dwarf_die_string(&at, DW_AT_linkage_name);

		if (!linkage)
			linkage = dwarf_die_string(&at, DW_AT_MIPS_linkage_name);
		if (linkage && *linkage)
			return linkage;
		if (!plain)
			plain = dwarf_die_string(&at, DW_AT_name);
		if (!refer(f, &at, DW_AT_abstract_origin) && !refer(f, &at, DW_AT_specification))
			break;
	}
	return plain && *plain ? plain : NULL;
}

/* --- inside the unit -------------------------------------------------------------------------- */

/* 1: it has one, 0: it has none; -EBADMSG: it is not to be read here. */
static int string_of(const struct dwarf_functions *f, const struct dwarf_unit *u,
		     const struct dwarf_entry *e, enum dwarf_slot slot, const char **ret)
{
	struct dwarf_value v;
	uint64_t off = 0;

	if (!dwarf_entry_value(u, e, slot, &v))
		return 0;
	if (v.form != DW_FORM_GNU_strp_alt && v.form != DW_FORM_strp_sup)
		return dwarf_value_string(u, &v, ret) < 0 ? -EBADMSG : **ret != '\0';
	if (!f->alt_img)
		return -EBADMSG;
	memcpy(&off, v.at, u->format.offset_size);
	*ret = dwarf_string_at(&f->alt_img->sections[DEBUG_STR], off);
	return !*ret ? -EBADMSG : **ret != '\0';
}

/* Where the entry refers to; 0: nowhere, -EBADMSG: out of the unit. */
static int follow(const struct dwarf_unit *u, const struct dwarf_entry *e, const uint8_t **ret)
{
	struct dwarf_value v;

	if (!dwarf_entry_value(u, e, SLOT_ORIGIN, &v) &&
	    !dwarf_entry_value(u, e, SLOT_SPECIFICATION, &v))
		return 0;
	return dwarf_value_reference(u, &v, ret) < 0 ? -EBADMSG : 1;
}

/* -EBADMSG: libdw is to look. */
static int own_name(const struct dwarf_functions *f, struct dwarf_unit *u, const uint8_t *at,
		    const char **ret)
{
	const char *plain = NULL, *s;

	for (int i = 0; i < REFERENCES_MAX; i++) {
		struct dwarf_entry e;
		int r = dwarf_entry_read(u, at, &e);

		if (r < 0 || !e.abbrev)
			return -EBADMSG;
		r = string_of(f, u, &e, SLOT_LINKAGE_NAME, &s);
		if (r > 0)
			*ret = s;
		if (r)
			return r < 0 ? r : 0;
		r = plain ? 0 : string_of(f, u, &e, SLOT_NAME, &s);
		if (r > 0)
			plain = s;
		if (r >= 0)
			r = follow(u, &e, &at);
		if (r < 0)
			return r;
		if (r == 0)
			break;
	}
	*ret = plain;
	return 0;
}

const char *dwarf_function_name(struct dwarf_functions *f, struct dwarf_unit *u, const uint8_t *at)
{
	const char *name = NULL;
	Dwarf_Die die;

	if (own_name(f, u, at, &name) == 0)
		return name;
	if (dwarf_functions_attach(f, u) < 0)
		return NULL;
	die = (Dwarf_Die){ .addr = (void *)at, .cu = u->die.cu };
	return libdw_name(f, &die);
}
