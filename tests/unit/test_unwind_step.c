/* SPDX-License-Identifier: Apache-2.0 */
/* Steps of a walk on x86_64; on whatever machine. */
#define UNWIND_ARCH_X86_64
#include "unwind_fake.h"

#include "shared/unwind_step.h"

#include <signal.h>
#include <ucontext.h>

#include "leak_check.h"

#define RA 0x401234ULL

static struct unwind_regs regs;
static struct unwind_scratch scratch;

/* Registers hold recognisable values, all known. */
static void set_up(void)
{
	fake_reset();
	for (int i = 0; i < UNWIND_REGS; i++)
		regs.reg[i] = 0x1000 + i;
	regs.reg[UNWIND_X86_RSP] = at(100);
	regs.reg[UNWIND_X86_RBP] = at(200);
	regs.pc = FAKE_CODE;
	regs.known = UNWIND_KNOWN_ALL;
	regs.is_exact = 1;
	regs.by_fallback = 1;
	regs.falls = 0;
	regs.by_fp = 0;
	memset(&scratch, 0xa5, sizeof(scratch));
	scratch.n = 0;
}

TestSuite(unwind_step, .init = set_up, .fini = leak_check);

static const int slot_regs[UNWIND_X86_SLOTS] = { 3, 6, 12, 13, 14, 15 };

static __u32 rule_of(enum unwind_base base, __u32 cfa_words)
{
	return cfa_words << 2 | base;
}

static __u32 with_slot(__u32 rule, int slot, __u32 n)
{
	return rule | n << (14 + 3 * slot);
}

static enum unwind_step step(__u32 rule)
{
	return unwind_plain(&fake, &regs, &scratch, rule);
}

/* The caller's frame: @words above what the base was. */
static void assert_caller(__u64 cfa, __u64 ra)
{
	cr_assert(eq(u64, regs.reg[UNWIND_X86_RSP], cfa));
	cr_assert(eq(u64, regs.pc, ra));
	cr_assert(not(regs.is_exact));
	cr_assert(not(regs.by_fallback));
}

/* --- plain rules ------------------------------------------------------------------------------ */

Test(unwind_step, cfa_by_stack_pointer)
{
	for (int words = 1; words < 2048; words++) {
		set_up();
		fake.stack[100 + words - 1] = RA;
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, words)), UNWIND_STEP_OK));
		assert_caller(at(100 + words), RA);
		cr_assert(eq(u64, regs.reg[UNWIND_X86_RBP], at(200)));
	}
}

/* --- reading ahead ---------------------------------------------------------------------------- */

/* Frames of three words, of which the second is a saved rbx. */
static void step_over_small_frames(int word, int n)
{
	regs.reg[UNWIND_X86_RSP] = at(word);
	for (int i = 0; i < n; i++, word += 3) {
		cr_assert(
			eq(int, step(with_slot(rule_of(UNWIND_BASE_SP, 3), 0, 1)), UNWIND_STEP_OK),
			"frame %d", i);
		assert_caller(at(word + 3), RA + word);
		cr_assert(eq(u64, regs.reg[UNWIND_X86_RBX], (__u64)word));
	}
}

static void put_small_frames(int word, int n)
{
	for (int i = 0; i < n; i++, word += 3) {
		fake.stack[word + 1] = word;
		fake.stack[word + 2] = RA + word;
	}
}

Test(unwind_step, small_frames_come_with_one_read)
{
	put_small_frames(1, 20);
	step_over_small_frames(1, 20);
	cr_assert(eq(int, fake.n_reads, 2));
}

Test(unwind_step, frame_below_what_was_read)
{
	put_small_frames(100, 1);
	step_over_small_frames(100, 1);
	put_small_frames(97, 1);
	step_over_small_frames(97, 1);
}

Test(unwind_step, what_is_read_ahead_ends_with_the_page)
{
	int words_a_page = UNWIND_PAGE_SIZE / 8;

	cr_assert(eq(u64, at(0) % UNWIND_PAGE_SIZE, 0), "for what follows");
	put_small_frames(words_a_page - 6, 3);
	step_over_small_frames(words_a_page - 6, 2);
	cr_assert(eq(u32, fake.read_len, 5 * 8));
	step_over_small_frames(words_a_page, 1);
}

/* What the frame itself needs is read over the end of a page. */
Test(unwind_step, frame_over_the_end_of_a_page)
{
	int word = UNWIND_PAGE_SIZE / 8 - 2;

	put_small_frames(word, 1);
	step_over_small_frames(word, 1);
	cr_assert(eq(u32, fake.read_len, 2 * 8));
}

/* A copy of a stack may end anywhere. */
Test(unwind_step, what_is_ahead_cannot_be_read)
{
	put_small_frames(FAKE_STACK_WORDS - 6, 2);
	step_over_small_frames(FAKE_STACK_WORDS - 6, 2);
}

Test(unwind_step, addresses_that_are_not_aligned)
{
	char *bytes = (char *)fake.stack;

	for (int off = 1; off < 8; off++) {
		regs.reg[UNWIND_X86_RSP] = at(50);
		fake.stack[50] = RA;
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 1)), UNWIND_STEP_OK));
		regs.reg[UNWIND_X86_RSP] = at(52) + off;
		memcpy(bytes + 8 * 52 + off, &(__u64){ RA + off }, 8);
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 1)), UNWIND_STEP_OK));
		assert_caller(at(53) + off, RA + off);
	}
}

Test(unwind_step, rule_found_in_the_code_marks_the_caller)
{
	set_up();
	fake.stack[101] = RA;
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2) | 1u << UNWIND_BY_CODE_SHIFT),
		     UNWIND_STEP_OK));
	cr_assert(eq(u8, regs.by_fallback, 1));
	regs.by_fallback = 0;
	assert_caller(at(102), RA);
}

Test(unwind_step, cfa_by_frame_pointer)
{
	fake.stack[201] = RA;
	fake.stack[200] = at(300);
	cr_assert(eq(int, step(with_slot(rule_of(UNWIND_BASE_FP, 2), 1, 1)), UNWIND_STEP_OK));
	assert_caller(at(202), RA);
	cr_assert(eq(u64, regs.reg[UNWIND_X86_RBP], at(300)));
}

/* One register saved in one place; the others are as they were. */
static void assert_slot(int slot, int n)
{
	set_up();
	regs.known = 1u << UNWIND_X86_RSP;
	fake.stack[100 + 20 - 1] = RA;
	fake.stack[100 + 20 - (n + 1)] = 0xabcdef;
	cr_assert(eq(int, step(with_slot(rule_of(UNWIND_BASE_SP, 20), slot, n)), UNWIND_STEP_OK));
	assert_caller(at(120), RA);
	for (int i = 0; i < UNWIND_X86_SLOTS; i++) {
		int reg = slot_regs[i];
		__u64 as_it_was = reg == UNWIND_X86_RBP ? at(200) : 0x1000ULL + reg;

		cr_assert(eq(u64, regs.reg[reg], i == slot ? 0xabcdef : as_it_was));
		cr_assert(eq(u32, regs.known >> reg & 1, i == slot), "register %d", reg);
	}
}

Test(unwind_step, each_register_in_each_place)
{
	for (int slot = 0; slot < UNWIND_X86_SLOTS; slot++)
		for (int n = 1; n <= 7; n++)
			assert_slot(slot, n);
}

Test(unwind_step, all_registers_saved)
{
	__u32 rule = rule_of(UNWIND_BASE_SP, 10);

	for (int i = 0; i < UNWIND_X86_SLOTS; i++) {
		rule = with_slot(rule, i, 7 - i);
		fake.stack[100 + 10 - (8 - i)] = 0x5000 + i;
	}
	fake.stack[109] = RA;
	cr_assert(eq(int, step(rule), UNWIND_STEP_OK));
	assert_caller(at(110), RA);
	for (int i = 0; i < UNWIND_X86_SLOTS; i++)
		cr_assert(eq(u64, regs.reg[slot_regs[i]], 0x5000 + i));
	cr_assert(eq(int, fake.n_reads, 1), "what was saved is read at once");
}

/* rbx, rbp, rsp, r12 to r15 outlive a call; others are not known in the caller's frame. */
Test(unwind_step, registers_that_a_call_keeps)
{
	static const int kept[] = { 3, 6, 7, 12, 13, 14, 15 };
	__u32 want = 0;

	for (int i = 0; i < 7; i++)
		want |= 1u << kept[i];
	fake.stack[100] = RA;
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 1)), UNWIND_STEP_OK));
	cr_assert(eq(u32, regs.known, want));
}

Test(unwind_step, base_that_is_not_known)
{
	regs.known = ~(1u << UNWIND_X86_RBP);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2)), UNWIND_STEP_UNSUPPORTED));
	regs.known = ~(1u << UNWIND_X86_RSP);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2)), UNWIND_STEP_UNSUPPORTED));
}

/* By the stack pointer there is no other stack to go to. */
Test(unwind_step, frame_that_does_not_rise)
{
	memset(fake.stack, 0x40, sizeof(fake.stack));
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 0)), UNWIND_STEP_NOT_RISING));
	cr_assert(zero(u8, regs.falls));
	fake.stack[100] = RA; /* by one word it does */
	regs.reg[UNWIND_X86_RBP] = at(99);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2)), UNWIND_STEP_OK));
	cr_assert(zero(u8, regs.falls));
}

/* The function may have gone to another stack, which lies anywhere. */
Test(unwind_step, frame_that_falls)
{
	static const int words[] = { 98, 97, 0 };

	for (int i = 0; i < 3; i++) {
		set_up();
		regs.reg[UNWIND_X86_RBP] = at(words[i]);
		fake.stack[words[i] + 1] = RA;
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2)), UNWIND_STEP_OK));
		assert_caller(at(words[i] + 2), RA);
		cr_assert(eq(u8, regs.falls, 1));
	}
}

Test(unwind_step, frames_do_not_fall_for_ever)
{
	fake.stack[51] = RA;
	for (int i = 0; i < 8; i++) {
		regs.reg[UNWIND_X86_RSP] = at(100);
		regs.reg[UNWIND_X86_RBP] = at(50);
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2)), UNWIND_STEP_OK), "fall %d", i);
	}
	regs.reg[UNWIND_X86_RSP] = at(100);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2)), UNWIND_STEP_NOT_RISING));
	regs.reg[UNWIND_X86_RSP] = at(40);
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2)), UNWIND_STEP_OK), "it rises");
}

Test(unwind_step, frame_that_cannot_be_read)
{
	regs.reg[UNWIND_X86_RBP] = FAKE_STACK_END - 16;
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_FP, 2)), UNWIND_STEP_UNREADABLE));
	/* Its lower part can, or only the return address. */
	regs.reg[UNWIND_X86_RBP] = at(FAKE_STACK_WORDS - 1);
	cr_assert(
		eq(int, step(with_slot(rule_of(UNWIND_BASE_FP, 2), 1, 1)), UNWIND_STEP_UNREADABLE));
	regs.reg[UNWIND_X86_RSP] = FAKE_STACK - 8;
	cr_assert(
		eq(int, step(with_slot(rule_of(UNWIND_BASE_SP, 2), 1, 1)), UNWIND_STEP_UNREADABLE));
}

Test(unwind_step, return_address_that_is_none)
{
	static const __u64 bad[] = { 1, 4095, 1ULL << 56, 0xffffffff81000000ULL, UINT64_MAX };

	for (int i = 0; i < 5; i++) {
		set_up();
		fake.stack[100] = bad[i];
		cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 1)), UNWIND_STEP_BAD_RETURN));
	}
}

/* Whoever starts a thread puts it there. */
Test(unwind_step, return_address_of_zero)
{
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 1)), UNWIND_STEP_ZERO));
}

/* Bit 13: the rule is right as far as the code was understood. */
Test(unwind_step, rule_that_was_found_by_looking_at_the_code)
{
	fake.stack[101] = RA;
	regs.by_fallback = 0;
	cr_assert(eq(int, step(rule_of(UNWIND_BASE_SP, 2) | 1 << 13), UNWIND_STEP_OK));
	cr_assert(eq(u64, regs.reg[UNWIND_X86_RSP], at(102)), "the bit is none of the offset");
	cr_assert(eq(u64, regs.pc, RA));
	cr_assert(regs.by_fallback);
}

/* --- special rules ---------------------------------------------------------------------------- */

static enum unwind_step special(__u32 what)
{
	return unwind_special(&fake, &regs, &scratch, what);
}

Test(unwind_step, rules_that_are_no_step)
{
	struct unwind_regs before = regs;

	cr_assert(eq(int, special(UNWIND_NONE), UNWIND_STEP_NO_RULE));
	cr_assert(eq(int, special(UNWIND_END), UNWIND_STEP_END));
	cr_assert(eq(int, special(UNWIND_UNSUPPORTED), UNWIND_STEP_UNSUPPORTED));
	cr_assert(eq(int, special(UNWIND_UNSUPPORTED + 1), UNWIND_STEP_UNSUPPORTED));
	cr_assert(eq(int, special((1u << 30) - 1), UNWIND_STEP_UNSUPPORTED));
	cr_assert(zero(int, memcmp(&before, &regs, sizeof(regs))));
}

/* An entry jumps, and pushes 8 bytes with its second instruction. */
static void assert_plt(__u32 what, int pushed_from)
{
	for (int i = 0; i < 64; i++) {
		int words = i % 16 >= pushed_from ? 2 : 1;

		set_up();
		regs.pc = FAKE_CODE + i;
		fake.stack[100 + words - 1] = RA;
		cr_assert(eq(int, special(what), UNWIND_STEP_OK), "byte %d", i);
		assert_caller(at(100 + words), RA);
	}
}

Test(unwind_step, plt)
{
	assert_plt(UNWIND_PLT, 11);
	assert_plt(UNWIND_PLT_SEC, 10);
	assert_plt(UNWIND_PLT_IBT, 9);
}

#if defined(__x86_64__)

/* DWARF's number of each register in the order of gregs[]. */
static const int gregs[][2] = {
	{ 0, REG_RAX },	 { 1, REG_RDX },  { 2, REG_RCX },  { 3, REG_RBX },
	{ 4, REG_RSI },	 { 5, REG_RDI },  { 6, REG_RBP },  { 7, REG_RSP },
	{ 8, REG_R8 },	 { 9, REG_R9 },	  { 10, REG_R10 }, { 11, REG_R11 },
	{ 12, REG_R12 }, { 13, REG_R13 }, { 14, REG_R14 }, { 15, REG_R15 },
};

static ucontext_t *handled;

/* The frame that the kernel makes for a handler ends with the context, where the handler's return
 * leaves the stack pointer. */
static void on_signal(int sig, siginfo_t *info, void *ctx)
{
	handled = ctx;
	memcpy(&fake.stack[100], ctx, sizeof(*handled));
}

Test(unwind_step, signal_frame_as_the_kernel_makes_it)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	const ucontext_t *uc = (const ucontext_t *)&fake.stack[100];

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	cr_assert(ne(ptr, handled, NULL));
	regs.known = 1u << UNWIND_X86_RSP;
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_OK));
	for (int i = 0; i < 16; i++)
		cr_assert(eq(u64, regs.reg[gregs[i][0]], uc->uc_mcontext.gregs[gregs[i][1]]),
			  "register %d", i);
	cr_assert(eq(u64, regs.pc, uc->uc_mcontext.gregs[REG_RIP]));
}

#endif

/* Word of the ucontext that holds the program counter. */
#define PC_WORD (5 + 16)

Test(unwind_step, signal_frame)
{
	for (int i = 0; i < 40; i++)
		fake.stack[100 + i] = 0x10000 + i;
	regs.is_exact = regs.by_fallback = 0;
	regs.known = 1u << UNWIND_X86_RSP;
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_OK));
	cr_assert(eq(u64, regs.pc, 0x10000 + PC_WORD));
	cr_assert(regs.is_exact, "it was interrupted, it called nobody");
	cr_assert(not(regs.by_fallback));
	cr_assert(eq(u32, regs.known, UNWIND_KNOWN_ALL));
	/* It may have run on a stack of its own, which lies anywhere. */
	fake.stack[100 + PC_WORD - 1] = at(3);
	set_up();
	fake.stack[100 + PC_WORD - 1] = at(3);
	fake.stack[100 + PC_WORD] = RA;
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_OK));
	cr_assert(eq(u64, regs.reg[UNWIND_X86_RSP], at(3)));
}

Test(unwind_step, signal_frame_that_is_none)
{
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_BAD_RETURN), "all zero");
	regs.reg[UNWIND_X86_RSP] = at(FAKE_STACK_WORDS - 5 - 16);
	cr_assert(eq(int, special(UNWIND_SIGNAL), UNWIND_STEP_UNREADABLE));
}

/* --- extended rules --------------------------------------------------------------------------- */

/* CFA = rsp + 40; the return address lies below it. */
static struct unwind_ext ext_of_cfa(void)
{
	return (struct unwind_ext){
		.cfa = UNWIND_CFA_REG,
		.cfa_reg = UNWIND_X86_RSP,
		.cfa_off = 40,
		.ra = { .where = UNWIND_AT_CFA, .off = -8 },
	};
}

static enum unwind_step step_ext(const struct unwind_ext *ext)
{
	return unwind_ext(&fake, &regs, &scratch, ext);
}

Test(unwind_step, ext_cfa_of_each_register)
{
	for (int reg = 0; reg < UNWIND_REGS; reg++) {
		struct unwind_ext ext = ext_of_cfa();

		set_up();
		ext.cfa_reg = reg;
		ext.cfa_off = -16;
		regs.reg[reg] = at(150);
		fake.stack[147] = RA;
		cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
		assert_caller(at(148), RA);
	}
}

/* rax + 16 leads up in this stack, and below that to behind a call. */
static struct unwind_ext set_up_unknown(void)
{
	struct unwind_ext ext = ext_of_cfa();

	set_up();
	ext.cfa_reg = 0;
	ext.cfa_off = 16;
	regs.reg[0] = at(150);
	regs.known &= ~1u;
	fake.stack[151] = RA;
	memcpy(&fake.code[RA - FAKE_CODE - 2], "\xff\xd0", 2); /* call *%rax */
	return ext;
}

/* Hand-written code whose callees are known to leave the register alone. */
Test(unwind_step, ext_cfa_of_a_register_that_is_not_known)
{
	struct unwind_ext ext = set_up_unknown();

	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	cr_assert(eq(u64, regs.reg[UNWIND_X86_RSP], at(152)));
	cr_assert(eq(u64, regs.pc, RA));
	cr_assert(regs.by_fallback, "it is a guess");

	ext = set_up_unknown(); /* behind no call */
	fake.code[RA - FAKE_CODE - 2] = 0x90;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
	ext = set_up_unknown(); /* not up */
	regs.reg[UNWIND_X86_RSP] = at(152);
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
	ext = set_up_unknown(); /* not aligned */
	ext.cfa_off += 4;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
	ext = set_up_unknown(); /* not in this stack */
	regs.reg[0] = FAKE_STACK_END;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
}

/* OpenSSL's assembly: the caller's stack pointer was saved somewhere. */
Test(unwind_step, ext_cfa_in_memory)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.cfa = UNWIND_CFA_DEREF;
	ext.cfa_off = 64;
	ext.cfa_add = 8;
	fake.stack[108] = at(400);
	fake.stack[400] = RA;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(401), RA);

	set_up();
	ext.cfa_off = 1 << 20;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNREADABLE));
}

Test(unwind_step, ext_caller_may_be_interrupted)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.flags = UNWIND_EXT_EXACT;
	fake.stack[104] = RA;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	cr_assert(eq(u64, regs.pc, RA));
	cr_assert(regs.is_exact);
}

/* What asmcgocall() saves: the depth in a stack and its struct g, or the stack pointer. */
Test(unwind_step, ext_go_back_from_c)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.cfa = UNWIND_CFA_GO_CALL;
	ext.cfa_off = 40;
	ext.cfa_add = 16;
	fake.stack[105] = 8 * 50;
	fake.stack[106] = at(1000);
	fake.stack[1001] = at(600); /* g.stack.hi */
	fake.stack[551] = RA;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(552), RA);

	set_up();
	fake.stack[105] = at(700);
	fake.stack[106] = 0;
	fake.stack[701] = RA;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(702), RA);

	set_up();
	fake.stack[106] = 4096;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNREADABLE));
}

#define G0   1000
#define M    1100
#define CURG 1200
#define BP   12

static const struct unwind_ext go_stack = {
	.cfa = UNWIND_CFA_GO_STACK, .cfa_off = 8 * 20, .cfa_add = 8 * BP, .ra = { .off = 128 }
};

/* Structs that refer to each other; the goroutine is behind a call of @target. */
static void set_up_go(__u64 target)
{
	__s32 rel = (__s32)(target - (FAKE_CODE + 0x1005));

	set_up();
	regs.pc = FAKE_CODE + 0x500;
	regs.reg[14] = at(G0);
	fake.stack[G0 + 6] = at(M);
	fake.stack[M] = at(G0);
	fake.stack[M + 20] = at(CURG);
	fake.stack[CURG + 6] = at(M);
	fake.stack[CURG + 7] = at(300);
	fake.stack[CURG + 8] = FAKE_CODE + 0x1005;
	fake.stack[CURG + BP] = at(310);
	fake.code[0x1000] = 0xe8;
	memcpy(&fake.code[0x1001], &rel, sizeof(rel));
}

Test(unwind_step, ext_finds_the_goroutine_that_gets_a_stack)
{
	set_up_go(FAKE_CODE + 0x520);
	cr_assert(eq(int, step_ext(&go_stack), UNWIND_STEP_OK));
	assert_caller(at(300), FAKE_CODE + 0x1005);
	cr_assert(eq(u64, regs.reg[UNWIND_X86_RBP], at(310)));
	cr_assert(eq(u64, regs.reg[14], at(CURG)));
	cr_assert(eq(u64, regs.known, 1u << 14 | 1u << UNWIND_X86_RSP | 1u << UNWIND_X86_RBP));
}

Test(unwind_step, ext_does_not_take_another_goroutine)
{
	set_up_go(FAKE_CODE + 0x200); /* it waits in mcall() */
	cr_assert(eq(int, step_ext(&go_stack), UNWIND_STEP_END));
	set_up_go(FAKE_CODE + 0x500);
	fake.stack[M + 20] = 0;
	cr_assert(eq(int, step_ext(&go_stack), UNWIND_STEP_END));
}

Test(unwind_step, ext_does_not_believe_what_is_no_goroutine)
{
	set_up_go(FAKE_CODE + 0x500);
	fake.stack[M] = at(CURG);
	cr_assert(eq(int, step_ext(&go_stack), UNWIND_STEP_UNSUPPORTED));
	set_up_go(FAKE_CODE + 0x500);
	fake.stack[CURG + 6] = at(G0);
	cr_assert(eq(int, step_ext(&go_stack), UNWIND_STEP_UNSUPPORTED));
	set_up_go(FAKE_CODE + 0x500);
	regs.known &= ~(1u << 14);
	cr_assert(eq(int, step_ext(&go_stack), UNWIND_STEP_UNSUPPORTED));
	set_up_go(FAKE_CODE + 0x500);
	regs.reg[14] = 8;
	cr_assert(eq(int, step_ext(&go_stack), UNWIND_STEP_UNSUPPORTED));
}

/* OpenSSL's multi-block code: CFA = *(rsp + 16 + 8 * r9) + 8. */
static struct unwind_ext set_up_index(void)
{
	struct unwind_ext ext = ext_of_cfa();

	set_up();
	ext.cfa = UNWIND_CFA_DEREF;
	ext.cfa_off = 16;
	ext.cfa_index = 9 + 1;
	ext.cfa_add = 8;
	regs.reg[9] = 5;
	fake.stack[107] = at(400);
	fake.stack[400] = RA;
	return ext;
}

Test(unwind_step, ext_cfa_in_an_array)
{
	struct unwind_ext ext = set_up_index();

	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(401), RA);

	ext = set_up_index();
	regs.reg[9] = 1 << 20;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNREADABLE));
	ext = set_up_index();
	regs.known &= ~(1u << 9);
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
	ext = set_up_index(); /* register 0 is an index, too */
	ext.cfa_index = 1;
	regs.reg[0] = 5;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(401), RA);
}

Test(unwind_step, ext_frames_do_not_fall_for_ever)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.cfa_reg = UNWIND_X86_RBX;
	fake.stack[54] = RA;
	for (int i = 0; i < 9; i++) {
		regs.reg[UNWIND_X86_RSP] = at(100);
		regs.reg[UNWIND_X86_RBX] = at(50);
		cr_assert(eq(int, step_ext(&ext), i < 8 ? UNWIND_STEP_OK : UNWIND_STEP_NOT_RISING),
			  "fall %d", i);
	}
}

/* Of a rule, or of the place that it leads to. */
Test(unwind_step, ext_flags)
{
	struct unwind_ext ext = ext_of_cfa();

	fake.stack[104] = RA;
	ext.flags = UNWIND_EXT_EXACT;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	cr_assert(regs.is_exact);
	cr_assert(not(regs.by_fallback));

	set_up();
	fake.stack[104] = RA;
	ext.flags = UNWIND_EXT_BY_CODE;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	cr_assert(not(regs.is_exact));
	cr_assert(regs.by_fallback);
}

Test(unwind_step, ext_return_address_in_each_place)
{
	struct unwind_ext ext = ext_of_cfa();

	ext.ra = (struct unwind_place){ .where = UNWIND_AT_REG, .reg = 11, .off = 24 };
	regs.reg[11] = at(300);
	fake.stack[303] = RA;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(105), RA);

	set_up();
	ext.ra = (struct unwind_place){ .where = UNWIND_IN_REG, .reg = 11, .off = 4 };
	regs.reg[11] = RA - 4;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(105), RA);
	cr_assert(zero(int, fake.n_reads));

	set_up();
	ext.ra = (struct unwind_place){ .where = UNWIND_CFA_PLUS, .off = -32 };
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(105), at(101));
}

Test(unwind_step, ext_return_address_that_is_not_to_be_had)
{
	struct unwind_ext ext = ext_of_cfa();
	static const __u8 nowhere[] = { UNWIND_AS_IS, UNWIND_UNKNOWN };

	for (int i = 0; i < 2; i++) {
		ext.ra.where = nowhere[i];
		cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
	}
	regs.known = ~(1u << 11);
	ext.ra = (struct unwind_place){ .where = UNWIND_AT_REG, .reg = 11 };
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
	ext.ra.where = UNWIND_IN_REG;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNSUPPORTED));
	ext = ext_of_cfa();
	ext.cfa_off = 1 << 20;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_UNREADABLE));
	ext.cfa_off = 40;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_ZERO));
	set_up();
	fake.stack[104] = 1;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_BAD_RETURN));
}

/* Each callee-saved register in a place of each kind. */
static void assert_saved(int slot, struct unwind_place place, __u64 want)
{
	struct unwind_ext ext = ext_of_cfa();
	int reg = slot_regs[slot];

	ext.saved[slot] = place;
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	assert_caller(at(105), RA);
	cr_assert(eq(u64, regs.reg[reg], want), "register %d", reg);
	cr_assert(eq(u32, regs.known >> reg & 1, 1));
}

static void set_up_saved(void)
{
	set_up();
	fake.stack[104] = RA;
	fake.stack[102] = 0x7777;
	fake.stack[301] = 0x8888;
	regs.reg[11] = at(300);
	regs.reg[12] = 0x9999;
}

Test(unwind_step, ext_saved_registers)
{
	for (int slot = 0; slot < UNWIND_X86_SLOTS; slot++) {
		set_up_saved();
		assert_saved(slot, (struct unwind_place){ UNWIND_AT_CFA, 0, -24 }, 0x7777);
		set_up_saved();
		assert_saved(slot, (struct unwind_place){ UNWIND_AT_REG, 11, 8 }, 0x8888);
		set_up_saved();
		assert_saved(slot, (struct unwind_place){ UNWIND_IN_REG, 12, 1 }, 0x999a);
		set_up_saved();
		assert_saved(slot, (struct unwind_place){ UNWIND_CFA_PLUS, 0, 16 }, at(107));
		set_up_saved();
		regs.reg[slot_regs[slot]] = 0x1234;
		assert_saved(slot, (struct unwind_place){ UNWIND_AS_IS, 0, 0 }, 0x1234);
	}
}

/* What one register lacks is missed only where it is needed. */
Test(unwind_step, ext_saved_register_that_is_not_to_be_had)
{
	static const struct unwind_place places[] = {
		{ UNWIND_UNKNOWN, 0, 0 },
		{ UNWIND_AT_CFA, 0, -32000 },
		{ UNWIND_AT_REG, 10, 0 },
		{ UNWIND_IN_REG, 10, 0 },
	};

	for (int slot = 0; slot < UNWIND_X86_SLOTS; slot++)
		for (int i = 0; i < 4; i++) {
			struct unwind_ext ext = ext_of_cfa();

			set_up_saved();
			regs.known &= ~(1u << 10);
			ext.saved[slot] = places[i];
			cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
			cr_assert(eq(u32, regs.known, UNWIND_KEPT & ~(1u << slot_regs[slot])));
		}
}

/* Registers refer to those of this frame, whichever was found first. */
Test(unwind_step, ext_registers_are_exchanged_at_once)
{
	struct unwind_ext ext = ext_of_cfa();

	set_up_saved();
	regs.reg[3] = 0x3333;
	regs.reg[12] = 0xcccc;
	regs.reg[15] = 0xffff;
	ext.saved[0] = (struct unwind_place){ UNWIND_IN_REG, 12, 0 };
	ext.saved[2] = (struct unwind_place){ UNWIND_IN_REG, 15, 0 };
	ext.saved[5] = (struct unwind_place){ UNWIND_IN_REG, 3, 0 };
	cr_assert(eq(int, step_ext(&ext), UNWIND_STEP_OK));
	cr_assert(eq(u64, regs.reg[3], 0xcccc));
	cr_assert(eq(u64, regs.reg[12], 0xffff));
	cr_assert(eq(u64, regs.reg[15], 0x3333));
	cr_assert(eq(u32, regs.known, UNWIND_KEPT));
}
