/* SPDX-License-Identifier: Apache-2.0 */
#include <dwarf.h>
#include <elf.h>
#include <string.h>

#include "frame_values.h"

#define STACK 32

struct stack {
	uint64_t v[STACK];
	unsigned n;
	bool bad;
	bool is_value; /* DW_OP_stack_value was met */
};

static void push(struct stack *s, uint64_t v)
{
	if (s->n == STACK)
		s->bad = true;
	else
		s->v[s->n++] = v;
}

static uint64_t pop(struct stack *s)
{
	if (s->n == 0) {
		s->bad = true;
		return 0;
	}
	return s->v[--s->n];
}

static void binary(struct stack *s, unsigned op)
{
	uint64_t b = pop(s), a = pop(s);

	switch (op) {
	case DW_OP_plus:
		push(s, a + b);
		break;
	case DW_OP_minus:
		push(s, a - b);
		break;
	case DW_OP_mul:
		push(s, a * b);
		break;
	case DW_OP_and:
		push(s, a & b);
		break;
	case DW_OP_shl:
		push(s, a << (b & 63));
		break;
	case DW_OP_ge:
		push(s, (int64_t)a >= (int64_t)b);
		break;
	default:
		s->bad = true;
	}
}

static bool is_number(unsigned op)
{
	return (op >= DW_OP_const1u && op <= DW_OP_consts) || op == DW_OP_addr;
}

static void execute(const struct machine *m, const Dwarf_Op *op, uint64_t cfa, struct stack *s)
{
	unsigned atom = op->atom;

	if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
		push(s, atom - DW_OP_lit0);
	else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
		push(s, machine_reg(m, atom - DW_OP_breg0) + op->number);
	else if (atom == DW_OP_bregx)
		push(s, machine_reg(m, op->number) + op->number2);
	else if (atom >= DW_OP_reg0 && atom <= DW_OP_reg31) {
		push(s, machine_reg(m, atom - DW_OP_reg0));
		s->is_value = true;
	} else if (atom == DW_OP_regx) {
		push(s, machine_reg(m, op->number));
		s->is_value = true;
	} else if (is_number(atom))
		push(s, op->number);
	else if (atom == DW_OP_call_frame_cfa)
		push(s, cfa);
	else if (atom == DW_OP_deref)
		push(s, machine_mem(pop(s)));
	else if (atom == DW_OP_plus_uconst)
		push(s, pop(s) + op->number);
	else if (atom == DW_OP_stack_value)
		s->is_value = true;
	else if (atom != DW_OP_nop)
		binary(s, atom);
}

static int evaluate(const struct machine *m, const Dwarf_Op *ops, size_t n, uint64_t cfa,
		    struct stack *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < n; i++)
		execute(m, &ops[i], cfa, s);
	return s->bad || s->n == 0 ? -1 : 0;
}

/*
 * Where no instruction names a register, libdw has a default from its own table of the ABI. For rbx
 * that is "undefined" (elfutils 0.188), as the table names rax instead; and a column
 * beyond the ABI's for the return address is not in it.
 */
static bool is_wrong_default(const struct machine *m, int reg)
{
	return m->e_machine == EM_X86_64 ? reg == 3 : reg < 29;
}

static int reg_of(const struct machine *m, Dwarf_Frame *frame, int reg, uint64_t cfa,
		  struct frame_value *ret)
{
	Dwarf_Op mem[3], *ops;
	struct stack s;
	size_t n;

	if (dwarf_frame_register(frame, reg, mem, &ops, &n) < 0)
		return -1;
	if (n == 0) {
		ret->known = ops == NULL || is_wrong_default(m, reg);
		ret->value = ret->known ? machine_reg(m, reg) : 0;
		return 0;
	}
	if (evaluate(m, ops, n, cfa, &s) < 0)
		return -1;
	ret->known = true;
	ret->value = s.is_value ? s.v[s.n - 1] : machine_mem(s.v[s.n - 1]);
	return 0;
}

int frame_by_libdw(const struct machine *m, Dwarf_Frame *frame, struct frame_values *ret)
{
	struct frame_values f = { .kind = FRAME_CALLER };
	int ra = dwarf_frame_info(frame, NULL, NULL, &f.signal);
	const int *regs;
	unsigned n_saved = machine_saved(m, &regs);
	struct stack s;
	Dwarf_Op *ops;
	size_t n;

	if (ra < 0 || dwarf_frame_cfa(frame, &ops, &n) < 0)
		return -1;
	/* A CFA that is undefined is no operations. */
	if (n && evaluate(m, ops, n, 0, &s) < 0)
		return -1;
	f.cfa = n ? s.v[s.n - 1] : 0;

	if (reg_of(m, frame, ra, f.cfa, &f.ra) < 0 ||
	    reg_of(m, frame, m->e_machine == EM_X86_64 ? 7 : 31, f.cfa, &f.sp) < 0)
		return -1;
	if (!f.ra.known)
		f.kind = FRAME_END;
	for (unsigned i = 0; i < n_saved; i++)
		f.unsaid |= (reg_of(m, frame, regs[i], f.cfa, &f.saved[i]) < 0) << i;
	*ret = f;
	return 0;
}
