/* SPDX-License-Identifier: Apache-2.0 */
#include "elf/unpack.h"

#include <libdeflate.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/vec.h"
#include "elf/elf_image.h"

#define WINDOW 65536

/* Of packed bytes, that is held in memory beside what it unpacks to. */
#define AT_ONCE_MAX (8U << 20)

/* The input, piece by piece. */
struct feed {
	const struct unpack_input *in;
	uint64_t done;
	uint8_t buf[WINDOW];
};

/* The next piece, in feed->buf; 0 bytes at the end. */
static int feed_next(struct feed *f, size_t *ret_len)
{
	uint64_t left = f->in->len - f->done;
	size_t len = left < WINDOW ? left : WINDOW;
	int r;

	if (f->in->off > UINT64_MAX - f->done)
		return -EBADMSG;
	r = elf_image_read(f->in->ef, f->in->off + f->done, f->buf, len);
	if (r < 0)
		return r;
	f->done += len;
	*ret_len = len;
	return 0;
}

static void deflate_freep(struct libdeflate_decompressor **d)
{
	if (*d)
		libdeflate_free_decompressor(*d);
}

/* All at once, which takes half the time. Whatever it does not like is tried piece by piece. */
static bool fill_at_once(const struct unpack_input *in, uint8_t *out, size_t size)
{
	CLEANUP(deflate_freep) struct libdeflate_decompressor *d = NULL;
	CLEANUP(freep) uint8_t *packed = NULL;

	if (in->len > AT_ONCE_MAX)
		return false;
	packed = malloc(in->len + 1);
	d = libdeflate_alloc_decompressor();
	return packed && d && elf_image_read(in->ef, in->off, packed, in->len) == 0 &&
	       libdeflate_zlib_decompress(d, packed, in->len, out, size, NULL) ==
		       LIBDEFLATE_SUCCESS;
}

static void inflate_endp(z_stream *z)
{
	inflateEnd(z);
}

/* Z_BUF_ERROR is no error: more input is wanted. */
static int fill_zlib(struct feed *f, uint8_t *out, size_t size)
{
	CLEANUP(inflate_endp) z_stream z = { .next_out = out, .avail_out = size };
	int state = inflateInit(&z);

	if (state != Z_OK)
		return -ENOMEM;
	while (state != Z_STREAM_END && z.avail_out > 0) {
		size_t len;
		int r = feed_next(f, &len);

		if (r < 0)
			return r;
		z.next_in = f->buf;
		z.avail_in = len;
		state = inflate(&z, Z_NO_FLUSH);
		if (len == 0 || (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR))
			return -EBADMSG;
	}
	return z.avail_out ? -EBADMSG : 0;
}

static void zstd_freep(ZSTD_DCtx **d)
{
	ZSTD_freeDCtx(*d);
}

static int fill_zstd(struct feed *f, uint8_t *out, size_t size)
{
	CLEANUP(zstd_freep) ZSTD_DCtx *d = ZSTD_createDCtx();
	ZSTD_outBuffer o = { .dst = out, .size = size };

	if (!d)
		return -ENOMEM;
	while (o.pos < o.size) {
		ZSTD_inBuffer i = { .src = f->buf };
		int r = feed_next(f, &i.size);

		if (r < 0)
			return r;
		if (i.size == 0)
			return -EBADMSG;
		while (i.pos < i.size && o.pos < o.size)
			if (ZSTD_isError(ZSTD_decompressStream(d, &o, &i)))
				return -EBADMSG;
	}
	return 0;
}

int unpack_fill(const struct unpack_input *in, enum unpack_format format, uint8_t *out, size_t size)
{
	CLEANUP(freep) struct feed *f = malloc(sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->in = in;
	f->done = 0;
	if (size > UINT32_MAX)
		return -EFBIG;
	if (format == UNPACK_ZLIB && fill_at_once(in, out, size))
		return 0;
	return format == UNPACK_ZLIB ? fill_zlib(f, out, size) : fill_zstd(f, out, size);
}

/* --- xz ------------------------------------------------------------------------------------- */

struct output {
	uint8_t *data;
	size_t n, cap;
};

static int error_of(lzma_ret state)
{
	switch (state) {
	case LZMA_OK:
	case LZMA_STREAM_END:
	case LZMA_BUF_ERROR:
		return 0;
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
		return -EFBIG;
	default:
		return -EBADMSG;
	}
}

/* Unpacks what the decoder holds; the output may come to @max bytes. */
static int drain(lzma_stream *z, lzma_action action, struct output *out, size_t max,
		 lzma_ret *state)
{
	do {
		int r;

		if (out->n >= max)
			return -EFBIG;
		r = vec_reserve_bytes((void **)&out->data, &out->cap, out->n + WINDOW, 1);
		if (r < 0)
			return r;
		z->next_out = out->data + out->n;
		z->avail_out = out->cap - out->n;
		*state = lzma_code(z, action);
		out->n = out->cap - z->avail_out;
		r = error_of(*state);
		if (r < 0)
			return r;
	} while (*state == LZMA_OK && z->avail_out == 0);
	return 0;
}

static int feed_xz(struct feed *f, lzma_stream *z, struct output *out, size_t max)
{
	lzma_ret state = LZMA_OK;

	while (state != LZMA_STREAM_END) {
		size_t len;
		int r = feed_next(f, &len);

		if (r < 0)
			return r;
		z->next_in = f->buf;
		z->avail_in = len;
		r = drain(z, len ? LZMA_RUN : LZMA_FINISH, out, max, &state);
		if (r < 0)
			return r;
		if (len == 0 && state != LZMA_STREAM_END)
			return -EBADMSG;
	}
	return out->n > max ? -EFBIG : 0;
}

int unpack_xz(const struct unpack_input *in, size_t max, uint8_t **ret, size_t *ret_len)
{
	CLEANUP(freep) struct feed *f = malloc(sizeof(*f));
	lzma_stream z = LZMA_STREAM_INIT;
	struct output out = { 0 };
	int r = -ENOMEM;

	if (!f)
		return -ENOMEM;
	f->in = in;
	f->done = 0;
	if (lzma_stream_decoder(&z, max, 0) == LZMA_OK)
		r = feed_xz(f, &z, &out, max);
	lzma_end(&z);
	if (r < 0) {
		free(out.data);
		return r;
	}
	*ret = out.data;
	*ret_len = out.n;
	return 0;
}
