/* SPDX-License-Identifier: Apache-2.0 */
#include "view/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define BYTES_MAX 4

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t cp, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return true;
	return false;
}

#define IN(cp, ranges) in_ranges(cp, ranges, sizeof(ranges) / sizeof((ranges)[0]))

static size_t sequence_length(uint8_t lead)
{
	if (lead < 0xc0)
		return 1;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

uint32_t text_next(const char **pos)
{
	const uint8_t *p = (const uint8_t *)*pos;
	size_t len = sequence_length(p[0]);
	uint32_t cp = p[0];

	if (!p[0])
		return 0;

	/* Looks no further than the first byte that is wrong, hence not behind the final NUL. */
	if (utf8_valid_len(p, len) != len) {
		(*pos)++;
		return TEXT_REPLACEMENT;
	}

	if (len > 1)
		cp &= 0x7fu >> len;
	for (size_t i = 1; i < len; i++)
		cp = cp << 6 | (p[i] & 0x3f);
	*pos += len;
	return cp;
}

static size_t encode(uint32_t cp, char out[BYTES_MAX])
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

/* Most of all text: quicker than a look at the ranges. */
static bool is_plain(uint32_t cp)
{
	return cp >= 0x20 && cp < 0x7f;
}

static uint32_t clean_code_point(uint32_t cp)
{
	/* C0, DEL and C1; marks that reorder or break lines; byte order mark. */
	static const struct range bad[] = {
		{ 0x01, 0x1f },	    { 0x7f, 0x9f },	{ 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
	};

	if (cp == '\t' || cp == '\n' || cp == '\r' || cp == 0x2028 || cp == 0x2029)
		return ' ';
	return IN(cp, bad) ? TEXT_REPLACEMENT : cp;
}

int text_clean(const char *str, char **ret)
{
	/* One invalid byte becomes three. */
	char *out = malloc(strlen(str) * 3 + 1);
	size_t len = 0;
	uint32_t cp;

	if (!out)
		return -ENOMEM;

	while ((cp = text_next(&str)))
		len += encode(is_plain(cp) ? cp : clean_code_point(cp), out + len);
	out[len] = '\0';
	*ret = out;
	return 0;
}

/* wcwidth(3) depends on the locale, of which a profile knows nothing. */
static unsigned code_point_width(uint32_t cp)
{
	static const struct range zero[] = {
		{ 0x300, 0x36f },   { 0x483, 0x489 },	{ 0x591, 0x5bd },   { 0x610, 0x61a },
		{ 0x64b, 0x65f },   { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x20d0, 0x20ff },
		{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f },
	};
	static const struct range wide[] = {
		{ 0x1100, 0x115f },   { 0x2e80, 0x303e },   { 0x3041, 0xa4cf },
		{ 0xac00, 0xd7a3 },   { 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },
		{ 0xff00, 0xff60 },   { 0xffe0, 0xffe6 },   { 0x1f300, 0x1f64f },
		{ 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd },
	};

	if (is_plain(cp))
		return 1;
	if (IN(cp, zero))
		return 0;
	return IN(cp, wide) ? 2 : 1;
}

unsigned text_width(const char *str)
{
	unsigned width = 0;
	uint32_t cp;

	while ((cp = text_next(&str)))
		width += code_point_width(cp);
	return width;
}

/* Moves @str forward over as much as fits in @width columns. */
static const char *skip_columns(const char *str, unsigned width)
{
	for (;;) {
		const char *next = str;
		uint32_t cp = text_next(&next);

		if (!cp || code_point_width(cp) > width)
			return str;
		width -= code_point_width(cp);
		str = next;
	}
}

void text_write_cut(FILE *out, const char *str, unsigned width, enum text_cut how)
{
	unsigned have = text_width(str), tail;
	const char *end;

	if (have <= width) {
		fputs(str, out);
		return;
	}
	if (!width)
		return;

	tail = how == TEXT_CUT_MIDDLE ? (width - 1) / 2 : 0;
	end = skip_columns(str, width - 1 - tail);
	fprintf(out, "%.*s…", (int)(end - str), str);
	if (!tail)
		return;

	/* The first place from which no more than @tail columns remain. */
	have = text_width(end);
	while (have > tail)
		have -= code_point_width(text_next(&end));
	fputs(end, out);
}
