/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clean_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* How much of @src fits into @max bytes without cutting a character in two. */
static size_t length_of_prefix(const char *src, size_t len, size_t max)
{
	size_t n = max;

	if (len <= max)
		return len;
	for (int back = 0; back < 3 && n && (src[n] & 0xc0) == 0x80; back++)
		n--;
	return (src[n] & 0xc0) == 0x80 ? max : n;
}

size_t clean_text(const char *src, size_t len, char *dst, size_t size)
{
	size_t n = length_of_prefix(src, strnlen(src, len), size - 1);

	memcpy(dst, src, n);
	dst[n] = '\0';
	utf8_replace_invalid(dst, n);
	for (char *p = dst; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return n;
}

char *clean_text_dup(const char *src, size_t len, size_t max)
{
	size_t room = strnlen(src, len < max ? len : max) + 1;
	char *copy = malloc(room);

	if (copy)
		clean_text(src, len, copy, room);
	return copy;
}
