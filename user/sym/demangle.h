/* SPDX-License-Identifier: Apache-2.0 */
/* Linker names to source names: C++ (Itanium ABI), Rust (both manglings). */
#ifndef SYM_DEMANGLE_H
#define SYM_DEMANGLE_H

#include <stddef.h>

/*
 * Writes the readable form of @name to @buf (@size >= 8), or @name itself if it is not mangled.
 * What does not fit is cut, and the cut shown by "…". The result is valid UTF-8 without control
 * characters, whatever @name holds. Bounded in memory and output: a few bytes of mangled name can
 * ask for gigabytes.
 */
void demangle(const char *name, char *buf, size_t size);

#endif
