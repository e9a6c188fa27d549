/* SPDX-License-Identifier: Apache-2.0 */
#include "export/gunzip.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "base/vec.h"

#define GZIP_ONLY (15 + 16) /* 32 KiB window, gzip header required: see inflateInit2() */
#define STEP	  (64 * 1024)

struct gunzipper {
	z_stream z;
	const uint8_t *in;
	size_t in_len; /* not yet given to zlib */
	size_t max;
	VEC(uint8_t) out;
};

static void gunzipper_clear(struct gunzipper *g)
{
	inflateEnd(&g->z);
	vec_free(&g->out);
}

bool gunzip_is(const void *buf, size_t len)
{
	return len >= 2 && memcmp(buf, "\x1f\x8b", 2) == 0;
}

/* zlib counts in unsigned int. */
static void feed(struct gunzipper *g)
{
	size_t n = g->in_len < UINT_MAX ? g->in_len : UINT_MAX;

	if (g->z.avail_in)
		return;
	g->z.next_in = (Bytef *)g->in;
	g->z.avail_in = n;
	g->in += n;
	g->in_len -= n;
}

/* One round of output. 1: a member is complete; 0: there is more to do. */
static int inflate_step(struct gunzipper *g)
{
	int r;

	if (vec_reserve(&g->out, STEP) < 0)
		return -ENOMEM;
	feed(g);
	g->z.next_out = g->out.data + g->out.n;
	g->z.avail_out = STEP;
	r = inflate(&g->z, Z_NO_FLUSH);
	g->out.n += STEP - g->z.avail_out;

	if (r == Z_MEM_ERROR)
		return -ENOMEM;
	if (r != Z_OK && r != Z_STREAM_END) /* Z_BUF_ERROR: input ended too early */
		return -EBADMSG;
	if (g->out.n > g->max)
		return -EFBIG;
	return r == Z_STREAM_END;
}

static int inflate_member(struct gunzipper *g)
{
	int r;

	do
		r = inflate_step(g);
	while (r == 0);
	return r;
}

int gunzip(const void *buf, size_t len, size_t max, uint8_t **ret, size_t *ret_len)
{
	CLEANUP(gunzipper_clear) struct gunzipper g = { .in = buf, .in_len = len, .max = max };
	int r;

	if (inflateInit2(&g.z, GZIP_ONLY) != Z_OK)
		return -ENOMEM;

	do {
		r = inflate_member(&g);
		if (r < 0)
			return r;
		inflateReset(&g.z);
	} while (g.z.avail_in || g.in_len);

	*ret_len = g.out.n;
	*ret = TAKE_PTR(g.out.data);
	return 0;
}
