/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "leak_check.h"

TestSuite(utf8, .fini = leak_check);

/* The encoder of RFC 3629, section 3: the other means by which validity is established. */
static size_t encode(uint32_t c, uint8_t *out)
{
	if (c < 0x80) {
		out[0] = c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = 0xc0 | c >> 6;
		out[1] = 0x80 | (c & 0x3f);
		return 2;
	}
	if (c < 0x10000) {
		out[0] = 0xe0 | c >> 12;
		out[1] = 0x80 | (c >> 6 & 0x3f);
		out[2] = 0x80 | (c & 0x3f);
		return 3;
	}
	out[0] = 0xf0 | c >> 18;
	out[1] = 0x80 | (c >> 12 & 0x3f);
	out[2] = 0x80 | (c >> 6 & 0x3f);
	out[3] = 0x80 | (c & 0x3f);
	return 4;
}

static bool is_scalar(uint32_t c)
{
	return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

Test(utf8, every_character_is_valid_and_cut_ones_are_not)
{
	uint8_t buf[4];

	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		size_t n = encode(c, buf);

		if (!is_scalar(c))
			continue;
		cr_assert(eq(sz, utf8_valid_len(buf, n), n), "U+%04X", c);
		for (size_t cut = 1; cut < n; cut++)
			cr_assert(zero(sz, utf8_valid_len(buf, cut)), "U+%04X cut", c);
	}
}

/* The encoder yields 2^11 - 2^7 two-byte and 2^16 - 2^11 - 2^11 three-byte sequences, no others. */
Test(utf8, no_other_two_or_three_bytes_are_one_character)
{
	size_t two = 0, three = 0;

	for (uint32_t v = 0; v < 1 << 16; v++) {
		uint8_t buf[2] = { v >> 8, v };

		if (buf[0] >= 0x80)
			two += utf8_valid_len(buf, 2) == 2;
	}
	for (uint32_t v = 0x800000; v < 1 << 24; v++) {
		uint8_t buf[3] = { v >> 16, v >> 8, v };

		if (utf8_valid_len(buf, 2) == 0)
			three += utf8_valid_len(buf, 3) == 3;
	}
	cr_assert(eq(sz, two, (1 << 11) - (1 << 7)));
	cr_assert(eq(sz, three, (1 << 16) - (1 << 11) - (1 << 11)));
}

/* Each lead and second byte is tried: the characters above U+FFFF are 2^20. */
Test(utf8, no_other_four_bytes_are_one_character)
{
	size_t four = 0;

	for (uint32_t v = 0; v < 1 << 24; v++) {
		uint8_t buf[4] = { 0xf0 | v >> 20, v >> 12, 0x80 | (v >> 6 & 0x3f),
				   0x80 | (v & 0x3f) };

		four += utf8_valid_len(buf, 4) == 4;
	}
	cr_assert(eq(sz, four, 1 << 20));
}

/* All bytes at all places, so also in the middle of eight. */
Test(utf8, printable_is_what_has_no_control_characters)
{
	for (unsigned c = 0; c < 256; c++)
		for (size_t at = 0; at < 20; at++) {
			char buf[21] = "abcdefghijklmnopqrst";

			buf[at] = c;
			cr_assert(eq(int, utf8_is_printable(buf, 20), c >= 0x20 && c < 0x7f),
				  "0x%02x at %zu", c, at);
			cr_assert(eq(sz, utf8_valid_len(buf, 20), c < 0x80 ? 20 : at));
		}
	cr_assert(utf8_is_printable("", 0));
	cr_assert(utf8_is_printable("caf\xc3\xa9 caf\xc3\xa9", 11));
	cr_assert(not(utf8_is_printable("caf\xc3\xa9 caf\xc3", 10)));
}

Test(utf8, prefix_ends_at_the_first_bad_byte)
{
	cr_assert(eq(sz, utf8_valid_len("", 0), 0));
	cr_assert(eq(sz, utf8_valid_len(NULL, 0), 0));
	cr_assert(eq(sz, utf8_valid_len("a\0b", 3), 3));
	cr_assert(eq(sz, utf8_valid_len("caf\xc3\xa9", 5), 5));
	cr_assert(eq(sz, utf8_valid_len("caf\xc3", 4), 3));
	cr_assert(eq(sz, utf8_valid_len("ab\xffgh", 5), 2));
	cr_assert(eq(sz, utf8_valid_len("x\xed\xa0\x80", 4), 1), "surrogate");
	cr_assert(eq(sz, utf8_valid_len("x\xc0\xaf", 3), 1), "overlong");
}

Test(utf8, made_printable)
{
	char text[] = "caf\xc3\xa9\n\x7f\xff\x1b[m", same[] = "caf\xc3\xa9";

	utf8_make_printable(text, sizeof(text) - 1);
	cr_expect(eq(str, text, "caf\xc3\xa9????[m"));
	utf8_make_printable(same, sizeof(same) - 1);
	cr_expect(eq(str, same, "caf\xc3\xa9"));
}

Test(utf8, what_fits_ends_with_a_whole_character)
{
	const char *text = "a\xe2\x82\xac\xf0\x9f\x98\x80z", *bad = "\x80\x80\x80\x80\x80\x80";

	cr_expect(eq(sz, utf8_fitting_len(text, 9, 9), 9));
	cr_expect(eq(sz, utf8_fitting_len(text, 9, 20), 9));
	cr_expect(eq(sz, utf8_fitting_len(text, 9, 8), 8));
	for (size_t max = 4; max < 8; max++)
		cr_expect(eq(sz, utf8_fitting_len(text, 9, max), 4));
	for (size_t max = 1; max < 4; max++)
		cr_expect(eq(sz, utf8_fitting_len(text, 9, max), 1));
	cr_expect(eq(sz, utf8_fitting_len(text, 9, 0), 0));
	cr_expect(eq(sz, utf8_fitting_len(bad, 6, 5), 5), "nowhere to cut");
}
