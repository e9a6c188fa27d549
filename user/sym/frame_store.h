/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and lists of frames that results point to, each kept once. */
#ifndef SYM_FRAME_STORE_H
#define SYM_FRAME_STORE_H

#include "base/arena.h"
#include "base/hashmap.h"
#include "sym/symbolizer.h"

struct frame_store {
	struct arena memory;
	struct hashmap strings;
	struct hashmap lists;
};

/* The copy of @str that is kept. -ENOMEM. */
int frame_store_string(struct frame_store *fs, const char *str, size_t len, const char **ret);

/* The same for @n frames, whose strings are from here. -ENOMEM. */
int frame_store_list(struct frame_store *fs, const struct sym_frame *frames, size_t n,
		     struct sym_frame **ret);

/* Bytes of memory that it takes. */
size_t frame_store_size(const struct frame_store *fs);

/* It can be used on. */
void frame_store_clear(struct frame_store *fs);

#endif
