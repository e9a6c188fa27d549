/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/dwarf_abbrev.h"

#include <dwarf.h>
#include <string.h>

#include "unwind/dw_cursor.h"

/* Of one table: the largest units have some thousands, with tens of attributes. */
#define MEMORY_MAX   (16U << 20)
#define SPECS_MAX    512
#define VARIABLE     (-1)
#define UNKNOWN_FORM (-2)

/* --- forms ------------------------------------------------------------------------------------ */

/* Bytes of a value, or that they vary. */
static int form_size(struct dwarf_format f, unsigned form)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
	case DW_FORM_ref_sup4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return f.addr_size;
	case DW_FORM_ref_addr:
		return f.version == 2 ? f.addr_size : f.offset_size;
	case DW_FORM_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_line_strp:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return f.offset_size;
	case DW_FORM_string:
	case DW_FORM_block1:
	case DW_FORM_block2:
	case DW_FORM_block4:
	case DW_FORM_block:
	case DW_FORM_exprloc:
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
	case DW_FORM_indirect:
		return VARIABLE;
	default:
		return UNKNOWN_FORM;
	}
}

static const uint8_t *skip_leb(const uint8_t *pos, const uint8_t *end)
{
	while (pos < end)
		if (!(*pos++ & 0x80))
			return pos;
	return NULL;
}

static const uint8_t *skip_block(struct dw_cursor *c, uint64_t len)
{
	(void)dw_take(c, len);
	return c->bad ? NULL : c->pos;
}

static const uint8_t *skip_indirect(struct dwarf_format f, struct dw_cursor *c)
{
	uint64_t form = dw_uleb(c);

	/* Not through another one: that would be a way into the depth. */
	if (c->bad || form > UINT16_MAX || form == DW_FORM_indirect ||
	    form == DW_FORM_implicit_const)
		return NULL;
	return dwarf_form_skip(f, form, c->pos, c->end);
}

static const uint8_t *skip_variable(struct dwarf_format f, unsigned form, const uint8_t *pos,
				    const uint8_t *end)
{
	struct dw_cursor c = dw_cursor_of(pos, end - pos, 0);
	const uint8_t *nul;

	switch (form) {
	case DW_FORM_string:
		nul = memchr(pos, '\0', end - pos);
		return nul ? nul + 1 : NULL;
	case DW_FORM_block1:
		return skip_block(&c, dw_u8(&c));
	case DW_FORM_block2:
		return skip_block(&c, dw_u16(&c));
	case DW_FORM_block4:
		return skip_block(&c, dw_u32(&c));
	case DW_FORM_block:
	case DW_FORM_exprloc:
		return skip_block(&c, dw_uleb(&c));
	case DW_FORM_indirect:
		return skip_indirect(f, &c);
	default:
		return skip_leb(pos, end);
	}
}

const uint8_t *dwarf_form_skip(struct dwarf_format format, unsigned form, const uint8_t *pos,
			       const uint8_t *end)
{
	int size = form_size(format, form);

	if (size == VARIABLE)
		return pos < end ? skip_variable(format, form, pos, end) : NULL;
	return size >= 0 && size <= end - pos ? pos + size : NULL;
}

/* --- tables ----------------------------------------------------------------------------------- */

static enum dwarf_slot slot_of(uint64_t name)
{
	switch (name) {
	case DW_AT_sibling:
		return SLOT_SIBLING;
	case DW_AT_low_pc:
		return SLOT_LOW_PC;
	case DW_AT_high_pc:
		return SLOT_HIGH_PC;
	case DW_AT_ranges:
		return SLOT_RANGES;
	case DW_AT_entry_pc:
		return SLOT_ENTRY_PC;
	case DW_AT_name:
		return SLOT_NAME;
	case DW_AT_linkage_name:
	case DW_AT_MIPS_linkage_name:
		return SLOT_LINKAGE_NAME;
	case DW_AT_abstract_origin:
		return SLOT_ORIGIN;
	case DW_AT_specification:
		return SLOT_SPECIFICATION;
	case DW_AT_call_file:
		return SLOT_CALL_FILE;
	case DW_AT_call_line:
		return SLOT_CALL_LINE;
	case DW_AT_stmt_list:
		return SLOT_STMT_LIST;
	case DW_AT_comp_dir:
		return SLOT_COMP_DIR;
	case DW_AT_addr_base:
	case DW_AT_GNU_addr_base:
		return SLOT_ADDR_BASE;
	case DW_AT_rnglists_base:
		return SLOT_RNGLISTS_BASE;
	case DW_AT_str_offsets_base:
		return SLOT_STR_OFFSETS_BASE;
	case DW_AT_dwo_name:
	case DW_AT_GNU_dwo_name:
		return SLOT_DWO_NAME;
	default:
		return SLOTS;
	}
}

/* Of what begins with a tag and a flag: the number of its attributes. -1: it is broken. */
static int count_specs(struct dw_cursor c)
{
	for (int n = 0; n <= SPECS_MAX; n++) {
		uint64_t name = dw_uleb(&c), form = dw_uleb(&c);

		if (form == DW_FORM_implicit_const)
			(void)dw_sleb(&c);
		if (c.bad)
			return -1;
		if (name == 0 && form == 0)
			return n;
	}
	return -1;
}

static bool read_spec(struct dwarf_abbrevs *t, struct dw_cursor *c, struct dwarf_abbrev *a)
{
	uint64_t name = dw_uleb(c), form = dw_uleb(c);
	int64_t implicit = form == DW_FORM_implicit_const ? dw_sleb(c) : 0;
	int size = form <= UINT16_MAX ? form_size(t->format, form) : UNKNOWN_FORM;
	enum dwarf_slot slot = slot_of(name);

	if (c->bad || size == UNKNOWN_FORM)
		return false;
	a->specs[a->n_specs++] = (struct dwarf_spec){ form, implicit };
	if (slot < SLOTS && !a->slots[slot]) {
		a->slots[slot] = a->n_specs;
		a->offsets[slot] = a->size;
	}
	if (a->size != DWARF_NOT_FIXED)
		a->size = size == VARIABLE ? DWARF_NOT_FIXED : a->size + size;
	return true;
}

static struct dwarf_abbrev *read_abbrev(struct dwarf_abbrevs *t, struct dw_cursor *c)
{
	uint64_t code = dw_uleb(c), tag;
	struct dwarf_abbrev *a;
	uint8_t has_children;
	int n;

	if (c->bad || code == 0)
		return NULL;
	tag = dw_uleb(c);
	has_children = dw_u8(c);
	n = count_specs(*c);
	if (n < 0)
		return NULL;
	a = arena_alloc(&t->memory, sizeof(*a) + n * sizeof(a->specs[0]));
	if (!a)
		return NULL;
	*a = (struct dwarf_abbrev){ .code = code,
				    .tag = tag <= UINT16_MAX ? tag : 0,
				    .has_children = has_children == DW_CHILDREN_yes };
	for (int i = 0; i < n; i++)
		if (!read_spec(t, c, a))
			return NULL;
	(void)dw_uleb(c); /* the two zeros */
	(void)dw_uleb(c);
	return a;
}

static bool code_eq(const void *value, const void *key)
{
	return ((const struct dwarf_abbrev *)value)->code == *(const uint64_t *)key;
}

/* The first of two with one code counts. */
static int keep(struct dwarf_abbrevs *t, struct dwarf_abbrev *a)
{
	uint64_t hash = hash_u64(0, a->code);

	if (a->code == t->in_order.n + 1 && t->others.n == 0)
		return vec_push(&t->in_order, a);
	if (hashmap_get(&t->others, hash, code_eq, &a->code))
		return 0;
	return hashmap_put(&t->others, hash, a);
}

static const struct dwarf_abbrev *read_up_to(struct dwarf_abbrevs *t, uint64_t code)
{
	struct dw_cursor c = dw_cursor_of(t->rest.data, t->rest.len, 0);
	struct dwarf_abbrev *a;

	while ((a = read_abbrev(t, &c)) && keep(t, a) == 0 && a->code != code)
		;
	t->rest = (struct debug_bytes){ c.pos, a ? c.end - c.pos : 0 };
	return a && a->code == code ? a : NULL;
}

const struct dwarf_abbrev *dwarf_abbrevs_get(struct dwarf_abbrevs *t, uint64_t code)
{
	const struct dwarf_abbrev *a;

	if (code - 1 < t->in_order.n)
		return t->in_order.data[code - 1];
	a = hashmap_get(&t->others, hash_u64(0, code), code_eq, &code);
	return a || t->rest.len == 0 ? a : read_up_to(t, code);
}

void dwarf_abbrevs_init(struct dwarf_abbrevs *t, struct debug_bytes section, uint64_t off,
			struct dwarf_format format)
{
	*t = (struct dwarf_abbrevs){ .format = format, .memory.limit = MEMORY_MAX };
	if (off < section.len)
		t->rest = (struct debug_bytes){ section.data + off, section.len - off };
	t->len = t->rest.len;
}

uint64_t dwarf_abbrevs_bytes_read(const struct dwarf_abbrevs *t)
{
	return t->len - t->rest.len;
}

void dwarf_abbrevs_clear(struct dwarf_abbrevs *t)
{
	arena_clear(&t->memory);
	vec_free(&t->in_order);
	hashmap_clear(&t->others);
}
