/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/jitdump.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/load.h"
#include "base/utf8.h"
#include "base/vec.h"

#define MAGIC	     0x4a695444
#define HEADER_SIZE  40
#define HEADER_FLAGS 32
#define HEADER_MAX   4096
#define ARCH_TIME    1 /* flag: times are of a counter of the CPU */

#define RECORD_HEAD 16
#define LOAD_SIZE   56
#define MOVE_SIZE   64
#define DEBUG_SIZE  32
#define LINE_SIZE   16

#define LOAD_MAX  (LOAD_SIZE + CODE_NAME_MAX + 1) /* bytes that are looked at: the code is not */
#define DEBUG_MAX (1u << 20)

/* Some writers tell where a line is in the ELF file that perf makes of the code. */
#define ELF_HEADER_SIZE 64

enum record_id { RECORD_LOAD, RECORD_MOVE, RECORD_DEBUG, RECORD_CLOSE };

struct jitdump {
	VEC(uint8_t) record; /* what is kept of the one at hand, a NUL behind it */
	uint64_t seen;	     /* bytes of it so far, those that are not kept too */
	uint64_t size;	     /* of it; 0: not known yet */
	size_t keep;	     /* bytes of it that are wanted */
	VEC(uint8_t) debug;  /* the record of lines for the code that is loaded next */
	VEC(struct code_line) lines;
	uint64_t debug_addr;
	bool has_header, arch_time, lines_are_exact;
	uint64_t malformed;
};

int jitdump_new(struct jitdump **ret)
{
	struct jitdump *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	*ret = d;
	return 0;
}

void jitdump_free(struct jitdump *d)
{
	if (!d)
		return;
	vec_free(&d->record);
	vec_free(&d->debug);
	vec_free(&d->lines);
	free(d);
}

uint64_t jitdump_malformed(const struct jitdump *d)
{
	return d->malformed;
}

/* --- records ---------------------------------------------------------------------------------- */

static uint64_t time_of(const struct jitdump *d, uint64_t now_ns)
{
	uint64_t t = load_u64(d->record.data + 8);

	return d->arch_time || t > now_ns ? now_ns : t;
}

/* Malformed ones are left out; what there is no room for ends it all. */
static int add(struct jitdump *d, const struct code_name *c, struct code_names *names)
{
	int r = code_names_add(names, c, strnlen(c->name, CODE_NAME_MAX));

	if (r != -EINVAL)
		return r;
	d->malformed++;
	return 0;
}

static void drop_lines(struct jitdump *d)
{
	d->debug.n = 0;
	d->lines.n = 0;
}

static int compare_lines(const void *a, const void *b)
{
	const struct code_line *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

/* From where on code lies in what the lines are told of. */
static void shift_lines(struct jitdump *d, uint64_t code)
{
	for (size_t i = 0; i < d->lines.n; i++)
		d->lines_are_exact |= d->lines.data[i].addr - code < ELF_HEADER_SIZE;
	for (size_t i = 0; !d->lines_are_exact && i < d->lines.n; i++)
		d->lines.data[i].addr -= ELF_HEADER_SIZE;
	if (d->lines.n)
		qsort(d->lines.data, d->lines.n, sizeof(*d->lines.data), compare_lines);
}

static int on_load(struct jitdump *d, uint64_t now_ns, struct code_names *names)
{
	const uint8_t *p = d->record.data;
	struct code_name c = { .time_ns = time_of(d, now_ns) };
	int r;

	c.start = load_u64(p + 32);
	if (__builtin_add_overflow(c.start, load_u64(p + 40), &c.end))
		c.end = 0;
	c.name = (const char *)p + LOAD_SIZE;
	if (d->debug_addr == c.start && d->lines.n) {
		shift_lines(d, c.start);
		c.lines = d->lines.data;
		c.n_lines = (uint32_t)d->lines.n;
	}
	r = add(d, &c, names);
	drop_lines(d);
	return r;
}

/* Keeps the lines as well, moved along. */
static int move(struct jitdump *d, const struct code_name *old, struct code_name *c,
		struct code_names *names)
{
	drop_lines(d);
	for (uint32_t i = 0; i < old->n_lines; i++) {
		struct code_line l = old->lines[i];

		l.addr += c->start - old->start;
		if (vec_push(&d->lines, l) < 0)
			return -ENOMEM;
	}
	c->name = old->name;
	c->lines = d->lines.data;
	c->n_lines = (uint32_t)d->lines.n;
	return add(d, c, names);
}

static int on_move(struct jitdump *d, uint64_t now_ns, struct code_names *names)
{
	const uint8_t *p = d->record.data;
	struct code_name c = { .time_ns = time_of(d, now_ns) };
	uint32_t n = code_names_at(names, load_u64(p + 32), c.time_ns);
	struct code_name old;
	int r;

	c.start = load_u64(p + 40);
	if (!n || __builtin_add_overflow(c.start, load_u64(p + 48), &c.end)) {
		d->malformed++;
		return 0;
	}
	old = *code_names_get(names, n);
	r = move(d, &old, &c, names);
	drop_lines(d);
	return r;
}

/* V8 puts rubbish there for some scripts: no file is better than that. */
static bool is_path(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return len && utf8_valid_len(name, len) == len;
}

/* One line of the record, its file the last one's if it says "\xff"; bytes that it takes, or 0. */
static size_t take_line(const uint8_t *p, size_t left, const char *last, struct code_line *ret)
{
	const uint8_t *end;

	if (left <= LINE_SIZE)
		return 0;
	end = memchr(p + LINE_SIZE, '\0', left - LINE_SIZE);
	if (!end)
		return 0;
	ret->addr = load_u64(p);
	ret->line = load_u32(p + 8);
	ret->file = (const char *)p + LINE_SIZE;
	if (last && strcmp(ret->file, "\xff") == 0)
		ret->file = last;
	return is_path(ret->file) ? (size_t)(end + 1 - p) : 0;
}

static int on_debug(struct jitdump *d)
{
	const char *last = NULL;
	uint64_t n;

	drop_lines(d);
	if (d->size > DEBUG_MAX)
		return 0; /* lines are left out, names are not */
	if (vec_reserve(&d->debug, d->record.n) < 0)
		return -ENOMEM;
	memcpy(d->debug.data, d->record.data, d->record.n);
	d->debug.n = d->record.n;
	d->debug_addr = load_u64(d->debug.data + 16);
	n = load_u64(d->debug.data + 24);
	for (size_t at = DEBUG_SIZE; n; n--) {
		struct code_line l;
		size_t len = take_line(d->debug.data + at, d->debug.n - at, last, &l);

		if (!len) {
			d->malformed++;
			drop_lines(d);
			return 0;
		}
		if (vec_push(&d->lines, l) < 0)
			return -ENOMEM;
		last = l.file;
		at += len;
	}
	return 0;
}

static bool is_whole(const struct jitdump *d, size_t size)
{
	return d->record.n >= size;
}

static int on_record(struct jitdump *d, uint64_t now_ns, struct code_names *names)
{
	switch (load_u32(d->record.data)) {
	case RECORD_LOAD:
		if (is_whole(d, LOAD_SIZE + 1))
			return on_load(d, now_ns, names);
		break;
	case RECORD_MOVE:
		if (is_whole(d, MOVE_SIZE))
			return on_move(d, now_ns, names);
		break;
	case RECORD_DEBUG:
		if (is_whole(d, DEBUG_SIZE))
			return on_debug(d);
		break;
	default:
		return 0;
	}
	d->malformed++;
	return 0;
}

/* --- the stream ------------------------------------------------------------------------------- */

static int begin_header(struct jitdump *d)
{
	const uint8_t *p = d->record.data;

	if (load_u32(p) != MAGIC || load_u32(p + 4) != 1 || load_u32(p + 8) < HEADER_SIZE ||
	    load_u32(p + 8) > HEADER_MAX)
		return -EBADMSG;
	d->size = load_u32(p + 8);
	d->keep = HEADER_SIZE;
	return 0;
}

static int begin_record(struct jitdump *d)
{
	uint32_t id = load_u32(d->record.data);

	d->size = load_u32(d->record.data + 4);
	if (d->size < RECORD_HEAD)
		return -EBADMSG;
	d->keep = RECORD_HEAD;
	if (id == RECORD_LOAD)
		d->keep = LOAD_MAX;
	else if (id == RECORD_MOVE)
		d->keep = MOVE_SIZE;
	else if (id == RECORD_DEBUG)
		d->keep = DEBUG_MAX;
	if (d->keep > d->size)
		d->keep = (size_t)d->size;
	return 0;
}

static int end_record(struct jitdump *d, uint64_t now_ns, struct code_names *names)
{
	int r = 0;

	d->record.data[d->record.n] = '\0';
	if (d->has_header)
		r = on_record(d, now_ns, names);
	else
		d->arch_time = load_u64(d->record.data + HEADER_FLAGS) & ARCH_TIME;
	d->has_header = true;
	d->record.n = 0;
	d->seen = d->size = 0;
	return r;
}

/* Up to @want bytes of the record; how many there were. -ENOMEM. */
static ssize_t keep_bytes(struct jitdump *d, const uint8_t *p, size_t len, size_t want)
{
	size_t n = want - d->record.n < len ? want - d->record.n : len;

	if (vec_reserve(&d->record, n + 1) < 0)
		return -ENOMEM;
	memcpy(d->record.data + d->record.n, p, n);
	d->record.n += n;
	d->seen += n;
	return (ssize_t)n;
}

static size_t skip_bytes(struct jitdump *d, size_t len)
{
	uint64_t left = d->size - d->seen;

	if (len > left)
		len = (size_t)left;
	d->seen += len;
	return len;
}

int jitdump_feed(struct jitdump *d, const void *bytes, size_t len, uint64_t now_ns,
		 struct code_names *names)
{
	const uint8_t *p = bytes;
	ssize_t n;
	int r;

	while (len) {
		size_t want = d->size ? d->keep : RECORD_HEAD;

		n = d->record.n < want ? keep_bytes(d, p, len, want) : (ssize_t)skip_bytes(d, len);
		if (n < 0)
			return (int)n;
		p += n;
		len -= (size_t)n;
		if (!d->size && d->record.n == RECORD_HEAD) {
			r = d->has_header ? begin_record(d) : begin_header(d);
			if (r < 0)
				return r;
		}
		if (d->size && d->seen == d->size) {
			r = end_record(d, now_ns, names);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
