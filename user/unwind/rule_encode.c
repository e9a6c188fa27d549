/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rule_encode.h"

#include <dwarf.h>
#include <elf.h>
#include <string.h>

#include "unwind/cfi_expr.h"

#define WORD	      8
#define CFA_WORDS_MAX ((1 << UNWIND_CFA_BITS) - 1)
#define X86_SLOT_MAX  ((1 << UNWIND_X86_SLOT_BITS) - 1)
#define A64_AT_MAX    ((1 << UNWIND_A64_AT_BITS) - 1)
#define UNSUPPORTED   UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)

static const struct unwind_place unknown = { .where = UNWIND_UNKNOWN };

static struct unwind_place place_at(enum unwind_where where, unsigned reg, int64_t off)
{
	if (off < INT16_MIN || off > INT16_MAX)
		return unknown;
	return (struct unwind_place){ .where = where, .reg = reg, .off = off };
}

/* The value of an expression is where the register is saved, or, if @is_value, the register's. */
static struct unwind_place place_by_expr(const struct cfi_arch *arch, const struct cfi_place *p,
					 bool is_value)
{
	struct cfi_value v;

	if (cfi_expr_value(p->expr, p->len, true, &v) < 0 || v.reg >= arch->n_regs || v.index)
		return unknown;
	switch (v.kind) {
	case CFI_VALUE_REG:
		return place_at(is_value ? UNWIND_IN_REG : UNWIND_AT_REG, v.reg, v.add);
	case CFI_VALUE_CFA:
		return place_at(is_value ? UNWIND_CFA_PLUS : UNWIND_AT_CFA, 0, v.add);
	case CFI_VALUE_MEM_OF_REG:
		return is_value && v.add == 0 ? place_at(UNWIND_AT_REG, v.reg, v.off) : unknown;
	case CFI_VALUE_MEM_OF_CFA:
		return is_value && v.add == 0 ? place_at(UNWIND_AT_CFA, 0, v.off) : unknown;
	default:
		return unknown;
	}
}

/* Where the value of @reg, one of those that are kept, is to be found. */
static struct unwind_place place_of(const struct cfi_arch *arch, const struct cfi_place *p,
				    unsigned reg)
{
	struct unwind_place place;

	switch (p->how) {
	case CFI_UNSPECIFIED: /* the ABI's rule for a callee-saved register */
	case CFI_SAME:
		return place_at(UNWIND_AS_IS, 0, 0);
	case CFI_OFFSET:
		return place_at(UNWIND_AT_CFA, 0, p->off);
	case CFI_VAL_OFFSET:
		return place_at(UNWIND_CFA_PLUS, 0, p->off);
	case CFI_REGISTER:
		place = p->reg < arch->n_regs ? place_at(UNWIND_IN_REG, p->reg, 0) : unknown;
		break;
	case CFI_EXPR:
	case CFI_VAL_EXPR:
		place = place_by_expr(arch, p, p->how == CFI_VAL_EXPR);
		break;
	default: /* CFI_UNDEFINED */
		return unknown;
	}
	if (place.where == UNWIND_IN_REG && place.reg == reg && place.off == 0)
		return place_at(UNWIND_AS_IS, 0, 0);
	return place;
}

/* --- rules of 32 bits ------------------------------------------------------------------------- */

/* Bits 0-13, or 0: the CFA does not fit. */
static uint32_t short_cfa(const struct cfi_arch *arch, const struct cfi_place *cfa)
{
	uint32_t base = cfa->reg == arch->sp ? UNWIND_BASE_SP : UNWIND_BASE_FP;

	if (cfa->how != CFI_OFFSET || (cfa->reg != arch->sp && cfa->reg != arch->fp) ||
	    cfa->off < 0 || cfa->off % WORD || cfa->off / WORD > CFA_WORDS_MAX)
		return 0;
	return (uint32_t)(cfa->off / WORD) << UNWIND_CFA_SHIFT | base;
}

static bool is_unchanged(const struct cfi_place *p)
{
	return p->how == CFI_UNSPECIFIED || p->how == CFI_SAME;
}

/* How many words below the CFA a register is saved, up to @max; 0: elsewhere. */
static unsigned words_below(const struct cfi_place *p, int max)
{
	if (p->how != CFI_OFFSET || p->off % WORD || p->off >= 0 || p->off < -max * WORD)
		return 0;
	return -p->off / WORD;
}

static bool add_x86_slots(const struct cfi_cie *cie, const struct cfi_state *st, uint32_t *rule)
{
	uint32_t slots = 0;

	if (words_below(&st->slot[cie->ra_slot], 1) != 1)
		return false;
	for (unsigned i = 0; i < UNWIND_X86_SLOTS; i++) {
		unsigned n;

		if (is_unchanged(&st->slot[i]))
			continue;
		n = words_below(&st->slot[i], X86_SLOT_MAX + 1);
		if (n < 2)
			return false;
		slots |= (n - 1) << (i * UNWIND_X86_SLOT_BITS);
	}
	*rule |= slots << UNWIND_X86_SLOT_SHIFT;
	return true;
}

static bool add_a64_saved(const struct cfi_cie *cie, const struct cfi_state *st, uint32_t *rule)
{
	const struct cfi_place *fp = &st->slot[0], *lr = &st->slot[1];
	unsigned fp_at = words_below(fp, A64_AT_MAX), lr_at = words_below(lr, A64_AT_MAX);
	uint32_t saved, at = fp_at;

	if (cie->ra != cie->arch->ra)
		return false;
	if (is_unchanged(fp) && is_unchanged(lr))
		return true;
	if (fp_at && lr->how == CFI_OFFSET && lr->off == fp->off + WORD) {
		saved = UNWIND_A64_PAIR;
	} else if (fp_at && is_unchanged(lr)) {
		saved = UNWIND_A64_FP;
	} else if (lr_at && is_unchanged(fp)) {
		saved = UNWIND_A64_LR;
		at = lr_at;
	} else {
		return false;
	}
	*rule |= saved << UNWIND_A64_SAVED_SHIFT | at << UNWIND_A64_AT_SHIFT;
	return true;
}

/* Nearly all rules. 0: this one is another. */
static uint32_t short_rule(const struct cfi_cie *cie, const struct cfi_state *st)
{
	uint32_t rule = short_cfa(cie->arch, &st->cfa);

	if (rule && (cie->arch->machine == EM_X86_64 ? add_x86_slots(cie, st, &rule)
						     : add_a64_saved(cie, st, &rule)))
		return rule;
	return 0;
}

/* --- special rules ---------------------------------------------------------------------------- */

/* Offsets from the stack pointer in the kernel's struct rt_sigframe, where a handler returned. */
static const struct {
	uint8_t reg;
	int16_t off;
} x86_sigframe[] = {
	{ UNWIND_X86_RBX, 128 },
	{ UNWIND_X86_RBP, 120 },
	{ UNWIND_X86_RSP, 160 },
	{ 12, 72 },
	{ 13, 80 },
	{ 14, 88 },
	{ 15, 96 },
	{ UNWIND_X86_RIP, 168 },
};

/*
 * Are the registers where sigreturn(2) takes them from? C libraries say so for x86_64. What vDSOs
 * of aarch64 say (a frame record) is not all, and their code is recognised by its bytes.
 */
static bool is_sigframe(const struct cfi_cie *cie, const struct cfi_state *st)
{
	const struct cfi_arch *arch = cie->arch;

	if (arch->machine != EM_X86_64 || cie->ra != arch->ra)
		return false;
	for (size_t i = 0; i < sizeof(x86_sigframe) / sizeof(x86_sigframe[0]); i++) {
		const struct cfi_place *p = &st->slot[cfi_slot_of(arch, x86_sigframe[i].reg)];
		struct cfi_value v;

		if (p->how != CFI_EXPR || cfi_expr_value(p->expr, p->len, true, &v) < 0 ||
		    v.kind != CFI_VALUE_REG || v.index || v.reg != arch->sp ||
		    v.add != x86_sigframe[i].off)
			return false;
	}
	return true;
}

/* sp + 8 + ((rip & 15) >= N) * 8: how binutils and gold describe a procedure linkage table. */
static uint32_t plt_rule(const struct cfi_cie *cie, const struct cfi_state *st)
{
	static const uint8_t pattern[] = {
		DW_OP_breg7, 8,	       DW_OP_breg16, 0,		DW_OP_lit15, DW_OP_and,
		0 /* N */,   DW_OP_ge, DW_OP_lit3,   DW_OP_shl, DW_OP_plus,
	};
	const size_t n_at = 6;
	const struct cfi_place *cfa = &st->cfa;
	uint32_t saved = 0;

	if (cie->arch->machine != EM_X86_64 || !add_x86_slots(cie, st, &saved) || saved)
		return UNSUPPORTED;
	if (cfa->how != CFI_EXPR || cfa->len != sizeof(pattern) ||
	    memcmp(cfa->expr, pattern, n_at) != 0 ||
	    memcmp(cfa->expr + n_at + 1, pattern + n_at + 1, sizeof(pattern) - n_at - 1) != 0)
		return UNSUPPORTED;
	switch (cfa->expr[n_at]) {
	case DW_OP_lit11:
		return UNWIND_RULE_SPECIAL(UNWIND_PLT);
	case DW_OP_lit10:
		return UNWIND_RULE_SPECIAL(UNWIND_PLT_SEC);
	case DW_OP_lit9:
		return UNWIND_RULE_SPECIAL(UNWIND_PLT_IBT);
	default:
		return UNSUPPORTED;
	}
}

/* --- extended rules --------------------------------------------------------------------------- */

static bool encode_cfa(const struct cfi_arch *arch, const struct cfi_place *cfa,
		       struct unwind_ext *ext)
{
	struct cfi_value v = { .kind = CFI_VALUE_REG, .reg = cfa->reg, .add = cfa->off };

	if (cfa->how == CFI_EXPR) {
		if (cfi_expr_value(cfa->expr, cfa->len, false, &v) < 0)
			return false;
	} else if (cfa->how != CFI_OFFSET) {
		return false;
	}
	if (v.reg >= arch->n_regs || v.index > arch->n_regs || v.add != (int32_t)v.add ||
	    v.off != (int32_t)v.off)
		return false;

	ext->cfa_reg = v.reg;
	if (v.kind == CFI_VALUE_REG && !v.index) {
		ext->cfa = UNWIND_CFA_REG;
		ext->cfa_off = v.add;
	} else if (v.kind == CFI_VALUE_MEM_OF_REG) {
		ext->cfa = UNWIND_CFA_DEREF;
		ext->cfa_off = v.off;
		ext->cfa_add = v.add;
		ext->cfa_index = v.index;
	} else {
		return false;
	}
	return true;
}

/* The caller's stack pointer is the CFA: no rule here can say anything else. */
static bool sp_is_cfa(const struct cfi_arch *arch, const struct cfi_state *st)
{
	const struct cfi_place *sp = &st->slot[arch->sp_slot];

	return sp->how == CFI_UNSPECIFIED || (sp->how == CFI_VAL_OFFSET && sp->off == 0);
}

/*
 * The same, also where it is too far from the CFA for 16 bits: in frames of more than 32 KiB on
 * aarch64, which save registers at the stack pointer, far below the CFA.
 */
static struct unwind_place place_near(const struct cfi_arch *arch, const struct cfi_place *p,
				      unsigned reg, const struct unwind_ext *cfa)
{
	struct unwind_place place = place_of(arch, p, reg);

	if (p->how == CFI_OFFSET && place.where == UNWIND_UNKNOWN && cfa->cfa == UNWIND_CFA_REG &&
	    p->off >= INT32_MIN && p->off <= INT32_MAX)
		return place_at(UNWIND_AT_REG, cfa->cfa_reg, p->off + cfa->cfa_off);
	return place;
}

static bool encode_registers(const struct cfi_cie *cie, const struct cfi_state *st,
			     struct unwind_ext *ext)
{
	const struct cfi_arch *arch = cie->arch;

	for (unsigned i = 0; i < arch->n_saved; i++)
		ext->saved[i] = place_near(arch, &st->slot[i], arch->saved[i], ext);
	ext->ra = place_near(arch, &st->slot[cie->ra_slot], cie->ra, ext);
	if (ext->ra.where != UNWIND_AS_IS)
		return ext->ra.where != UNWIND_UNKNOWN;
	/* On x86_64 it is in memory: a program counter is not its caller's. */
	if (cie->ra >= arch->n_regs)
		return false;
	if (cie->ra != arch->ra)
		ext->ra = place_at(UNWIND_IN_REG, cie->ra, 0);
	return true;
}

uint32_t rule_encode(const struct cfi_cie *cie, const struct cfi_state *st,
		     struct unwind_ext *ret_ext)
{
	const struct cfi_arch *arch = cie->arch;
	struct unwind_ext ext = { 0 };
	uint32_t rule;

	if (st->slot[cie->ra_slot].how == CFI_UNDEFINED)
		return UNWIND_RULE_SPECIAL(UNWIND_END);
	if (cie->signal_frame)
		return is_sigframe(cie, st) ? UNWIND_RULE_SPECIAL(UNWIND_SIGNAL) : UNSUPPORTED;
	if (!sp_is_cfa(arch, st))
		return UNSUPPORTED;
	rule = short_rule(cie, st);
	if (rule)
		return rule;
	if (!encode_cfa(arch, &st->cfa, &ext))
		return plt_rule(cie, st);
	if (!encode_registers(cie, st, &ext))
		return UNSUPPORTED;
	*ret_ext = ext;
	return UNWIND_RULE_EXT(0);
}
