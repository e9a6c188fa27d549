/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign bytes as text that every format and every screen can have. */
#ifndef BASE_CLEAN_TEXT_H
#define BASE_CLEAN_TEXT_H

#include <stddef.h>

/*
 * Copies the @len bytes at @src, up to the first NUL, to @dst of @size bytes (not 0), with a NUL
 * behind them: valid UTF-8 without control characters, '?' in place of each byte that is none. Too
 * long: cut before a character. Returns the length.
 */
size_t clean_text(const char *src, size_t len, char *dst, size_t size);

/* The same into fresh memory (the caller frees), @max bytes at most. NULL: no memory. */
char *clean_text_dup(const char *src, size_t len, size_t max);

#endif
