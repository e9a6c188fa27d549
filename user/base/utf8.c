/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes of the character that starts with @lead, 0 if none does. */
static size_t char_len(uint8_t lead)
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

size_t utf8_valid_len(const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t i = 0;

	while (i < len) {
		size_t n = char_len(p[i]);

		if (n == 0 || n > len - i || !char_ok(p + i, n))
			break;
		i += n;
	}

	return i;
}
