/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/gopclntab.h"

#include <criterion/criterion.h>

#include "go_samples.h"
#include "leak_check.h"

TestSuite(gopclntab, .fini = leak_check);

/* 0 for 1 byte, 8 for 3, 24 for 20, 0 for 8: zigzag changes from -1 on. */
#define FRAMED "\x02\x01\x10\x03\x20\x14\x2f\x08"
#define LEAF   "\x02\x10"

static const struct go_sample_func funcs[] = {
	GO_FUNC("main.f", 0, 0, FRAMED),
	GO_FUNC("main.leaf", 32, 0, LEAF),
	GO_FUNC("runtime.goexit", 64, GOFUNC_TOP_FRAME, LEAF),
};

static struct go_sample sample;
static struct gopclntab tab;

static int open_version(enum gopclntab_version v, uint8_t quantum)
{
	int r;

	go_sample_make(&sample, v, quantum, funcs, 3, 96);
	r = gopclntab_open(&sample.source, &tab);
	if (r == 0 && v >= GOPCLNTAB_118)
		tab.text = GO_TEXT;
	return r;
}

static void check_values(const struct gofunc *f, uint8_t quantum)
{
	static const struct {
		uint64_t to;
		int64_t value;
	} expected[] = { { 1, 0 }, { 4, 8 }, { 24, 24 }, { 32, 0 } };
	struct gopcsp s;

	gopcsp_begin(&tab, f, &s);
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(gopcsp_next(&tab, &s), 1);
		cr_assert_eq(s.to, GO_TEXT + expected[i].to * quantum);
		cr_assert_eq(s.value, expected[i].value);
	}
	cr_assert_eq(gopcsp_next(&tab, &s), 0);
	cr_assert_eq(gopcsp_next(&tab, &s), 0);
}

static void check_version(enum gopclntab_version v)
{
	char name[GOFUNC_NAME_MAX];
	struct gofunc f;

	cr_assert_eq(open_version(v, 1), 0, "version %d", v);
	cr_assert_eq(tab.n_funcs, 3);
	cr_assert_eq(gopclntab_func(&tab, 0, &f), 0);
	cr_assert_eq(f.start, GO_TEXT);
	cr_assert_eq(f.end, GO_TEXT + 32);
	check_values(&f, 1);
	cr_assert_eq(gopclntab_func(&tab, 2, &f), 0);
	cr_assert_eq(f.flags, v == GOPCLNTAB_12 ? 0 : GOFUNC_TOP_FRAME);
	cr_assert_eq(gopclntab_name(&tab, &f, name), 0);
	cr_assert_str_eq(name, "runtime.goexit");
	cr_assert_eq(gopclntab_func(&tab, 3, &f), -ENOENT);
}

Test(gopclntab, reads_each_version)
{
	for (int v = GOPCLNTAB_12; v <= GOPCLNTAB_120; v++)
		check_version(v);
}

Test(gopclntab, counts_code_in_the_machines_quantum)
{
	struct gofunc f;

	cr_assert_eq(open_version(GOPCLNTAB_120, 4), 0);
	cr_assert_eq(gopclntab_func(&tab, 0, &f), 0);
	check_values(&f, 4);
}

Test(gopclntab, finds_the_function_of_an_address)
{
	uint64_t i = 99;

	cr_assert_eq(open_version(GOPCLNTAB_116, 1), 0);
	cr_assert_eq(gopclntab_find(&tab, GO_TEXT - 1, &i), -ENOENT);
	cr_assert_eq(i, 99);
	cr_assert_eq(gopclntab_find(&tab, GO_TEXT, &i), 0);
	cr_assert_eq(i, 0);
	cr_assert_eq(gopclntab_find(&tab, GO_TEXT + 63, &i), 0);
	cr_assert_eq(i, 1);
	cr_assert_eq(gopclntab_find(&tab, UINT64_MAX, &i), 0);
	cr_assert_eq(i, 2);
}

Test(gopclntab, refuses_what_is_no_table)
{
	static const struct {
		size_t at, size;
		uint64_t value;
	} changes[] = {
		{ 0, 4, 0xfffffff2 },	     /* magic */
		{ 4, 1, 1 },		     /* padding */
		{ 6, 1, 2 },		     /* quantum */
		{ 7, 1, 4 },		     /* pointer size */
		{ 8, 8, 0 },		     /* no functions */
		{ 8, 8, UINT64_MAX },	     /* as many as nowhere */
		{ 8, 8, 400 },		     /* more than fit */
		{ 32, 8, GO_TABLE_MAX + 1 }, /* names */
		{ 56, 8, UINT64_MAX },	     /* values */
		{ 64, 8, UINT64_MAX - 2 },   /* functions */
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		go_sample_make(&sample, GOPCLNTAB_120, 1, funcs, 3, 96);
		go_put(&sample, changes[i].at, changes[i].value, changes[i].size);
		cr_assert_eq(gopclntab_open(&sample.source, &tab), -EBADMSG, "change %zu", i);
	}
}

Test(gopclntab, refuses_a_table_of_any_length_but_its_own)
{
	struct gofunc f;
	int bad = 0;

	go_sample_make(&sample, GOPCLNTAB_120, 1, funcs, 3, 96);
	for (size_t len = 0; len < sample.len; len++) {
		sample.source.span.size = len;
		if (gopclntab_open(&sample.source, &tab) < 0 || gopclntab_func(&tab, 2, &f) < 0)
			bad++;
	}
	/* The last 4 bytes of a function's struct are not looked at. */
	cr_assert_geq(bad, (int)sample.len - 4);
}

Test(gopclntab, ends_values_that_leave_the_table)
{
	struct gofunc f = { .start = GO_TEXT, .pcsp = GO_TABLE_MAX };
	struct gopcsp s;

	cr_assert_eq(open_version(GOPCLNTAB_120, 1), 0);
	gopcsp_begin(&tab, &f, &s);
	cr_assert_eq(gopcsp_next(&tab, &s), -EBADMSG);
	f.pcsp = UINT32_MAX;
	gopcsp_begin(&tab, &f, &s);
	cr_assert_eq(gopcsp_next(&tab, &s), -EBADMSG);
}

Test(gopclntab, refuses_numbers_that_do_not_end)
{
	static const struct go_sample_func endless = GO_FUNC("f", 0, 0, "\xff\xff\xff\xff\xff\xff");
	struct gopcsp s;
	struct gofunc f;

	go_sample_make(&sample, GOPCLNTAB_120, 1, &endless, 1, 96);
	cr_assert_eq(gopclntab_open(&sample.source, &tab), 0);
	cr_assert_eq(gopclntab_func(&tab, 0, &f), 0);
	gopcsp_begin(&tab, &f, &s);
	cr_assert_eq(gopcsp_next(&tab, &s), -EBADMSG);
}

/* The end is told from a first value of 0 by where it stands: such values would have none. */
Test(gopclntab, refuses_values_of_no_code)
{
	static const struct go_sample_func still[] = {
		GO_FUNC("f", 0, 0, "\x02\0\0\0\0\0\0\0\0\0"),
		GO_FUNC("g", 32, 0, "\x02\x01\x10\0\x0f\x01"),
	};
	struct gopcsp s;
	struct gofunc f;

	go_sample_make(&sample, GOPCLNTAB_120, 1, still, 2, 96);
	cr_assert_eq(gopclntab_open(&sample.source, &tab), 0);
	cr_assert_eq(gopclntab_func(&tab, 0, &f), 0);
	gopcsp_begin(&tab, &f, &s);
	cr_assert_eq(gopcsp_next(&tab, &s), -EBADMSG);
	cr_assert_eq(gopclntab_func(&tab, 1, &f), 0);
	gopcsp_begin(&tab, &f, &s);
	cr_assert_eq(gopcsp_next(&tab, &s), 1);
	cr_assert_eq(gopcsp_next(&tab, &s), -EBADMSG);
}

Test(gopclntab, has_no_values_of_foreign_functions)
{
	struct gofunc f = { .start = GO_TEXT, .pcsp = 0 };
	struct gopcsp s;

	cr_assert_eq(open_version(GOPCLNTAB_120, 1), 0);
	gopcsp_begin(&tab, &f, &s);
	cr_assert_eq(gopcsp_next(&tab, &s), 0);
}
