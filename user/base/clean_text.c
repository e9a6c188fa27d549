/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clean_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

size_t clean_text(const char *src, size_t len, char *dst, size_t size)
{
	size_t n = utf8_fitting_len(src, strnlen(src, len), size - 1);

	memcpy(dst, src, n);
	dst[n] = '\0';
	utf8_make_printable(dst, n);
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
