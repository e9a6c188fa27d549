/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/perf_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Some writers put 0x before it. False: no number, or none of 64 bits. */
static bool take_hex(const char **p, uint64_t *ret)
{
	const char *s = *p;
	uint64_t v = 0;
	int n = 0;

	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	for (; n <= 16; n++, s++) {
		int digit;

		if (*s >= '0' && *s <= '9')
			digit = *s - '0';
		else if ((*s | 32) >= 'a' && (*s | 32) <= 'f')
			digit = (*s | 32) - 'a' + 10;
		else
			break;
		v = v << 4 | (uint64_t)digit;
	}
	*p = s;
	*ret = v;
	return n > 0 && n <= 16;
}

static bool take_space(const char **p)
{
	const char *s = *p;

	while (**p == ' ' || **p == '\t')
		++*p;
	return *p > s;
}

/* A NUL follows m->line's n bytes. */
static bool parse_line(const struct perf_map *m, struct code_name *ret)
{
	const char *p = m->line;
	uint64_t size;

	if (!take_hex(&p, &ret->start) || !take_space(&p) || !take_hex(&p, &size) ||
	    !take_space(&p) || !*p)
		return false;
	ret->name = p;
	return size && !__builtin_add_overflow(ret->start, size, &ret->end);
}

static int end_line(struct perf_map *m, uint64_t time_ns, struct code_names *names)
{
	struct code_name c = { .time_ns = time_ns };

	if (m->n && m->line[m->n - 1] == '\r')
		m->n--;
	m->line[m->n] = '\0';
	m->n = 0;
	if (!parse_line(m, &c)) {
		m->malformed++;
		return 0;
	}
	return code_names_add(names, &c, strlen(c.name));
}

static void add_text(struct perf_map *m, const char *text, size_t len)
{
	size_t room = sizeof(m->line) - 1 - m->n;

	if (len > room)
		len = room;
	memcpy(m->line + m->n, text, len);
	m->n += len;
}

int perf_map_feed(struct perf_map *m, const char *text, size_t len, uint64_t time_ns,
		  struct code_names *names)
{
	const char *end = text + len;

	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		int r;

		add_text(m, text, (size_t)((nl ? nl : end) - text));
		if (!nl)
			return 0;
		r = end_line(m, time_ns, names);
		if (r < 0)
			return r;
		text = nl + 1;
	}
	return 0;
}
