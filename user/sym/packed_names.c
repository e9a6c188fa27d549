/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/packed_names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/vec.h"

/* Small blocks are quickly unpacked, and pack less well: kernels' names to a third of their size.
 */
#define BLOCK_MAX (16 * 1024)
#define LEVEL	  6

_Static_assert(PACKED_NAME_MAX < BLOCK_MAX, "a name has room");

struct block {
	size_t first; /* number of its first name */
	uint32_t len; /* packed */
	uint8_t *data;
};

struct packed_names {
	VEC(struct block) blocks;
	size_t n; /* names */
	size_t packed;
	/* The block that is being filled, later the one that was unpacked last. */
	char text[BLOCK_MAX];
	size_t text_len, text_first, text_n;
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
};

int packed_names_new(struct packed_names **ret)
{
	CLEANUP(packed_names_freep) struct packed_names *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->pack = ZSTD_createCCtx();
	p->unpack = ZSTD_createDCtx();
	if (!p->pack || !p->unpack)
		return -ENOMEM;
	*ret = TAKE_PTR(p);
	return 0;
}

void packed_names_free(struct packed_names *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->blocks.n; i++)
		free(p->blocks.data[i].data);
	vec_free(&p->blocks);
	ZSTD_freeCCtx(p->pack);
	ZSTD_freeDCtx(p->unpack);
	free(p);
}

static int close_block(struct packed_names *p)
{
	uint8_t packed[ZSTD_COMPRESSBOUND(BLOCK_MAX)];
	struct block b = { .first = p->text_first };
	size_t len;
	int r;

	if (!p->text_len)
		return 0;
	len = ZSTD_compressCCtx(p->pack, packed, sizeof(packed), p->text, p->text_len, LEVEL);
	if (ZSTD_isError(len))
		return -ENOMEM;
	b.len = (uint32_t)len;
	b.data = malloc(len);
	if (!b.data)
		return -ENOMEM;
	memcpy(b.data, packed, len);
	r = vec_push(&p->blocks, b);
	if (r < 0) {
		free(b.data);
		return r;
	}
	p->packed += len;
	p->text_len = p->text_n = 0;
	p->text_first = p->n;
	return 0;
}

int packed_names_add(struct packed_names *p, const char *name)
{
	size_t size = strlen(name) + 1;
	int r = 0;

	if (size > PACKED_NAME_MAX)
		return -EINVAL;
	if (p->text_len + size > sizeof(p->text))
		r = close_block(p);
	if (r < 0)
		return r;
	memcpy(p->text + p->text_len, name, size);
	p->text_len += size;
	p->text_n++;
	p->n++;
	return 0;
}

int packed_names_end(struct packed_names *p)
{
	int r = close_block(p);

	ZSTD_freeCCtx(TAKE_PTR(p->pack));
	return r;
}

static const struct block *block_of(const struct packed_names *p, size_t i)
{
	size_t lo = 0, hi = p->blocks.n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->blocks.data[mid].first <= i)
			lo = mid;
		else
			hi = mid;
	}
	return &p->blocks.data[lo];
}

static bool unpack(struct packed_names *p, const struct block *b)
{
	const struct block *end = p->blocks.data + p->blocks.n;
	size_t len = ZSTD_decompressDCtx(p->unpack, p->text, sizeof(p->text), b->data, b->len);

	p->text_n = 0;
	if (ZSTD_isError(len))
		return false;
	p->text_len = len;
	p->text_first = b->first;
	p->text_n = (b + 1 < end ? b[1].first : p->n) - b->first;
	return true;
}

const char *packed_names_get(struct packed_names *p, size_t i)
{
	const char *name = p->text;

	if (i >= p->n)
		return NULL;
	if ((i < p->text_first || i - p->text_first >= p->text_n) && !unpack(p, block_of(p, i)))
		return NULL;
	for (size_t k = p->text_first; k < i; k++)
		name += strlen(name) + 1;
	return name;
}

size_t packed_names_bytes(const struct packed_names *p)
{
	return sizeof(*p) + p->packed + p->blocks.cap * sizeof(struct block);
}
