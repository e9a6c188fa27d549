/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/kernel_code.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

#include "leak_check.h"

#define PAGE 0xffffffffc0001000

static struct kernel_code *known;

static void init(void)
{
	cr_assert(zero(int, kernel_code_new(&known)));
}

static void fini(void)
{
	kernel_code_free(known);
	leak_check();
}

TestSuite(kernel_code, .init = init, .fini = fini, .timeout = 30);

static void come(uint64_t addr, uint32_t len, const char *name, uint64_t time_ns)
{
	const struct kernel_symbol s = { addr, len, name, true };

	cr_assert(zero(int, kernel_code_begin(known, &s, time_ns)));
}

static void go(uint64_t addr, uint32_t len, const char *name, uint64_t time_ns)
{
	const struct kernel_symbol s = { addr, len, name, true };

	cr_assert(zero(int, kernel_code_end(known, &s, time_ns)));
}

static void assert_named(uint64_t addr, uint32_t code, const char *name)
{
	struct sym_result res;

	kernel_code_answer(known, &addr, &code, 1, &res);
	cr_assert(eq(u64, res.vaddr, addr));
	if (!name) {
		cr_assert(zero(sz, res.n_frames), "%s", res.frames->function);
		return;
	}
	cr_assert(eq(sz, res.n_frames, 1), "not %s", name);
	cr_assert(eq(str, (char *)res.frames->function, (char *)name));
}

/* What a sample at @time_ns is named, when all is told. */
static void assert_sampled(uint64_t addr, uint64_t time_ns, const char *name)
{
	uint32_t code = kernel_code_at(known, addr, time_ns);

	cr_assert(eq(int, code != 0, name != NULL));
	assert_named(addr, code, name);
}

Test(kernel_code, within_its_length_and_time)
{
	come(PAGE, 64, "bpf_prog_a", 10);
	go(PAGE, 64, "bpf_prog_a", 20);
	assert_sampled(PAGE - 1, 15, NULL);
	assert_sampled(PAGE, 15, "bpf_prog_a [bpf]");
	assert_sampled(PAGE + 63, 10, "bpf_prog_a [bpf]");
	assert_sampled(PAGE + 64, 15, NULL);
	assert_sampled(PAGE, 9, NULL);
	assert_sampled(PAGE, 20, NULL);
}

Test(kernel_code, names_of_what_it_belongs_to)
{
	const struct kernel_symbol ftrace = { PAGE, 8, "ftrace_trampoline", false };
	const struct kernel_symbol kprobe = { PAGE + 8, 8, "kprobe_optinsn_page", false };

	cr_assert(zero(int, kernel_code_begin(known, &ftrace, 1)));
	cr_assert(zero(int, kernel_code_begin(known, &kprobe, 1)));
	assert_sampled(PAGE, 2, "ftrace_trampoline [__builtin__ftrace]");
	assert_sampled(PAGE + 8, 2, "kprobe_optinsn_page [__builtin__kprobes]");
}

Test(kernel_code, one_after_the_other_in_the_same_place)
{
	uint32_t first, second;

	come(PAGE, 64, "a", 10);
	first = kernel_code_at(known, PAGE + 40, 11);
	go(PAGE, 64, "a", 20);
	come(PAGE + 32, 64, "b", 30);
	second = kernel_code_at(known, PAGE + 40, 31);
	cr_assert(ne(u32, first, second));
	assert_named(PAGE + 40, first, "a [bpf]");
	assert_named(PAGE + 40, second, "b [bpf]");
	assert_sampled(PAGE + 40, 25, NULL);
}

/* What was there before all news is known by its end. */
Test(kernel_code, that_was_there_before)
{
	uint32_t code = kernel_code_at(known, PAGE + 5, 10);

	cr_assert(zero(u32, code));
	assert_named(PAGE + 5, 0, NULL);
	go(PAGE, 64, "old", 20);
	assert_named(PAGE + 5, 0, "old [bpf]");
	come(PAGE, 64, "new", 30);
	assert_named(PAGE + 5, 0, "old [bpf]");
	assert_sampled(PAGE + 5, 35, "new [bpf]");
}

Test(kernel_code, news_that_were_lost)
{
	/* That a went. */
	come(PAGE, 64, "a", 10);
	come(PAGE + 16, 64, "b", 20);
	assert_sampled(PAGE + 16, 19, "a [bpf]");
	assert_sampled(PAGE + 8, 25, NULL);
	assert_sampled(PAGE + 16, 25, "b [bpf]");
	/* That b went, and c came. */
	go(PAGE + 32, 8, "c", 40);
	assert_sampled(PAGE + 32, 39, "b [bpf]");
	assert_named(PAGE + 36, 0, NULL);
}

Test(kernel_code, many_next_to_each_other)
{
	for (uint64_t i = 0; i < 1000; i++) {
		char name[16];
		uint64_t k = i * 617 % 1000;

		snprintf(name, sizeof(name), "p%d", (int)k);
		come(PAGE + k * 64, k % 3 ? 64 : 50, name, 1);
	}
	for (uint64_t i = 0; i < 1000; i++) {
		char name[24];

		snprintf(name, sizeof(name), "p%d [bpf]", (int)i);
		assert_sampled(PAGE + i * 64 + 49, 2, name);
		assert_sampled(PAGE + i * 64 + 50, 2, i % 3 ? name : NULL);
	}
}

Test(kernel_code, only_what_samples_need_is_kept)
{
	uint32_t code;

	come(PAGE, 64, "sampled", 10);
	come(PAGE + 64, 64, "not", 10);
	come(PAGE + 128, 64, "lives", 10);
	code = kernel_code_at(known, PAGE, 15);
	cr_assert(zero(u32, kernel_code_at(known, PAGE + 64, 5)));
	go(PAGE, 64, "sampled", 20);
	go(PAGE + 64, 64, "not", 20);
	go(PAGE + 192, 64, "old", 20);
	kernel_code_sweep(known, 20);
	assert_sampled(PAGE + 64, 15, "not [bpf]");
	come(PAGE + 256, 64, "other", 30);
	go(PAGE + 256, 64, "other", 35);
	kernel_code_sweep(known, 40);
	assert_sampled(PAGE + 256, 32, NULL);
	assert_named(PAGE, code, "sampled [bpf]");
	assert_named(PAGE + 200, 0, "old [bpf]");
	kernel_code_forget(known, 20);
	assert_named(PAGE, code, "sampled [bpf]");
	kernel_code_forget(known, 21);
	assert_named(PAGE, code, NULL);
	assert_named(PAGE + 200, 0, NULL);
	assert_sampled(PAGE + 128, 50, "lives [bpf]");
}

Test(kernel_code, too_many_are_refused)
{
	const struct kernel_symbol last = { PAGE - 64, 64, "last", true };

	for (uint64_t i = 0; i < 16384; i++)
		come(PAGE + i * 64, 64, "p", 10);
	cr_assert(eq(int, kernel_code_begin(known, &last, 20), -ENOSPC));
	cr_assert(eq(int, kernel_code_end(known, &last, 20), -ENOSPC));
	go(PAGE, 64, "p", 30);
	kernel_code_sweep(known, 31);
	cr_assert(zero(int, kernel_code_begin(known, &last, 40)));
}
