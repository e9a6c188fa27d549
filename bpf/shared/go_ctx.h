/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * pprof labels (runtime/pprof.Do) of the goroutine that runs; tracing libraries put span ids there.
 * Compiled for BPF and for tests, which define how memory of the process is read.
 *
 *   thread pointer → g → m → curg, the goroutine itself, also while the runtime is on a stack of
 * its own → labels: since Go 1.24 a slice of pairs of strings, before that a map
 *
 * On aarch64 g is in TLS only in programs that have C code in them; in others no code but Go's
 * runs, which keeps g in register x28 all the time.
 */
#ifndef SHARED_GO_CTX_H
#define SHARED_GO_CTX_H

#include "shared/ctx_labels.h"

/* Of Go's struct g: all versions since 1.5. */
#define GO_G_M 48

/* $GOROOT/src/runtime/map.go, before Go 1.24: struct hmap and bmap of map[string]string. */
#define GO_BUCKET_SLOTS 8
#define GO_BUCKET_KEYS	8
#define GO_BUCKET_VALS	(GO_BUCKET_KEYS + GO_BUCKET_SLOTS * 16)
#define GO_BUCKET_SIZE	(GO_BUCKET_VALS + GO_BUCKET_SLOTS * 16 + 8)
#define GO_MIN_TOPHASH	5 /* below: the slot is empty */
#define GO_MAP_B_MAX	1 /* two buckets: CTX_LABELS_MAX */

static inline enum ctx_found go_read_slice(struct ctx_memory *mem, __u64 labels,
					   struct ctx_room *room)
{
	struct ctx_string list = { 0 }; /* len: of pairs */

	if (ctx_read(mem, &list, sizeof(list), labels))
		return CTX_UNREADABLE;
	NO_UNROLL
	for (__u32 i = 0; i < CTX_LABELS_MAX; i++) {
		if (i >= list.len)
			break;
		if (ctx_read(mem, &room->key, 2 * sizeof(room->key), list.at + 32 * i))
			return CTX_UNREADABLE;
		ctx_label(mem, room);
	}
	if (list.len > CTX_LABELS_MAX)
		room->is_cut = 1;
	return CTX_FOUND;
}

static inline enum ctx_found go_read_map(struct ctx_memory *mem, __u64 labels,
					 struct ctx_room *room)
{
	__u64 map = 0, head[3] = { 0 } /* count, flags and B, buckets */, top = 0;
	__u8 b;

	if (ctx_read(mem, &map, sizeof(map), labels))
		return CTX_UNREADABLE;
	if (!map)
		return CTX_FOUND;
	if (ctx_read(mem, head, sizeof(head), map))
		return CTX_UNREADABLE;
	b = head[1] >> 8;
	if (b > GO_MAP_B_MAX) {
		room->is_cut = 1; /* of some of these a part would be anyone's */
		return CTX_FOUND;
	}
	NO_UNROLL
	for (__u32 i = 0; i < CTX_LABELS_MAX; i++) {
		__u32 slot = i & (GO_BUCKET_SLOTS - 1);
		__u64 bucket = head[2] + (i / GO_BUCKET_SLOTS) * GO_BUCKET_SIZE;

		if (i >= (__u32)GO_BUCKET_SLOTS << b)
			break;
		if (slot == 0 && ctx_read(mem, &top, sizeof(top), bucket))
			return CTX_UNREADABLE;
		if ((top >> (8 * slot) & 0xff) < GO_MIN_TOPHASH)
			continue;
		if (ctx_read(mem, &room->key, sizeof(room->key),
			     bucket + GO_BUCKET_KEYS + 16 * slot) ||
		    ctx_read(mem, &room->value, sizeof(room->value),
			     bucket + GO_BUCKET_VALS + 16 * slot))
			return CTX_UNREADABLE;
		ctx_label(mem, room);
	}
	return CTX_FOUND;
}

/* --- from the thread to its goroutine --------------------------------------------------------- */

static inline int go_find_g(struct ctx_memory *mem, const struct ctx_room *room, __u64 *ret)
{
	if (room->source.go.g_in_reg) {
		*ret = room->go_g;
		return 1;
	}
	*ret = 0;
	return !room->tp || !ctx_read(mem, ret, sizeof(*ret), room->tp + room->source.go.g_off);
}

/* 0 in *@ret: there is none. */
static inline int go_find_labels(struct ctx_memory *mem, const struct ctx_room *room, __u64 *ret)
{
	const struct go_var *var = &room->source.go;
	__u64 g, m = 0, curg = 0, its_m = 0;

	*ret = 0;
	if (!go_find_g(mem, room, &g))
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

/* For room->source.go, room->tp and room->go_g. */
static inline enum ctx_found go_ctx_read(struct ctx_memory *mem, struct ctx_room *room)
{
	enum ctx_found found;
	__u64 labels;

	ctx_labels_start(room);
	if (!go_find_labels(mem, room, &labels))
		return CTX_UNREADABLE;
	if (!labels)
		return CTX_NONE;
	found = room->source.go.form == GO_LABELS_MAP ? go_read_map(mem, labels, room)
						      : go_read_slice(mem, labels, room);
	return found == CTX_FOUND ? ctx_labels_end(room) : found;
}

#endif
