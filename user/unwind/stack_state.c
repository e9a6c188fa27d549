/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/stack_state.h"

#include <errno.h>
#include <string.h>

#define WORD	 8
#define RED_ZONE 128 /* psABI 3.2.2: below the stack pointer, nobody else's */
#define OFF_MAX	 (1 << 24)
#define RA_OFF	 (-WORD)

#define CFA_WORDS_MAX ((1 << UNWIND_CFA_BITS) - 1)
#define SLOT_MAX      ((1 << UNWIND_X86_SLOT_BITS) - 1)

#define SP UNWIND_X86_RSP
#define FP UNWIND_X86_RBP

#define NONE UNWIND_RULE_SPECIAL(UNWIND_NONE)

static const struct stack_value unknown;

/* Callee-saved, as struct unwind_ext has them. */
static const uint8_t saved_regs[UNWIND_X86_SLOTS] = {
	UNWIND_X86_RBX, UNWIND_X86_RBP, 12, 13, 14, 15,
};

static bool same(struct stack_value a, struct stack_value b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static struct stack_value plus(struct stack_value v, int64_t by)
{
	int64_t off = v.off + by;

	if (v.symbol == STACK_UNKNOWN || off < -OFF_MAX || off > OFF_MAX)
		return unknown;
	return (struct stack_value){ v.symbol, (int32_t)off };
}

static struct stack_value orig(unsigned reg)
{
	return (struct stack_value){ STACK_ORIG + reg, 0 };
}

void stack_state_enter(struct stack_state *s)
{
	const struct stack_value ra_at = { STACK_CFA, RA_OFF };

	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < UNWIND_X86_SLOTS; i++)
		s->reg[saved_regs[i]] = orig(saved_regs[i]);
	s->reg[SP] = ra_at;
	s->cell[0] = (struct stack_cell){ ra_at, { STACK_RA, 0 } };
	s->n_cells = 1;
}

/* --- memory ----------------------------------------------------------------------------------- */

static void drop_cell(struct stack_state *s, unsigned i)
{
	s->cell[i] = s->cell[--s->n_cells];
	memset(&s->cell[s->n_cells], 0, sizeof(s->cell[0]));
}

static void overwrite(struct stack_state *s, struct stack_value at, unsigned size)
{
	for (unsigned i = s->n_cells; i-- > 0;) {
		const struct stack_value *c = &s->cell[i].at;

		if (c->symbol == at.symbol && (int64_t)c->off < (int64_t)at.off + size &&
		    (int64_t)at.off < (int64_t)c->off + WORD)
			drop_cell(s, i);
	}
}

/*
 * Addresses of local variables are stored everywhere. Those that lead to the CFA where nothing
 * else does are the stack pointer as it was before the stack was aligned or changed.
 */
static bool is_worth_keeping(struct stack_value at, struct stack_value v)
{
	if (at.symbol != STACK_CFA && at.symbol != STACK_BASE)
		return false;
	return v.symbol >= STACK_RA ||
	       (v.symbol == STACK_CFA && (at.symbol == STACK_BASE || v.off >= RA_OFF));
}

static void store(struct stack_state *s, struct stack_value at, struct stack_value v)
{
	overwrite(s, at, WORD);
	if (is_worth_keeping(at, v) && s->n_cells < STACK_CELLS)
		s->cell[s->n_cells++] = (struct stack_cell){ at, v };
}

static struct stack_value load(const struct stack_state *s, struct stack_value at)
{
	for (unsigned i = 0; i < s->n_cells; i++)
		if (same(s->cell[i].at, at))
			return s->cell[i].held;
	return unknown;
}

/* Whatever lies @below under the stack pointer may be overwritten at any time. */
static void forget_below(struct stack_state *s, int below)
{
	const struct stack_value sp = s->reg[SP];

	for (unsigned i = s->n_cells; i-- > 0;)
		if (s->cell[i].at.symbol == sp.symbol && s->cell[i].at.off < sp.off - below)
			drop_cell(s, i);
}

/* --- registers -------------------------------------------------------------------------------- */

/* The stack pointer has a new value that nobody knows: what was told by the last such is void. */
static void rebase(struct stack_state *s)
{
	for (unsigned i = s->n_cells; i-- > 0;)
		if (s->cell[i].at.symbol == STACK_BASE)
			drop_cell(s, i);
	for (unsigned r = 0; r < UNWIND_X86_REGS; r++)
		if (s->reg[r].symbol == STACK_BASE)
			s->reg[r] = unknown;
	s->reg[SP] = (struct stack_value){ STACK_BASE, 0 };
}

static void set(struct stack_state *s, unsigned reg, struct stack_value v)
{
	if (reg != SP) {
		s->reg[reg] = v;
		return;
	}
	if (v.symbol != STACK_CFA && v.symbol != STACK_BASE) {
		rebase(s);
		return;
	}
	s->reg[SP] = v;
	forget_below(s, RED_ZONE);
}

static void push(struct stack_state *s, struct stack_value v, int size)
{
	set(s, SP, plus(s->reg[SP], -size));
	if (size == WORD)
		store(s, s->reg[SP], v);
	else
		overwrite(s, s->reg[SP], size);
}

static void pop(struct stack_state *s, unsigned reg)
{
	struct stack_value v = load(s, s->reg[SP]);

	set(s, SP, plus(s->reg[SP], WORD));
	set(s, reg, v);
}

static void write_unknown(struct stack_state *s, uint32_t regs)
{
	for (; regs; regs &= regs - 1)
		set(s, __builtin_ctz(regs), unknown);
}

/* Between a system call and what is done by its result, only that is looked at. */
static bool keeps_after_syscall(const struct code_op *op)
{
	return op->kind == CODE_OP_TEST || op->kind == CODE_OP_PADDING ||
	       op->kind == CODE_OP_BRANCH || (op->kind == CODE_OP_OTHER && !op->writes);
}

static void step_memory(struct stack_state *s, const struct code_op *op)
{
	switch (op->kind) {
	case CODE_OP_LOAD:
		set(s, op->a, load(s, plus(s->reg[op->b], op->disp)));
		break;
	case CODE_OP_STORE:
		store(s, plus(s->reg[op->b], op->disp), s->reg[op->a]);
		break;
	case CODE_OP_STORE_OTHER:
		overwrite(s, plus(s->reg[op->b], op->disp), op->size);
		break;
	default:
		break;
	}
}

void stack_state_step(struct stack_state *s, const struct code_op *op)
{
	bool was_after_syscall = s->after_syscall;

	s->after_syscall =
		op->kind == CODE_OP_SYSCALL || (was_after_syscall && keeps_after_syscall(op));
	switch (op->kind) {
	case CODE_OP_PUSH:
		push(s, s->reg[op->a], WORD);
		break;
	case CODE_OP_PUSH_OTHER:
		push(s, unknown, op->disp);
		break;
	case CODE_OP_POP:
		pop(s, op->a);
		break;
	case CODE_OP_POP_OTHER:
		set(s, SP, plus(s->reg[SP], op->disp));
		break;
	case CODE_OP_MOVE:
		set(s, op->a, s->reg[op->b]);
		break;
	case CODE_OP_ADD:
		set(s, op->a, plus(s->reg[op->b], op->disp));
		break;
	case CODE_OP_LEAVE:
		set(s, SP, s->reg[FP]);
		pop(s, FP);
		break;
	case CODE_OP_NO_FP:
		/* The child of clone(2) marks its outermost frame as the psABI says, 3.4.1. */
		s->outermost |= was_after_syscall;
		s->reg[FP] = unknown;
		break;
	case CODE_OP_CALL:
	case CODE_OP_CALL_INDIRECT:
		forget_below(s, 0);
		break;
	default:
		step_memory(s, op);
		break;
	}
	if (op->writes)
		write_unknown(s, op->writes);
}

bool stack_state_may_leave(const struct stack_state *s)
{
	const struct stack_value ra_at = { STACK_CFA, RA_OFF };

	if (!same(s->reg[SP], ra_at) || load(s, ra_at).symbol != STACK_RA)
		return false;
	for (unsigned i = 0; i < UNWIND_X86_SLOTS; i++)
		if (!same(s->reg[saved_regs[i]], orig(saved_regs[i])))
			return false;
	return true;
}

static bool is_saved(const struct stack_state *s, struct stack_value v)
{
	for (unsigned i = 0; i < s->n_cells; i++)
		if (same(s->cell[i].held, v))
			return true;
	return false;
}

/* A register that was saved may be used without a value: programs have uninitialized variables. */
bool stack_state_is_misused(const struct stack_state *s, const struct code_op *op)
{
	for (unsigned reads = op->reads; reads; reads &= reads - 1) {
		const struct stack_value v = s->reg[__builtin_ctz(reads)];

		if (v.symbol >= STACK_ORIG && !is_saved(s, v))
			return true;
	}
	return op->kind == CODE_OP_LOAD &&
	       load(s, plus(s->reg[op->b], op->disp)).symbol == STACK_RA;
}

/* --- joining ---------------------------------------------------------------------------------- */

static bool contradicts(const struct stack_state *a, const struct stack_state *b)
{
	const struct stack_value x = a->reg[SP], y = b->reg[SP];

	return a->outermost != b->outermost ||
	       (x.symbol == STACK_CFA && y.symbol == STACK_CFA && x.off != y.off);
}

int stack_state_join(struct stack_state *s, const struct stack_state *other)
{
	bool changed = false;

	if (contradicts(s, other))
		return -EINVAL;
	for (unsigned r = 0; r < UNWIND_X86_REGS; r++) {
		if (s->reg[r].symbol == STACK_UNKNOWN || same(s->reg[r], other->reg[r]))
			continue;
		s->reg[r] = unknown;
		changed = true;
	}
	for (unsigned i = s->n_cells; i-- > 0;) {
		if (same(load(other, s->cell[i].at), s->cell[i].held))
			continue;
		drop_cell(s, i);
		changed = true;
	}
	if (s->after_syscall && !other->after_syscall) {
		s->after_syscall = false;
		changed = true;
	}
	return changed;
}

/* --- rules ------------------------------------------------------------------------------------ */

/* A register that holds an address of the kind of @at, first one that a caller's frame has too. */
static bool find_base(const struct stack_state *s, uint32_t symbol, unsigned *ret)
{
	static const uint8_t order[UNWIND_X86_REGS] = { SP, FP, 3, 12, 13, 14, 15, 0,
							1,  2,	4, 5,  8,  9,  10, 11 };

	for (unsigned i = 0; i < UNWIND_X86_REGS; i++) {
		if (s->reg[order[i]].symbol != symbol)
			continue;
		*ret = order[i];
		return true;
	}
	return false;
}

static bool is_kept_by_calls(unsigned reg)
{
	return reg == SP || reg == FP || reg == UNWIND_X86_RBX || reg >= 12;
}

/* A cell that holds an address relative to the CFA, and a register that leads to the cell. */
static bool find_cfa_in_memory(const struct stack_state *s, struct unwind_ext *ext)
{
	unsigned base;

	for (unsigned i = 0; i < s->n_cells; i++) {
		const struct stack_cell *c = &s->cell[i];

		if (c->held.symbol != STACK_CFA || !find_base(s, c->at.symbol, &base) ||
		    !is_kept_by_calls(base))
			continue;
		ext->cfa = UNWIND_CFA_DEREF;
		ext->cfa_reg = base;
		ext->cfa_off = c->at.off - s->reg[base].off;
		ext->cfa_add = -c->held.off;
		return true;
	}
	return false;
}

static bool find_cfa(const struct stack_state *s, struct unwind_ext *ext)
{
	unsigned base;
	bool found = find_base(s, STACK_CFA, &base);

	if ((!found || !is_kept_by_calls(base)) && find_cfa_in_memory(s, ext))
		return true;
	if (!found)
		return false;
	ext->cfa = UNWIND_CFA_REG;
	ext->cfa_reg = base;
	ext->cfa_off = -s->reg[base].off;
	return true;
}

static bool fits(int64_t off)
{
	return off == (int16_t)off;
}

static bool place_in_memory(const struct stack_state *s, const struct stack_cell *c,
			    struct unwind_place *ret)
{
	unsigned base;

	if (c->at.symbol == STACK_CFA && fits(c->at.off)) {
		*ret = (struct unwind_place){ .where = UNWIND_AT_CFA, .off = c->at.off };
		return true;
	}
	if (!find_base(s, c->at.symbol, &base) || !fits((int64_t)c->at.off - s->reg[base].off))
		return false;
	*ret = (struct unwind_place){ .where = UNWIND_AT_REG, .reg = base };
	ret->off = c->at.off - s->reg[base].off;
	return true;
}

/* Below the stack pointer it may be overwritten: by another thread that shares the stack, vfork(2).
 */
static bool is_safe(const struct stack_state *s, struct stack_value at)
{
	return at.symbol != s->reg[SP].symbol || at.off >= s->reg[SP].off;
}

/* Where @v is to be found; the same register is the best place. */
static struct unwind_place find(const struct stack_state *s, struct stack_value v, int home)
{
	struct unwind_place place;

	if (home >= 0 && same(s->reg[home], v))
		return (struct unwind_place){ .where = UNWIND_AS_IS };
	for (unsigned i = 0; i < s->n_cells; i++)
		if (same(s->cell[i].held, v) && is_safe(s, s->cell[i].at) &&
		    place_in_memory(s, &s->cell[i], &place))
			return place;
	for (unsigned r = 0; r < UNWIND_X86_REGS; r++)
		if (same(s->reg[r], v))
			return (struct unwind_place){ .where = UNWIND_IN_REG, .reg = r };
	for (unsigned i = 0; i < s->n_cells; i++)
		if (same(s->cell[i].held, v) && place_in_memory(s, &s->cell[i], &place))
			return place;
	return (struct unwind_place){ .where = UNWIND_UNKNOWN };
}

/* In 32 bits, as shared/unwind_rule.h says; 0: it does not fit. */
static uint32_t shorten(const struct unwind_ext *ext)
{
	uint32_t base = ext->cfa_reg == SP ? UNWIND_BASE_SP : UNWIND_BASE_FP;
	uint32_t rule = base | (uint32_t)(ext->cfa_off / WORD) << UNWIND_CFA_SHIFT |
			1u << UNWIND_BY_CODE_SHIFT;

	if (ext->cfa != UNWIND_CFA_REG || (ext->cfa_reg != SP && ext->cfa_reg != FP) ||
	    ext->cfa_off < 0 || ext->cfa_off % WORD || ext->cfa_off / WORD > CFA_WORDS_MAX)
		return 0;
	if (ext->ra.where != UNWIND_AT_CFA || ext->ra.off != RA_OFF)
		return 0;
	for (unsigned i = 0; i < UNWIND_X86_SLOTS; i++) {
		int slot = -ext->saved[i].off / WORD - 1;

		if (ext->saved[i].where == UNWIND_AS_IS)
			continue;
		if (ext->saved[i].where != UNWIND_AT_CFA || ext->saved[i].off % WORD || slot < 1 ||
		    slot > SLOT_MAX)
			return 0;
		rule |= (uint32_t)slot << (UNWIND_X86_SLOT_SHIFT + i * UNWIND_X86_SLOT_BITS);
	}
	return rule;
}

uint32_t stack_state_rule(const struct stack_state *s, struct unwind_ext *ret_ext)
{
	struct unwind_ext ext = { .flags = UNWIND_EXT_BY_CODE };
	uint32_t rule;

	if (s->outermost)
		return UNWIND_RULE_SPECIAL(UNWIND_END);
	if (!find_cfa(s, &ext))
		return NONE;
	ext.ra = find(s, (struct stack_value){ STACK_RA, 0 }, -1);
	if (ext.ra.where == UNWIND_UNKNOWN)
		return NONE;
	for (unsigned i = 0; i < UNWIND_X86_SLOTS; i++)
		ext.saved[i] = find(s, orig(saved_regs[i]), saved_regs[i]);

	rule = shorten(&ext);
	if (rule)
		return rule;
	*ret_ext = ext;
	return UNWIND_RULE_EXT(0);
}
