/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/byte_window.h"

#include <string.h>

void byte_window_init(struct byte_window *w, const struct byte_source *src)
{
	w->src = src;
	for (size_t i = 0; i < BYTE_WINDOW_BLOCKS; i++)
		w->blocks[i].len = 0;
}

static int fill(struct byte_window *w, uint64_t index)
{
	const struct byte_source *src = w->src;
	uint64_t off = index * BYTE_WINDOW_STEP;
	size_t slot = index % BYTE_WINDOW_BLOCKS, len = sizeof(w->blocks[slot].bytes);
	int r;

	if (len > src->span.size - off)
		len = src->span.size - off;
	w->blocks[slot].len = 0;
	if (src->ef) {
		r = elf_span_read(src->ef, src->span.off + off, w->blocks[slot].bytes, len);
		if (r < 0)
			return r;
	} else {
		memcpy(w->blocks[slot].bytes, src->mem + off, len);
	}
	w->blocks[slot].index = index;
	w->blocks[slot].len = len;
	return 0;
}

int byte_window_peek(struct byte_window *w, uint64_t off, const uint8_t **ret, size_t *ret_len)
{
	uint64_t index = off / BYTE_WINDOW_STEP;
	size_t slot = index % BYTE_WINDOW_BLOCKS, at = off % BYTE_WINDOW_STEP;
	int r;

	if (off >= w->src->span.size)
		return -EBADMSG;
	if (!w->blocks[slot].len || w->blocks[slot].index != index) {
		r = fill(w, index);
		if (r < 0)
			return r;
	}
	*ret = w->blocks[slot].bytes + at;
	*ret_len = w->blocks[slot].len - at;
	return 0;
}

int byte_window_get(struct byte_window *w, uint64_t off, size_t len, const uint8_t **ret)
{
	size_t there;
	int r = byte_window_peek(w, off, ret, &there);

	if (r < 0)
		return r;
	return there < len ? -EBADMSG : 0;
}
