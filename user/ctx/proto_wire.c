/* SPDX-License-Identifier: Apache-2.0 */
#include "ctx/proto_wire.h"

#include <errno.h>
#include <stdbool.h>

#define GROUP_DEPTH_MAX 32
#define VARINT_LEN_MAX	10

static void advance(struct proto_slice *s, size_t n)
{
	s->data += n;
	s->len -= n;
}

/* Bits beyond the 64th are dropped, as every decoder does. */
static int take_varint(struct proto_slice *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s->len && i < VARINT_LEN_MAX; i++) {
		v |= (uint64_t)(s->data[i] & 0x7f) << (7 * i);
		if (s->data[i] & 0x80)
			continue;
		advance(s, i + 1);
		*ret = v;
		return 0;
	}

	return -EBADMSG;
}

/* Little endian, whatever the host is. */
static int take_fixed(struct proto_slice *s, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (s->len < n)
		return -EBADMSG;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)s->data[i] << (8 * i);

	advance(s, n);
	*ret = v;
	return 0;
}

static int take_slice(struct proto_slice *s, struct proto_slice *ret)
{
	uint64_t n;
	int r = take_varint(s, &n);

	if (r < 0)
		return r;
	if (n > s->len)
		return -EBADMSG;

	*ret = (struct proto_slice){ s->data, n };
	advance(s, n);
	return 0;
}

static int take_tag(struct proto_slice *s, struct proto_field *f)
{
	uint64_t tag;
	int r = take_varint(s, &tag);

	if (r < 0)
		return r;
	if (tag > UINT32_MAX || tag >> 3 == 0)
		return -EBADMSG;

	f->number = (uint32_t)tag >> 3;
	f->type = tag & 7;
	return 0;
}

/* What follows the tag of a field that is no group. */
static int take_value(struct proto_slice *s, struct proto_field *f)
{
	switch (f->type) {
	case PROTO_VARINT:
		return take_varint(s, &f->value);
	case PROTO_I64:
		return take_fixed(s, 8, &f->value);
	case PROTO_I32:
		return take_fixed(s, 4, &f->value);
	case PROTO_LEN:
		return take_slice(s, &f->slice);
	default:
		return -EBADMSG;
	}
}

/* Skips up to the end tag of group @number, with the groups inside it. */
static int skip_group(struct proto_slice *s, uint32_t number)
{
	uint32_t open[GROUP_DEPTH_MAX] = { number };
	size_t depth = 1;

	while (depth > 0) {
		struct proto_field f = { 0 };
		int r = take_tag(s, &f);

		if (r < 0)
			return r;
		if (f.type == PROTO_START_GROUP && depth == GROUP_DEPTH_MAX)
			return -EBADMSG;
		if (f.type == PROTO_START_GROUP)
			open[depth++] = f.number;
		else if (f.type != PROTO_END_GROUP)
			r = take_value(s, &f);
		else if (open[--depth] != f.number)
			return -EBADMSG;
		if (r < 0)
			return r;
	}

	return 0;
}

int proto_next(struct proto_slice *msg, struct proto_field *ret)
{
	while (msg->len > 0) {
		struct proto_field f = { 0 };
		int r = take_tag(msg, &f);

		if (r < 0)
			return r;
		if (f.type != PROTO_START_GROUP) {
			r = take_value(msg, &f);
			if (r < 0)
				return r;
			*ret = f;
			return 1;
		}
		r = skip_group(msg, f.number);
		if (r < 0)
			return r;
	}

	return 0;
}
