/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Span and trace id of the goroutine that runs, from its pprof labels (runtime/pprof.Do), by the
 * names that tracing libraries give them. Compiled for BPF and for tests, which define how memory
 * of the process is read.
 *
 *   thread pointer → g → m → curg, the goroutine itself, also while the runtime is on a stack of
 * its own → labels: since Go 1.24 a slice of pairs of strings, before that a map
 */
#ifndef SHARED_GO_CTX_H
#define SHARED_GO_CTX_H

#include "shared/ctx_memory.h"
#include "shared/go_room.h"
#include "shared/thread_ctx.h"

#define GO_LABELS_MAX 16

/* Of Go's struct g: all versions since 1.5. */
#define GO_G_M 48

/* $GOROOT/src/runtime/map.go, before Go 1.24: struct hmap and bmap of map[string]string. */
#define GO_BUCKET_SLOTS 8
#define GO_BUCKET_KEYS	8
#define GO_BUCKET_VALS	(GO_BUCKET_KEYS + GO_BUCKET_SLOTS * 16)
#define GO_BUCKET_SIZE	(GO_BUCKET_VALS + GO_BUCKET_SLOTS * 16 + 8)
#define GO_MIN_TOPHASH	5 /* below: the slot is empty */
#define GO_MAP_B_MAX	1 /* two buckets: GO_LABELS_MAX */

enum go_found {
	GO_FOUND,     /* a span id, perhaps a trace id */
	GO_NO_LABELS, /* no goroutine, or one without such labels */
	GO_TOO_MANY,  /* more labels than are looked at, and no span id among those */
	GO_MALFORMED, /* a span or trace id that is none */
	GO_UNREADABLE,
};

/* --- values ----------------------------------------------------------------------------------- */

static inline int go_digit(__u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @n bytes from twice as many digits. 0: these are none. */
OUT_OF_LINE int go_parse_hex(const __u8 text[GO_TEXT_MAX], __u32 n, __u8 *ret)
{
	NO_UNROLL
	for (__u32 i = 0; i < TRACE_ID_LEN; i++) {
		int high = go_digit(text[2 * i]), low = go_digit(text[2 * i + 1]);

		if (i >= n)
			break;
		if (high < 0 || low < 0)
			return 0;
		ret[i] = high << 4 | low;
	}
	return 1;
}

/* A number of 64 bits, as Datadog writes span ids; W3C order is that of the digits. */
OUT_OF_LINE int go_parse_decimal(const __u8 text[GO_TEXT_MAX], __u32 len, __u8 *ret)
{
	__u64 v = 0;

	NO_UNROLL
	for (__u32 i = 0; i < 20; i++) {
		__u8 c = text[i];

		if (i >= len)
			break;
		if (c < '0' || c > '9')
			return 0;
		v = v * 10 + (c - '0');
	}
	NO_UNROLL
	for (int i = 0; i < SPAN_ID_LEN; i++)
		ret[i] = v >> (56 - 8 * i);
	return 1;
}

/* --- labels ----------------------------------------------------------------------------------- */

/* Eight characters as a little-endian word. */
#define GO_WORD(s)                                                                                 \
	((__u64)(__u8)(s)[0] | (__u64)(__u8)(s)[1] << 8 | (__u64)(__u8)(s)[2] << 16 |              \
	 (__u64)(__u8)(s)[3] << 24 | (__u64)(__u8)(s)[4] << 32 | (__u64)(__u8)(s)[5] << 40 |       \
	 (__u64)(__u8)(s)[6] << 48 | (__u64)(__u8)(s)[7] << 56)

enum go_key { GO_KEY_OTHER, GO_KEY_SPAN, GO_KEY_SPAN_DECIMAL, GO_KEY_TRACE };

/*
 * Grafana's otel-profiling-go: span_id (once profile_id) and trace_id; Datadog's dd-trace-go: "span
 * id"; Polar Signals' otel-profiling-go: otel.traceid.
 */
static inline enum go_key go_key_of(struct ctx_memory *mem, struct go_room *room)
{
	__u64 w[2] = { 0 }, len = room->key.len;

	if (len != 7 && len != 8 && len != 10 && len != 12)
		return GO_KEY_OTHER;
	if (ctx_read(mem, w, len & 15, room->key.at)) {
		room->is_unreadable = 1;
		return GO_KEY_OTHER;
	}
	if (w[0] == GO_WORD("span_id\0") && !w[1])
		return GO_KEY_SPAN;
	if (w[0] == GO_WORD("span id\0") && !w[1])
		return GO_KEY_SPAN_DECIMAL;
	if (w[0] == GO_WORD("trace_id") && !w[1])
		return GO_KEY_TRACE;
	if (w[0] == GO_WORD("profile_") && w[1] == GO_WORD("id\0\0\0\0\0\0"))
		return GO_KEY_SPAN;
	if (w[0] == GO_WORD("otel.tra") && w[1] == GO_WORD("ceid\0\0\0\0"))
		return GO_KEY_TRACE;
	return GO_KEY_OTHER;
}

/* The value of such a key. 0: it is none. */
static inline int go_take_value(struct ctx_memory *mem, enum go_key key, struct go_room *room)
{
	__u64 len = room->value.len;

	if (len == 0 || len > GO_TEXT_MAX)
		return 0;
	if (ctx_read(mem, room->text, len, room->value.at)) {
		room->is_unreadable = 1;
		return 1;
	}
	if (key == GO_KEY_TRACE)
		return len == 2 * TRACE_ID_LEN &&
		       go_parse_hex(room->text, TRACE_ID_LEN, room->trace_id);
	room->has_span = 1;
	if (key == GO_KEY_SPAN_DECIMAL)
		return len <= 20 && go_parse_decimal(room->text, len, room->span_id);
	return len == 2 * SPAN_ID_LEN && go_parse_hex(room->text, SPAN_ID_LEN, room->span_id);
}

/* Takes room->key and room->value, if they are of interest. */
static inline int go_take_label(struct ctx_memory *mem, struct go_room *room)
{
	enum go_key key = go_key_of(mem, room);

	if (key != GO_KEY_OTHER && !go_take_value(mem, key, room))
		room->is_malformed = 1;
	return 0;
}

/*
 * The same, defined by whoever includes this: for BPF a global function, at which the verifier
 * looks once and not for each label.
 */
static int go_label(struct ctx_memory *mem, struct go_room *room);

static inline enum go_found go_read_slice(struct ctx_memory *mem, __u64 labels,
					  struct go_room *room)
{
	struct go_string list = { 0 }; /* len: of pairs */

	if (ctx_read(mem, &list, sizeof(list), labels))
		return GO_UNREADABLE;
	NO_UNROLL
	for (__u32 i = 0; i < GO_LABELS_MAX; i++) {
		if (i >= list.len)
			return GO_FOUND;
		if (ctx_read(mem, &room->key, 2 * sizeof(room->key), list.at + 32 * i))
			return GO_UNREADABLE;
		go_label(mem, room);
	}
	return list.len > GO_LABELS_MAX ? GO_TOO_MANY : GO_FOUND;
}

static inline enum go_found go_read_map(struct ctx_memory *mem, __u64 labels, struct go_room *room)
{
	__u64 map = 0, head[3] = { 0 } /* count, flags and B, buckets */, top = 0;
	__u8 b;

	if (ctx_read(mem, &map, sizeof(map), labels))
		return GO_UNREADABLE;
	if (!map)
		return GO_FOUND;
	if (ctx_read(mem, head, sizeof(head), map))
		return GO_UNREADABLE;
	b = head[1] >> 8;
	if (b > GO_MAP_B_MAX)
		return GO_TOO_MANY;
	NO_UNROLL
	for (__u32 i = 0; i < GO_LABELS_MAX; i++) {
		__u32 slot = i & (GO_BUCKET_SLOTS - 1);
		__u64 bucket = head[2] + (i / GO_BUCKET_SLOTS) * GO_BUCKET_SIZE;

		if (i >= (__u32)GO_BUCKET_SLOTS << b)
			break;
		if (slot == 0 && ctx_read(mem, &top, sizeof(top), bucket))
			return GO_UNREADABLE;
		if ((top >> (8 * slot) & 0xff) < GO_MIN_TOPHASH)
			continue;
		if (ctx_read(mem, &room->key, sizeof(room->key),
			     bucket + GO_BUCKET_KEYS + 16 * slot) ||
		    ctx_read(mem, &room->value, sizeof(room->value),
			     bucket + GO_BUCKET_VALS + 16 * slot))
			return GO_UNREADABLE;
		go_label(mem, room);
	}
	return GO_FOUND;
}

/* --- from the thread to its goroutine --------------------------------------------------------- */

/* 0 in *@ret: there is none. */
static inline int go_find_labels(struct ctx_memory *mem, const struct go_var *var, __u64 tp,
				 __u64 *ret)
{
	__u64 g = 0, m = 0, curg = 0, its_m = 0;

	*ret = 0;
	if (ctx_read(mem, &g, sizeof(g), tp + var->g_off))
		return 0;
	if (!g)
		return 1; /* a thread that is not Go's */
	if (ctx_read(mem, &m, sizeof(m), g + GO_G_M) ||
	    ctx_read(mem, &curg, sizeof(curg), m + var->curg))
		return 0;
	if (!curg)
		return 1;
	if (ctx_read(mem, &its_m, sizeof(its_m), curg + GO_G_M))
		return 0;
	if (its_m != m)
		return 1; /* it is just being taken up or left */
	return !ctx_read(mem, ret, sizeof(*ret), curg + var->labels);
}

/* For room->var and room->tp. The ids of *@room hold for GO_FOUND. */
static inline enum go_found go_ctx_read(struct ctx_memory *mem, struct go_room *room)
{
	enum go_found found;
	__u64 labels;

	__builtin_memset(room->trace_id, 0, sizeof(room->trace_id));
	__builtin_memset(room->span_id, 0, sizeof(room->span_id));
	room->has_span = 0;
	room->is_malformed = 0;
	room->is_unreadable = 0;
	if (!room->tp)
		return GO_NO_LABELS;
	if (!go_find_labels(mem, &room->var, room->tp, &labels))
		return GO_UNREADABLE;
	if (!labels)
		return GO_NO_LABELS;
	found = room->var.form == GO_LABELS_MAP ? go_read_map(mem, labels, room)
						: go_read_slice(mem, labels, room);
	if (found == GO_UNREADABLE || room->is_unreadable)
		return GO_UNREADABLE;
	if (room->is_malformed)
		return GO_MALFORMED;
	if (room->has_span)
		return thread_ctx_is_zero(room->span_id, SPAN_ID_LEN) ? GO_MALFORMED : GO_FOUND;
	return found == GO_TOO_MANY ? found : GO_NO_LABELS;
}

#endif
