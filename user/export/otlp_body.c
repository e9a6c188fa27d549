/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_body.h"

#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"

#define GZIP_WINDOW (15 + 16) /* 32 KiB window, gzip header: see deflateInit2() */
#define FRAME_LEN   5	      /* one byte: compressed? four: length, big-endian */

/* Into @out, which has room for what deflateBound() says. */
static void compress_into(z_stream *z, const void *in, size_t len, uint8_t *out, size_t *out_len)
{
	z->next_in = (Bytef *)in;
	z->avail_in = len;
	z->next_out = out;
	z->avail_out = *out_len;
	deflate(z, Z_FINISH);
	*out_len -= z->avail_out;
}

static int compress_body(const void *in, size_t len, size_t prefix, uint8_t **ret, size_t *ret_len)
{
	z_stream z = { 0 };
	size_t room;
	uint8_t *buf;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&z, len);
	buf = malloc(prefix + room);
	if (buf)
		compress_into(&z, in, len, buf + prefix, &room);
	deflateEnd(&z);
	if (!buf)
		return -ENOMEM;
	*ret = buf;
	*ret_len = prefix + room;
	return 0;
}

static int copy_body(const void *in, size_t len, size_t prefix, uint8_t **ret, size_t *ret_len)
{
	uint8_t *buf = malloc(prefix + len + 1);

	if (!buf)
		return -ENOMEM;
	if (len)
		memcpy(buf + prefix, in, len);
	*ret = buf;
	*ret_len = prefix + len;
	return 0;
}

int otlp_body(const struct otlp_encoding *encoding, const void *request, size_t len, uint8_t **ret,
	      size_t *ret_len)
{
	size_t prefix = encoding->grpc ? FRAME_LEN : 0, n;
	int r;

	/* zlib counts with 32 bits as gRPC does. */
	if (len > UINT32_MAX / 2)
		return -EFBIG;
	r = (encoding->gzip ? compress_body : copy_body)(request, len, prefix, ret, ret_len);
	if (r < 0 || !prefix)
		return r;
	n = *ret_len - prefix;
	(*ret)[0] = encoding->gzip;
	for (int i = 0; i < 4; i++)
		(*ret)[1 + i] = n >> (24 - 8 * i);
	return 0;
}
