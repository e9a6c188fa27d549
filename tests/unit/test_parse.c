/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parse.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

#include "leak_check.h"

TestSuite(parse, .fini = leak_check);

#define N(array) (sizeof(array) / sizeof((array)[0]))

Test(parse, u64)
{
	static const struct {
		const char *text;
		uint64_t min, max, value;
		int r;
	} cases[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 10, 0 },
		{ "007", 0, 10, 7, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, UINT64_MAX, 0 },
		{ "18446744073709551616", 0, UINT64_MAX, 99, -ERANGE },
		{ "99999999999999999999999999", 0, UINT64_MAX, 99, -ERANGE },
		{ "11", 0, 10, 99, -ERANGE },
		{ "4", 5, 10, 99, -ERANGE },
		{ "", 0, 10, 99, -EINVAL },
		{ " 1", 0, 10, 99, -EINVAL },
		{ "1 ", 0, 10, 99, -EINVAL },
		{ "+1", 0, 10, 99, -EINVAL },
		{ "-1", 0, UINT64_MAX, 99, -EINVAL },
		{ "0x1", 0, 10, 99, -EINVAL },
		{ "1.0", 0, 10, 99, -EINVAL },
		{ "1\n", 0, 10, 99, -EINVAL },
		{ "one", 0, 10, 99, -EINVAL },
	};

	for (size_t i = 0; i < N(cases); i++) {
		uint64_t v = 99;

		cr_assert(eq(int, parse_u64(cases[i].text, cases[i].min, cases[i].max, &v),
			     cases[i].r),
			  "'%s'", cases[i].text);
		cr_assert(eq(u64, v, cases[i].value), "'%s'", cases[i].text);
	}
}

Test(parse, hex_there_and_back)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0x9a, 0xbc, 0xde, 0xff, 0x80, 0x7f };
	uint8_t back[sizeof(bytes)];
	char text[2 * sizeof(bytes) + 1];

	format_hex(bytes, sizeof(bytes), text);
	cr_assert(eq(str, text, (char *)"00019abcdeff807f"));
	cr_assert(zero(int, parse_hex(text, back, sizeof(back))));
	cr_assert(zero(int, memcmp(back, bytes, sizeof(bytes))));
	cr_assert(zero(int, parse_hex("00019ABCDEFF807F", back, sizeof(back))));
	cr_assert(zero(int, memcmp(back, bytes, sizeof(bytes))));
	format_hex(bytes, 0, text);
	cr_assert(eq(str, text, (char *)""));
}

Test(parse, hex_that_is_none_changes_nothing)
{
	static const char *const bad[] = { "",	   "0",	   "012",  "01234", "0x12",
					   "012g", "01 2", " 012", "+123",  "01\n2" };
	uint8_t out[2] = { 0xaa, 0xbb };

	for (size_t i = 0; i < N(bad); i++) {
		cr_assert(eq(int, parse_hex(bad[i], out, sizeof(out)), -EINVAL), "'%s'", bad[i]);
		cr_assert(out[0] == 0xaa && out[1] == 0xbb, "'%s'", bad[i]);
	}
}

Test(parse, duration)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{ "1", 1000000000 },	 { "0", 0 },
		{ "10s", 10000000000 },	 { "0.5", 500000000 },
		{ ".25s", 250000000 },	 { "500ms", 500000000 },
		{ "1.5ms", 1500000 },	 { "2m", 120000000000 },
		{ "1h", 3600000000000 }, { "0.5h", 1800000000000 },
	};

	for (size_t i = 0; i < N(cases); i++) {
		uint64_t ns = 99;

		cr_assert(zero(int, parse_duration_ns(cases[i].text, &ns)), "'%s'", cases[i].text);
		cr_assert(eq(u64, ns, cases[i].ns), "'%s'", cases[i].text);
	}
}

Test(parse, duration_that_is_none)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "", -EINVAL },     { ".", -EINVAL },	      { "s", -EINVAL },
		{ "-1", -EINVAL },   { "+1", -EINVAL },	      { " 1", -EINVAL },
		{ "1 s", -EINVAL },  { "1us", -EINVAL },      { "1ss", -EINVAL },
		{ "1S", -EINVAL },   { "inf", -EINVAL },      { "nan", -EINVAL },
		{ "0x10", -EINVAL }, { "1e3", -EINVAL },      { "1.2.3", -EINVAL },
		{ "1,5", -EINVAL },  { "1d", -EINVAL },	      { "1m30s", -EINVAL },
		{ "9e99", -EINVAL }, { "1000000h", -ERANGE }, { "99999999999999999999", -ERANGE },
	};

	for (size_t i = 0; i < N(cases); i++) {
		uint64_t ns = 99;

		cr_assert(eq(int, parse_duration_ns(cases[i].text, &ns), cases[i].r), "'%s'",
			  cases[i].text);
		cr_assert(eq(u64, ns, 99), "'%s'", cases[i].text);
	}
}
