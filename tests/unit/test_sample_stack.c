/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_stack.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

#include "leak_check.h"

#define PID 4194305 /* above PID_MAX_LIMIT: no such process can be */

static struct process_table table;
static struct process *process;
static struct sample_stack stack;

static void add_map(uint64_t start, uint64_t end, uint64_t offset, const char *path)
{
	struct mapping_event ev = { start, end, offset, { path, 1, 2 } };

	cr_assert(zero(int, process_on_mmap(&table, PID, &ev)));
}

static void set_up(void)
{
	cr_assert(zero(int, process_table_init(&table)));
	add_map(0x400000, 0x500000, 0x1000, "/bin/x");
	add_map(0x700000, 0x701000, 0, "[vdso]");
	add_map(0x800000, 0x801000, 0, "//anon");
	process = process_find(&table, PID);
}

static void tear_down(void)
{
	process_table_clear(&table);
	leak_check();
}

TestSuite(sample_stack, .init = set_up, .fini = tear_down);

static void resolve(enum user_end end, int n_kernel, int n_user, const uint64_t *frames)
{
	struct sample_record rec = { .n_kernel = n_kernel, .n_user = n_user, .user_end = end };

	memset(&stack, 0xa5, sizeof(stack));
	sample_stack_resolve(&table.dsos, process, &rec, frames, &stack);
}

static void assert_frame(size_t i, const char *path, uint64_t offset)
{
	cr_assert(lt(sz, i, stack.n));
	cr_assert(eq(str, stack.frames[i].dso->path, (char *)path));
	cr_assert(eq(u64, stack.frames[i].offset, offset));
}

/* The first address of a kernel stack is that of an instruction, and user frames that say so; the
 * others follow a call. */
Test(sample_stack, callers_are_places_before_the_return_address)
{
	resolve(USER_END_ZERO, 2, 3,
		(uint64_t[]){ 0xffffffff81000010, 0xffffffff81000020, 0x400010 | FRAME_EXACT,
			      0x400020 | FRAME_BY_FALLBACK, 0x500000 });
	cr_assert(eq(u32, stack.n, 5));
	assert_frame(0, "[kernel.kallsyms]", 0xffffffff81000010);
	assert_frame(1, "[kernel.kallsyms]", 0xffffffff8100001f);
	assert_frame(2, "/bin/x", 0x1010);
	assert_frame(3, "/bin/x", 0x101f);
	/* A call as the last instruction of the mapping returns behind it. */
	assert_frame(4, "/bin/x", 0x100fff);
	cr_assert(eq(int, stack.end, PROFILE_STACK_MAYBE_WHOLE));
	cr_assert(zero(u64, stack.n_unknown));
}

Test(sample_stack, offsets_are_as_the_kind_of_file_says)
{
	resolve(USER_END_ZERO, 0, 2, (uint64_t[]){ 0x700010 | FRAME_EXACT, 0x800021 });
	assert_frame(0, "[vdso]", 0x10);
	assert_frame(1, "//anon", 0x800020);
}

Test(sample_stack, a_return_address_that_leads_nowhere_ends_the_stack)
{
	resolve(USER_END_ZERO, 0, 4, (uint64_t[]){ 0x400010, 0x400020, 0x123456, 0x400030 });
	cr_assert(eq(u32, stack.n, 2));
	cr_assert(eq(int, stack.end, PROFILE_STACK_TRUNCATED));
	cr_assert(eq(u64, stack.n_unknown, 1));
}

Test(sample_stack, a_program_counter_in_no_mapping_is_kept)
{
	resolve(USER_END_ZERO, 0, 2, (uint64_t[]){ 0x123456 | FRAME_EXACT, 0x400020 });
	assert_frame(0, "[unknown]", 0x123456);
	assert_frame(1, "/bin/x", 0x101f);
	cr_assert(eq(u64, stack.n_unknown, 1));
}

/* A handler's caller, the kernel, put the interrupted instruction's own address there. */
Test(sample_stack, the_frame_that_a_signal_interrupted_is_exact)
{
	resolve(USER_END_ENTRY, 0, 3,
		(uint64_t[]){ 0x400010 | FRAME_EXACT, 0x400020, 0x400000 | FRAME_EXACT });
	cr_assert(eq(u32, stack.n, 3));
	assert_frame(1, "/bin/x", 0x101f);
	assert_frame(2, "/bin/x", 0x1000);
	cr_assert(eq(int, stack.end, PROFILE_STACK_WHOLE));
}

Test(sample_stack, only_an_orderly_end_is_no_truncation)
{
	static const uint64_t frame = 0x400010 | FRAME_EXACT;

	for (int end = USER_END_NONE; end < USER_END_COUNT; end++) {
		enum profile_stack_end want = PROFILE_STACK_TRUNCATED;

		if (end == USER_END_NONE || end == USER_END_ENTRY)
			want = PROFILE_STACK_WHOLE;
		if (end == USER_END_ZERO)
			want = PROFILE_STACK_MAYBE_WHOLE;
		resolve(end, 0, 1, &frame);
		cr_assert(eq(int, stack.end, want), "end %d", end);
	}
}
