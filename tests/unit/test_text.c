/* SPDX-License-Identifier: Apache-2.0 */
#include "view/text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

TestSuite(text, .fini = leak_check);

static void assert_clean(const char *from, const char *want)
{
	char *have;

	cr_assert(zero(int, text_clean(from, &have)));
	cr_expect(eq(str, have, (char *)want));
	free(have);
}

Test(text, good_text_is_kept)
{
	assert_clean("", "");
	assert_clean("std::vector<int>", "std::vector<int>");
	assert_clean("größe_计算_𝛑", "größe_计算_𝛑");
}

Test(text, what_a_terminal_would_obey_is_replaced)
{
	assert_clean("a\033[31mb", "a\uFFFD[31mb");
	assert_clean("a\tb\nc\rd", "a b c d");
	assert_clean("a\xc2\x9b"
		     "31mb",
		     "a\uFFFD31mb");
	assert_clean("a\u202eb", "a\uFFFDb");
	assert_clean("a\u2028b\u2029c", "a b c");
	assert_clean("\x7f", "\uFFFD");
}

/* What is ill-formed is from the Unicode standard, table 3-7. */
Test(text, invalid_bytes_are_replaced_one_by_one)
{
	assert_clean("a\xff"
		     "b",
		     "a\uFFFDb");
	assert_clean("\xc0\xaf", "\uFFFD\uFFFD");
	assert_clean("\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD");
	assert_clean("\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD");
	assert_clean("end\xe2\x82", "end\uFFFD\uFFFD");
}

static void assert_cut(const char *text, unsigned width, enum text_cut how, const char *want)
{
	char *have = NULL;
	size_t n;
	FILE *out = open_memstream(&have, &n);

	text_write_cut(out, text, width, how);
	fclose(out);
	cr_expect(eq(str, have, (char *)want));
	cr_expect(le(u32, text_width(have), width));
	free(have);
}

Test(text, what_fits_is_not_cut)
{
	assert_cut("abcdef", 6, TEXT_CUT_RIGHT, "abcdef");
	assert_cut("größe", 5, TEXT_CUT_MIDDLE, "größe");
}

Test(text, a_cut_shows)
{
	assert_cut("abcdefghij", 6, TEXT_CUT_RIGHT, "abcde…");
	assert_cut("abcdefghij", 6, TEXT_CUT_MIDDLE, "abc…ij");
	assert_cut("äöüäöüäöü", 5, TEXT_CUT_MIDDLE, "äö…öü");
	assert_cut("abc", 1, TEXT_CUT_MIDDLE, "…");
	assert_cut("abc", 0, TEXT_CUT_RIGHT, "");
}

Test(text, wide_characters_take_two_columns)
{
	cr_expect(eq(u32, text_width("计算"), 4));
	cr_expect(eq(u32, text_width("e\u0301"), 1));
	assert_cut("计算计算", 5, TEXT_CUT_RIGHT, "计算…");
	assert_cut("计算计算", 6, TEXT_CUT_MIDDLE, "计…算");
}
