/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over stacks of aarch64; on whatever machine. */
#define UNWIND_ARCH_AARCH64
#include "walk_fake.h"

#include "leak_check.h"

/* Functions: each 256 bytes, of one rule. The walk begins in F1. */
#define F(i) (FAKE_CODE + 256 * (i))
#define PAC  (0x5a7fULL << 48)

TestSuite(unwind_walk_a64, .init = walk_reset, .fini = leak_check);

static void set_rule(int i, __u32 rule)
{
	add_rule(F(i), F(i + 1), rule);
}

/* The pair lies at the stack pointer, @words below the CFA. */
static __u32 pair(__u32 words)
{
	return words << 16 | UNWIND_A64_PAIR << 14 | words << 2 | UNWIND_BASE_SP;
}

static void put_insn(__u64 end, __u32 insn)
{
	memcpy(fake.code + (end - 4 - FAKE_CODE), &insn, 4);
}

Test(unwind_walk_a64, to_the_entry)
{
	set_rule(1, UNWIND_A64_NONE << 14 | UNWIND_BASE_SP); /* a leaf */
	set_rule(2, pair(4));
	set_rule(3, RULE_END);
	walk.regs.reg[UNWIND_A64_LR_REG] = (F(2) + 8) | PAC;
	fake.stack[100] = at(300);
	fake.stack[101] = F(4) | PAC; /* a call at the end of F(3) */
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(2) + 8, F(4));
	cr_assert(eq(u64, walk.regs.reg[UNWIND_FP], at(300)));
}

/* F(1) has no rule, and a frame; its caller F(2) is an entry. */
static void set_fp_walk(__u32 insn)
{
	walk_reset();
	set_rule(1, RULE_NONE);
	set_rule(2, RULE_END);
	walk.regs.reg[UNWIND_FP] = at(110);
	fake.stack[110] = at(120);
	fake.stack[111] = (F(2) + 16) | PAC;
	put_insn(F(2) + 16, insn);
}

/* As an assembler writes them. */
static const struct {
	__u32 insn;
	int is_call;
} instructions[] = {
	{ 0x94000010, 1 }, /* bl */
	{ 0x97fffff0, 1 }, /* bl, backwards */
	{ 0xd63f0200, 1 }, /* blr x16 */
	{ 0xd63f0a1f, 1 }, /* blraaz x16 */
	{ 0xd73f0a11, 1 }, /* blraa x16, x17 */
	{ 0x14000010, 0 }, /* b */
	{ 0xd61f0200, 0 }, /* br x16 */
	{ 0xd65f03c0, 0 }, /* ret */
	{ 0xd503201f, 0 }, /* nop */
	{ 0xa9bf7bfd, 0 }, /* stp x29, x30, [sp, #-16]! */
};

Test(unwind_walk_a64, return_address_must_be_behind_a_call)
{
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
		set_fp_walk(instructions[i].insn);
		cr_assert(eq(int, walk_on(),
			     instructions[i].is_call ? USER_END_ENTRY : USER_END_NO_RULE),
			  "instruction %zu", i);
		if (instructions[i].is_call)
			ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK);
	}
}

Test(unwind_walk_a64, registers_of_the_caller_by_frame_pointer)
{
	__u64 frame;

	set_fp_walk(0x94000010);
	unwind_frame(&fake, &walk, &frame);
	cr_assert(eq(u64, walk.regs.pc, F(2) + 16));
	cr_assert(eq(u64, walk.regs.reg[UNWIND_SP], at(112)));
	cr_assert(eq(u64, walk.regs.reg[UNWIND_FP], at(120)));
	cr_assert(eq(u32, walk.regs.known, 1u << UNWIND_FP | 1u << UNWIND_SP));
}

/* Its caller is in the link register, if a direct call to it stands there. */
static void assert_leaf(__u64 target, int is_leaf)
{
	walk_reset();
	set_rule(1, RULE_NONE);
	set_rule(2, RULE_END);
	walk.regs.pc = F(1) + 32;
	walk.regs.reg[UNWIND_A64_LR_REG] = F(2) + 16;
	put_insn(F(2) + 16, 0x94000000 | ((target - (F(2) + 12)) >> 2 & 0x3ffffff));
	cr_assert(eq(int, walk_on(), is_leaf ? USER_END_ENTRY : USER_END_NO_RULE), "%#llx", target);
	if (is_leaf)
		ASSERT_FRAMES((F(1) + 32) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK);
}

Test(unwind_walk_a64, function_without_rules_that_calls_nobody)
{
	assert_leaf(F(1), 1);
	assert_leaf(F(1) + 32, 1);
	assert_leaf(F(1) + 36, 0);
	assert_leaf(F(5), 0);
}

/* An exact frame need not be one whose registers are known. */
Test(unwind_walk_a64, leaf_needs_to_know_its_return_address)
{
	assert_leaf(F(1), 1);
	walk_reset();
	set_rule(1, RULE_NONE);
	set_rule(2, RULE_END);
	walk.regs.reg[UNWIND_A64_LR_REG] = F(2) + 16;
	walk.regs.known &= ~(1u << UNWIND_A64_LR_REG);
	put_insn(F(2) + 16, 0x94000000 | ((F(1) - (F(2) + 12)) >> 2 & 0x3ffffff));
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
}

/* A loop of the leaf rule: x30 is no caller's of a caller. */
Test(unwind_walk_a64, leaf_s_caller_is_not_a_leaf)
{
	set_rule(1, UNWIND_A64_NONE << 14 | UNWIND_BASE_SP);
	walk.regs.reg[UNWIND_A64_LR_REG] = F(1) + 8;
	cr_assert(eq(int, walk_on(), USER_END_UNSUPPORTED));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(1) + 8);
}
