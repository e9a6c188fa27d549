/* SPDX-License-Identifier: Apache-2.0 */
/* Names of functions and source files, each kept once, and the frames that results point to. */
#ifndef SYM_NAME_TABLE_H
#define SYM_NAME_TABLE_H

#include "base/arena.h"
#include "base/hashmap.h"
#include "sym/symbolizer.h"

struct name_table {
	struct hashmap by_raw;
	struct hashmap files;
	struct arena frames;
	size_t bytes; /* of names and paths */
};

/*
 * The frame of the function that the linker calls @raw. It lives as long as the table. @suffix
 * (NULL: none) is appended to the readable name. -ENOMEM.
 */
int name_table_intern(struct name_table *t, const char *raw, const char *suffix,
		      struct sym_frame **ret);

/* The same, but the name is shown as it is, and not demangled. Not for a table that has both. */
int name_table_intern_as_is(struct name_table *t, const char *raw, struct sym_frame **ret);

/* The path of a source file, as it can be shown. It lives as long as the table. -ENOMEM. */
int name_table_intern_file(struct name_table *t, const char *path, const char **ret);

/* @n zeroed frames that live as long as the table. NULL: no memory. */
struct sym_frame *name_table_frames(struct name_table *t, size_t n);

/* Bytes of memory that it takes. */
size_t name_table_size(const struct name_table *t);

/* It can be used on. */
void name_table_clear(struct name_table *t);

#endif
