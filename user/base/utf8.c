/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>

size_t utf8_char_len(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf) /* 0xc0, 0xc1: overlong */
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4) /* above: more than U+10FFFF */
		return 4;
	return 0;
}

/* What the second byte must not be is overlong, a surrogate, or above U+10FFFF. */
static bool second_ok(uint8_t lead, uint8_t second)
{
	switch (lead) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

static bool char_ok(const uint8_t *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return n == 1 || second_ok(p[0], p[1]);
}

/* The most frequent case, eight bytes at a time: all of them from 0x20 to 0x7e. */
static size_t plain_len(const uint8_t *p, size_t len)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	size_t i = 0;

	for (uint64_t w; i + sizeof(w) <= len; i += sizeof(w)) {
		memcpy(&w, p + i, sizeof(w));
		/* Where no top bit is set, + 1 sets that of 0x7f, and - 0x20 keeps one from 0x20
		 * on. */
		if ((w | (w + ones) | ~((w | tops) - 0x20 * ones)) & tops)
			break;
	}
	return i;
}

/* The same as utf8_valid_len(), of which the first @i bytes are known to be valid. */
static size_t valid_from(const uint8_t *p, size_t i, size_t len)
{
	while (i < len) {
		size_t n = utf8_char_len(p[i]);

		if (n == 0 || n > len - i || !char_ok(p + i, n))
			break;
		i += n;
	}
	return i;
}

size_t utf8_valid_len(const void *buf, size_t len)
{
	return valid_from(buf, plain_len(buf, len), len);
}

bool utf8_is_printable(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t plain = plain_len(p, len);

	for (size_t i = plain; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
	return valid_from(p, plain, len) == len;
}

void utf8_replace_invalid(char *buf, size_t len)
{
	for (size_t i = utf8_valid_len(buf, len); i < len; i += utf8_valid_len(buf + i, len - i))
		buf[i] = '?';
}

void utf8_make_printable(char *buf, size_t len)
{
	if (utf8_is_printable(buf, len))
		return;
	utf8_replace_invalid(buf, len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)buf[i] < 0x20 || buf[i] == 0x7f)
			buf[i] = '?';
}

size_t utf8_fitting_len(const char *buf, size_t len, size_t max)
{
	size_t n = max;

	if (len <= max)
		return len;
	for (int back = 0; back < 3 && n && (buf[n] & 0xc0) == 0x80; back++)
		n--;
	return (buf[n] & 0xc0) == 0x80 ? max : n;
}
