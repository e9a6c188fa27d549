/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns of the shell on foreign text, in time bounded by the product of both lengths. */
#ifndef META_GLOB_H
#define META_GLOB_H

#include <stdbool.h>

/*
 * '*': any text, '/' too; '?': any byte; [abc], [a-z], [!a-z]: one of these, or none of them; '\':
 * the next byte as it is. A '[' without ']' is text.
 */
bool glob_match(const char *pattern, const char *text);

#endif
