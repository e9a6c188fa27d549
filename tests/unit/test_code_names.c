/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/code_names.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"
#include "sym/perf_map.h"

static struct code_names *names;
static struct perf_map map;

static void set_up(void)
{
	cr_assert(zero(int, code_names_new(&names)));
}

static void tear_down(void)
{
	code_names_free(names);
	leak_check();
}

TestSuite(code_names, .init = set_up, .fini = tear_down);
TestSuite(perf_map, .init = set_up, .fini = tear_down);

static void add(uint64_t start, uint64_t end, uint64_t time_ns, const char *name)
{
	struct code_name c = { .start = start, .end = end, .time_ns = time_ns, .name = name };

	cr_assert(zero(int, code_names_add(names, &c, strlen(name))));
}

static const char *name_of(uint32_t n)
{
	return n ? code_names_get(names, n)->name : "";
}

static void assert_at(uint64_t addr, uint64_t time_ns, const char *want)
{
	cr_assert(eq(str, (char *)name_of(code_names_at(names, addr, time_ns)), (char *)want));
}

static void assert_after(uint64_t addr, uint64_t time_ns, const char *want)
{
	cr_assert(eq(str, (char *)name_of(code_names_after(names, addr, time_ns)), (char *)want));
}

Test(code_names, an_entry_covers_its_bytes)
{
	add(0x100, 0x110, 1, "f");
	assert_at(0xff, 1, "");
	assert_at(0x100, 1, "f");
	assert_at(0x10f, 1, "f");
	assert_at(0x110, 1, "");
}

Test(code_names, of_several_the_last_one_before_the_sample_counts)
{
	add(0x100, 0x200, 10, "old");
	add(0x180, 0x280, 20, "new");
	add(0x100, 0x200, 20, "newest");
	assert_at(0x190, 9, "");
	assert_at(0x190, 10, "old");
	assert_at(0x190, 19, "old");
	assert_at(0x190, 20, "newest");
	assert_at(0x210, 20, "new");
	assert_after(0x190, 9, "old");
	assert_after(0x190, 10, "newest");
	assert_after(0x190, 20, "");
}

Test(code_names, entries_of_nothing_are_none)
{
	struct code_name c = { .start = 5, .end = 5, .name = "x" };

	cr_assert(eq(int, code_names_add(names, &c, 1), -EINVAL));
	cr_assert(zero(u32, code_names_count(names)));
}

Test(code_names, number_is_bounded)
{
	struct code_name c = { .start = 1, .end = 2, .name = "x" };

	for (uint32_t i = 0; i < CODE_NAMES_MAX; i++)
		cr_assert(zero(int, code_names_add(names, &c, 1)));
	cr_assert(eq(int, code_names_add(names, &c, 1), -ENOSPC));
	cr_assert(eq(u32, code_names_at(names, 1, 0), CODE_NAMES_MAX));
}

Test(code_names, text_is_bounded)
{
	char name[CODE_NAME_MAX];
	struct code_name c = { .start = 1, .end = 2, .name = name };
	int r = 0;

	memset(name, 'x', sizeof(name));
	for (uint32_t i = 0; r == 0 && i < CODE_NAMES_MAX; i++)
		r = code_names_add(names, &c, sizeof(name));
	cr_assert(eq(int, r, -ENOSPC));
	cr_assert(lt(sz, code_names_bytes(names), 80u << 20));
}

struct plain {
	uint64_t start, end, time_ns;
};

/* The number that a look at each of them finds. */
static uint32_t find_plain(const struct plain *p, uint32_t n, uint64_t addr, uint64_t time_ns)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < n; i++)
		if (p[i].start <= addr && addr < p[i].end && p[i].time_ns <= time_ns &&
		    (!best || p[i].time_ns >= p[best - 1].time_ns))
			best = i + 1;
	return best;
}

Test(code_names, agrees_with_a_look_at_all_entries)
{
	static struct plain plain[5000];
	uint32_t n = sizeof(plain) / sizeof(plain[0]);

	srand(1);
	for (uint32_t i = 0; i < n; i++) {
		plain[i].start = (uint64_t)rand() % 100000;
		plain[i].end = plain[i].start + 1 + (uint64_t)rand() % 200;
		plain[i].time_ns = i / 100;
		add(plain[i].start, plain[i].end, plain[i].time_ns, "f");
		if (i % 7)
			continue;
		for (int k = 0; k < 20; k++) {
			uint64_t addr = (uint64_t)rand() % 100000, time_ns = (uint64_t)rand() % 60;

			cr_assert(eq(u32, code_names_at(names, addr, time_ns),
				     find_plain(plain, i + 1, addr, time_ns)));
		}
	}
}

/* --- perf-PID.map ----------------------------------------------------------------------------- */

static void feed(const char *text)
{
	cr_assert(zero(int, perf_map_feed(&map, text, strlen(text), 1, names)));
}

Test(perf_map, forms_of_lines)
{
	feed("1000 10 plain\n"
	     "0x2000 0x10 with 0x and spaces\n"
	     "00007F0000003000 00000010 upper\r\n"
	     "ffffffffffff0000  20\ttab\n");
	assert_at(0x1000, 1, "plain");
	assert_at(0x200f, 1, "with 0x and spaces");
	assert_at(0x7f0000003000, 1, "upper");
	assert_at(0xffffffffffff001f, 1, "tab");
	cr_assert(zero(u64, map.malformed));
}

Test(perf_map, lines_of_no_such_form_are_counted)
{
	feed("\nx 10 a\n1000 a\n1000 10\n1000 10 \n1000 0 empty\n1000 -1 minus\n"
	     "ffffffffffffffff 10 past_the_end\n11111111111111111 1 too_long\n2000 10 good\n");
	cr_assert(eq(u64, map.malformed, 9));
	cr_assert(eq(u32, code_names_count(names), 1));
}

Test(perf_map, lines_come_in_parts)
{
	static const char text[] = "1000 10 first\n2000 20 second\n";

	for (size_t i = 0; i < strlen(text); i++)
		cr_assert(zero(int, perf_map_feed(&map, text + i, 1, 1, names)));
	assert_at(0x1000, 1, "first");
	assert_at(0x2000, 1, "second");
	feed("3000 10 thi");
	assert_at(0x3000, 1, "");
	feed("rd\n");
	assert_at(0x3000, 1, "third");
}

Test(perf_map, begin_of_a_long_line_counts)
{
	char part[1001];

	feed("1000 10 ");
	memset(part, 'a', 1000);
	part[1000] = '\0';
	for (int i = 0; i < 1000; i++)
		feed(part);
	feed("\n2000 10 next\n");
	cr_assert(eq(sz, strlen(name_of(1)), CODE_NAME_MAX));
	assert_at(0x2000, 1, "next");
}
