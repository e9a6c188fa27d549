/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rule_encode.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dwarf.h>
#include <elf.h>
#include <string.h>

#include "leak_check.h"

TestSuite(rule_encode, .fini = leak_check);

#define NONE	    UNWIND_RULE_SPECIAL(UNWIND_NONE)
#define END	    UNWIND_RULE_SPECIAL(UNWIND_END)
#define UNSUPPORTED UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)
#define EXT	    UNWIND_RULE_EXT(0)

enum { RBX, RBP, R12, R13, R14, R15, RSP, RIP };
enum { X29, X30, SP };

static struct cfi_cie cie;
static struct cfi_state st;
static struct unwind_ext ext;

static void begin(uint16_t machine)
{
	memset(&st, 0, sizeof(st));
	cie = (struct cfi_cie){ .arch = cfi_arch_of(machine) };
	cie.ra = cie.arch->ra;
	cie.ra_slot = cie.arch->ra_slot;
}

static struct cfi_place at_cfa(int64_t off)
{
	return (struct cfi_place){ .how = CFI_OFFSET, .off = off };
}

static struct cfi_place cfa_of(uint8_t reg, int64_t off)
{
	return (struct cfi_place){ .how = CFI_OFFSET, .reg = reg, .off = off };
}

/* The bytes are kept: an expression outlives the function that makes it. */
static struct cfi_place expr_of(enum cfi_how how, const void *expr, size_t len)
{
	static uint8_t kept[16][4096];
	static unsigned turn;
	uint8_t *bytes = kept[turn++ % 16];

	memcpy(bytes, expr, len);
	return (struct cfi_place){ .how = how, .len = len, .expr = bytes };
}

#define EXPR(how, ...)                                                                             \
	expr_of(how, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void begin_x86(void)
{
	begin(EM_X86_64);
	st.cfa = cfa_of(7, 8);
	st.slot[RIP] = at_cfa(-8);
}

static void begin_a64(void)
{
	begin(EM_AARCH64);
	st.cfa = cfa_of(31, 0);
}

static uint32_t encode(void)
{
	memset(&ext, 0xa5, sizeof(ext)); /* poison: a field that is not written shows */
	return rule_encode(&cie, &st, &ext);
}

static void expect(uint32_t want)
{
	uint32_t rule = encode();

	cr_assert(eq(u32, rule, want));
	if (rule != EXT)
		cr_assert(eq(u8, ext.cfa, 0xa5)); /* not written */
}

static void expect_place(const struct unwind_place *p, enum unwind_where where, unsigned reg,
			 int off)
{
	cr_assert_eq(p->where, where, "%d, not %d", p->where, where);
	cr_assert(eq(u8, p->reg, reg));
	cr_assert(eq(i16, p->off, off));
}

/* The layouts are written out here as the header has them in words. */
Test(rule_encode, x86_64_short_rules)
{
	begin_x86();
	expect(1 << 2 | UNWIND_BASE_SP);

	st.cfa = cfa_of(6, 16);
	st.slot[RBP] = at_cfa(-16);
	expect(2 << 2 | UNWIND_BASE_FP | 1 << 17);

	/* push r15, r14, r13, r12, rbp, rbx */
	st.cfa = cfa_of(7, 56);
	st.slot[R15] = at_cfa(-16);
	st.slot[R14] = at_cfa(-24);
	st.slot[R13] = at_cfa(-32);
	st.slot[R12] = at_cfa(-40);
	st.slot[RBP] = at_cfa(-48);
	st.slot[RBX] = at_cfa(-56);
	expect(7 << 2 | UNWIND_BASE_SP | 6 << 14 | 5 << 17 | 4 << 20 | 3 << 23 | 2 << 26 |
	       1u << 29);

	st.slot[RBX] = at_cfa(-64);
	expect(7 << 2 | UNWIND_BASE_SP | 7 << 14 | 5 << 17 | 4 << 20 | 3 << 23 | 2 << 26 |
	       1u << 29);
}

Test(rule_encode, x86_64_ends_of_short_rules)
{
	begin_x86();
	st.cfa = cfa_of(7, 2047 * 8);
	expect(2047 << 2 | UNWIND_BASE_SP);
	st.cfa = cfa_of(7, 0);
	expect(UNWIND_BASE_SP);

	st.cfa = cfa_of(7, 2048 * 8);
	cr_assert_eq(encode(), EXT);
	cr_assert(eq(i32, ext.cfa_off, 2048 * 8));
	st.cfa = cfa_of(7, -8);
	cr_assert_eq(encode(), EXT);
	cr_assert(eq(i32, ext.cfa_off, -8));
	st.cfa = cfa_of(7, 12);
	cr_assert_eq(encode(), EXT);
	cr_assert(eq(i32, ext.cfa_off, 12));
}

Test(rule_encode, x86_64_extended_places)
{
	static const int offs[] = { -72, 0, 16, -20, -8, INT16_MIN, INT16_MAX };

	for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		begin_x86();
		st.slot[R13] = at_cfa(offs[i]);
		cr_assert_eq(encode(), EXT);
		expect_place(&ext.saved[R13], UNWIND_AT_CFA, 0, offs[i]);
		expect_place(&ext.saved[RBX], UNWIND_AS_IS, 0, 0);
		expect_place(&ext.ra, UNWIND_AT_CFA, 0, -8);
		cr_assert(eq(u8, ext.cfa, UNWIND_CFA_REG));
		cr_assert(eq(u8, ext.cfa_reg, 7));
		cr_assert(eq(i32, ext.cfa_off, 8));
		cr_assert(zero(i32, ext.cfa_add));
		cr_assert(zero(u8, ext.flags));
		cr_assert(zero(u8, ext.cfa_index));
	}
}

Test(rule_encode, places_in_every_form)
{
	begin_x86();
	st.slot[RBX] = (struct cfi_place){ .how = CFI_UNDEFINED };
	st.slot[RBP] = (struct cfi_place){ .how = CFI_REGISTER, .reg = 9 };
	st.slot[R12] = (struct cfi_place){ .how = CFI_VAL_OFFSET, .off = -16 };
	st.slot[R13] = EXPR(CFI_EXPR, DW_OP_breg6, 0x70);
	st.slot[R14] = EXPR(CFI_VAL_EXPR, DW_OP_breg6, 0x70);
	st.slot[R15] = (struct cfi_place){ .how = CFI_SAME };
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.saved[RBX], UNWIND_UNKNOWN, 0, 0);
	expect_place(&ext.saved[RBP], UNWIND_IN_REG, 9, 0);
	expect_place(&ext.saved[R12], UNWIND_CFA_PLUS, 0, -16);
	expect_place(&ext.saved[R13], UNWIND_AT_REG, 6, -16);
	expect_place(&ext.saved[R14], UNWIND_IN_REG, 6, -16);
	expect_place(&ext.saved[R15], UNWIND_AS_IS, 0, 0);

	begin_x86();
	st.slot[RBX] = EXPR(CFI_EXPR, DW_OP_lit8, DW_OP_minus); /* the CFA is on the stack */
	st.slot[RBP] = EXPR(CFI_VAL_EXPR, DW_OP_plus_uconst, 4);
	st.slot[R12] = EXPR(CFI_VAL_EXPR, DW_OP_breg7, 24, DW_OP_deref);
	st.slot[R13] = EXPR(CFI_VAL_EXPR, DW_OP_lit16, DW_OP_minus, DW_OP_deref);
	st.slot[R14] = EXPR(CFI_EXPR, DW_OP_breg7, 24, DW_OP_deref);
	st.slot[R15] = (struct cfi_place){ .how = CFI_REGISTER, .reg = 15 };
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.saved[RBX], UNWIND_AT_CFA, 0, -8);
	expect_place(&ext.saved[RBP], UNWIND_CFA_PLUS, 0, 4);
	expect_place(&ext.saved[R12], UNWIND_AT_REG, 7, 24);
	expect_place(&ext.saved[R13], UNWIND_AT_CFA, 0, -16);
	expect_place(&ext.saved[R14], UNWIND_UNKNOWN, 0, 0); /* a pointer to where it is saved */
	expect_place(&ext.saved[R15], UNWIND_AS_IS, 0, 0);
}

Test(rule_encode, registers_that_cannot_be_expressed_are_unknown)
{
	begin_x86();
	st.slot[RBX] = (struct cfi_place){ .how = CFI_REGISTER, .reg = 17 }; /* xmm0 */
	st.slot[RBP] = (struct cfi_place){ .how = CFI_VAL_OFFSET, .off = 40000 };
	st.slot[R12] = EXPR(CFI_EXPR, DW_OP_breg16, 0);
	/* libmvec: rounded down */
	st.slot[R13] = EXPR(CFI_EXPR, DW_OP_lit8, DW_OP_minus, DW_OP_const1s, 0xe0, DW_OP_and);
	st.slot[R14] = EXPR(CFI_EXPR, DW_OP_lit8);
	st.slot[R15] = EXPR(CFI_VAL_EXPR, DW_OP_breg7, 24, DW_OP_deref, DW_OP_plus_uconst, 8);
	cr_assert_eq(encode(), EXT);
	for (int i = 0; i < 6; i++)
		expect_place(&ext.saved[i], UNWIND_UNKNOWN, 0, 0);
}

Test(rule_encode, far_from_the_cfa_is_near_a_register)
{
	begin_x86();
	st.cfa = cfa_of(7, 40000);
	st.slot[RBX] = at_cfa(-40000);
	st.slot[RBP] = at_cfa(-100000);
	st.slot[RIP] = at_cfa(-39992);
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.saved[RBX], UNWIND_AT_REG, 7, 0);
	expect_place(&ext.saved[RBP], UNWIND_UNKNOWN, 0, 0);
	expect_place(&ext.ra, UNWIND_AT_REG, 7, 8);

	/* Not if the CFA is in memory. */
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg6, 0x78, DW_OP_deref);
	st.slot[RIP] = at_cfa(-8);
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.saved[RBX], UNWIND_UNKNOWN, 0, 0);
}

Test(rule_encode, cfa_in_memory)
{
	/* GCC, a realigned stack: *(rbp - 8) */
	begin_x86();
	st.slot[RBP] = EXPR(CFI_EXPR, DW_OP_breg6, 0);
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg6, 0x78, DW_OP_deref);
	cr_assert_eq(encode(), EXT);
	cr_assert(eq(u8, ext.cfa, UNWIND_CFA_DEREF));
	cr_assert(eq(u8, ext.cfa_reg, 6));
	cr_assert(eq(i32, ext.cfa_off, -8));
	cr_assert(zero(i32, ext.cfa_add));
	expect_place(&ext.saved[RBP], UNWIND_AT_REG, 6, 0);

	/* OpenSSL: *(rsp + 536) + 8, in several ways to say it */
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 0x98, 0x04, DW_OP_deref, DW_OP_plus_uconst, 8);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(encode(), EXT);
		cr_assert(eq(u8, ext.cfa, UNWIND_CFA_DEREF));
		cr_assert(eq(u8, ext.cfa_reg, 7));
		cr_assert(eq(i32, ext.cfa_off, 536));
		cr_assert(eq(i32, ext.cfa_add, 8));
		if (i == 0)
			st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 0, DW_OP_const2u, 0x18, 0x02,
				      DW_OP_plus, DW_OP_deref, DW_OP_lit8, DW_OP_plus);
		else
			st.cfa = EXPR(CFI_EXPR, DW_OP_const1s, 8, DW_OP_bregx, 7, 0xa0, 0x04,
				      DW_OP_lit8, DW_OP_minus, DW_OP_deref, DW_OP_plus);
	}

	/* As a register plus a number it is nothing special. */
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 16);
	cr_assert_eq(encode(), EXT);
	cr_assert(eq(u8, ext.cfa, UNWIND_CFA_REG));
	cr_assert(eq(i32, ext.cfa_off, 16));
}

/* OpenSSL's multi-block code: *(rsp + 8 * r9 + 8) + 8 */
Test(rule_encode, cfa_in_an_array)
{
	begin_x86();
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 8, DW_OP_breg9, 0, DW_OP_lit8, DW_OP_mul, DW_OP_plus,
		      DW_OP_deref, DW_OP_plus_uconst, 8);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(encode(), EXT);
		cr_assert(eq(u8, ext.cfa, UNWIND_CFA_DEREF));
		cr_assert(eq(u8, ext.cfa_reg, 7));
		cr_assert(eq(u8, ext.cfa_index, 9 + 1));
		cr_assert(eq(i32, ext.cfa_off, 8));
		cr_assert(eq(i32, ext.cfa_add, 8));
		/* The other way round. */
		st.cfa = EXPR(CFI_EXPR, DW_OP_breg9, 0, DW_OP_lit8, DW_OP_mul, DW_OP_breg7, 8,
			      DW_OP_plus, DW_OP_deref, DW_OP_plus_uconst, 8);
	}

	/* Elements are of 8 bytes; there is one index, which is a register alone. */
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 8, DW_OP_breg9, 0, DW_OP_lit4, DW_OP_mul, DW_OP_plus,
		      DW_OP_deref);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 8, DW_OP_breg9, 1, DW_OP_lit8, DW_OP_mul, DW_OP_plus,
		      DW_OP_deref);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg9, 0, DW_OP_lit8, DW_OP_mul);
	expect(UNSUPPORTED);
}

Test(rule_encode, other_cfas_are_unsupported)
{
	begin_x86();
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 8, DW_OP_breg9, 0, DW_OP_plus);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 8, DW_OP_deref, DW_OP_deref);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_lit8);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_nop);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_plus);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7); /* its operand is missing */
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_deref);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_lit0, DW_OP_breg7, 8, DW_OP_minus);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 8, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1, DW_OP_lit1);
	expect(UNSUPPORTED);
	st.cfa = EXPR(CFI_EXPR, DW_OP_const8u, 0, 0, 0, 0x80, 0, 0, 0, 0, DW_OP_breg7, 8,
		      DW_OP_plus);
	expect(UNSUPPORTED);
	st.cfa = (struct cfi_place){ 0 };
	expect(UNSUPPORTED);
	st.cfa = cfa_of(17, 8);
	expect(UNSUPPORTED);
	st.cfa = cfa_of(CFI_NO_REG, 8);
	expect(UNSUPPORTED);
	st.cfa = cfa_of(7, (int64_t)INT32_MAX + 1);
	expect(UNSUPPORTED);
}

Test(rule_encode, long_expressions_are_not_evaluated)
{
	static uint8_t nops[4096];

	memset(nops, DW_OP_nop, sizeof(nops));
	nops[0] = DW_OP_breg7;
	nops[1] = 8;
	begin_x86();
	st.cfa = expr_of(CFI_EXPR, nops, 32);
	cr_assert_eq(encode(), EXT);
	begin_x86();
	st.cfa = expr_of(CFI_EXPR, nops, sizeof(nops));
	expect(UNSUPPORTED);
}

#define PLT_EXPR(n)                                                                                \
	EXPR(CFI_EXPR, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and, n, DW_OP_ge,       \
	     DW_OP_lit3, DW_OP_shl, DW_OP_plus)

Test(rule_encode, procedure_linkage_tables)
{
	begin_x86();
	st.cfa = PLT_EXPR(DW_OP_lit11);
	expect(UNWIND_RULE_SPECIAL(UNWIND_PLT));
	st.cfa = PLT_EXPR(DW_OP_lit10);
	expect(UNWIND_RULE_SPECIAL(UNWIND_PLT_SEC));
	st.cfa = PLT_EXPR(DW_OP_lit9);
	expect(UNWIND_RULE_SPECIAL(UNWIND_PLT_IBT));
	st.cfa = PLT_EXPR(DW_OP_lit8);
	expect(UNSUPPORTED);
	st.cfa = PLT_EXPR(DW_OP_lit11);
	st.cfa.len--;
	expect(UNSUPPORTED);

	/* Nothing is saved in one. */
	st.cfa = PLT_EXPR(DW_OP_lit11);
	st.slot[RBP] = at_cfa(-16);
	expect(UNSUPPORTED);
	st.slot[RBP] = (struct cfi_place){ 0 };
	st.slot[RIP] = at_cfa(-16);
	expect(UNSUPPORTED);

	begin_a64();
	st.cfa = PLT_EXPR(DW_OP_lit11);
	expect(UNSUPPORTED);
}

Test(rule_encode, end_of_the_stack)
{
	begin_x86();
	st.slot[RIP] = (struct cfi_place){ .how = CFI_UNDEFINED };
	expect(END);
	st.cfa = (struct cfi_place){ 0 };
	expect(END);

	begin_a64();
	st.slot[X30] = (struct cfi_place){ .how = CFI_UNDEFINED };
	expect(END);
}

Test(rule_encode, return_addresses)
{
	begin_x86();
	st.slot[RIP] = (struct cfi_place){ .how = CFI_REGISTER, .reg = 11 };
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.ra, UNWIND_IN_REG, 11, 0);
	st.slot[RIP] = at_cfa(0);
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.ra, UNWIND_AT_CFA, 0, 0);

	begin_x86();
	st.slot[RIP] = (struct cfi_place){ 0 };
	expect(UNSUPPORTED);
	st.slot[RIP] = (struct cfi_place){ .how = CFI_SAME };
	expect(UNSUPPORTED);
	st.slot[RIP] = (struct cfi_place){ .how = CFI_REGISTER, .reg = 40 };
	expect(UNSUPPORTED);
	st.slot[RIP] = EXPR(CFI_EXPR, DW_OP_breg16, 0);
	expect(UNSUPPORTED);

	/* A column that is no register. */
	begin_x86();
	cie.ra = 96;
	cie.ra_slot = CFI_OTHER_RA_SLOT;
	expect(UNSUPPORTED);
}

/* No rule can say that the caller's stack pointer is not the CFA. */
Test(rule_encode, the_stack_pointer_is_the_cfa)
{
	begin_x86();
	st.slot[RSP] = (struct cfi_place){ .how = CFI_VAL_OFFSET };
	expect(1 << 2 | UNWIND_BASE_SP);
	st.slot[RSP].off = 8;
	expect(UNSUPPORTED);
	st.slot[RSP] = (struct cfi_place){ .how = CFI_REGISTER, .reg = 8 }; /* longjmp */
	expect(UNSUPPORTED);
	st.slot[RSP] = at_cfa(160); /* setcontext */
	expect(UNSUPPORTED);
	st.slot[RSP] = (struct cfi_place){ .how = CFI_SAME };
	expect(UNSUPPORTED);
	st.slot[RSP] = (struct cfi_place){ .how = CFI_UNDEFINED };
	expect(UNSUPPORTED);
}

#define IN_FRAME(off) EXPR(CFI_EXPR, DW_OP_breg7, 0x80 | ((off)&0x7f), (off) >> 7)

static void begin_sigframe(void)
{
	begin_x86();
	cie.signal_frame = true;
	st.cfa = EXPR(CFI_EXPR, DW_OP_breg7, 0xa0, 0x01, DW_OP_deref);
	st.slot[RBX] = IN_FRAME(128);
	st.slot[RBP] = IN_FRAME(120);
	st.slot[R12] = IN_FRAME(72);
	st.slot[R13] = IN_FRAME(80);
	st.slot[R14] = IN_FRAME(88);
	st.slot[R15] = IN_FRAME(96);
	st.slot[RSP] = IN_FRAME(160);
	st.slot[RIP] = IN_FRAME(168);
}

Test(rule_encode, the_kernels_signal_frame)
{
	begin_sigframe();
	expect(UNWIND_RULE_SPECIAL(UNWIND_SIGNAL));

	/* All must be where the kernel puts them. */
	for (int i = RBX; i <= RIP; i++) {
		begin_sigframe();
		st.slot[i] = IN_FRAME(176);
		expect(UNSUPPORTED);
		st.slot[i] = (struct cfi_place){ 0 };
		expect(UNSUPPORTED);
	}
	begin_sigframe();
	st.slot[RBX] = EXPR(CFI_EXPR, DW_OP_breg6, 0x80, 0x01);
	expect(UNSUPPORTED);

	/* An ordinary frame with these registers is none. */
	begin_sigframe();
	cie.signal_frame = false;
	expect(UNSUPPORTED);
	begin_x86();
	cie.signal_frame = true;
	expect(UNSUPPORTED);
}

Test(rule_encode, aarch64_short_rules)
{
	begin_a64();
	expect(UNWIND_BASE_SP);
	st.cfa = cfa_of(31, 48);
	st.slot[X29] = at_cfa(-48);
	st.slot[X30] = at_cfa(-40);
	expect(6 << 2 | UNWIND_BASE_SP | UNWIND_A64_PAIR << 14 | 6 << 16);
	st.cfa = cfa_of(29, 48);
	expect(6 << 2 | UNWIND_BASE_FP | UNWIND_A64_PAIR << 14 | 6 << 16);

	st.slot[X29] = (struct cfi_place){ 0 };
	expect(6 << 2 | UNWIND_BASE_FP | UNWIND_A64_LR << 14 | 5 << 16);
	st.slot[X29] = at_cfa(-8);
	st.slot[X30] = (struct cfi_place){ .how = CFI_SAME };
	expect(6 << 2 | UNWIND_BASE_FP | UNWIND_A64_FP << 14 | 1 << 16);

	st.slot[X29] = at_cfa(-8191 * 8);
	st.slot[X30] = at_cfa(-8190 * 8);
	expect(6 << 2 | UNWIND_BASE_FP | UNWIND_A64_PAIR << 14 | 8191u << 16);
}

Test(rule_encode, aarch64_extended_rules)
{
	begin_a64();
	st.slot[X29] = at_cfa(-16);
	st.slot[X30] = at_cfa(-24);
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.saved[0], UNWIND_AT_CFA, 0, -16);
	expect_place(&ext.saved[1], UNWIND_AT_CFA, 0, -24);
	expect_place(&ext.ra, UNWIND_AT_CFA, 0, -24);
	cr_assert(eq(u8, ext.cfa_reg, 31));

	/* glob() of glibc has 33 KiB of locals. */
	begin_a64();
	st.cfa = cfa_of(31, 33392);
	st.slot[X29] = at_cfa(-33392);
	st.slot[X30] = at_cfa(-33384);
	cr_assert_eq(encode(), EXT);
	cr_assert(eq(i32, ext.cfa_off, 33392));
	expect_place(&ext.saved[0], UNWIND_AT_REG, 31, 0);
	expect_place(&ext.saved[1], UNWIND_AT_REG, 31, 8);
	expect_place(&ext.ra, UNWIND_AT_REG, 31, 8);

	begin_a64();
	st.slot[X30] = (struct cfi_place){ .how = CFI_REGISTER, .reg = 9 };
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.ra, UNWIND_IN_REG, 9, 0);
	expect_place(&ext.saved[1], UNWIND_IN_REG, 9, 0);
}

/* rawmemchr() of glibc keeps its return address in x15, and says so by the CIE's column. */
Test(rule_encode, aarch64_return_address_in_another_column)
{
	begin_a64();
	cie.ra = 15;
	cie.ra_slot = CFI_OTHER_RA_SLOT;
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.ra, UNWIND_IN_REG, 15, 0);
	expect_place(&ext.saved[1], UNWIND_AS_IS, 0, 0);
	st.slot[CFI_OTHER_RA_SLOT] = at_cfa(-8);
	cr_assert_eq(encode(), EXT);
	expect_place(&ext.ra, UNWIND_AT_CFA, 0, -8);
	st.slot[CFI_OTHER_RA_SLOT] = (struct cfi_place){ .how = CFI_UNDEFINED };
	expect(END);
}
