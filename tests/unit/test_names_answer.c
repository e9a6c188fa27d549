/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/names_answer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "leak_check.h"
#include "sym/names_protocol.h"

#define N 4

static struct frame_store store;
static struct sym_result results[N];
static struct names_answer a;

static void init(void)
{
	a = (struct names_answer){ .store = &store, .results = results, .n_results = N };
}

static void fini(void)
{
	names_answer_clear(&a);
	frame_store_clear(&store);
	leak_check();
}

TestSuite(names_answer, .init = init, .fini = fini);

static int strings(const char *bytes, size_t len)
{
	return names_answer_take(&a, NAMES_STRINGS, bytes, len);
}

#define STRINGS(literal) strings(literal, sizeof(literal)) /* with the 0 at its end */

static int frame(uint32_t function, uint32_t file, uint32_t line, uint32_t is_last)
{
	const struct names_frame f = { function, 0, file, line, is_last };

	return names_answer_take(&a, NAMES_FRAMES, &f, sizeof(f));
}

static int result(uint64_t vaddr, uint64_t start, uint32_t frames)
{
	const struct names_result res = { .vaddr = vaddr, .start = start, .frames = frames };

	return names_answer_take(&a, NAMES_RESULTS, &res, sizeof(res));
}

static int done(int32_t error)
{
	const struct names_done d = { .error = error };

	return names_answer_take(&a, NAMES_DONE, &d, sizeof(d));
}

static int fill(size_t n)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = result(i, 0, 0);
	return r;
}

/* --- what is right ---------------------------------------------------------------------------- */

Test(names_answer, names_inlined_calls_and_lines_arrive)
{
	cr_assert(zero(int, STRINGS("main\0inner\0main.c")));
	cr_assert(zero(int, frame(2, 3, 17, 0)));
	cr_assert(zero(int, frame(1, 3, 42, 1)));
	cr_assert(zero(int, frame(1, 0, 0, 1)));
	cr_assert(zero(int, result(0x1000, 0xff0, 1)));
	cr_assert(zero(int, result(0x2000, 0x99, 0)));
	cr_assert(zero(int, result(0x3000, 0x2ff0, 2)));
	cr_assert(zero(int, result(0x4000, 0x2ff0, 2)));
	cr_assert(zero(int, done(0)));

	cr_assert(a.done);
	cr_assert(eq(sz, results[0].n_frames, 2));
	cr_assert(eq(str, (char *)results[0].frames[0].function, "inner"));
	cr_assert(eq(str, (char *)results[0].frames[0].file, "main.c"));
	cr_assert(eq(u32, results[0].frames[0].line, 17));
	cr_assert(eq(str, (char *)results[0].frames[1].function, "main"));
	cr_assert(eq(u64, results[0].vaddr, 0x1000));
	cr_assert(eq(u64, results[0].start, 0xff0));
	cr_assert(eq(sz, results[1].n_frames, 0));
	cr_assert(eq(u64, results[1].start, 0), "no name, no start");
	cr_assert(eq(ptr, (void *)results[2].frames, (void *)results[3].frames), "kept once");
	cr_assert(eq(ptr, (void *)results[2].frames[0].function,
		     (void *)results[0].frames[1].function));
	cr_assert(zero(ptr, (void *)results[2].frames[0].file));
}

Test(names_answer, the_name_of_the_linker_arrives)
{
	struct names_frame f = { .function = 1, .linkage = 2, .is_last = 1 };

	cr_assert(zero(int, STRINGS("f()\0_Z1fv")));
	cr_assert(zero(int, names_answer_take(&a, NAMES_FRAMES, &f, sizeof(f))));
	cr_assert(zero(int, result(1, 1, 1)));
	cr_assert(eq(str, (char *)a.results[0].frames[0].linkage, "_Z1fv"));
	f.linkage = 3;
	cr_assert(eq(int, names_answer_take(&a, NAMES_FRAMES, &f, sizeof(f)), -EBADMSG));
}

Test(names_answer, what_refers_to_others_may_come_in_pieces)
{
	cr_assert(zero(int, STRINGS("outer")));
	cr_assert(zero(int, frame(1, 0, 1, 0)));
	cr_assert(zero(int, STRINGS("inner")));
	cr_assert(zero(int, frame(2, 0, 2, 1)));
	cr_assert(zero(int, result(1, 1, 1)));
	cr_assert(eq(str, (char *)results[0].frames[1].function, "inner"));
}

Test(names_answer, an_error_needs_no_results)
{
	cr_assert(zero(int, result(1, 1, 0)));
	cr_assert(zero(int, done(-ENOEXEC)));
	cr_assert(a.done);
	cr_assert(eq(int, a.error, -ENOEXEC));
}

/* --- what is wrong ---------------------------------------------------------------------------- */

Test(names_answer, strings_end_with_0)
{
	cr_assert(eq(int, strings("main", 4), -EBADMSG));
	cr_assert(eq(int, strings("a\0b", 3), -EBADMSG));
}

Test(names_answer, strings_are_utf8_without_control_characters)
{
	static const char *const bad[] = {
		"\xff", "\xc3",	   "\xe2\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"a\nb", "\x1b[2J", "tab\t",    "del\x7f",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert(eq(int, strings(bad[i], strlen(bad[i]) + 1), -EBADMSG), "%zu", i);
	cr_assert(zero(int, STRINGS("operator\"\" _\xc3\xa4")));
}

Test(names_answer, strings_have_a_length)
{
	char text[NAMES_STRING_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[NAMES_STRING_MAX] = '\0';
	cr_assert(zero(int, strings(text, NAMES_STRING_MAX + 1)));
	text[NAMES_STRING_MAX] = 'x';
	text[NAMES_STRING_MAX + 1] = '\0';
	cr_assert(eq(int, strings(text, NAMES_STRING_MAX + 2), -EBADMSG));
}

Test(names_answer, strings_are_in_proportion_to_the_question)
{
	static char text[WORKER_PAYLOAD_MAX];
	uint64_t n = 0;
	int r = 0;

	while (r == 0 && n < 1 << 20) { /* 65536 empty strings */
		r = strings(text, sizeof(text));
		n += sizeof(text);
	}
	cr_assert(eq(int, r, -EBADMSG));
	cr_assert(eq(u64, n, 2 * WORKER_PAYLOAD_MAX));
}

Test(names_answer, frames_refer_to_strings_that_came)
{
	cr_assert(zero(int, STRINGS("main\0main.c")));
	cr_assert(eq(int, frame(0, 0, 0, 1), -EBADMSG), "a frame without a function");
	cr_assert(eq(int, frame(3, 0, 0, 1), -EBADMSG));
	cr_assert(eq(int, frame(UINT32_MAX, 0, 0, 1), -EBADMSG));
	cr_assert(eq(int, frame(1, 3, 0, 1), -EBADMSG));
	cr_assert(eq(int, frame(1, UINT32_MAX, 0, 1), -EBADMSG));
	cr_assert(eq(int, frame(1, 0, 0, 2), -EBADMSG));
}

Test(names_answer, lists_of_frames_are_short)
{
	cr_assert(zero(int, STRINGS("f")));
	for (size_t i = 0; i < NAMES_DEPTH_MAX; i++)
		cr_assert(zero(int, frame(1, 0, i, 0)));
	cr_assert(eq(int, frame(1, 0, 0, 1), -EBADMSG));
}

Test(names_answer, frames_are_in_proportion_to_the_question)
{
	cr_assert(zero(int, STRINGS("f")));
	for (size_t i = 0; i < NAMES_FRAMES_MAX(N); i++)
		cr_assert(zero(int, frame(1, 0, i, 1)));
	cr_assert(eq(int, frame(1, 0, 0, 1), -EBADMSG));
}

Test(names_answer, results_refer_to_frames_that_came)
{
	cr_assert(eq(int, result(1, 1, 1), -EBADMSG));
	cr_assert(zero(int, STRINGS("f")));
	cr_assert(zero(int, frame(1, 0, 0, 0)));
	cr_assert(eq(int, result(1, 1, 1), -EBADMSG), "that list is not at its end");
	cr_assert(zero(int, frame(1, 0, 0, 1)));
	cr_assert(eq(int, result(1, 1, 2), -EBADMSG));
	cr_assert(eq(int, result(1, 1, UINT32_MAX), -EBADMSG));
}

Test(names_answer, there_are_as_many_results_as_offsets)
{
	cr_assert(zero(int, fill(N)));
	cr_assert(eq(int, result(1, 1, 0), -EBADMSG));
}

Test(names_answer, the_end_does_not_come_too_early)
{
	cr_assert(zero(int, fill(N - 1)));
	cr_assert(eq(int, done(0), -EBADMSG));
}

Test(names_answer, nothing_comes_after_the_end)
{
	cr_assert(zero(int, fill(N)));
	cr_assert(zero(int, done(0)));
	cr_assert(eq(int, done(0), -EBADMSG));
	cr_assert(eq(int, STRINGS("late"), -EBADMSG));
}

Test(names_answer, errors_are_errors)
{
	cr_assert(eq(int, done(1), -EBADMSG));
	cr_assert(eq(int, done(INT32_MIN), -EBADMSG));
}

Test(names_answer, messages_hold_whole_records)
{
	static const char bytes[64];
	static const unsigned kinds[] = { NAMES_FRAMES, NAMES_RESULTS, NAMES_DONE };

	cr_assert(zero(int, STRINGS("f")));
	for (size_t i = 0; i < 3; i++)
		for (size_t len = 1; len < 16; len++)
			if (kinds[i] != NAMES_DONE || len != sizeof(struct names_done))
				cr_assert(eq(int, names_answer_take(&a, kinds[i], bytes, len),
					     -EBADMSG),
					  "%u %zu", kinds[i], len);
}

Test(names_answer, only_answers_are_answers)
{
	static const char bytes[64];

	for (unsigned kind = 0; kind < 64; kind++)
		if (kind < NAMES_STRINGS || kind > NAMES_DONE)
			cr_assert(eq(int, names_answer_take(&a, kind, bytes, 64), -EBADMSG), "%u",
				  kind);
}
