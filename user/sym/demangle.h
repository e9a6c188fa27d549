/* SPDX-License-Identifier: Apache-2.0 */
/* Linker names to source names: C++ (Itanium ABI), Rust (both manglings), D. */
#ifndef SYM_DEMANGLE_H
#define SYM_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

enum demangle_style {
	DEMANGLE_FULL,
	DEMANGLE_SIMPLE, /* arguments of templates and functions as <> and (), no return types */
	DEMANGLE_NONE,	 /* the linker's name */
};

#define DEMANGLE_STYLE_NAMES "full, simple or none"

/* "full", "simple", "none"; -EINVAL. */
int demangle_style_parse(const char *str, enum demangle_style *ret);

/*
 * Writes the readable form of @name to @buf (@size >= 8), or @name itself if it is not mangled.
 * What does not fit is cut, and the cut shown by "…". The result is valid UTF-8 without control
 * characters, whatever @name holds. Bounded in memory and output: a few bytes of mangled name can
 * ask for gigabytes.
 */
void demangle(const char *name, char *buf, size_t size);

/*
 * The same in any style; DEMANGLE_SIMPLE also of names of templates as debug information has them,
 * "f<int>". Is the name another one than the linker's? Never with DEMANGLE_NONE.
 */
bool demangle_styled(const char *name, enum demangle_style style, char *buf, size_t size);

/* Could it be such a name? Looks at its first bytes only. */
bool demangle_may_read(const char *name, enum demangle_style style);

#endif
