/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MIN (16 * 1024)
#define CHUNK_MAX (1024 * 1024)
#define ALIGN	  8

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size; /* of data */
	_Alignas(ALIGN) char data[];
};

/* Chunks double, so that a small arena is small and a large one has few chunks. */
static size_t chunk_size(const struct arena *a, size_t need)
{
	size_t size = a->chunks ? a->chunks->size * 2 : CHUNK_MIN;

	if (size > CHUNK_MAX)
		size = CHUNK_MAX;
	return size < need ? need : size;
}

static struct arena_chunk *add_chunk(struct arena *a, size_t need)
{
	size_t size = chunk_size(a, need);
	struct arena_chunk *c;

	if (size > SIZE_MAX / 2 || (a->limit && size > a->limit - a->total))
		return NULL;

	c = malloc(sizeof(*c) + size);
	if (!c)
		return NULL;
	*c = (struct arena_chunk){ .next = a->chunks, .size = size };
	a->chunks = c;
	a->total += size;
	return c;
}

static void *take(struct arena *a, size_t size, size_t align)
{
	struct arena_chunk *c = a->chunks;
	size_t start = c ? (c->used + align - 1) & ~(align - 1) : 0;

	if (!c || start > c->size || size > c->size - start) {
		c = add_chunk(a, size);
		start = 0;
	}
	if (!c)
		return NULL;

	c->used = start + size;
	return c->data + start;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return take(a, size, ALIGN);
}

void *arena_memdup(struct arena *a, const void *src, size_t size)
{
	void *p = arena_alloc(a, size);

	if (p && size)
		memcpy(p, src, size);
	return p;
}

char *arena_strndup(struct arena *a, const char *str, size_t len)
{
	char *p = len < SIZE_MAX ? take(a, len + 1, 1) : NULL;

	if (!p)
		return NULL;
	memcpy(p, str, len);
	p[len] = '\0';
	return p;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->chunks;

	if (!keep)
		return;

	a->chunks = keep->next;
	a->total -= keep->size;
	arena_clear(a);
	keep->next = NULL;
	keep->used = 0;
	a->chunks = keep;
	a->total = keep->size;
}

void arena_clear(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
	a->total = 0;
}
