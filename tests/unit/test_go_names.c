/* SPDX-License-Identifier: Apache-2.0 */
/* A table made by hand, of each version with lines; tests/e2e/test_go_names.py has real programs.
 */
#include "sym/go_names.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "go_samples.h"
#include "leak_check.h"

#define UNITS	200 /* offset of the files of units */
#define FILES	300
#define NAMES	128 /* as go_sample_make() has it */
#define VALUES	1024
#define INLINED 16 /* offset in go:func.* */

static struct name_table names;
static struct go_sample sample;
static struct gopclntab tab;
static uint8_t inlined[64];
static struct sym_result res;

static void fini(void)
{
	name_table_clear(&names);
	leak_check();
}

TestSuite(go_names, .fini = fini);

/* The struct _func of "f", which is the first. */
static size_t func_at(void)
{
	struct gofunc f;

	cr_assert(zero(int, gopclntab_func(&tab, 0, &f)));
	return f.at;
}

static void put_text(size_t at, const char *text)
{
	memcpy(sample.bytes + at, text, strlen(text) + 1);
}

/* Values from VALUES + 100 on: zigzag of the change since -1, bytes of code. */
static void put_values(size_t at)
{
	static const uint8_t files[] = { 2, 32, 2, 32, 0 };	  /* 0, then 1 */
	static const uint8_t lines[] = { 20, 32, 20, 32, 0 };	  /* 9, then 19 */
	static const uint8_t calls[] = { 0, 8, 2, 24, 1, 32, 0 }; /* none, then 0, then none */

	memcpy(sample.bytes + at, files, sizeof(files));
	memcpy(sample.bytes + at + 10, lines, sizeof(lines));
	memcpy(sample.bytes + at + 20, calls, sizeof(calls));
}

/* "f", of 64 bytes, in which "g" is inlined in [8, 32), where the call is at 40. */
static void make(enum gopclntab_version v)
{
	static const struct go_sample_func funcs[] = { GO_FUNC("f", 0, 0, "\2\100\0"),
						       GO_FUNC("g", 64, 0, "\2\20\0") };
	size_t f, tail = v == GOPCLNTAB_120 ? 44 : 40;

	go_sample_make(&sample, v, 1, funcs, 2, 80);
	cr_assert(zero(int, gopclntab_open(&sample.source, &tab)));
	tab.text = GO_TEXT;
	go_put(&sample, 40, UNITS, 8);
	go_put(&sample, 48, FILES, 8);
	go_put(&sample, UNITS + 4, 0, 4); /* unit 1: files "a.go", "b.go" */
	go_put(&sample, UNITS + 8, 5, 4);
	put_text(FILES, "a.go");
	put_text(FILES + 5, "b.go");
	put_values(VALUES + 100);
	f = 2048 + 512;
	memmove(sample.bytes + f, sample.bytes + func_at(), 48);
	go_put(&sample, tab.funcs + 4, f - tab.funcs, 4);
	go_put(&sample, f + 20, VALUES + 100 - tab.pctab, 4);
	go_put(&sample, f + 24, VALUES + 110 - tab.pctab, 4);
	go_put(&sample, f + 28, 3, 4); /* tables of values */
	go_put(&sample, f + 32, 1, 4); /* unit */
	go_put(&sample, f + tail - 1, 4, 1);
	go_put(&sample, f + tail + 8, VALUES + 120 - tab.pctab, 4);
	go_put(&sample, f + tail + 12 + 12, INLINED, 4);
	memset(inlined, 0, sizeof(inlined));
	memcpy(inlined + INLINED + (v == GOPCLNTAB_120 ? 4 : 12), &(uint32_t){ 2 }, 4);
	memcpy(inlined + INLINED + (v == GOPCLNTAB_120 ? 8 : 16), &(uint32_t){ 40 }, 4);
	cr_assert(zero(int, gopclntab_open(&sample.source, &tab)));
	tab.text = GO_TEXT;
}

static void name(uint64_t offset, bool with_inlined)
{
	struct byte_source src = { .mem = inlined, .span = { .size = sizeof(inlined) } };
	struct sym_query q = { .vaddr = GO_TEXT + offset, .res = &res };
	struct sym_batch b = { &names, &q, 1 };

	res = (struct sym_result){ .vaddr = q.vaddr };
	cr_assert(zero(int, go_names_answer_from(&tab, with_inlined ? &src : NULL, &b)));
}

static void assert_frame(size_t i, const char *function, const char *file, uint32_t line)
{
	cr_assert(lt(sz, i, res.n_frames));
	cr_assert(eq(str, (char *)res.frames[i].function, (char *)function));
	cr_assert(eq(str, (char *)res.frames[i].file, (char *)file));
	cr_assert(eq(u32, res.frames[i].line, line));
}

static void check_version(enum gopclntab_version v)
{
	make(v);
	name(4, true);
	cr_assert(eq(sz, res.n_frames, 1));
	cr_assert(eq(u64, res.start, GO_TEXT));
	assert_frame(0, "f", "a.go", 9);
	name(20, true);
	cr_assert(eq(sz, res.n_frames, 2));
	assert_frame(0, "g", "a.go", 9);
	assert_frame(1, "f", "b.go", 19);
	name(20, false);
	cr_assert(eq(sz, res.n_frames, 1));
	assert_frame(0, "f", "a.go", 9);
	name(80, true);
	cr_assert(zero(sz, res.n_frames));
}

Test(go_names, frames_of_1_18)
{
	check_version(GOPCLNTAB_118);
}

Test(go_names, frames_of_1_20)
{
	check_version(GOPCLNTAB_120);
}

Test(go_names, calls_in_a_circle_end)
{
	make(GOPCLNTAB_120);
	memcpy(inlined + INLINED + 8, &(uint32_t){ 20 }, 4);
	name(20, true);
	cr_assert(eq(sz, res.n_frames, 64));
}
