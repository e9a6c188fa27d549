/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi.h"

#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "shared/unwind_rule.h"

#define LENGTH_64	 0xffffffffu /* in place of a length: it follows as 64 bits */
#define LENGTH_RESERVED	 0xfffffff0u
#define AUGMENTATION_MAX 16 /* letters; there are eight */

static const struct cfi_arch archs[] = {
	{ .machine = EM_X86_64,
	  .n_saved = 6,
	  .saved = { UNWIND_X86_RBX, UNWIND_X86_RBP, 12, 13, 14, 15 },
	  .n_regs = UNWIND_X86_REGS,
	  .sp = UNWIND_X86_RSP,
	  .fp = UNWIND_X86_RBP,
	  .ra = UNWIND_X86_RIP,
	  .sp_slot = 6,
	  .ra_slot = 7 },
	{ .machine = EM_AARCH64,
	  .n_saved = 2,
	  .saved = { UNWIND_A64_FP_REG, UNWIND_A64_LR_REG },
	  .n_regs = UNWIND_A64_REGS,
	  .sp = UNWIND_A64_SP_REG,
	  .fp = UNWIND_A64_FP_REG,
	  .ra = UNWIND_A64_LR_REG,
	  .sp_slot = 2,
	  .ra_slot = 1 },
};

const struct cfi_arch *cfi_arch_of(uint16_t machine)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (archs[i].machine == machine)
			return &archs[i];
	return NULL;
}

int cfi_slot_of(const struct cfi_arch *arch, uint64_t reg)
{
	for (unsigned i = 0; i < arch->n_saved; i++)
		if (arch->saved[i] == reg)
			return i;
	if (reg == arch->sp)
		return arch->sp_slot;
	return reg == arch->ra ? arch->ra_slot : -1;
}

/* The same for a register of this CIE's functions. */
static int slot_of(const struct cfi_cie *cie, uint64_t reg)
{
	return reg == cie->ra ? cie->ra_slot : cfi_slot_of(cie->arch, reg);
}

int cfi_read_head(const void *buf, size_t len, bool eh, struct cfi_head *ret)
{
	struct dw_cursor c = dw_cursor_of(buf, len, 0);
	struct cfi_head h = { 0 };
	uint64_t length = dw_u32(&c);
	bool wide = length == LENGTH_64;
	uint64_t id;

	if (length >= LENGTH_RESERVED && !wide)
		return -EBADMSG;
	if (wide)
		length = dw_u64(&c);
	h.head = wide ? 12 : 4;
	if (c.bad || length > UINT64_MAX - h.head)
		return -EBADMSG;
	if (length == 0) {
		*ret = h;
		return 0;
	}
	h.size = h.head + length;

	/* In .eh_frame the field has four bytes whatever the length has (LSB). */
	if (eh || !wide) {
		id = dw_u32(&c);
		h.head += 4;
		h.is_cie = id == (eh ? 0 : UINT32_MAX);
	} else {
		id = dw_u64(&c);
		h.head += 8;
		h.is_cie = id == UINT64_MAX;
	}
	if (c.bad || h.size < h.head)
		return -EBADMSG;
	h.cie_back = h.cie_off = id;
	*ret = h;
	return 0;
}

/* --- entries ---------------------------------------------------------------------------------- */

/* The letters after 'z'. Their data has a length, but what an unknown one means is unknown. */
static int read_augmentation(struct dw_cursor *c, const char *letters, struct cfi_cie *cie)
{
	for (; *letters; letters++) {
		uint8_t enc;

		switch (*letters) {
		case 'L': /* encoding of the language-specific data in FDEs */
			(void)dw_u8(c);
			break;
		case 'P': /* personality routine */
			enc = dw_u8(c);
			if (enc == DW_EH_PE_aligned)
				return -EBADMSG;
			(void)dw_raw(c, enc);
			break;
		case 'R':
			cie->enc = dw_u8(c);
			break;
		case 'S':
			cie->signal_frame = true;
			break;
		case 'B': /* aarch64: return addresses are signed with the B key */
		case 'G': /* aarch64: memory tagging of the stack */
			break;
		default:
			return -EBADMSG;
		}
	}
	return c->bad ? -EBADMSG : 0;
}

static int parse_augmentation(struct dw_cursor *c, const char *letters, struct cfi_cie *cie)
{
	struct dw_cursor data;
	const uint8_t *bytes;
	uint64_t addr, len;

	if (*letters != 'z') /* letters without data at most */
		return strspn(letters, "SBG") == strlen(letters)
			       ? read_augmentation(c, letters, cie)
			       : -EBADMSG;

	cie->has_augmentation_data = true;
	len = dw_uleb(c);
	addr = c->addr;
	bytes = dw_take(c, len);
	if (!bytes)
		return -EBADMSG;
	data = dw_cursor_of(bytes, len, addr);
	return read_augmentation(&data, letters + 1, cie);
}

static const char *read_letters(struct dw_cursor *c)
{
	const uint8_t *nul = memchr(c->pos, '\0', c->end - c->pos);

	if (!nul || nul - c->pos > AUGMENTATION_MAX)
		return NULL;
	return (const char *)dw_take(c, nul + 1 - c->pos);
}

static int read_cie_fields(struct dw_cursor *c, struct cfi_cie *cie)
{
	uint8_t version = dw_u8(c);
	const char *letters = read_letters(c);
	int slot;

	if (!letters || (version != 1 && version != 3 && version != 4))
		return -EBADMSG;
	/* Size of an address, size of a segment selector. */
	if (version == 4 && (dw_u8(c) != 8 || dw_u8(c) != 0))
		return -EBADMSG;
	cie->code_align = dw_uleb(c);
	cie->data_align = dw_sleb(c);
	cie->ra = version == 1 ? dw_u8(c) : dw_uleb(c);
	if (c->bad || cie->code_align == 0)
		return -EBADMSG;
	slot = cfi_slot_of(cie->arch, cie->ra);
	cie->ra_slot = slot < 0 ? CFI_OTHER_RA_SLOT : slot;
	return parse_augmentation(c, letters, cie);
}

static int execute(struct cfi_exec *x);

/* A CIE's instructions hold before a function's first byte: they may not move. */
static int run_initial(struct cfi_cie *cie, struct dw_cursor insns)
{
	struct cfi_exec x;

	x.cie = cie;
	x.in = insns;
	x.pc = 0;
	x.end = UINT64_MAX;
	x.in_cie = true;
	x.depth = 0;
	memset(&x.now, 0, sizeof(x.now));
	while (x.in.pos < x.in.end)
		if (execute(&x) < 0 || x.pc != 0)
			return -EBADMSG;
	cie->initial = x.now;
	return 0;
}

int cfi_parse_cie(const void *buf, size_t len, uint64_t addr, const struct cfi_arch *arch, bool eh,
		  struct cfi_cie *ret)
{
	struct dw_cursor c = dw_cursor_of(buf, len, addr);
	struct cfi_cie cie = { .arch = arch, .eh = eh, .enc = DW_EH_PE_absptr };
	struct cfi_head h;
	int r;

	r = cfi_read_head(buf, len, eh, &h);
	if (r < 0)
		return r;
	if (!h.is_cie || h.size != len || !dw_take(&c, h.head))
		return -EBADMSG;
	r = read_cie_fields(&c, &cie);
	if (r < 0)
		return r;
	r = run_initial(&cie, c);
	if (r < 0)
		return r;
	*ret = cie;
	return 0;
}

/* What linkers write in place of the address of a discarded function, beside 0. */
#define TOMBSTONE (UINT64_MAX - 1)

/* @c is at the begin of the entry, and then behind its range. */
static int read_range(struct dw_cursor *c, const struct cfi_cie *cie, struct cfi_head *ret_head,
		      struct cfi_fde *ret)
{
	struct cfi_fde fde = { .cie = cie };
	uint64_t size;

	if (cfi_read_head(c->pos, c->end - c->pos, cie->eh, ret_head) < 0 || ret_head->is_cie ||
	    !dw_take(c, ret_head->head))
		return -EBADMSG;
	fde.start = dw_pointer(c, cie->enc, UINT64_MAX);
	size = dw_raw(c, cie->enc);
	if (c->bad)
		return -EBADMSG;
	if (size == 0 || fde.start == 0 || fde.start >= TOMBSTONE)
		return -ERANGE;
	if (size > UINT64_MAX - fde.start)
		return -EBADMSG;
	fde.end = fde.start + size;
	*ret = fde;
	return 0;
}

int cfi_parse_range(const void *buf, size_t len, uint64_t addr, const struct cfi_cie *cie,
		    struct cfi_fde *ret)
{
	struct dw_cursor c = dw_cursor_of(buf, len, addr);
	struct cfi_head h;

	return read_range(&c, cie, &h, ret);
}

int cfi_parse_fde(const void *buf, size_t len, uint64_t addr, const struct cfi_cie *cie,
		  struct cfi_fde *ret)
{
	struct dw_cursor c = dw_cursor_of(buf, len, addr);
	struct cfi_fde fde;
	struct cfi_head h;
	int r;

	r = read_range(&c, cie, &h, &fde);
	if (r < 0)
		return r;
	if (h.size != len)
		return -EBADMSG;
	if (cie->has_augmentation_data)
		(void)dw_take(&c, dw_uleb(&c));
	if (c.bad)
		return -EBADMSG;
	fde.insns = c;
	*ret = fde;
	return 0;
}

/* --- instructions ----------------------------------------------------------------------------- */

static int set_place(struct cfi_exec *x, uint64_t reg, struct cfi_place place)
{
	int slot = slot_of(x->cie, reg);

	if (slot >= 0)
		x->now.slot[slot] = place;
	return 0;
}

static uint8_t short_reg(uint64_t reg)
{
	return reg < CFI_NO_REG ? reg : CFI_NO_REG;
}

static int unfactored(const struct cfi_exec *x, int64_t factored, int64_t *ret)
{
	return __builtin_mul_overflow(factored, x->cie->data_align, ret) ? -EBADMSG : 0;
}

static int64_t positive(struct dw_cursor *c)
{
	uint64_t v = dw_uleb(c);

	c->bad |= v > INT64_MAX;
	return c->bad ? 0 : v; /* whoever negates it can */
}

static int set_offset(struct cfi_exec *x, enum cfi_how how, uint64_t reg, int64_t factored)
{
	struct cfi_place place = { .how = how };

	if (unfactored(x, factored, &place.off) < 0)
		return -EBADMSG;
	return set_place(x, reg, place);
}

static int restore(struct cfi_exec *x, uint64_t reg)
{
	int slot = slot_of(x->cie, reg);

	if (x->in_cie)
		return -EBADMSG;
	if (slot >= 0)
		x->now.slot[slot] = x->cie->initial.slot[slot];
	return 0;
}

static int advance(struct cfi_exec *x, uint64_t delta)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(delta, x->cie->code_align, &bytes) ||
	    __builtin_add_overflow(x->pc, bytes, &x->pc))
		x->pc = UINT64_MAX; /* beyond every function */
	return 0;
}

static int set_loc(struct cfi_exec *x)
{
	uint64_t loc = dw_pointer(&x->in, x->cie->enc, UINT64_MAX);

	if (x->in.bad || loc < x->pc)
		return -EBADMSG;
	x->pc = loc;
	return 0;
}

static struct cfi_place read_expr(struct dw_cursor *c, enum cfi_how how)
{
	struct cfi_place place = { .how = how };
	uint64_t len = dw_uleb(c);

	c->bad |= len > UINT16_MAX;
	place.len = len;
	place.expr = dw_take(c, len);
	return place;
}

static int remember(struct cfi_exec *x)
{
	if (x->in_cie || x->depth == CFI_REMEMBER_MAX)
		return -EBADMSG;
	x->saved[x->depth++] = x->now;
	return 0;
}

static int recall(struct cfi_exec *x)
{
	if (x->depth == 0)
		return -EBADMSG;
	x->now = x->saved[--x->depth];
	return 0;
}

static int execute_location(struct cfi_exec *x, uint8_t op)
{
	struct dw_cursor *in = &x->in;

	switch (op) {
	case DW_CFA_set_loc:
		return set_loc(x);
	case DW_CFA_advance_loc1:
		return advance(x, dw_u8(in));
	case DW_CFA_advance_loc2:
		return advance(x, dw_u16(in));
	case DW_CFA_advance_loc4:
		return advance(x, dw_u32(in));
	default: /* DW_CFA_MIPS_advance_loc8 */
		return advance(x, dw_u64(in));
	}
}

static int execute_cfa(struct cfi_exec *x, uint8_t op)
{
	struct cfi_place *cfa = &x->now.cfa;
	struct dw_cursor *in = &x->in;

	switch (op) {
	case DW_CFA_def_cfa:
		*cfa = (struct cfi_place){ .how = CFI_OFFSET, .reg = short_reg(dw_uleb(in)) };
		cfa->off = positive(in);
		return 0;
	case DW_CFA_def_cfa_sf:
		*cfa = (struct cfi_place){ .how = CFI_OFFSET, .reg = short_reg(dw_uleb(in)) };
		return unfactored(x, dw_sleb(in), &cfa->off);
	case DW_CFA_def_cfa_expression:
		*cfa = read_expr(in, CFI_EXPR);
		return 0;
	}

	/* The others change one part of a CFA of this form. */
	if (cfa->how != CFI_OFFSET)
		return -EBADMSG;
	switch (op) {
	case DW_CFA_def_cfa_register:
		cfa->reg = short_reg(dw_uleb(in));
		return 0;
	case DW_CFA_def_cfa_offset:
		cfa->off = positive(in);
		return 0;
	default: /* DW_CFA_def_cfa_offset_sf */
		return unfactored(x, dw_sleb(in), &cfa->off);
	}
}

static int execute_register(struct cfi_exec *x, uint8_t op)
{
	struct dw_cursor *in = &x->in;
	uint64_t reg = dw_uleb(in);

	switch (op) {
	case DW_CFA_offset_extended:
		return set_offset(x, CFI_OFFSET, reg, positive(in));
	case DW_CFA_offset_extended_sf:
		return set_offset(x, CFI_OFFSET, reg, dw_sleb(in));
	case DW_CFA_GNU_negative_offset_extended:
		return set_offset(x, CFI_OFFSET, reg, -positive(in));
	case DW_CFA_val_offset:
		return set_offset(x, CFI_VAL_OFFSET, reg, positive(in));
	case DW_CFA_val_offset_sf:
		return set_offset(x, CFI_VAL_OFFSET, reg, dw_sleb(in));
	case DW_CFA_restore_extended:
		return restore(x, reg);
	case DW_CFA_undefined:
		return set_place(x, reg, (struct cfi_place){ .how = CFI_UNDEFINED });
	case DW_CFA_same_value:
		return set_place(x, reg, (struct cfi_place){ .how = CFI_SAME });
	case DW_CFA_register:
		return set_place(
			x, reg,
			(struct cfi_place){ .how = CFI_REGISTER, .reg = short_reg(dw_uleb(in)) });
	case DW_CFA_expression:
		return set_place(x, reg, read_expr(in, CFI_EXPR));
	default: /* DW_CFA_val_expression */
		return set_place(x, reg, read_expr(in, CFI_VAL_EXPR));
	}
}

/* Whether a return address is signed does not matter: signatures are always taken off. */
static int execute_aarch64(struct cfi_exec *x, uint8_t op)
{
	return x->cie->arch->machine == EM_AARCH64 ? 0 : -EBADMSG;
}

/* dwarf.h of elfutils 0.188 does not have it. */
#define CFA_AARCH64_NEGATE_RA_STATE_WITH_PC 0x2c

static int execute_extended(struct cfi_exec *x, uint8_t op)
{
	switch (op) {
	case DW_CFA_nop:
		return 0;
	case DW_CFA_set_loc:
	case DW_CFA_advance_loc1:
	case DW_CFA_advance_loc2:
	case DW_CFA_advance_loc4:
	case DW_CFA_MIPS_advance_loc8:
		return execute_location(x, op);
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
	case DW_CFA_def_cfa_expression:
		return execute_cfa(x, op);
	case DW_CFA_offset_extended:
	case DW_CFA_offset_extended_sf:
	case DW_CFA_GNU_negative_offset_extended:
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
	case DW_CFA_restore_extended:
	case DW_CFA_undefined:
	case DW_CFA_same_value:
	case DW_CFA_register:
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		return execute_register(x, op);
	case DW_CFA_remember_state:
		return remember(x);
	case DW_CFA_restore_state:
		return recall(x);
	case DW_CFA_GNU_args_size: /* of interest to landing pads only */
		(void)dw_uleb(&x->in);
		return 0;
	case CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
	case DW_CFA_AARCH64_negate_ra_state: /* DW_CFA_GNU_window_save has the same number */
		return execute_aarch64(x, op);
	default:
		return -EBADMSG;
	}
}

/* One instruction. */
static int execute(struct cfi_exec *x)
{
	uint8_t op = dw_u8(&x->in);
	uint8_t low = op & 0x3f;
	int r;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		r = advance(x, low);
		break;
	case DW_CFA_offset:
		r = set_offset(x, CFI_OFFSET, low, positive(&x->in));
		break;
	case DW_CFA_restore:
		r = restore(x, low);
		break;
	default:
		r = execute_extended(x, op);
	}
	return x->in.bad ? -EBADMSG : r;
}

void cfi_exec_init(struct cfi_exec *x, const struct cfi_fde *fde)
{
	x->cie = fde->cie;
	x->in = fde->insns;
	x->pc = fde->start;
	x->end = fde->end;
	x->in_cie = false;
	x->depth = 0;
	x->now = fde->cie->initial;
}

int cfi_exec_next(struct cfi_exec *x, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t from = x->pc;

	if (from >= x->end)
		return 0;

	*ret_from = from;
	while (x->pc == from && x->in.pos < x->in.end)
		if (execute(x) < 0)
			return -EBADMSG;
	if (x->pc == from || x->pc > x->end)
		x->pc = x->end;
	*ret_to = x->pc;
	return 1;
}
