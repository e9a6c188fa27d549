/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clean_text.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"

TestSuite(clean_text, .fini = leak_check);

static void assert_clean(const char *src, size_t size, const char *want)
{
	char room[64];

	memset(room, 'x', sizeof(room));
	cr_expect(eq(sz, clean_text(src, strlen(src), room, size), strlen(want)));
	cr_expect_str_eq(room, want);
}

Test(clean_text, text_stays_as_it_is)
{
	assert_clean("", 64, "");
	assert_clean("shop \"eu\" \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 64,
		     "shop \"eu\" \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

Test(clean_text, other_bytes)
{
	assert_clean("a\nb\tc\x7f\x1b[m", 64, "a?b?c??[m");
	assert_clean("\xff\xc3(\xc0\x80\xed\xa0\x80", 64, "?\?(?????");
	assert_clean("\xe2\x82", 64, "??");
}

Test(clean_text, too_long)
{
	assert_clean("abcdef", 4, "abc");
	assert_clean("abcdef", 1, "");
	assert_clean("ab\xe2\x82\xac", 6, "ab\xe2\x82\xac");
	assert_clean("ab\xe2\x82\xac", 5, "ab");
	assert_clean("ab\xe2\x82\xac", 4, "ab");
	assert_clean("ab\xf0\x9f\x98\x80", 6, "ab");
	assert_clean("\x80\x80\x80\x80\x80\x80", 6, "?????");
}

Test(clean_text, up_to_the_first_nul)
{
	char *copy = clean_text_dup("ab\0cd", 5, 64);

	cr_assert_str_eq(copy, "ab");
	free(copy);
	copy = clean_text_dup("abcd", 4, 3);
	cr_assert_str_eq(copy, "abc");
	free(copy);
}
