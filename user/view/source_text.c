/* SPDX-License-Identifier: Apache-2.0 */
#include "view/source_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/vec.h"
#include "view/text.h"

#define SIZE_MAX_BYTES ((size_t)16 << 20)
#define LINE_MAX_BYTES 2048
#define TAB_WIDTH      8

struct source_text {
	char *buf;
	size_t len;
	VEC(uint32_t) starts;
	int64_t time_ns;
};

void source_text_free(struct source_text *st)
{
	if (!st)
		return;

	free(st->buf);
	vec_free(&st->starts);
	free(st);
}

static int check_kind(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return (size_t)st->st_size > SIZE_MAX_BYTES ? -EFBIG : 0;
	return S_ISDIR(st->st_mode) ? -EISDIR : -ENOTSUP;
}

/* Looked at before it is opened, as to open a device may do something; and non-blocking. */
static int open_regular(const char *path, struct stat *st)
{
	int fd, r;

	if (stat(path, st) < 0)
		return -errno;
	r = check_kind(st);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	r = fstat(fd, st) < 0 ? -errno : check_kind(st);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int find_lines(struct source_text *st)
{
	size_t at = 0;

	while (at < st->len) {
		const char *end = memchr(st->buf + at, '\n', st->len - at);
		int r = vec_push(&st->starts, (uint32_t)at);

		if (r < 0)
			return r;
		at = end ? (size_t)(end - st->buf) + 1 : st->len;
	}
	return 0;
}

int source_text_open(const char *path, struct source_text **ret)
{
	CLEANUP(source_text_freep) struct source_text *st = calloc(1, sizeof(*st));
	CLEANUP(closep) int fd = -1;
	struct stat sb;
	int r;

	if (!st)
		return -ENOMEM;
	fd = open_regular(path, &sb);
	if (fd < 0)
		return fd;
	r = read_whole_fd(fd, SIZE_MAX_BYTES, &st->buf, &st->len);
	if (r == 0)
		r = find_lines(st);
	if (r < 0)
		return r;

	st->time_ns = sb.st_mtim.tv_sec * 1000000000ll + sb.st_mtim.tv_nsec;
	*ret = TAKE_PTR(st);
	return 0;
}

uint32_t source_text_lines(const struct source_text *st)
{
	return (uint32_t)st->starts.n;
}

int64_t source_text_time(const struct source_text *st)
{
	return st->time_ns;
}

/* Continuation bytes of UTF-8 take no column of their own. */
static void expand_tabs(const char *in, size_t len, char *out)
{
	unsigned column = 0;

	for (size_t i = 0; i < len && column < LINE_MAX_BYTES; i++) {
		do {
			*out++ = in[i] == '\t' ? ' ' : in[i] ? in[i] : '\x01';
			column += (in[i] & 0xc0) != 0x80;
		} while (in[i] == '\t' && column % TAB_WIDTH);
	}
	*out = '\0';
}

int source_text_line(const struct source_text *st, uint32_t n, char **ret)
{
	char text[LINE_MAX_BYTES * 2 + TAB_WIDTH + 1];
	size_t from, to;

	if (n < 1 || n > st->starts.n)
		return text_clean("", ret);

	from = st->starts.data[n - 1];
	to = n < st->starts.n ? st->starts.data[n] : st->len;
	while (to > from && (st->buf[to - 1] == '\n' || st->buf[to - 1] == '\r'))
		to--;
	if (to - from > LINE_MAX_BYTES)
		to = from + LINE_MAX_BYTES;
	expand_tabs(st->buf + from, to - from, text);
	return text_clean(text, ret);
}
