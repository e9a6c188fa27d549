/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp_count.h"

#include <stdbool.h>

#define LENGTH_DELIMITED 2

/* Field numbers from the request down to a profile. */
static const uint64_t path[] = { 1, 2, 2 };
#define DEPTH (sizeof(path) / sizeof(path[0]))

struct span {
	const uint8_t *pos, *end;
};

static bool take_varint(struct span *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned shift = 0; s->pos < s->end && shift < 64; shift += 7) {
		uint8_t byte = *s->pos++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* The next field; those on the way to a profile are all of this wire type, and alone in that. */
static bool take_field(struct span *s, uint64_t *ret_number, struct span *ret)
{
	uint64_t tag, len;

	if (!take_varint(s, &tag) || (tag & 7) != LENGTH_DELIMITED || !take_varint(s, &len) ||
	    len > (uint64_t)(s->end - s->pos))
		return false;
	*ret_number = tag >> 3;
	*ret = (struct span){ s->pos, s->pos + len };
	s->pos += len;
	return true;
}

uint64_t otlp_count_profiles(const void *request, size_t len)
{
	struct span open[DEPTH] = { { request, (const uint8_t *)request + len } };
	size_t level = 0;
	uint64_t n = 0;

	for (;;) {
		struct span inner;
		uint64_t number;

		if (!take_field(&open[level], &number, &inner)) {
			if (level == 0)
				return n;
			level--;
		} else if (number == path[level] && level + 1 == DEPTH) {
			n++;
		} else if (number == path[level]) {
			open[++level] = inner;
		}
	}
}
