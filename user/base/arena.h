/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is given back all at once: for many small objects of one lifetime. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* A zeroed struct is an empty arena without limit. */
struct arena {
	struct arena_chunk *chunks; /* newest first */
	size_t total;		    /* bytes of all chunks */
	size_t limit;		    /* total may not exceed this; 0: no limit */
};

/* @size bytes, aligned for any pointer or integer, not zeroed. NULL: no memory, or the limit. */
void *arena_alloc(struct arena *a, size_t size);

/* A copy of @size bytes, aligned likewise. */
void *arena_memdup(struct arena *a, const void *src, size_t size);

/* @len bytes of @str and a NUL, packed without alignment. */
char *arena_strndup(struct arena *a, const char *str, size_t len);

/* All memory becomes free for reuse; one chunk stays allocated. */
void arena_reset(struct arena *a);

void arena_clear(struct arena *a);

#endif
