/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 of foreign strings. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes of the longest prefix of @buf that is valid UTF-8 as RFC 3629 has it: no overlong form, no
 * surrogate, nothing above U+10FFFF, no character cut in two. NUL counts as valid.
 */
size_t utf8_valid_len(const void *buf, size_t len);

/* Valid, and nothing that moves the cursor of who prints it: no byte below 0x20, no 0x7f. */
bool utf8_is_printable(const void *buf, size_t len);

/* Each byte that belongs to no valid character becomes '?'. */
void utf8_replace_invalid(char *buf, size_t len);

/* The same, and each byte that moves the cursor: it is printable then. */
void utf8_make_printable(char *buf, size_t len);

/* Bytes of the character that starts with @lead, 0 if none does. */
size_t utf8_char_len(uint8_t lead);

/* How much of @buf fits into @max bytes without cutting a character in two. */
size_t utf8_fitting_len(const char *buf, size_t len, size_t max);

#endif
