/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <string.h>

#include "frame_values.h"

static uint64_t mix(uint64_t v)
{
	v ^= v >> 31;
	v *= 0x7fb5d329728ea185;
	v ^= v >> 27;
	v *= 0x81dadef4bc2dd44d;
	return v ^ v >> 33;
}

/* Not aligned: an offset that is rounded shows. */
uint64_t machine_reg(const struct machine *m, unsigned reg)
{
	if (m->e_machine == EM_X86_64 && reg == UNWIND_X86_RIP)
		return m->pc;
	return 0x7f0000000000 + reg * 0x123456789 + 1;
}

uint64_t machine_mem(uint64_t addr)
{
	return mix(addr);
}

unsigned machine_saved(const struct machine *m, const int **ret_regs)
{
	static const int x86[] = { 3, 6, 12, 13, 14, 15 };
	static const int a64[] = { 29, 30 };

	*ret_regs = m->e_machine == EM_X86_64 ? x86 : a64;
	return m->e_machine == EM_X86_64 ? 6 : 2;
}

static struct frame_value value(uint64_t v)
{
	return (struct frame_value){ true, v };
}

static struct frame_value at(uint64_t addr)
{
	return value(machine_mem(addr));
}

static void as_is(const struct machine *m, struct frame_values *f)
{
	const int *regs;
	unsigned n = machine_saved(m, &regs);

	for (unsigned i = 0; i < n; i++)
		f->saved[i] = value(machine_reg(m, regs[i]));
}

static void short_x86(const struct machine *m, uint32_t rule, struct frame_values *f)
{
	as_is(m, f);
	f->ra = at(f->cfa - 8);
	for (unsigned i = 0; i < 6; i++) {
		unsigned n = rule >> (14 + 3 * i) & 7;

		if (n)
			f->saved[i] = at(f->cfa - 8 * (n + 1));
	}
}

static void short_a64(const struct machine *m, uint32_t rule, struct frame_values *f)
{
	uint64_t where = f->cfa - 8 * (uint64_t)(rule >> 16 & 0x1fff);

	as_is(m, f);
	switch (rule >> 14 & 3) {
	case UNWIND_A64_PAIR:
		f->saved[0] = at(where);
		f->saved[1] = at(where + 8);
		break;
	case UNWIND_A64_LR:
		f->saved[1] = at(where);
		break;
	case UNWIND_A64_FP:
		f->saved[0] = at(where);
		break;
	}
	f->ra = f->saved[1];
}

static void short_rule(const struct machine *m, uint32_t rule, struct frame_values *f)
{
	bool x86 = m->e_machine == EM_X86_64;
	unsigned sp = x86 ? 7 : 31, fp = x86 ? 6 : 29;

	f->by_code = x86 && rule >> 13 & 1;
	f->cfa = machine_reg(m, (rule & 3) == UNWIND_BASE_SP ? sp : fp) +
		 (rule >> 2 & (x86 ? 0x7ff : 0xfff)) * 8;
	f->sp = value(f->cfa);
	(x86 ? short_x86 : short_a64)(m, rule, f);
}

static struct frame_value at_place(const struct machine *m, const struct unwind_place *p,
				   unsigned reg, uint64_t cfa)
{
	switch (p->where) {
	case UNWIND_AS_IS:
		return value(machine_reg(m, reg));
	case UNWIND_AT_CFA:
		return at(cfa + p->off);
	case UNWIND_AT_REG:
		return at(machine_reg(m, p->reg) + p->off);
	case UNWIND_IN_REG:
		return value(machine_reg(m, p->reg) + p->off);
	case UNWIND_CFA_PLUS:
		return value(cfa + p->off);
	default:
		return (struct frame_value){ false, 0 };
	}
}

static void ext_rule(const struct machine *m, const struct unwind_ext *e, struct frame_values *f)
{
	const int *regs;
	unsigned n = machine_saved(m, &regs);

	f->by_code = e->flags & UNWIND_EXT_BY_CODE;
	f->cfa = machine_reg(m, e->cfa_reg) + e->cfa_off;
	if (e->cfa_index)
		f->cfa += machine_reg(m, e->cfa_index - 1) * 8;
	if (e->cfa == UNWIND_CFA_DEREF)
		f->cfa = machine_mem(f->cfa) + e->cfa_add;
	f->sp = value(f->cfa);
	f->ra = at_place(m, &e->ra, 30, f->cfa);
	for (unsigned i = 0; i < n; i++)
		f->saved[i] = at_place(m, &e->saved[i], regs[i], f->cfa);
	if (!f->ra.known)
		f->kind = FRAME_UNSUPPORTED;
}

/* The registers in the kernel's struct rt_sigframe, by asm/sigcontext.h. */
static void signal_rule(const struct machine *m, struct frame_values *f)
{
	static const int x86[] = { 128, 120, 72, 80, 88, 96 };
	bool is_x86 = m->e_machine == EM_X86_64;
	uint64_t sp = machine_reg(m, is_x86 ? 7 : 31);

	f->signal = true;
	for (unsigned i = 0; is_x86 && i < 6; i++)
		f->saved[i] = at(sp + x86[i]);
	for (unsigned i = 0; !is_x86 && i < 2; i++)
		f->saved[i] = at(sp + 312 + 8 * (29 + i));
	f->sp = at(sp + (is_x86 ? 160 : 560));
	f->ra = at(sp + (is_x86 ? 168 : 568));
}

static unsigned plt_pushed_from(unsigned what)
{
	return what == UNWIND_PLT ? 11 : what == UNWIND_PLT_SEC ? 10 : 9;
}

static void special_rule(const struct machine *m, uint32_t what, struct frame_values *f)
{
	switch (what) {
	case UNWIND_NONE:
		f->kind = FRAME_NONE;
		break;
	case UNWIND_END:
		f->kind = FRAME_END;
		break;
	case UNWIND_SIGNAL:
		signal_rule(m, f);
		break;
	case UNWIND_PLT:
	case UNWIND_PLT_SEC:
	case UNWIND_PLT_IBT:
		f->cfa = machine_reg(m, 7) + 8 + ((m->pc & 15) >= plt_pushed_from(what)) * 8;
		f->sp = value(f->cfa);
		as_is(m, f);
		f->ra = at(f->cfa - 8);
		break;
	default:
		f->kind = FRAME_UNSUPPORTED;
	}
}

void frame_by_rule(const struct machine *m, const struct unwind_page *page, uint32_t rule,
		   struct frame_values *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = FRAME_CALLER;
	switch (rule & 3) {
	case UNWIND_BASE_SPECIAL:
		special_rule(m, rule >> 2, ret);
		break;
	case UNWIND_BASE_EXT:
		ext_rule(m, &page->ext[rule >> 2], ret);
		break;
	default:
		short_rule(m, rule, ret);
	}
}
