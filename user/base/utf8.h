/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 of foreign strings. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Bytes of the longest prefix of @buf that is valid UTF-8 as RFC 3629 has it: no overlong form, no
 * surrogate, nothing above U+10FFFF, no character cut in two. NUL counts as valid.
 */
size_t utf8_valid_len(const void *buf, size_t len);

/* Valid, and nothing that moves the cursor of who prints it: no byte below 0x20, no 0x7f. */
bool utf8_is_printable(const void *buf, size_t len);

/* Each byte that belongs to no valid character becomes '?'. */
void utf8_replace_invalid(char *buf, size_t len);

#endif
