/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/go_table.h"

#include <criterion/criterion.h>
#include <elf.h>

#include "go_samples.h"
#include "leak_check.h"

TestSuite(go_table, .fini = leak_check);

#define SP(cfa)	      (UNWIND_BASE_SP | (cfa) / 8 << UNWIND_CFA_SHIFT)
#define RBP_SAVED     (1u << (UNWIND_X86_SLOT_SHIFT + UNWIND_X86_SLOT_BITS))
#define BY_RBP	      (UNWIND_BASE_FP | 16 / 8 << UNWIND_CFA_SHIFT | RBP_SAVED)
#define A64(saved, n) ((saved) << UNWIND_A64_SAVED_SHIFT | (n) / 8 << UNWIND_A64_AT_SHIFT)
#define UNSUPPORTED   UNWIND_RULE_SPECIAL(UNWIND_UNSUPPORTED)
#define END	      UNWIND_RULE_SPECIAL(UNWIND_END)

/* push %rbp; mov %rsp, %rbp; sub $16, %rsp; nop…; add $16, %rsp; pop %rbp; ret */
#define CODE                                                                                       \
	"\x55\x48\x89\xe5\x48\x83\xec\x10\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x48"         \
	"\x83\xc4\x10\x5d\xc3\xcc\xcc\xcc\xcc\xcc\xcc\xcc"
/* 0 for 1, 8 for 7, 24 for 15, 8 for 1, 0 for 1 */
#define FRAMED "\x02\x01\x10\x07\x20\x0f\x1f\x01\x0f\x01"
/* sub $24, %rsp; mov %rbp, 16(%rsp); lea 16(%rsp), %rbp; nop…; add $24, %rsp; ret */
#define OLD_CODE                                                                                   \
	"\x48\x83\xec\x18\x48\x89\x6c\x24\x10\x48\x8d\x6c\x24\x10\x90\x90\x90\x90\x48\x8b"         \
	"\x6c\x24\x10\x48\x83\xc4\x18\xc3\xcc\xcc\xcc\xcc"
#define OLD_FRAMED "\x02\x04\x30\x17\x2f\x01"

#define SPANS_MAX 32

static struct go_sample sample;
static struct fde_span spans[SPANS_MAX];
static size_t n_spans;
static size_t budget = 1 << 20;
static uint64_t bad;

static int take(void *arg, const struct fde_span *span)
{
	cr_assert_lt(n_spans, SPANS_MAX);
	cr_assert_lt(span->from, span->to);
	cr_assert(n_spans == 0 || spans[n_spans - 1].to == span->from);
	spans[n_spans++] = *span;
	return 0;
}

static struct go_table *open_table(const char *code, size_t len, const struct go_sample_func *f,
				   size_t n, uint16_t machine)
{
	struct byte_source source = { .mem = (const uint8_t *)code,
				      .span = { .size = len, .vaddr = GO_TEXT } };
	struct go_table *t = NULL;

	go_sample_make(&sample, GOPCLNTAB_120, machine == EM_X86_64 ? 1 : 4, f, n, len);
	cr_assert_eq(go_table_of(&sample.source, &source, machine, &t), 0);
	return t;
}

/* All spans of @from … @to, bytes of code. */
static void walk(struct go_table *t, uint64_t from, uint64_t to)
{
	const struct fde_range range = { GO_TEXT + from, GO_TEXT + to, &budget, &bad };

	n_spans = 0;
	cr_assert_eq(go_table_range(t, &range, take, NULL), 0);
	cr_assert_eq(spans[0].from, range.from);
	cr_assert_eq(spans[n_spans - 1].to, range.to);
}

static uint32_t rule_at(uint64_t pc)
{
	for (size_t i = 0; i < n_spans; i++)
		if (spans[i].to > GO_TEXT + pc)
			return spans[i].rule;
	return UINT32_MAX;
}

static const struct unwind_ext *ext_at(uint64_t pc)
{
	for (size_t i = 0; i < n_spans; i++)
		if (spans[i].to > GO_TEXT + pc)
			return &spans[i].ext;
	return NULL;
}

/* A plain function, and after it one with the same code that is called otherwise. */
static void walk_with(const char *name, uint8_t flags)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED),
					    { name, 32, flags, FRAMED, sizeof(FRAMED) } };
	CLEANUP(go_table_freep) struct go_table *t = open_table(CODE CODE, 64, f, 2, EM_X86_64);

	walk(t, 0, 64);
}

Test(go_table, saves_rbp_from_the_push_to_the_pop)
{
	walk_with("main.g", 0);
	cr_assert_eq(rule_at(0), SP(8));
	cr_assert_eq(rule_at(1), SP(16) | RBP_SAVED);
	cr_assert_eq(rule_at(7), SP(16) | RBP_SAVED);
	cr_assert_eq(rule_at(8), SP(32) | RBP_SAVED);
	cr_assert_eq(rule_at(22), SP(32) | RBP_SAVED);
	cr_assert_eq(rule_at(23), SP(16) | RBP_SAVED);
	cr_assert_eq(rule_at(24), SP(8));
	cr_assert_eq(rule_at(25), UNWIND_RULE_SPECIAL(UNWIND_NONE), "padding");
	cr_assert_eq(rule_at(32), SP(8));
}

Test(go_table, begins_in_the_middle_of_a_function)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED) };
	CLEANUP(go_table_freep) struct go_table *t = open_table(CODE, 32, f, 1, EM_X86_64);

	walk(t, 10, 12);
	cr_assert_eq(n_spans, 1);
	cr_assert_eq(spans[0].rule, SP(32) | RBP_SAVED);
	cr_assert(spans[0].covered);
}

Test(go_table, covers_nothing_outside)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED) };
	CLEANUP(go_table_freep) struct go_table *t = open_table(CODE, 32, f, 1, EM_X86_64);

	walk(t, -16, 1);
	cr_assert_eq(n_spans, 2);
	cr_assert_not(spans[0].covered);
	cr_assert_eq(spans[0].to, GO_TEXT);
	walk(t, 32, 64);
	cr_assert_not(spans[0].covered);
}

Test(go_table, knows_the_frames_of_go_before_1_21)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, OLD_FRAMED) };
	CLEANUP(go_table_freep) struct go_table *t = open_table(OLD_CODE, 32, f, 1, EM_X86_64);

	walk(t, 0, 32);
	cr_assert_eq(rule_at(3), SP(8));
	cr_assert_eq(rule_at(4), SP(32), "not saved yet");
	cr_assert_eq(rule_at(9), SP(32) | RBP_SAVED);
	cr_assert_eq(rule_at(26), SP(32) | RBP_SAVED);
	cr_assert_eq(rule_at(27), SP(8));
}

Test(go_table, ends_in_outermost_functions)
{
	walk_with("runtime.other", GOFUNC_TOP_FRAME);
	cr_assert_eq(rule_at(40), END);
	walk_with("runtime.goexit", 0);
	cr_assert_eq(rule_at(32), END);
	walk_with("runtime.sigtramp", GOFUNC_TOP_FRAME);
	cr_assert_eq(rule_at(40), SP(32) | RBP_SAVED);
	walk_with("runtime.sigreturn", 0);
	cr_assert_eq(rule_at(40), UNWIND_RULE_SPECIAL(UNWIND_SIGNAL));
}

Test(go_table, does_not_guess_where_the_stack_pointer_is)
{
	walk_with("crypto.f", GOFUNC_SP_WRITE);
	cr_assert_eq(rule_at(32), SP(8));
	cr_assert_eq(rule_at(33), UNSUPPORTED);
	cr_assert_eq(rule_at(56), UNSUPPORTED);
}

Test(go_table, goes_by_rbp_where_the_runtime_keeps_it)
{
	walk_with("runtime.systemstack", GOFUNC_SP_WRITE);
	cr_assert_eq(rule_at(32), SP(8));
	cr_assert_eq(rule_at(33), SP(16) | RBP_SAVED);
	cr_assert_eq(rule_at(36), BY_RBP);
	cr_assert_eq(rule_at(54), BY_RBP);
	cr_assert_eq(rule_at(56), SP(8));
}

Test(go_table, marks_what_was_made_to_look_called)
{
	walk_with("runtime.sigpanic", 0);
	cr_assert_eq(rule_at(40), UNWIND_RULE_EXT(0));
	cr_assert_eq(ext_at(40)->flags, UNWIND_EXT_EXACT);
	cr_assert_eq(ext_at(40)->cfa_off, 32);
	cr_assert_eq(ext_at(40)->saved[1].where, UNWIND_AT_CFA);
	cr_assert_eq(ext_at(40)->saved[1].off, -16);
}

/* mov %rsp, …; mov 0x38(%r14), %rsp; then it is on another stack */
#define LEAVING                                                                                    \
	"\x55\x48\x89\xe5\x49\x8b\x66\x38\xff\xd0\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90\x90" \
	"\x90\x90\x5d\xc3\xcc\xcc\xcc\xcc\xcc\xcc"
#define LEAVING_VALUES "\x02\x01\x10\x18\x0f\x01"

static void walk_leaving(const char *name)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED),
					    { name, 32, GOFUNC_SP_WRITE, LEAVING_VALUES,
					      sizeof(LEAVING_VALUES) } };
	CLEANUP(go_table_freep) struct go_table *t = open_table(CODE LEAVING, 64, f, 2, EM_X86_64);

	walk(t, 0, 64);
}

Test(go_table, ends_where_a_goroutine_is_left)
{
	walk_leaving("runtime.mcall");
	cr_assert_eq(rule_at(32 + 7), SP(16) | RBP_SAVED);
	cr_assert_eq(rule_at(32 + 8), END);
	walk_leaving("runtime.gogo");
	cr_assert_eq(rule_at(32 + 7), SP(16) | RBP_SAVED);
	cr_assert_eq(rule_at(32 + 8), UNSUPPORTED);
}

/* mov 0x48(%rbx), %rsi; mov %rbp, 0x60(%rdi); mov 0x38(%rbx), %rsp; call */
#define MORESTACK                                                                                  \
	"\x48\x8b\x73\x48\x48\x89\x6f\x60\x48\x8b\x63\x38\xe8\0\0\0\0\x90\x90\x90\x90\x90\x90\x90" \
	"\x90\x90\x90\x90\x90\x90\x90\x90"

Test(go_table, finds_the_goroutine_behind_morestack)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED),
					    GO_FUNC("runtime.morestack", 32, GOFUNC_SP_WRITE,
						    "\x02\x20") };
	CLEANUP(go_table_freep)
	struct go_table *t = open_table(CODE MORESTACK, 64, f, 2, EM_X86_64);

	walk(t, 0, 64);
	cr_assert_eq(rule_at(32 + 11), SP(8));
	cr_assert_eq(rule_at(32 + 16), UNWIND_RULE_EXT(0));
	cr_assert_eq(ext_at(32 + 16)->cfa, UNWIND_CFA_GO_STACK);
	cr_assert_eq(ext_at(32 + 16)->cfa_off, 0xb8);
	cr_assert_eq(ext_at(32 + 16)->cfa_add, 0x60);
	cr_assert_eq(ext_at(32 + 16)->ra.off, 32);
}

/* …; mov %rdi, 8(%rsp); mov %rdi, (%rsp); call; mov %rsi, %rsp */
#define ASMCGOCALL                                                                                 \
	"\x55\x48\x89\xe5\x48\x89\x7c\x24\x08\x48\x89\x3c\x24\xe8\0\0\0\0\x48\x89\xf4\x90\x90\x90" \
	"\x5d\xc3\xcc\xcc\xcc\xcc\xcc\xcc"

Test(go_table, goes_back_from_c_by_what_was_saved)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED),
					    GO_FUNC("runtime.asmcgocall", 32, GOFUNC_SP_WRITE,
						    LEAVING_VALUES) };
	CLEANUP(go_table_freep)
	struct go_table *t = open_table(CODE ASMCGOCALL, 64, f, 2, EM_X86_64);

	walk(t, 0, 64);
	cr_assert_eq(rule_at(32 + 12), BY_RBP);
	cr_assert_eq(rule_at(32 + 13), UNWIND_RULE_EXT(0));
	cr_assert_eq(ext_at(32 + 13)->cfa, UNWIND_CFA_GO_CALL);
	cr_assert_eq(ext_at(32 + 13)->cfa_off, 0);
	cr_assert_eq(ext_at(32 + 13)->cfa_add, 16);
	cr_assert_eq(rule_at(32 + 18), UNWIND_RULE_EXT(0), "before mov %%rsi, %%rsp");
	cr_assert_eq(rule_at(32 + 19), BY_RBP);
}

/* str x30, [sp, #-32]!; stur x29, [sp, #-8]; sub x29, sp, #8; nop; …; ret */
#define A64_CODE                                                                                   \
	"\xfe\x0f\x1e\xf8\xfd\x83\x1f\xf8\xfd\x23\x00\xd1\x1f\x20\x03\xd5\x1f\x20\x03\xd5"         \
	"\xfd\x83\x5f\xf8\xfe\x07\x42\xf8\xc0\x03\x5f\xd6"
#define A64_VALUES "\x02\x01\x40\x06\x3f\x01"

Test(go_table, knows_the_frames_of_aarch64)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, A64_VALUES) };
	CLEANUP(go_table_freep) struct go_table *t = open_table(A64_CODE, 32, f, 1, EM_AARCH64);

	walk(t, 0, 32);
	cr_assert_eq(rule_at(0), SP(0));
	cr_assert_eq(rule_at(4), SP(32) | A64(UNWIND_A64_LR, 32));
	cr_assert_eq(rule_at(8), SP(32) | A64(UNWIND_A64_PAIR, 40));
	cr_assert_eq(rule_at(24), SP(32) | A64(UNWIND_A64_PAIR, 40));
	cr_assert_eq(rule_at(28), SP(0));
}

Test(go_table, describes_frames_that_no_plain_rule_can)
{
	/* 0 for 1, 8 for 7, 65544 for 24 */
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0,
						    "\x02\x01\x10\x07\x80\x80\x08\x18") };
	CLEANUP(go_table_freep) struct go_table *t = open_table(CODE, 32, f, 1, EM_X86_64);

	walk(t, 0, 32);
	cr_assert_eq(rule_at(8), UNWIND_RULE_EXT(0));
	cr_assert_eq(ext_at(8)->cfa_off, 65552);
	cr_assert_eq(ext_at(8)->ra.off, -8);
}

Test(go_table, refuses_a_table_of_other_code)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED) };
	struct byte_source source = { .mem = (const uint8_t *)OLD_CODE,
				      .span = { .size = 32, .vaddr = GO_TEXT } };
	struct go_table *t = NULL;

	go_sample_make(&sample, GOPCLNTAB_120, 1, f, 1, 32);
	cr_assert_eq(go_table_of(&sample.source, &source, EM_X86_64, &t), -ENODATA);
	cr_assert_eq(go_table_of(&sample.source, &source, EM_AARCH64, &t), -ENODATA);
	cr_assert_eq(go_table_of(&sample.source, &source, EM_RISCV, &t), -ENODATA);
}

Test(go_table, keeps_its_budget)
{
	const struct go_sample_func f[] = { GO_FUNC("main.f", 0, 0, FRAMED) };
	CLEANUP(go_table_freep) struct go_table *t = open_table(CODE, 32, f, 1, EM_X86_64);

	budget = 20;
	walk(t, 0, 32);
	cr_assert_eq(budget, 0);
	cr_assert_eq(rule_at(0), SP(8));
	cr_assert_eq(rule_at(20), UNSUPPORTED);
}

Test(go_table, counts_functions_that_are_malformed)
{
	const struct go_sample_func f[] = {
		GO_FUNC("main.a", 0, 0, FRAMED),
		GO_FUNC("main.b", 32, 0, FRAMED),
		GO_FUNC("main.c", 64, 0, FRAMED),
		GO_FUNC("main.d", 96, 0, FRAMED),
		GO_FUNC("main.e", 128, 0, "\xff\xff\xff\xff\xff\xff"),
	};
	CLEANUP(go_table_freep)
	struct go_table *t = open_table(CODE CODE CODE CODE CODE, 160, f, 5, EM_X86_64);

	walk(t, 96, 160);
	cr_assert_eq(bad, 1);
	cr_assert_eq(rule_at(96 + 8), SP(32) | RBP_SAVED);
	cr_assert_eq(rule_at(130), UNSUPPORTED);
}
