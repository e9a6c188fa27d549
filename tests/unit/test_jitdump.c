/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/jitdump.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"

#define NOW 1000000

static struct code_names *names;
static struct jitdump *dump;
static uint8_t file[1 << 16];
static size_t len;

static void put(uint64_t value, size_t size)
{
	memcpy(file + len, &value, size);
	len += size;
}

static void put_text(const char *text)
{
	memcpy(file + len, text, strlen(text) + 1);
	len += strlen(text) + 1;
}

static void put_header(uint64_t flags)
{
	put(0x4a695444, 4);
	put(1, 4);
	put(40, 4);
	put(62, 4);
	put(0, 4);
	put(100, 4);
	put(5, 8);
	put(flags, 8);
}

static void begin(uint32_t id, uint64_t time_ns, size_t size)
{
	put(id, 4);
	put(16 + size, 4);
	put(time_ns, 8);
}

static void put_load(uint64_t time_ns, uint64_t addr, uint64_t size, const char *name)
{
	begin(0, time_ns, 40 + strlen(name) + 1 + size);
	put(100, 4);
	put(101, 4);
	put(addr, 8);
	put(addr, 8);
	put(size, 8);
	put(1, 8);
	put_text(name);
	memset(file + len, 0xcc, size);
	len += size;
}

static void put_move(uint64_t time_ns, uint64_t from, uint64_t to, uint64_t size)
{
	begin(1, time_ns, 48);
	put(100, 4);
	put(101, 4);
	put(to, 8);
	put(from, 8);
	put(to, 8);
	put(size, 8);
	put(1, 8);
}

/* Lines 10, 11, … of "a.c", at @step bytes from @first on. */
static void put_lines(uint64_t addr, uint64_t first, uint64_t step, unsigned n)
{
	begin(2, 0, 16 + (16 + 4) + (n - 1) * (16 + 2));
	put(addr, 8);
	put(n, 8);
	for (unsigned i = 0; i < n; i++) {
		put(first + i * step, 8);
		put(10 + i, 4);
		put(0, 4);
		put_text(i ? "\xff" : "a.c");
	}
}

static void set_up(void)
{
	cr_assert(zero(int, code_names_new(&names)));
	cr_assert(zero(int, jitdump_new(&dump)));
}

static void tear_down(void)
{
	jitdump_free(dump);
	code_names_free(names);
	leak_check();
}

TestSuite(jitdump, .init = set_up, .fini = tear_down);

static int feed(void)
{
	return jitdump_feed(dump, file, len, NOW, names);
}

static const struct code_name *at(uint64_t addr, uint64_t time_ns)
{
	uint32_t n = code_names_at(names, addr, time_ns);

	return n ? code_names_get(names, n) : NULL;
}

static void assert_name(uint64_t addr, uint64_t time_ns, const char *want)
{
	const struct code_name *c = at(addr, time_ns);

	cr_assert(eq(str, (char *)(c ? c->name : ""), (char *)want));
}

Test(jitdump, code_has_its_name_from_its_time_on)
{
	put_header(0);
	put_load(100, 0x1000, 64, "first");
	put_load(200, 0x1000, 32, "second");
	begin(3, 300, 0);
	begin(77, 300, 8);
	put(0, 8);
	put_load(400, 0x2000, 16, "third");
	cr_assert(zero(int, feed()));
	assert_name(0x1000, 99, "");
	assert_name(0x1000, 100, "first");
	assert_name(0x101f, 200, "second");
	assert_name(0x1020, 200, "first");
	assert_name(0x2000, NOW, "third");
	cr_assert(zero(u64, jitdump_malformed(dump)));
}

Test(jitdump, bytes_come_one_by_one)
{
	put_header(0);
	put_lines(0x1000, 0x1000, 8, 2);
	put_load(100, 0x1000, 64, "first");
	put_move(150, 0x1000, 0x3000, 64);
	for (size_t i = 0; i < len; i++)
		cr_assert(zero(int, jitdump_feed(dump, file + i, 1, NOW, names)));
	assert_name(0x1000, 100, "first");
	assert_name(0x3000, 149, "");
	assert_name(0x3000, 150, "first");
	cr_assert(eq(u32, at(0x3000, 150)->n_lines, 2));
	cr_assert(eq(u64, at(0x3000, 150)->lines[1].addr, 0x3008));
}

static void assert_lines(uint64_t first, uint64_t want)
{
	const struct code_name *c;

	put_header(0);
	put_lines(0x1000, first, 8, 3);
	put_load(100, 0x1000, 64, "f");
	cr_assert(zero(int, feed()));
	c = at(0x1000, 100);
	cr_assert(eq(u32, c->n_lines, 3));
	for (unsigned i = 0; i < 3; i++) {
		cr_assert(eq(u64, c->lines[i].addr, want + 8 * i));
		cr_assert(eq(u32, c->lines[i].line, 10 + i));
		cr_assert(eq(str, (char *)c->lines[i].file, "a.c"));
	}
}

Test(jitdump, lines_at_the_code)
{
	assert_lines(0x1000, 0x1000);
}

/* As V8 has them: behind the ELF header that perf puts before the code. */
Test(jitdump, lines_behind_a_header)
{
	assert_lines(0x1040, 0x1000);
}

Test(jitdump, lines_of_other_code_are_not_used)
{
	put_header(0);
	put_lines(0x5000, 0x5000, 8, 2);
	put_load(100, 0x1000, 64, "f");
	put_load(100, 0x5000, 64, "g");
	cr_assert(zero(int, feed()));
	cr_assert(zero(u32, at(0x1000, 100)->n_lines));
	cr_assert(zero(u32, at(0x5000, 100)->n_lines));
}

Test(jitdump, times_of_a_counter_are_not_used)
{
	put_header(1);
	put_load(100, 0x1000, 64, "f");
	cr_assert(zero(int, feed()));
	assert_name(0x1000, NOW - 1, "");
	assert_name(0x1000, NOW, "f");
}

Test(jitdump, other_files_are_none)
{
	put(0x4a695444, 4);
	put(2, 4);
	put(40, 4);
	put(0, 8);
	cr_assert(eq(int, feed(), -EBADMSG));
}

Test(jitdump, a_record_without_its_head_ends_it)
{
	put_header(0);
	put(0, 4);
	put(15, 4);
	put(0, 8);
	cr_assert(eq(int, feed(), -EBADMSG));
}

Test(jitdump, malformed_records_are_skipped)
{
	put_header(0);
	begin(0, 100, 8);
	put(0, 8);
	begin(1, 100, 0);
	begin(2, 100, 24);
	put(0x1000, 8);
	put(1ULL << 60, 8);
	put(0, 8);
	put_load(100, UINT64_MAX - 4, 64, "wraps");
	put_move(100, 0x9000, 0xa000, 8);
	put_load(100, 0x1000, 64, "good");
	cr_assert(zero(int, feed()));
	cr_assert(eq(u64, jitdump_malformed(dump), 5));
	assert_name(0x1000, 100, "good");
}
