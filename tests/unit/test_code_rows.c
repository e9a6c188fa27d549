/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/code_rows.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "leak_check.h"

TestSuite(code_rows, .fini = leak_check);

#if defined(__x86_64__)

#define TEXT_MAX 4096

/* The bytes of @text, assembled. */
#define CODE(name, text)                                                                           \
	__asm__(".pushsection .rodata\n\t.balign 64\n" #name "_begin:\n\t" text "\n" #name         \
		"_end:\n\t.byte 0\n\t.popsection");                                                \
	extern const uint8_t name##_begin[], name##_end[]

#define FEED_BYTES(name)                                                                           \
	.bytes = name##_begin, .len = (size_t)(name##_end - name##_begin), .vaddr = 0x1000

#define FEED(name, ...)                                                                            \
	feed(&(struct code_rows_input){ FEED_BYTES(name), .begins = true, ##__VA_ARGS__ })
#define FEED_MIDDLE(name) feed(&(struct code_rows_input){ FEED_BYTES(name) })

static const char *const regs[] = { "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
				    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15" };
static const char *const saved[] = { "rbx", "rbp", "r12", "r13", "r14", "r15" };

static void write_place(FILE *f, const char *name, const struct unwind_place *p)
{
	const char *base = p->where == UNWIND_AT_CFA ? "cfa" : regs[p->reg & 15];

	if (p->where == UNWIND_UNKNOWN)
		fprintf(f, " %s=?", name);
	else if (p->where == UNWIND_IN_REG)
		fprintf(f, " %s=%s%+d", name, base, p->off);
	else if (p->where != UNWIND_AS_IS)
		fprintf(f, " %s=%s[%+d]", name, base, p->off);
}

static void write_ext(FILE *f, const struct unwind_ext *ext)
{
	fprintf(f, "%s%+d", regs[ext->cfa_reg & 15], ext->cfa_off);
	if (ext->cfa == UNWIND_CFA_DEREF)
		fprintf(f, "[]%+d", ext->cfa_add);
	write_place(f, "ra", &ext->ra);
	for (int i = 0; i < 6; i++)
		write_place(f, saved[i], &ext->saved[i]);
	cr_assert(eq(u16, ext->flags, UNWIND_EXT_BY_CODE));
}

static void write_short(FILE *f, uint32_t rule)
{
	fprintf(f, "%s+%u", (rule & 3) == UNWIND_BASE_SP ? "sp" : "fp",
		(rule >> UNWIND_CFA_SHIFT & ((1u << UNWIND_CFA_BITS) - 1)) * 8);
	for (int i = 0; i < 6; i++) {
		uint32_t slot = rule >> (UNWIND_X86_SLOT_SHIFT + UNWIND_X86_SLOT_BITS * i) & 7;

		if (slot)
			fprintf(f, " %s@-%u", saved[i], 8 * (slot + 1));
	}
	cr_assert(eq(u32, rule >> UNWIND_BY_CODE_SHIFT & 1, 1));
}

static void write_rule(FILE *f, const struct code_rows *rows, uint32_t rule)
{
	if (rule == UNWIND_RULE_SPECIAL(UNWIND_NONE) || rule == UNWIND_RULE_SPECIAL(UNWIND_END))
		fputs(rule ? "end" : "none", f);
	else if ((rule & 3) == UNWIND_BASE_EXT)
		write_ext(f, &rows->ext.data[rule >> 2]);
	else
		write_short(f, rule);
}

/* All rows, as "byte rule|…". */
static const char *feed(const struct code_rows_input *in)
{
	static char text[TEXT_MAX];
	struct code_rows rows;
	FILE *f = fmemopen(text, sizeof(text), "w");
	int r = code_rows_build(in, &rows);

	cr_assert(zero(int, r));
	for (size_t i = 0; i < rows.rows.n; i++) {
		fprintf(f, "%s%u ", i ? "|" : "", rows.rows.data[i].at);
		write_rule(f, &rows, rows.rows.data[i].rule);
	}
	fclose(f);
	code_rows_clear(&rows);
	return text;
}

#define EXPECT(rows, want) cr_assert(eq(str, (char *)(rows), (char *)(want)))

static const uint32_t first[] = { 0 };
#define SURE .starts = first, .n_starts = 1

/* --- frames ----------------------------------------------------------------------------------- */

CODE(pushes, "push %rbx; push %r12; sub $24, %rsp; mov %rdi, %rbx; mov %rsi, %r12; call *%rdx;"
	     "add $24, %rsp; pop %r12; pop %rbx; ret; int3; int3");

Test(code_rows, pushes_and_pops)
{
	EXPECT(FEED(pushes), "0 sp+8|1 sp+16|3 sp+24|7 sp+48|10 sp+48 rbx@-16|"
			     "13 sp+48 rbx@-16 r12@-24|19 sp+24 rbx@-16 r12@-24|21 sp+16 rbx@-16|"
			     "22 sp+8|23 none");
}

/* The registers are as they were again before the stack is. */
CODE(moves, "sub $24, %rsp; mov %rbx, 8(%rsp); mov %rbp, 16(%rsp); xor %ebx, %ebx; mov %rdi, %rbp;"
	    "call *%rdx; mov 8(%rsp), %rbx; mov 16(%rsp), %rbp; lea 24(%rsp), %rsp; ret");

Test(code_rows, registers_stored_by_moves)
{
	EXPECT(FEED(moves), "0 sp+8|4 sp+32|16 sp+32 rbx@-24|19 sp+32 rbx@-24 rbp@-16|"
			    "26 sp+32 rbp@-16|31 sp+32|36 sp+8|37 none");
}

CODE(frame, "push %rbp; mov %rsp, %rbp; push %rbx; sub %rdi, %rsp; mov %rdi, %rbx; mov %rsp, %rdi;"
	    "call *%rsi; mov -8(%rbp), %rbx; leave; ret");

Test(code_rows, frame_pointer_where_the_stack_pointer_is_unknown)
{
	EXPECT(FEED(frame), "0 sp+8|1 sp+16|4 sp+16 rbp@-16|5 sp+24 rbp@-16|8 fp+16 rbp@-16|"
			    "11 fp+16 rbx@-24 rbp@-16|20 fp+16 rbp@-16|21 sp+8|22 none");
}

/* As GCC aligns the stack: the address of the arguments is kept in the frame. */
CODE(aligned, "lea 8(%rsp), %r10; and $-32, %rsp; push -8(%r10); push %rbp; mov %rsp, %rbp;"
	      "push %r10; sub $40, %rsp; call *%rdi; add $40, %rsp; pop %r10; pop %rbp;"
	      "lea -8(%r10), %rsp; ret");

Test(code_rows, aligned_stack)
{
	EXPECT(FEED(aligned),
	       "0 sp+8|9 r10+0 ra=cfa[-8]|17 r10+0 ra=cfa[-8] rbp=rsp[+0]|"
	       "19 rsp+0[]+0 ra=cfa[-8] rbp=rsp[+8]|"
	       "23 rsp+40[]+0 ra=cfa[-8] rbp=rsp[+48]|"
	       "29 rsp+0[]+0 ra=cfa[-8] rbp=rsp[+8]|"
	       "31 rsp-8[]+0 ra=cfa[-8] rbp=rsp[+0]|32 rsp-16[]+0 ra=cfa[-8]|36 sp+8|"
	       "37 none");
}

/* The stack pointer of the caller is kept in the frame, as in OpenSSL's assembly. */
CODE(kept,
     "mov %rsp, %rax; push %rbx; push %rbp; sub $256, %rsp; and $-64, %rsp;"
     "mov %rax, 200(%rsp); xor %ebx, %ebx; xor %ebp, %ebp; xor %eax, %eax; mov 200(%rsp), %rax;"
     "mov -16(%rax), %rbp; mov -8(%rax), %rbx; lea (%rax), %rsp; ret");

Test(code_rows, stack_pointer_kept_in_memory)
{
	EXPECT(FEED(kept), "0 sp+8|4 sp+16|5 sp+24|12 sp+280|16 rax+8 ra=cfa[-8]|"
			   "24 rsp+200[]+8 ra=cfa[-8]|26 rsp+200[]+8 ra=cfa[-8] rbx=cfa[-16]|"
			   "28 rsp+200[]+8 ra=cfa[-8] rbx=cfa[-16] rbp=cfa[-24]|"
			   "42 rsp+200[]+8 ra=cfa[-8] rbx=cfa[-16]|46 rsp+200[]+8 ra=cfa[-8]|"
			   "49 sp+8|50 none");
}

/* The return address is in a register while the child uses the stack. */
CODE(vforked, "pop %rdx; mov $58, %eax; syscall; push %rdx; ret");

Test(code_rows, return_address_in_a_register)
{
	EXPECT(FEED(vforked), "0 sp+8|1 rsp+0 ra=rdx+0|9 sp+8|10 none");
}

CODE(branches, "push %rbx; mov %rdi, %rbx; test %rdi, %rdi; je 2f; 1: call *%rsi; dec %rbx; jne 1b;"
	       "pop %rbx; ret; nopl 0(%rax); 2: xor %eax, %eax; pop %rbx; ret");

Test(code_rows, branches_and_loops)
{
	EXPECT(FEED(branches), "0 sp+8|1 sp+16|4 sp+16 rbx@-16|17 sp+8|18 none|21 sp+16 rbx@-16|"
			       "24 sp+8|25 none");
}

/* --- ends ------------------------------------------------------------------------------------- */

CODE(start, "xor %rbp, %rbp; mov %rsp, %rdi; and $-16, %rsp; call 1f; .balign 16;"
	    "1: push %rbx; call *%rax; pop %rbx; ret");

Test(code_rows, entry_of_the_program)
{
	EXPECT(FEED(start, .has_entry = true), "0 end|15 none|16 sp+8|17 sp+16|20 sp+8|21 none");
	EXPECT(FEED(start), "16 sp+8|17 sp+16|20 sp+8|21 none");
}

CODE(cloned, "mov $56, %eax; syscall; test %eax, %eax; jne 1f; xor %ebp, %ebp; pop %rdi;"
	     "call *%r9; mov %eax, %edi; mov $60, %eax; syscall; hlt; 1: ret");

Test(code_rows, begin_of_a_thread)
{
	EXPECT(FEED(cloned), "0 sp+8|13 end|27 sp+8|28 none");
}

/* --- more than one ---------------------------------------------------------------------------- */

CODE(two, "sub $8, %rsp; call 1f; add $8, %rsp; ret; .balign 16; 1: push %rbx; mov %edi, %ebx;"
	  "pop %rbx; ret");

Test(code_rows, functions_by_calls_and_by_position)
{
	EXPECT(FEED(two), "0 sp+8|4 sp+16|13 sp+8|14 none|16 sp+8|17 sp+16|19 sp+16 rbx@-16|"
			  "20 sp+8|21 none");
	EXPECT(FEED_MIDDLE(two), "16 sp+8|17 sp+16|19 sp+16 rbx@-16|20 sp+8|21 none");
}

/* Behind the call is another function, which nothing refers to. */
CODE(noreturn, "push %rbx; mov %rdi, %rbx; test %edi, %edi; je 1f; pop %rbx; ret; 1: call *%rsi;"
	       ".balign 16; push %rbp; push %rbx; sub $8, %rsp; call *%rax; add $8, %rsp; pop %rbx;"
	       "pop %rbp; ret");

Test(code_rows, call_that_does_not_return)
{
	EXPECT(FEED(noreturn, SURE),
	       "0 sp+8|1 sp+16|4 sp+16 rbx@-16|9 sp+8|10 sp+16 rbx@-16|12 none|"
	       "16 sp+8|17 sp+16|18 sp+24|22 sp+32|28 sp+24|29 sp+16|30 sp+8|31 none");
}

CODE(table,
     "push %rbx; mov %rdi, %rbx; cmp $2, %edi; ja 9f; jmp *%rax;"
     "1: xor %ebx, %ebx; jmp 9f; 2: mov $1, %eax; pop %rbx; ret; 9: mov %rbx, %rax; pop %rbx;"
     "ret; .balign 16; sub $8, %rsp; add $8, %rsp; ret");

Test(code_rows, places_that_a_jump_table_leads_to)
{
	EXPECT(FEED(table, SURE), "0 sp+8|1 sp+16|4 sp+16 rbx@-16|21 sp+8|22 sp+16 rbx@-16|26 sp+8|"
				  "27 none|32 sp+8|36 sp+16|40 sp+8|41 none");
}

/* --- refused ---------------------------------------------------------------------------------- */

CODE(unbalanced, "push %rbx; sub $8, %rsp; pop %rbx; ret");
CODE(clobbered, "mov %rdi, %rbx; ret");
CODE(swapped, "push %rbx; push %r12; mov %edi, %ebx; mov %edi, %r12d; pop %rbx; pop %r12; ret");
CODE(quarrel, "test %edi, %edi; je 1f; push %rax; 1: call *%rsi; add $8, %rsp; ret");
CODE(lost, "mov (%rdi), %rsp; ret");
CODE(overwritten, "mov %rax, (%rsp); ret");
CODE(popped_by_callee, "ret $8");
CODE(privileged, "wrmsr; ret");
CODE(nonsense, ".byte 0x06, 0x0e, 0xc3");

Test(code_rows, refuses_what_does_not_add_up)
{
	EXPECT(FEED(unbalanced, SURE), "");
	EXPECT(FEED(clobbered, SURE), "");
	EXPECT(FEED(swapped, SURE), "");
	EXPECT(FEED(quarrel, SURE), "");
	EXPECT(FEED(lost, SURE), "");
	EXPECT(FEED(overwritten, SURE), "");
	EXPECT(FEED(popped_by_callee, SURE), "");
	/* A return is proof of where the stack pointer is there. */
	EXPECT(FEED(privileged, SURE), "2 sp+8|3 none");
	EXPECT(FEED(nonsense, SURE), "2 sp+8|3 none");
}

/* Code that nothing is known to lead to may be the middle of a function. */
CODE(endless, "1: call *%rax; jmp 1b");
CODE(uses_rbx, "sub $8, %rsp; mov (%rbx), %rdi; call *%rax; add $8, %rsp; ret");
CODE(misaligned, "call *%rax; ret");
CODE(uses_return_address, "mov (%rsp), %rdi; ret");

Test(code_rows, refuses_what_is_no_begin_of_a_function)
{
	EXPECT(FEED(endless), "");
	EXPECT(FEED(uses_rbx), "");
	EXPECT(FEED(misaligned), "");
	EXPECT(FEED(uses_return_address), "");
	/* But not if a function is known to begin there. */
	EXPECT(FEED(endless, SURE), "0 sp+8|4 none");
	EXPECT(FEED(misaligned, SURE), "0 sp+8|3 none");
}

/* --- bounds ----------------------------------------------------------------------------------- */

Test(code_rows, too_much_code)
{
	struct code_rows rows;

	cr_assert(eq(int,
		     code_rows_build(&(struct code_rows_input){ .len = CODE_ROWS_MAX + 1 }, &rows),
		     -EFBIG));
}

/* Each byte begins a function, and all of them lead through all of the code. */
Test(code_rows, time_is_bounded, .timeout = 20)
{
	enum { LEN = 128 << 10 };
	uint8_t *bytes = malloc(LEN);
	uint32_t *starts = malloc(LEN * sizeof(*starts));
	struct code_rows rows;

	for (uint32_t i = 0; i < LEN; i++) {
		bytes[i] = i % 7 ? 0x50 + i % 8 : 0x74; /* push, pop; je over one of them */
		starts[i] = i;
	}
	cr_assert(zero(int, code_rows_build(&(struct code_rows_input){ .bytes = bytes,
								       .len = LEN,
								       .starts = starts,
								       .n_starts = LEN,
								       .begins = true },
					    &rows)));
	code_rows_clear(&rows);
	free(bytes);
	free(starts);
}

#define FUNCTION_LEN 16384

/* Functions of @n times @op, between @begin and @end; returns the processor's seconds. */
static double time_functions(const char *begin, const char *op, int n, const char *end,
			     struct code_rows *ret)
{
	static uint8_t bytes[8 * FUNCTION_LEN];
	uint32_t starts[8];
	size_t op_len = strlen(op);
	clock_t from = clock();

	for (uint32_t i = 0; i < 8; i++) {
		uint8_t *p = bytes + i * FUNCTION_LEN, *last = p + FUNCTION_LEN - strlen(end);

		starts[i] = i * FUNCTION_LEN;
		memset(p, 0x90, FUNCTION_LEN);
		p = mempcpy(p, begin, strlen(begin));
		for (int k = 0; k < n; k++)
			p = mempcpy(p, op, op_len);
		memcpy(last, end, strlen(end));
	}
	cr_assert(zero(int, code_rows_build(&(struct code_rows_input){ .bytes = bytes,
								       .len = sizeof(bytes),
								       .starts = starts,
								       .n_starts = 8,
								       .begins = true },
					    ret)));
	return (double)(clock() - from) / CLOCKS_PER_SEC;
}

/* lea -0x101010(%rsp), %rsp; push %rax…; ud2: each instruction has a rule of its own. */
Test(code_rows, many_rules_that_are_not_plain, .timeout = 60)
{
	CLEANUP(code_rows_clear) struct code_rows rows = { 0 };
	double seconds = time_functions("\x48\x8d\xa4\x24\xf0\xef\xef\xff", "\x50", 10000,
					"\x0f\x0b", &rows);

	cr_assert(eq(sz, rows.ext.n, 4096));
	cr_assert(lt(dbl, seconds, 1.5), "%f s", seconds);
}

/* push %rax; call *%rax…; jmp: whether a call returns depends on all before it; none is proven to.
 */
Test(code_rows, calls_that_depend_on_each_other, .timeout = 60)
{
	CLEANUP(code_rows_clear) struct code_rows rows = { 0 };
	double seconds = time_functions("\x50", "\xff\xd0", 4000, "\xe9\x01\x01\x01\x7f", &rows);

	cr_assert(lt(dbl, seconds, 1.5), "%f s", seconds);
}

#endif
