/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a walk on aarch64; on whatever machine. */
#define UNWIND_ARCH_AARCH64
#include "unwind_fake.h"

#include "shared/unwind_step.h"

#include "leak_check.h"

#define RA  0x401234ULL
#define PAC (0x5a7fULL << 48) /* an authentication code, where user addresses have 48 bits */

static struct unwind_regs regs;
static struct unwind_scratch scratch;

/* Registers hold recognisable values, all known. */
static void set_up(void)
{
	fake_reset();
	for (int i = 0; i < UNWIND_REGS; i++)
		regs.reg[i] = 0x1000 + i;
	regs.reg[UNWIND_A64_SP_REG] = at(100);
	regs.reg[UNWIND_A64_FP_REG] = at(200);
	regs.reg[UNWIND_A64_LR_REG] = RA | PAC;
	regs.pc = FAKE_CODE;
	regs.known = UNWIND_KNOWN_ALL;
	regs.is_exact = 1;
	regs.by_fallback = 1;
	regs.falls = 0;
	regs.by_fp = 0;
	memset(&scratch, 0xa5, sizeof(scratch));
	scratch.n = 0;
}

TestSuite(unwind_step_a64, .init = set_up, .fini = leak_check);

static __u32 rule_of(enum unwind_base base, __u32 cfa_words, enum unwind_a64_saved saved,
		     __u32 words_below)
{
	return words_below << 16 | saved << 14 | cfa_words << 2 | base;
}

static enum unwind_step step(__u32 rule)
{
	return unwind_plain(&fake, &regs, &scratch, rule);
}

/* x30 is used by the caller itself; only x29 and sp are as they were. */
static void assert_caller(__u64 cfa, __u64 ra, __u64 fp)
{
	cr_assert(eq(u64, regs.reg[UNWIND_A64_SP_REG], cfa));
	cr_assert(eq(u64, regs.pc, ra));
	cr_assert(eq(u64, regs.reg[UNWIND_A64_FP_REG], fp));
	cr_assert(eq(u32, regs.known, 1u << UNWIND_A64_FP_REG | 1u << UNWIND_A64_SP_REG));
	cr_assert(not(regs.is_exact));
	cr_assert(not(regs.by_fallback));
}

/* --- plain rules ------------------------------------------------------------------------------ */

/* A leaf: nothing is saved, the stack pointer may not even have moved. */
Test(unwind_step_a64, nothing_saved)
{
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 0, UNWIND_A64_NONE, 0)), UNWIND_STEP_OK));
	assert_caller(at(100), RA, at(200));
	cr_assert(zero(int, fake.n_reads));
	set_up();
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 40, UNWIND_A64_NONE, 0)), UNWIND_STEP_OK));
	assert_caller(at(140), RA, at(200));
}

Test(unwind_step_a64, pair_saved_anywhere_below_the_cfa)
{
	for (int words = 2; words < 2048; words += 3)
		for (int below = 2; below <= words && below < 3000; below += 7) {
			if (words >= FAKE_STACK_WORDS - 101)
				break;
			set_up();
			fake.stack[100 + words - below] = at(300);
			fake.stack[100 + words - below + 1] = RA | PAC;
			cr_assert(eq(int,
				     step(rule_of(UNWIND_BASE_SP, words, UNWIND_A64_PAIR, below)),
				     UNWIND_STEP_OK));
			assert_caller(at(100 + words), RA, at(300));
		}
}

Test(unwind_step_a64, by_frame_pointer)
{
	fake.stack[200] = at(300);
	fake.stack[201] = RA;
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 6, UNWIND_A64_PAIR, 6)), UNWIND_STEP_OK));
	assert_caller(at(206), RA, at(300));
}

Test(unwind_step_a64, only_the_link_register_saved)
{
	fake.stack[102] = RA | PAC;
	regs.known &= ~(1u << UNWIND_A64_LR_REG); /* it is not needed */
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 4, UNWIND_A64_LR, 2)), UNWIND_STEP_OK));
	assert_caller(at(104), RA, at(200));
}

Test(unwind_step_a64, only_the_frame_pointer_saved)
{
	fake.stack[102] = at(300);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 4, UNWIND_A64_FP, 2)), UNWIND_STEP_OK));
	assert_caller(at(104), RA, at(300));
}

/* Within a chain of calls each but the innermost must have saved it. */
Test(unwind_step_a64, link_register_that_is_not_known)
{
	fake.stack[100] = RA;
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2, UNWIND_A64_LR, 2)), UNWIND_STEP_OK));
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2, UNWIND_A64_NONE, 0)),
		     UNWIND_STEP_UNSUPPORTED));
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2, UNWIND_A64_FP, 2)),
		     UNWIND_STEP_UNSUPPORTED));
}

Test(unwind_step_a64, base_that_is_not_known)
{
	regs.known = ~(1u << UNWIND_A64_FP_REG);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2, UNWIND_A64_NONE, 0)),
		     UNWIND_STEP_UNSUPPORTED));
	regs.known = ~(1u << UNWIND_A64_SP_REG);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2, UNWIND_A64_NONE, 0)),
		     UNWIND_STEP_UNSUPPORTED));
}

/* By the frame pointer: the function may have gone to another stack. Not for ever. */
Test(unwind_step_a64, frame_that_falls)
{
	const __u32 rule = rule_of(UNWIND_BASE_FP, 2, UNWIND_A64_PAIR, 2);

	fake.stack[97] = at(300);
	fake.stack[98] = RA;
	for (int i = 0; i < 8; i++) {
		regs.reg[UNWIND_A64_SP_REG] = at(100);
		regs.reg[UNWIND_A64_FP_REG] = at(97);
		cr_assert(eq(int, step(rule), UNWIND_STEP_OK), "fall %d", i);
		assert_caller(at(99), RA, at(300));
	}
	regs.reg[UNWIND_A64_SP_REG] = at(100);
	regs.reg[UNWIND_A64_FP_REG] = at(97);
	cr_assert(eq(int, step(rule), UNWIND_STEP_NOT_RISING));
	regs.reg[UNWIND_A64_FP_REG] = at(98); /* to the same place */
	fake.stack[99] = RA;
	scratch.n = 0;
	cr_assert(eq(int, step(rule), UNWIND_STEP_OK));
}

Test(unwind_step_a64, frame_that_cannot_be_read)
{
	static const enum unwind_a64_saved saved[] = { UNWIND_A64_PAIR, UNWIND_A64_LR,
						       UNWIND_A64_FP };

	for (int i = 0; i < 3; i++) {
		set_up();
		regs.reg[UNWIND_A64_FP_REG] = at(FAKE_STACK_WORDS);
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2, saved[i], 2)),
			     UNWIND_STEP_UNREADABLE));
	}
	regs.reg[UNWIND_A64_FP_REG] = at(FAKE_STACK_WORDS - 1); /* half of the pair */
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2, UNWIND_A64_PAIR, 2)),
		     UNWIND_STEP_UNREADABLE));
}

Test(unwind_step_a64, authentication_codes_are_no_part_of_the_address)
{
	for (int bit = 48; bit < 64; bit++) {
		set_up();
		regs.reg[UNWIND_A64_LR_REG] = 0xffff80001234ULL | 1ULL << bit;
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2, UNWIND_A64_NONE, 0)),
			     UNWIND_STEP_OK));
		cr_assert(eq(u64, regs.pc, 0xffff80001234ULL));
	}
}

Test(unwind_step_a64, return_address_that_is_none)
{
	static const __u64 bad[] = { 1, 4095, PAC | 1 };

	for (int i = 0; i < 3; i++) {
		set_up();
		regs.reg[UNWIND_A64_LR_REG] = bad[i];
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2, UNWIND_A64_NONE, 0)),
			     UNWIND_STEP_BAD_RETURN));
	}
}

Test(unwind_step_a64, return_address_of_zero)
{
	static const __u64 zero[] = { 0, PAC };

	for (int i = 0; i < 2; i++) {
		set_up();
		regs.reg[UNWIND_A64_LR_REG] = zero[i];
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2, UNWIND_A64_NONE, 0)),
			     UNWIND_STEP_ZERO));
	}
}

/* --- special rules ---------------------------------------------------------------------------- */

static enum unwind_step special(__u32 what)
{
	return unwind_special(&fake, &regs, &scratch, what);
}

Test(unwind_step_a64, rules_that_are_no_step)
{
	cr_assert(eq(int, special(UNWIND_NONE), UNWIND_STEP_NO_RULE));
	cr_assert(eq(int, special(UNWIND_END), UNWIND_STEP_END));
	cr_assert(eq(int, special(UNWIND_UNSUPPORTED), UNWIND_STEP_UNSUPPORTED));
	cr_assert(eq(int, special(UNWIND_PLT), UNWIND_STEP_UNSUPPORTED));
	cr_assert(eq(int, special(UNWIND_PLT_SEC), UNWIND_STEP_UNSUPPORTED));
	cr_assert(eq(int, special(UNWIND_PLT_IBT), UNWIND_STEP_UNSUPPORTED));
}

/* asm/sigcontext.h, asm/ucontext.h and struct rt_sigframe of the kernel, as documented there. */
struct sigframe {
	__u8 siginfo[128];
	struct {
		__u64 flags, link;
		__u8 stack[24];
		__u8 sigmask[8];
		__u8 unused[120];
		struct {
			__u64 fault_address;
			__u64 regs[31];
			__u64 sp, pc, pstate;
			__u8 reserved[4096] __attribute__((aligned(16)));
		} mcontext __attribute__((aligned(16)));
	} uc;
};

Test(unwind_step_a64, signal_frame)
{
	struct sigframe *frame = (struct sigframe *)&fake.stack[100];

	memset(frame, 0xa5, sizeof(*frame));
	for (int i = 0; i < 31; i++)
		frame->uc.mcontext.regs[i] = 0x20000 + i;
	frame->uc.mcontext.sp = at(3); /* it may have run on another stack */
	frame->uc.mcontext.pc = RA;
	regs.is_exact = 0;
	regs.known = 1u << UNWIND_A64_SP_REG;
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_OK));
	for (int i = 0; i < 31; i++)
		cr_assert(eq(u64, regs.reg[i], 0x20000 + i));
	cr_assert(eq(u64, regs.reg[UNWIND_A64_SP_REG], at(3)));
	cr_assert(eq(u64, regs.pc, RA));
	cr_assert(regs.is_exact);
	cr_assert(not(regs.by_fallback));
	cr_assert(eq(u32, regs.known, UINT32_MAX));
}

Test(unwind_step_a64, signal_frame_that_is_none)
{
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_BAD_RETURN), "all zero");
	regs.reg[UNWIND_A64_SP_REG] = at(FAKE_STACK_WORDS - 71);
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_UNREADABLE));
}

/* --- extended rules --------------------------------------------------------------------------- */

static struct unwind_ext ext_of_cfa(void)
{
	return (struct unwind_ext){
		.cfa = UNWIND_CFA_REG,
		.cfa_reg = UNWIND_A64_SP_REG,
		.cfa_off = 40,
		.ra = { .where = UNWIND_AT_CFA, .off = -8 },
	};
}

static enum unwind_step step_ext(const struct unwind_ext *ext)
{
	return unwind_ext(&fake, &regs, &scratch, ext);
}

Test(unwind_step_a64, ext)
{
	struct unwind_ext ext = ext_of_cfa();

	fake.stack[104] = RA | PAC;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(105), RA, at(200));
}

Test(unwind_step_a64, ext_return_address_in_a_register)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.ra = (struct unwind_place){ UNWIND_IN_REG, UNWIND_A64_LR_REG, 0 };
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(105), RA, at(200));
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED), "it is not known any more");
}

Test(unwind_step_a64, ext_cfa_in_memory)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.cfa = UNWIND_CFA_DEREF;
	ext.cfa_reg = 19;
	ext.cfa_off = -8;
	ext.cfa_add = 16;
	regs.reg[19] = at(301);
	fake.stack[300] = at(400);
	fake.stack[401] = RA;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(402), RA, at(200));
}

Test(unwind_step_a64, ext_saved_registers)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.saved[0] = (struct unwind_place){ UNWIND_AT_CFA, 0, -24 };
	ext.saved[1] = (struct unwind_place){ UNWIND_AT_REG, UNWIND_A64_FP_REG, 8 };
	fake.stack[104] = RA;
	fake.stack[102] = at(300);
	fake.stack[201] = 0x4444;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	cr_assert(eq(u64, regs.reg[UNWIND_A64_FP_REG], at(300)));
	cr_assert(eq(u64, regs.reg[UNWIND_A64_LR_REG], 0x4444));
	cr_assert(eq(u32, regs.known >> UNWIND_A64_FP_REG, 7));
}
