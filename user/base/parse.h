/* SPDX-License-Identifier: Apache-2.0 */
/* Text to values, strictly: the whole string must be the value. */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stddef.h>
#include <stdint.h>

/* Decimal. -EINVAL if it is no number, -ERANGE if it is outside [@min, @max]. */
int parse_u64(const char *str, uint64_t min, uint64_t max, uint64_t *ret);

/* Exactly 2 * @len hex digits of either case to @len bytes. -EINVAL otherwise. */
int parse_hex(const char *str, uint8_t *ret, size_t len);

/* @len bytes to 2 * @len lower-case digits and NUL; @out must hold 2 * @len + 1. */
void format_hex(const uint8_t *bytes, size_t len, char *out);

/* A duration in seconds with an optional fraction, or with unit ms, s, m, h, to ns.
 * -EINVAL/-ERANGE. */
int parse_duration_ns(const char *str, uint64_t *ret);

#endif
