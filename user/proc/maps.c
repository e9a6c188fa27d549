/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/maps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/io.h"

#define DELETED " (deleted)"
#define NEWLINE "\\012"

/* What is left of a line. */
struct line {
	const char *p, *end;
};

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return 16;
}

/* At least one digit of @base, and no more than fit. */
static bool take_number(struct line *l, int base, uint64_t *ret)
{
	const char *start = l->p;
	uint64_t v = 0;

	for (; l->p < l->end; l->p++) {
		int d = digit_value(*l->p);

		if (d >= base)
			break;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}

	*ret = v;
	return l->p > start;
}

static bool take_char(struct line *l, char c)
{
	if (l->p == l->end || *l->p != c)
		return false;
	l->p++;
	return true;
}

/* One permission letter: @yes or @no. */
static bool take_flag(struct line *l, char yes, char no, bool *ret)
{
	*ret = l->p < l->end && *l->p == yes;
	return take_char(l, *ret ? yes : no);
}

static bool take_perms(struct line *l, struct map_entry *e)
{
	return take_flag(l, 'r', '-', &e->read) && take_flag(l, 'w', '-', &e->write) &&
	       take_flag(l, 'x', '-', &e->exec) && take_flag(l, 's', 'p', &e->shared);
}

static bool take_dev(struct line *l, dev_t *ret)
{
	uint64_t major, minor;

	if (!take_number(l, 16, &major) || !take_char(l, ':') || !take_number(l, 16, &minor))
		return false;
	if (major > UINT32_MAX || minor > UINT32_MAX)
		return false;

	*ret = makedev((unsigned)major, (unsigned)minor);
	return true;
}

/* The kernel pads the path to a column; anonymous mappings end after a space or the inode. */
static bool take_path(struct line *l, struct map_entry *e)
{
	if (l->p < l->end && *l->p != ' ')
		return false;
	while (l->p < l->end && *l->p == ' ')
		l->p++;

	e->path = l->p;
	e->path_len = (size_t)(l->end - l->p);
	return !memchr(e->path, '\0', e->path_len);
}

static bool parse_line(struct line l, struct map_entry *e)
{
	uint64_t ino;

	if (!take_number(&l, 16, &e->start) || !take_char(&l, '-') ||
	    !take_number(&l, 16, &e->end) || e->end <= e->start)
		return false;
	if (!take_char(&l, ' ') || !take_perms(&l, e))
		return false;
	if (!take_char(&l, ' ') || !take_number(&l, 16, &e->offset))
		return false;
	if (!take_char(&l, ' ') || !take_dev(&l, &e->dev))
		return false;
	if (!take_char(&l, ' ') || !take_number(&l, 10, &ino))
		return false;

	e->ino = ino;
	return take_path(&l, e);
}

bool maps_next(struct maps_cursor *c, struct map_entry *ret)
{
	while (c->pos < c->len) {
		const char *p = c->buf + c->pos;
		const char *nl = memchr(p, '\n', c->len - c->pos);
		struct map_entry e = { 0 };

		c->pos = nl ? (size_t)(nl - c->buf) + 1 : c->len;
		if (nl && parse_line((struct line){ p, nl }, &e)) {
			*ret = e;
			return true;
		}
		c->n_malformed++;
	}

	return false;
}

bool map_entry_is_deleted(const struct map_entry *e)
{
	size_t n = strlen(DELETED);

	return e->path_len > n && memcmp(e->path + e->path_len - n, DELETED, n) == 0;
}

int map_entry_path(const struct map_entry *e, char **ret)
{
	const char *p = e->path, *end = e->path + e->path_len;
	char *s = malloc(e->path_len + 1), *out = s;

	if (!s)
		return -ENOMEM;

	while (p < end) {
		if ((size_t)(end - p) >= strlen(NEWLINE) &&
		    memcmp(p, NEWLINE, strlen(NEWLINE)) == 0) {
			*out++ = '\n';
			p += strlen(NEWLINE);
		} else {
			*out++ = *p++;
		}
	}

	*out = '\0';
	*ret = s;
	return 0;
}

int maps_read(pid_t pid, size_t max, char **ret, size_t *ret_len)
{
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	r = read_whole_file(path, max, ret, ret_len);
	return r == -ENOENT ? -ESRCH : r;
}
