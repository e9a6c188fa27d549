/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over stacks of x86_64; on whatever machine. */
#define UNWIND_ARCH_X86_64
#include "walk_fake.h"

#include "leak_check.h"

/* Functions: each 256 bytes, of one rule. The walk begins in F1. */
#define F(i) (FAKE_CODE + 256 * (i))

#define BY_SP(words) ((words) << 2 | UNWIND_BASE_SP)

TestSuite(unwind_walk, .init = walk_reset, .fini = leak_check);

/* F(@i) has a rule of its own. */
static void set_rule(int i, __u32 rule)
{
	add_rule(F(i), F(i + 1), rule);
}

/* --- by rules --------------------------------------------------------------------------------- */

Test(unwind_walk, to_the_entry)
{
	set_rule(1, BY_SP(4));
	set_rule(2, BY_SP(1));
	set_rule(3, RULE_END);
	fake.stack[103] = F(2) + 9;
	fake.stack[104] = F(3) + 1;
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(2) + 9, F(3) + 1);
}

/* Nothing of the walk before is left, which went over another stack at the same place. */
Test(unwind_walk, over_another_stack)
{
	struct unwind_regs regs = walk.regs;

	set_rule(1, BY_SP(1));
	set_rule(2, RULE_END);
	set_rule(3, RULE_END);
	fake.stack[100] = F(2) + 1;
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(2) + 1);
	fake.stack[100] = F(3) + 1;
	walk.regs = regs;
	unwind_start(&walk, 0);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(3) + 1);
}

/* exit(), abort(): the compiler knows that they do not return, and has nothing behind the call. */
Test(unwind_walk, call_as_last_instruction)
{
	set_rule(1, BY_SP(1));
	set_rule(2, BY_SP(2));
	set_rule(3, RULE_END);
	set_rule(4, UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED));
	fake.stack[100] = F(3); /* in F(2), not where F(3) begins */
	fake.stack[102] = F(4);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(3), F(4));
	cr_assert(eq(u64, fake.looked_up, F(4) - 1));
}

/* A signal comes before any instruction, as the first of a function. */
Test(unwind_walk, what_a_signal_interrupted_is_exact)
{
	const int context = 102;

	set_rule(1, BY_SP(2)); /* the handler */
	set_rule(2, RULE_SIGNAL);
	set_rule(3, UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED));
	set_rule(4, BY_SP(1));
	set_rule(5, RULE_END);
	fake.stack[101] = F(2) + 1; /* what it returns to begins here; found by the byte before */
	fake.stack[context + 5 + 15] = at(300);
	fake.stack[context + 5 + 16] = F(4);
	fake.stack[300] = F(5) + 1;
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(2) + 1, F(4) | FRAME_EXACT, F(5) + 1);
}

/* The kernel notes where a system call returns to: behind the trampoline, whose last it is. */
Test(unwind_walk, trampoline_that_is_in_its_system_call)
{
	const int context = 100;

	set_rule(0, RULE_SIGNAL); /* what it returns to begins here */
	set_rule(4, RULE_END);
	fake.stack[context + 5 + 15] = at(300);
	fake.stack[context + 5 + 16] = F(4);
	set_rule(1, RULE_NONE);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(4) | FRAME_EXACT);
}

/* A function without rules does not take those of the one before it. */
Test(unwind_walk, first_byte_of_a_function_without_rules)
{
	set_rule(0, RULE_END);
	set_rule(1, RULE_NONE);
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
	ASSERT_FRAMES(F(1) | FRAME_EXACT);
}

Test(unwind_walk, extended_rule)
{
	set_rule(1, UNWIND_RULE_EXT(3));
	fake.rules[0].rule.ext = (struct unwind_ext){ .cfa_reg = UNWIND_SP,
						      .cfa_off = 32,
						      .ra = { UNWIND_AT_CFA, 0, -16 } };
	set_rule(2, RULE_END);
	fake.stack[102] = F(2) + 1;
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(2) + 1);
}

Test(unwind_walk, each_end)
{
	static const struct {
		__u32 rule;
		__u64 ra;
		enum user_end end;
	} cases[] = {
		{ RULE_END, 0, USER_END_ENTRY },
		{ UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED), 0, USER_END_UNSUPPORTED },
		{ UNWIND_RULE_SPECIAL(99), 0, USER_END_UNSUPPORTED },
		{ BY_SP(0), 0, USER_END_NOT_RISING },
		{ BY_SP(2047), 0, USER_END_UNREADABLE },
		{ BY_SP(1), 0, USER_END_ZERO },
		{ BY_SP(1), 1, USER_END_BAD_RETURN },
		{ BY_SP(1), 0x300000, USER_END_BAD_RETURN },
		{ RULE_NONE, 0, USER_END_NO_RULE },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		walk_reset();
		set_rule(1, cases[i].rule);
		walk.regs.reg[UNWIND_SP] = at(FAKE_STACK_WORDS - 100);
		fake.stack[FAKE_STACK_WORDS - 100] = cases[i].ra;
		cr_assert(eq(int, walk_on(), cases[i].end), "case %zu", i);
		ASSERT_FRAMES(F(1) | FRAME_EXACT);
	}
}

/* --- rows that are not there ------------------------------------------------------------------ */

Test(unwind_walk, rows_that_are_not_loaded)
{
	struct unwind_regs regs;

	set_rule(1, BY_SP(1));
	add_found(F(2), F(3), UNWIND_NOT_LOADED);
	fake.stack[100] = F(2) + 7;
	cr_assert(eq(int, walk_on(), USER_END_NOT_LOADED));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(2) + 7);
	cr_assert(eq(u64, walk.regs.pc, F(2) + 7), "its registers, to go on with");
	cr_assert(eq(u64, walk.regs.reg[UNWIND_SP], at(101)));

	/* As user space goes on: the last frame once more. */
	regs = walk.regs;
	fake.rules[1] = (struct fake_rule){ F(2), F(3), UNWIND_FOUND, { RULE_END, { 0 } } };
	walk.regs = regs;
	walk.n--;
	walk.end = USER_END_NONE;
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(2) + 7);
}

/* --- code that is none ------------------------------------------------------------------------ */

Test(unwind_walk, return_address_in_no_code_is_no_frame)
{
	set_rule(1, BY_SP(1));
	fake.stack[100] = 0x7000000;
	cr_assert(eq(int, walk_on(), USER_END_BAD_RETURN));
	ASSERT_FRAMES(F(1) | FRAME_EXACT);
}

static void add_fp_frame(int word, __u64 fp, __u64 ra);

/* A jump through a bad pointer: who jumped is not to be known, whatever the registers say. */
Test(unwind_walk, program_counter_in_no_code)
{
	walk.regs.pc = 0x10;
	walk.regs.reg[UNWIND_FP] = at(110);
	add_fp_frame(110, 0, F(2) + 8);
	set_rule(2, RULE_END);
	cr_assert(eq(int, walk_on(), USER_END_NO_CODE));
	ASSERT_FRAMES(0x10 | FRAME_EXACT);
}

/* --- return addresses behind no function ------------------------------------------------------ */

/* makecontext(3) lets the outermost function return to the begin of another one. */
Test(unwind_walk, return_address_where_a_table_begins)
{
	set_rule(1, BY_SP(1));
	set_rule(2, RULE_NONE);
	set_rule(3, RULE_END);
	fake.stack[100] = F(3);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(3));
	cr_assert(eq(u64, fake.looked_up, F(3)));
}

/* Of any other code it means that the way here was wrong, and the stack is not whole. */
Test(unwind_walk, return_address_where_another_table_begins)
{
	set_rule(1, BY_SP(1));
	set_rule(2, RULE_NONE);
	set_rule(3, BY_SP(1));
	fake.stack[100] = F(3);
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(3));
}

/* musl's, of which no table says anything: nor of the byte before it. */
Test(unwind_walk, signal_trampoline_behind_code_without_rules)
{
	const int context = 101;

	set_rule(1, BY_SP(1)); /* the handler */
	set_rule(2, RULE_NONE);
	set_rule(3, RULE_SIGNAL);
	set_rule(4, RULE_END);
	fake.stack[100] = F(3);
	fake.stack[context + 5 + 15] = at(300);
	fake.stack[context + 5 + 16] = F(4);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(3) | FRAME_EXACT, F(4) | FRAME_EXACT);
}

Test(unwind_walk, no_rule_on_either_side_of_a_return_address)
{
	static const int found[] = { UNWIND_FOUND, UNWIND_NOT_CODE };

	for (int i = 0; i < 2; i++) {
		walk_reset();
		set_rule(1, BY_SP(1));
		set_rule(2, RULE_NONE);
		if (found[i] == UNWIND_FOUND)
			set_rule(3, RULE_NONE);
		set_rule(4, RULE_END);
		fake.stack[100] = F(3);
		walk.regs.reg[UNWIND_FP] = at(110);
		add_fp_frame(110, 0, F(4) + 16);
		cr_assert(eq(int, walk_on(), USER_END_ENTRY));
		ASSERT_FRAMES(F(1) | FRAME_EXACT, F(3), (F(4) + 16) | FRAME_BY_FALLBACK);
	}
}

Test(unwind_walk, rows_of_what_is_returned_to_are_not_loaded)
{
	set_rule(1, BY_SP(1));
	set_rule(2, RULE_NONE);
	add_found(F(3), F(4), UNWIND_NOT_LOADED);
	fake.stack[100] = F(3);
	cr_assert(eq(int, walk_on(), USER_END_NOT_LOADED));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, F(3));
}

/* What was interrupted is looked up where it is, and nowhere else. */
Test(unwind_walk, no_rule_for_what_was_interrupted)
{
	walk.regs.pc = F(2) - 1;
	set_rule(1, RULE_NONE);
	set_rule(2, RULE_END);
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
	cr_assert(eq(u64, fake.looked_up, F(2) - 2), "nothing behind it");
}

/* --- by frame pointer ------------------------------------------------------------------------- */

static void put_code(__u64 end, const char *bytes, size_t n)
{
	memset(fake.code + (end - 8 - FAKE_CODE), 0x90, 8);
	memcpy(fake.code + (end - n - FAKE_CODE), bytes, n);
}

/* A frame of @word: its caller's frame pointer, and a return address behind a call. */
static void add_fp_frame(int word, __u64 fp, __u64 ra)
{
	fake.stack[word] = fp;
	fake.stack[word + 1] = ra;
	put_code(ra, "\xff\xd0", 2);
}

/* F(1) has no rule, and a frame; its caller F(2) is an entry. */
static void set_fp_walk(void)
{
	walk_reset();
	set_rule(1, RULE_NONE);
	set_rule(2, RULE_END);
	walk.regs.reg[UNWIND_FP] = at(110);
	add_fp_frame(110, at(120), F(2) + 16);
}

static void assert_refused(void)
{
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
	ASSERT_FRAMES(F(1) | FRAME_EXACT);
}

Test(unwind_walk, frame_pointer_where_there_is_no_rule)
{
	set_fp_walk();
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK);
}

Test(unwind_walk, registers_of_the_caller_by_frame_pointer)
{
	__u64 frame;

	set_fp_walk();
	unwind_frame(&fake, &walk, &frame);
	cr_assert(eq(u64, walk.regs.reg[UNWIND_SP], at(112)));
	cr_assert(eq(u64, walk.regs.reg[UNWIND_FP], at(120)));
	cr_assert(eq(u32, walk.regs.known, 1u << UNWIND_SP | 1u << UNWIND_FP));
}

/* A rule goes on from there, and the mark is that frame's only. */
Test(unwind_walk, by_turns)
{
	set_fp_walk();
	fake.n_rules = 0;
	set_rule(1, RULE_NONE);
	set_rule(2, BY_SP(3));
	set_rule(3, RULE_NONE);
	set_rule(4, RULE_END);
	fake.stack[114] = F(3) + 1;
	add_fp_frame(120, 0, F(4) + 20);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK, F(3) + 1,
		      (F(4) + 20) | FRAME_BY_FALLBACK);
}

/*
 * V8: between the frame of a function and its caller's lie arguments that a trampoline has pushed.
 * What was found out about the caller by looking at its code counts from the stack pointer, which
 * is not known; a table would not have let the trampoline do so.
 */
Test(unwind_walk, frame_pointer_before_a_rule_by_code)
{
	const __u32 by_code = BY_SP(3) | 1u << UNWIND_BY_CODE_SHIFT;

	set_fp_walk();
	fake.n_rules = 0;
	set_rule(1, RULE_NONE);
	set_rule(2, by_code);
	set_rule(4, RULE_END);
	fake.stack[114] = F(3) + 1; /* what the rule would find */
	add_fp_frame(120, 0, F(4) + 20);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK,
		      (F(4) + 20) | FRAME_BY_FALLBACK);
}

/* Without a frame pointer to be believed the rule is the best there is, and so it is elsewhere. */
Test(unwind_walk, rule_by_code_where_no_frame_pointer_helps)
{
	const __u32 by_code = BY_SP(3) | 1u << UNWIND_BY_CODE_SHIFT;

	set_fp_walk();
	fake.n_rules = 0;
	set_rule(1, RULE_NONE);
	set_rule(2, by_code);
	set_rule(3, by_code);
	set_rule(4, RULE_END);
	fake.stack[114] = F(3) + 16; /* at(120) is no frame */
	fake.stack[117] = F(4) + 20;
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK,
		      (F(3) + 16) | FRAME_BY_FALLBACK, (F(4) + 20) | FRAME_BY_FALLBACK);
}

Test(unwind_walk, frame_pointer_at_the_stack_pointer)
{
	set_fp_walk();
	walk.regs.reg[UNWIND_SP] = at(110);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
}

Test(unwind_walk, frame_pointer_below_the_stack_pointer)
{
	set_fp_walk();
	walk.regs.reg[UNWIND_SP] = at(111);
	assert_refused();
}

Test(unwind_walk, frame_pointer_that_is_not_aligned)
{
	for (int i = 1; i < 8; i++) {
		set_fp_walk();
		walk.regs.reg[UNWIND_FP] += i;
		assert_refused();
	}
}

Test(unwind_walk, frame_pointer_outside_of_the_stack)
{
	static const __u64 bad[] = { FAKE_STACK_END, FAKE_STACK_END - 8, 0x7fff00000000ULL,
				     1ULL << 60, UINT64_MAX - 7 };

	for (int i = 0; i < 5; i++) {
		set_fp_walk();
		walk.regs.reg[UNWIND_FP] = bad[i];
		assert_refused();
	}
	set_fp_walk();
	walk.regs.reg[UNWIND_SP] = FAKE_STACK - 64; /* which stack would it be? */
	assert_refused();
}

Test(unwind_walk, frame_that_is_not_in_memory)
{
	set_fp_walk();
	walk.regs.reg[UNWIND_FP] = at(FAKE_STACK_WORDS);
	cr_assert(eq(int, walk_on(), USER_END_UNREADABLE));
	ASSERT_FRAMES(F(1) | FRAME_EXACT);
}

Test(unwind_walk, frame_pointer_that_is_not_known)
{
	set_fp_walk();
	walk.regs.known = ~(1u << UNWIND_FP);
	assert_refused();
	set_fp_walk();
	walk.regs.known = ~(1u << UNWIND_FP);
	walk.regs.reg[UNWIND_FP] = 0;
	assert_refused();
}

Test(unwind_walk, return_address_that_is_none)
{
	static const __u64 bad[] = { 0, 4095, 1ULL << 56, UINT64_MAX };

	for (int i = 0; i < 4; i++) {
		set_fp_walk();
		fake.stack[111] = bad[i];
		assert_refused();
	}
}

/* The psABI: "the end of the chain is marked by a frame pointer of zero". */
Test(unwind_walk, frame_pointer_of_zero)
{
	set_fp_walk();
	walk.regs.reg[UNWIND_FP] = 0;
	cr_assert(eq(int, walk_on(), USER_END_ZERO));
	ASSERT_FRAMES(F(1) | FRAME_EXACT);
	/* Also of a caller. */
	set_fp_walk();
	fake.n_rules = 1;
	add_rule(F(2), F(3), RULE_NONE);
	fake.stack[110] = 0;
	cr_assert(eq(int, walk_on(), USER_END_ZERO));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK);
}

/* As an assembler writes them. */
static const struct {
	const char *bytes;
	size_t n;
	int is_call;
} instructions[] = {
	{ "\xe8\x10\x20\x00\x00", 5, 1 },	  /* call rel32 */
	{ "\xff\xd0", 2, 1 },			  /* call *%rax */
	{ "\x41\xff\xd3", 3, 1 },		  /* call *%r11 */
	{ "\xff\x10", 2, 1 },			  /* call *(%rax) */
	{ "\xff\x14\xc3", 3, 1 },		  /* call *(%rbx,%rax,8) */
	{ "\xff\x50\x08", 3, 1 },		  /* call *8(%rax) */
	{ "\xff\x54\x24\x08", 4, 1 },		  /* call *8(%rsp) */
	{ "\xff\x90\x00\x01\x00\x00", 6, 1 },	  /* call *256(%rax) */
	{ "\xff\x15\x34\x12\x00\x00", 6, 1 },	  /* call *f@GOTPCREL(%rip) */
	{ "\x41\xff\x97\x00\x01\x00\x00", 7, 1 }, /* call *256(%r15) */
	{ "\xff\x94\x24\x00\x01\x00\x00", 7, 1 }, /* call *256(%rsp) */
	{ "\xff\x14\xc5\x00\x01\x00\x00", 7, 1 }, /* call *256(,%rax,8) */
	{ "\xff\xe0", 2, 0 },			  /* jmp *%rax */
	{ "\xff\x25\x34\x12\x00\x00", 6, 0 },	  /* jmp *f@GOTPCREL(%rip) */
	{ "\xff\x30", 2, 0 },			  /* push (%rax) */
	{ "\xff\xc0", 2, 0 },			  /* inc %eax */
	{ "\xe9\x10\x20\x00\x00", 5, 0 },	  /* jmp rel32 */
	{ "\x48\x89\xe5", 3, 0 },		  /* mov %rsp,%rbp */
	{ "\xc3", 1, 0 },			  /* ret */
};

Test(unwind_walk, return_address_must_be_behind_a_call)
{
	for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
		set_fp_walk();
		put_code(F(2) + 16, instructions[i].bytes, instructions[i].n);
		if (instructions[i].is_call)
			cr_assert(eq(int, walk_on(), USER_END_ENTRY), "instruction %zu", i);
		else
			assert_refused();
	}
}

/* Interpreters made by a just-in-time compiler push an address and jump. */
Test(unwind_walk, return_address_in_memory_of_a_compiler)
{
	for (int jit = 0; jit < 2; jit++) {
		set_fp_walk();
		put_code(F(2) + 16, "\xc3", 1);
		fake.code_is_jit = jit;
		if (!jit) {
			assert_refused();
			continue;
		}
		cr_assert(eq(int, walk_on(), USER_END_ENTRY));
		ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK);
	}
}

Test(unwind_walk, code_that_cannot_be_read)
{
	set_fp_walk();
	fake.code_is_unreadable = 1;
	put_code(F(2) + 16, "\xc3", 1);
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES(F(1) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK);
}

/* --- leaves ----------------------------------------------------------------------------------- */

/* Before F(2) + 16 a direct call to @target; that address is on top of the stack. */
static void set_leaf_walk(__u64 target)
{
	__s32 rel = target - (F(2) + 16);
	char call[5] = "\xe8";

	walk_reset();
	set_rule(1, RULE_NONE);
	set_rule(2, RULE_END);
	memcpy(call + 1, &rel, 4);
	put_code(F(2) + 16, call, 5);
	fake.stack[100] = F(2) + 16;
	walk.regs.pc = F(1) + 32;
}

static void assert_leaf(__u64 target, int is_leaf)
{
	set_leaf_walk(target);
	if (!is_leaf) {
		cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
		return;
	}
	cr_assert(eq(int, walk_on(), USER_END_ENTRY));
	ASSERT_FRAMES((F(1) + 32) | FRAME_EXACT, (F(2) + 16) | FRAME_BY_FALLBACK);
}

Test(unwind_walk, function_without_rules_that_has_pushed_nothing)
{
	assert_leaf(F(1), 1);
	assert_leaf(F(1) + 32, 1);
	assert_leaf(F(1) + 33, 0);
	assert_leaf(F(1) + 32 - 4096, 1);
	assert_leaf(F(1) + 32 - 4097, 0);
	assert_leaf(F(5), 0);
}

Test(unwind_walk, registers_of_a_leaf_s_caller)
{
	__u64 frame;

	set_leaf_walk(F(1));
	walk.regs.reg[UNWIND_FP] = 0; /* the leaf comes first: it may be the caller's own zero */
	unwind_frame(&fake, &walk, &frame);
	cr_assert(eq(int, walk.end, USER_END_NONE));
	cr_assert(eq(u64, walk.regs.reg[UNWIND_SP], at(101)));
	cr_assert(eq(u64, walk.regs.reg[UNWIND_FP], 0));
	cr_assert(eq(u32, walk.regs.known, UNWIND_KEPT));
}

/* Where a call leads that says it not itself is not known. */
Test(unwind_walk, leaf_behind_an_indirect_call)
{
	set_leaf_walk(F(1));
	put_code(F(2) + 16, "\xff\xd0", 2);
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
}

Test(unwind_walk, leaf_whose_caller_cannot_be_read)
{
	set_leaf_walk(F(1));
	fake.code_is_unreadable = 1;
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
	set_leaf_walk(F(1));
	walk.regs.reg[UNWIND_SP] = FAKE_STACK - 8;
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
}

/* A caller has pushed its return address at least. */
Test(unwind_walk, only_what_was_interrupted_can_be_a_leaf)
{
	set_leaf_walk(F(1));
	walk.regs.is_exact = 0;
	cr_assert(eq(int, walk_on(), USER_END_NO_RULE));
}
