/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The record of the asynchronous context that a Node.js thread is in. One thread goes from one to
 * the other, and V8 keeps the current one in its isolate; so what a thread publishes is where that
 * is, and the key of its own entry (otel_thread_ctx_nodejs_v1). Compiled for BPF and for tests.
 *
 *   variable → slot of the isolate → JSMap → table → entry whose key is ours → object → record
 *
 * Layouts are V8's without pointer compression (src/objects/js-collection.h, ordered-hash-table.h):
 * bit 0 of a pointer is set, small integers are in the upper half of a word.
 */
#ifndef SHARED_NODE_CTX_H
#define SHARED_NODE_CTX_H

#include "shared/ctx_memory.h"

#define NODE_CHAIN_MAX	 16 /* entries of one bucket */
#define NODE_BUCKETS_MAX 1024

#define NODE_MAP_TABLE	    24 /* in a JSMap */
#define NODE_TABLE_ELEMENTS 16 /* in its table, behind the map and the length of the array: */
#define NODE_TABLE_BUCKETS  40
#define NODE_ENTRY_WORDS    3 /* key, value, next one of the bucket */

/* The variable. */
struct node_var {
	__u64 slot;   /* of the context, in the isolate; 0: this thread has none */
	__u64 handle; /* to the key: it moves, so this is where its address is */
	__s32 hash;   /* of the key */
	__u8 record;  /* where in the object the record's address is */
	__u8 reserved[3];
	__u64 undefined; /* V8's */
};

_Static_assert(sizeof(struct node_var) == 32, "otel_thread_ctx_nodejs_v1");

struct node_table {
	__u64 elements, deleted, buckets;
};

static inline int node_is_pointer(__u64 value, const struct node_var *v)
{
	return (value & 1) && value != v->undefined;
}

static inline __s64 node_small(__u64 value)
{
	return (__s64)value >> 32;
}

static inline int node_is_sane(const struct node_table *t)
{
	__s64 elements = node_small(t->elements), deleted = node_small(t->deleted),
	      buckets = node_small(t->buckets);

	return buckets > 0 && buckets <= NODE_BUCKETS_MAX && !(buckets & (buckets - 1)) &&
	       elements >= 0 && deleted >= 0 && elements + deleted <= 2 * buckets &&
	       !(__u32)t->elements && !(__u32)t->deleted && !(__u32)t->buckets;
}

/* The value of our entry in the table at @table. */
static inline enum ctx_found node_find(struct ctx_memory *mem, const struct node_var *v,
				       __u64 table, __u64 *ret)
{
	__u64 entry[NODE_ENTRY_WORDS], key = 0, next = 0;
	struct node_table t;
	__s64 i, buckets;

	if (ctx_read(mem, &t, sizeof(t), table + NODE_TABLE_ELEMENTS))
		return CTX_UNREADABLE;
	if (!node_is_sane(&t))
		return CTX_MALFORMED;
	buckets = node_small(t.buckets);
	if (ctx_read(mem, &key, sizeof(key), v->handle) ||
	    ctx_read(mem, &next, sizeof(next),
		     table + NODE_TABLE_BUCKETS + 8 * ((__u32)v->hash & (buckets - 1))))
		return CTX_UNREADABLE;
	NO_UNROLL
	for (int n = 0; n < NODE_CHAIN_MAX; n++) {
		i = node_small(next);
		if (i < 0)
			return CTX_NONE; /* the end of the bucket */
		if (i >= node_small(t.elements) + node_small(t.deleted))
			return CTX_MALFORMED;
		if (ctx_read(mem, entry, sizeof(entry),
			     table + NODE_TABLE_BUCKETS + 8 * (buckets + NODE_ENTRY_WORDS * i)))
			return CTX_UNREADABLE;
		if (entry[0] == key) {
			*ret = entry[1];
			return CTX_FOUND;
		}
		next = entry[2];
	}
	return CTX_MALFORMED;
}

/* *@ret: address of a struct thread_ctx, for CTX_FOUND. @addr: of the variable. */
static inline enum ctx_found node_record(struct ctx_memory *mem, __u64 addr, __u64 *ret)
{
	__u64 map = 0, table = 0, object = 0;
	enum ctx_found found;
	struct node_var v;

	if (ctx_read(mem, &v, sizeof(v), addr))
		return CTX_UNREADABLE;
	if (!v.slot)
		return CTX_NONE;
	/* Older writers had no such field, and meant something else. */
	if (v.record < 24 || v.record > 40 || v.record % 8 || !v.handle)
		return CTX_MALFORMED;
	if (ctx_read(mem, &map, sizeof(map), v.slot))
		return CTX_UNREADABLE;
	if (!node_is_pointer(map, &v))
		return CTX_NONE;
	if (ctx_read(mem, &table, sizeof(table), map - 1 + NODE_MAP_TABLE))
		return CTX_UNREADABLE;
	if (!node_is_pointer(table, &v))
		return CTX_MALFORMED;
	found = node_find(mem, &v, table - 1, &object);
	if (found != CTX_FOUND)
		return found;
	if (!node_is_pointer(object, &v))
		return CTX_NONE;
	if (ctx_read(mem, ret, sizeof(*ret), object - 1 + v.record))
		return CTX_UNREADABLE;
	return *ret ? CTX_FOUND : CTX_NONE;
}

#endif
