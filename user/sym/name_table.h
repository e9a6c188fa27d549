/* SPDX-License-Identifier: Apache-2.0 */
/* Names of functions, each kept once, as the frames that results point to. */
#ifndef SYM_NAME_TABLE_H
#define SYM_NAME_TABLE_H

#include "base/hashmap.h"
#include "sym/symbolizer.h"

struct name_table {
	struct hashmap by_raw;
};

/*
 * The frame of the function that the linker calls @raw. It lives as long as the table. @suffix
 * (NULL: none) is appended to the readable name. -ENOMEM.
 */
int name_table_intern(struct name_table *t, const char *raw, const char *suffix,
		      struct sym_frame **ret);
void name_table_clear(struct name_table *t);

#endif
