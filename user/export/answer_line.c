/* SPDX-License-Identifier: Apache-2.0 */
#include "export/answer_line.h"

#include <string.h>

#include "base/utf8.h"

void answer_line(char *to, size_t size, const void *from, size_t len)
{
	size_t n = utf8_fitting_len(from, len, size - 1);

	if (n)
		memcpy(to, from, n);
	to[n] = '\0';
	utf8_replace_invalid(to, n);
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)to[i] < 0x20 || to[i] == 0x7f)
			to[i] = ' ';
		/* U+0080 to U+009f are control characters as well. */
		if ((unsigned char)to[i] == 0xc2 && (unsigned char)to[i + 1] < 0xa0)
			to[i] = to[i + 1] = '?';
	}
	while (n > 0 && to[n - 1] == ' ')
		to[--n] = '\0';
}
