/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi_expr.h"

#include <dwarf.h>
#include <errno.h>

#include "unwind/cfi.h"

/* What occurs has up to ten bytes, and two values on the stack. */
#define EXPR_MAX  32
#define STACK_MAX 4

struct stack {
	struct cfi_value values[STACK_MAX];
	unsigned n;
};

static int push(struct stack *s, struct cfi_value v)
{
	if (s->n == STACK_MAX)
		return -EOPNOTSUPP;
	s->values[s->n++] = v;
	return 0;
}

/* Numbers wrap around, as in the machine. */
static int64_t sum(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int add_number(struct stack *s, int64_t n)
{
	if (s->n == 0 || s->values[s->n - 1].kind == CFI_VALUE_SCALED)
		return -EOPNOTSUPP;
	s->values[s->n - 1].add = sum(s->values[s->n - 1].add, n);
	return 0;
}

/* reg + reg * 8: how OpenSSL finds a stack pointer that it saved behind a vector. */
static bool add_scaled(const struct cfi_value *a, const struct cfi_value *b, struct cfi_value *ret)
{
	if (a->kind != CFI_VALUE_REG || a->index || b->kind != CFI_VALUE_SCALED)
		return false;
	*ret = *a;
	ret->index = b->reg + 1;
	return true;
}

/* One of the two must be a number, of a difference the second; or scaled. */
static int add_or_subtract(struct stack *s, bool subtract)
{
	struct cfi_value a, b;

	if (s->n < 2)
		return -EOPNOTSUPP;
	b = s->values[--s->n];
	a = s->values[s->n - 1];
	if (!subtract &&
	    (add_scaled(&a, &b, &s->values[s->n - 1]) || add_scaled(&b, &a, &s->values[s->n - 1])))
		return 0;
	if (b.kind == CFI_VALUE_NUMBER)
		return add_number(s, subtract ? sum(~b.add, 1) : b.add);
	if (a.kind != CFI_VALUE_NUMBER || subtract)
		return -EOPNOTSUPP;
	s->values[s->n - 1] = b;
	return add_number(s, a.add);
}

static int multiply(struct stack *s)
{
	struct cfi_value *a, *b;

	if (s->n < 2)
		return -EOPNOTSUPP;
	a = &s->values[s->n - 2];
	b = &s->values[--s->n];
	if (a->kind != CFI_VALUE_REG || a->add || a->index || b->kind != CFI_VALUE_NUMBER ||
	    b->add != 8)
		return -EOPNOTSUPP;
	a->kind = CFI_VALUE_SCALED;
	return 0;
}

static int deref(struct stack *s)
{
	struct cfi_value *top;

	if (s->n == 0)
		return -EOPNOTSUPP;
	top = &s->values[s->n - 1];
	if (top->kind != CFI_VALUE_REG && top->kind != CFI_VALUE_CFA)
		return -EOPNOTSUPP;
	top->kind = top->kind == CFI_VALUE_REG ? CFI_VALUE_MEM_OF_REG : CFI_VALUE_MEM_OF_CFA;
	top->off = top->add;
	top->add = 0;
	return 0;
}

static int push_register(struct stack *s, uint64_t reg, int64_t off)
{
	if (reg >= CFI_NO_REG)
		return -EOPNOTSUPP;
	return push(s, (struct cfi_value){ .kind = CFI_VALUE_REG, .reg = reg, .add = off });
}

/* An operation that pushes a number. */
static int push_number(struct stack *s, struct dw_cursor *c, uint8_t op)
{
	struct cfi_value v = { .kind = CFI_VALUE_NUMBER };

	switch (op) {
	case DW_OP_lit0 ... DW_OP_lit31:
		v.add = op - DW_OP_lit0;
		break;
	case DW_OP_const1u:
		v.add = dw_u8(c);
		break;
	case DW_OP_const1s:
		v.add = (int8_t)dw_u8(c);
		break;
	case DW_OP_const2u:
		v.add = dw_u16(c);
		break;
	case DW_OP_const2s:
		v.add = (int16_t)dw_u16(c);
		break;
	case DW_OP_const4u:
		v.add = dw_u32(c);
		break;
	case DW_OP_const4s:
		v.add = (int32_t)dw_u32(c);
		break;
	case DW_OP_const8u:
	case DW_OP_const8s:
		v.add = dw_u64(c);
		break;
	case DW_OP_constu:
		v.add = dw_uleb(c);
		break;
	case DW_OP_consts:
		v.add = dw_sleb(c);
		break;
	default:
		return -EOPNOTSUPP;
	}
	return push(s, v);
}

static int evaluate(struct stack *s, struct dw_cursor *c)
{
	uint8_t op = dw_u8(c);
	uint64_t reg;

	switch (op) {
	case DW_OP_breg0 ... DW_OP_breg31:
		return push_register(s, op - DW_OP_breg0, dw_sleb(c));
	case DW_OP_bregx:
		reg = dw_uleb(c);
		return push_register(s, reg, dw_sleb(c));
	case DW_OP_deref:
		return deref(s);
	case DW_OP_plus_uconst:
		return add_number(s, dw_uleb(c));
	case DW_OP_plus:
		return add_or_subtract(s, false);
	case DW_OP_mul:
		return multiply(s);
	case DW_OP_minus:
		return add_or_subtract(s, true);
	case DW_OP_drop: /* of the CFA, by GCC for libmvec */
		if (s->n == 0)
			return -EOPNOTSUPP;
		s->n--;
		return 0;
	case DW_OP_nop:
		return 0;
	default:
		return push_number(s, c, op);
	}
}

int cfi_expr_value(const uint8_t *expr, size_t len, bool with_cfa, struct cfi_value *ret)
{
	struct dw_cursor c = dw_cursor_of(expr, len, 0);
	struct stack s = { .n = 0 };
	int r;

	if (len > EXPR_MAX)
		return -EOPNOTSUPP;
	if (with_cfa)
		(void)push(&s, (struct cfi_value){ .kind = CFI_VALUE_CFA });
	while (c.pos < c.end) {
		r = evaluate(&s, &c);
		if (r < 0 || c.bad)
			return -EOPNOTSUPP;
	}
	if (s.n == 0)
		return -EOPNOTSUPP;
	*ret = s.values[s.n - 1];
	return 0;
}
