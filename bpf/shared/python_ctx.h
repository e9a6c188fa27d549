/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The span that the OpenTelemetry SDK has made the current one of a CPython thread or task: its
 * context variable "current_context", read as the interpreter itself does. Compiled for BPF, for
 * user space, which finds the objects by the same steps, and for tests.
 *
 *   thread pointer → value of a pthread key: thread state → context → HAMT (a trie of hashes)
 *     → the variable's value: a dict → span → span context: a tuple of numbers
 *
 * Layouts are those of CPython 3.9 to 3.14 on 64-bit machines: Include/internal/pycore_context.h,
 * pycore_hamt.h, pycore_dict.h, pycore_object.h; Include/cpython/longintrepr.h, tupleobject.h.
 */
#ifndef SHARED_PYTHON_CTX_H
#define SHARED_PYTHON_CTX_H

#include "shared/ctx_memory.h"
#include "shared/python_info.h"
#include "shared/record.h"

#define PY_OB_TYPE 8 /* in any object */

#define PY_CONTEXT_VARS 24
#define PY_HAMT_ROOT	16
#define PY_HAMT_LEVELS	8
#define PY_HAMT_BITS	5
#define PY_NODE_PAIRS	32 /* of a bitmap or collision node: key, value */
#define PY_NODE_ARRAY	16 /* children of an array node */
#define PY_COLLISIONS	8  /* that are looked through */

#define PY_DICT_VERSION 24
#define PY_DICT_KEYS	32
#define PY_DICT_VALUES	40 /* 0: the values are with the keys */
#define PY_DICT_LOOKED	8  /* entries that are looked through */

#define PY_KEYS_UNICODE 1 /* dk_kind: entries without hashes */
#define PY_KEYS_SPLIT	2

#define PY_LONG_DIGITS 24
#define PY_DIGIT_BITS  30

#define PY_TUPLE_ITEMS	     24 /* since 3.14 there is a hash before them */
#define PY_CONTEXT_ITEMS_MAX 64

static inline long py_word(struct ctx_memory *mem, __u64 addr, __u64 *ret)
{
	return ctx_read(mem, ret, sizeof(*ret), addr);
}

/* --- dicts ------------------------------------------------------------------------------------ */

/* Where a dict's keys have their entries, and how many. */
struct py_keys {
	__u64 entries;
	__u64 n;
	__u32 size; /* bytes of an entry: [hash,] key, value */
	__u32 key;  /* in an entry */
};

/* What is behind the reference count of a dict's keys: with the first entries of small dicts, as
 * each read of its own costs. */
#define PY_KEYS_HEAD 4	/* words that all have */
#define PY_KEYS_NEAR 12 /* words that are read of most */

/* Before 3.11: size, lookup, usable, nentries, indices. */
static inline enum ctx_found py_keys_old(const __u64 *w, __u64 keys, struct py_keys *ret)
{
	if (w[0] == 0 || w[0] > 1ULL << 31 || w[0] & (w[0] - 1) || w[3] > w[0])
		return CTX_MALFORMED;
	ret->entries = keys + 40 + w[0] * (w[0] <= 0xff ? 1 : w[0] <= 0xffff ? 2 : 4);
	ret->n = w[3];
	ret->size = 24;
	ret->key = 8;
	return CTX_FOUND;
}

/* From 3.11 on: log2_size, log2_index_bytes, kind, version, usable, nentries, indices. */
static inline enum ctx_found py_keys_new(const __u64 *w, __u64 keys, struct py_keys *ret)
{
	__u32 log2_index_bytes = w[0] >> 8 & 0xff, kind = w[0] >> 16 & 0xff;

	if (log2_index_bytes > 34 || kind > PY_KEYS_SPLIT || w[2] > 1ULL << 31)
		return CTX_MALFORMED;
	ret->entries = keys + 32 + (1ULL << log2_index_bytes);
	ret->n = w[2];
	ret->size = kind ? 16 : 24;
	ret->key = kind ? 0 : 8;
	return CTX_FOUND;
}

/* @w has PY_KEYS_NEAR words; those that cannot be read are 0. */
static inline enum ctx_found py_keys_of(struct ctx_memory *mem, const struct python_info *py,
					__u64 keys, __u64 *w, struct py_keys *ret)
{
	if (ctx_read(mem, w, PY_KEYS_NEAR * sizeof(*w), keys + 8) &&
	    ctx_read(mem, w, PY_KEYS_HEAD * sizeof(*w), keys + 8))
		return CTX_UNREADABLE;
	return py->flags & PYTHON_KEYS_NEW ? py_keys_new(w, keys, ret) : py_keys_old(w, keys, ret);
}

/* The value of @key by the first two entries, as most contexts have no more; 0: by others. */
static inline __u64 py_dict_near(const struct py_keys *keys, __u64 from, const __u64 *w, __u64 key)
{
	if (keys->entries - from == 40 && keys->size == 16) {
		if (keys->n > 0 && w[4] == key)
			return w[5];
		return keys->n > 1 && w[6] == key ? w[7] : 0;
	}
	if (keys->entries - from == 48 && keys->size == 24) {
		if (keys->n > 0 && w[6] == key)
			return w[7];
		return keys->n > 1 && w[9] == key ? w[10] : 0;
	}
	return 0;
}

struct py_dict {
	__u64 version, keys, values;
};

/*
 * The value of the dict @d whose key is the very object @key. Not in line: its words would be on
 * the stack of all that is called after it, and kernels before 6.13 have 512 bytes for everything.
 */
OUT_OF_LINE enum ctx_found py_dict_get(struct ctx_memory *mem, const struct python_info *py,
				       const struct py_dict *d, __u64 key, __u64 *ret)
{
	__u64 pair[2] = { 0 }, w[PY_KEYS_NEAR] = { 0 };
	enum ctx_found found;
	struct py_keys keys;

	if (d->values)
		return CTX_MALFORMED; /* the values of an object: this is none */
	found = py_keys_of(mem, py, d->keys, w, &keys);
	if (found != CTX_FOUND)
		return found;
	*ret = py_dict_near(&keys, d->keys, w, key);
	if (*ret)
		return CTX_FOUND;
	NO_UNROLL
	for (__u32 i = 0; i < PY_DICT_LOOKED; i++) {
		if (i >= keys.n)
			break;
		if (ctx_read(mem, pair, sizeof(pair), keys.entries + i * keys.size + keys.key))
			return CTX_UNREADABLE;
		if (pair[0] == key) {
			*ret = pair[1];
			return pair[1] ? CTX_FOUND : CTX_NONE;
		}
	}
	return CTX_NONE;
}

/* --- attributes of objects -------------------------------------------------------------------- */

/* The begin of an object. Where values are found by a word before it, with that: in one read. */
struct py_head {
	__u64 before[4];
	__u64 refcnt, type;
};

static inline long py_head_read(struct ctx_memory *mem, const struct python_info *py, __u64 obj,
				struct py_head *ret)
{
	__u32 values = py->flags & PYTHON_VALUES;

	if (values == PYTHON_VALUES_3_11 || values == PYTHON_VALUES_3_12)
		return ctx_read(mem, ret, sizeof(*ret), obj - sizeof(ret->before));
	return ctx_read(mem, &ret->type, sizeof(ret->type), obj + PY_OB_TYPE);
}

/* The values of an object that has no dict of its own yet; 0: it has one. */
static inline long py_values(struct ctx_memory *mem, const struct python_info *py, __u64 obj,
			     const struct py_head *head, const struct python_type *type, __u64 *ret)
{
	__u64 w = 0;

	*ret = 0;
	switch (py->flags & PYTHON_VALUES) {
	case PYTHON_VALUES_3_11: /* a pointer to them before the object */
		*ret = head->before[0];
		return 0;
	case PYTHON_VALUES_3_12: /* the same word as the dict's, marked by an odd address */
		w = head->before[1];
		*ret = w & 1 ? w + 1 : 0;
		return 0;
	case PYTHON_VALUES_3_13: /* behind the object: capacity, size, embedded, valid */
		if (py_word(mem, obj + type->basicsize, &w))
			return -1;
		*ret = w >> 24 & 1 ? obj + type->basicsize + 8 : 0;
		return 0;
	default: /* in the dict */
		if (py_word(mem, obj + type->dictoffset, &w) || !w)
			return -1;
		return py_word(mem, w + PY_DICT_VALUES, ret);
	}
}

/* The attribute of number type->slot. */
static inline enum ctx_found py_attribute(struct ctx_memory *mem, const struct python_info *py,
					  __u64 obj, const struct py_head *head,
					  const struct python_type *type, __u64 *ret)
{
	__u64 values = 0;

	if (py_values(mem, py, obj, head, type, &values))
		return CTX_UNREADABLE;
	if (!values)
		return CTX_MALFORMED; /* somebody has taken its __dict__ */
	if (py_word(mem, values + 8 * type->slot, ret))
		return CTX_UNREADABLE;
	return *ret ? CTX_FOUND : CTX_NONE;
}

/* --- the trie --------------------------------------------------------------------------------- */

/* A node behind its reference count, with the first of its pairs: many have no more. */
#define PY_PAIRS_NEAR 2

struct py_node {
	__u64 type, size, bitmap;
	__u64 pairs[PY_PAIRS_NEAR][2];
};

static inline long py_node_read(struct ctx_memory *mem, __u64 addr, struct py_node *ret)
{
	if (!ctx_read(mem, ret, sizeof(*ret), addr + PY_OB_TYPE))
		return 0;
	return ctx_read(mem, ret, __builtin_offsetof(struct py_node, pairs), addr + PY_OB_TYPE);
}

/* Pair number @i of the node at @addr. A key and a value of 0: it was not read with the node. */
static inline long py_node_pair(struct ctx_memory *mem, __u64 addr, const struct py_node *n,
				__u32 i, __u64 *ret)
{
	ret[0] = i == 0 ? n->pairs[0][0] : i == 1 ? n->pairs[1][0] : 0;
	ret[1] = i == 0 ? n->pairs[0][1] : i == 1 ? n->pairs[1][1] : 0;
	if (ret[0] | ret[1])
		return 0;
	return ctx_read(mem, ret, 16, addr + PY_NODE_PAIRS + 16ULL * i);
}

static inline __u32 py_popcount(__u32 v)
{
	v = v - (v >> 1 & 0x55555555);
	v = (v & 0x33333333) + (v >> 2 & 0x33333333);
	return ((v + (v >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
}

/* Of variables whose hashes are equal. */
static inline enum ctx_found py_collision_get(struct ctx_memory *mem, const struct python_info *py,
					      __u64 addr, const struct py_node *node, __u64 *ret)
{
	__u64 pair[2] = { 0 };

	NO_UNROLL
	for (__u32 i = 0; i < PY_COLLISIONS; i++) {
		if (2ULL * i >= node->size)
			return CTX_NONE;
		if (py_node_pair(mem, addr, node, i, pair))
			return CTX_UNREADABLE;
		if (pair[0] == py->variable) {
			*ret = pair[1];
			return CTX_FOUND;
		}
	}
	return CTX_MALFORMED;
}

/*
 * One step down from *@node. CTX_FOUND: *@ret is the value, or if that is 0 *@node the next. Not in
 * line: Linux 5.10 refuses a loop that comes back to its begin without a jump, as clang lays it
 * out.
 */
OUT_OF_LINE enum ctx_found py_node_step(struct ctx_memory *mem, const struct python_info *py,
					__u32 part, __u64 *node, __u64 *ret)
{
	struct py_node n = { 0 };
	__u64 pair[2] = { 0 }, at = *node;
	__u32 bitmap;

	if (py_node_read(mem, at, &n))
		return CTX_UNREADABLE;
	if (n.type == py->node_types[PYTHON_NODE_ARRAY]) {
		if (py_word(mem, at + PY_NODE_ARRAY + 8 * part, node))
			return CTX_UNREADABLE;
		return *node ? CTX_FOUND : CTX_NONE;
	}
	if (n.type == py->node_types[PYTHON_NODE_COLLISION])
		return py_collision_get(mem, py, at, &n, ret);
	if (n.type != py->node_types[PYTHON_NODE_BITMAP])
		return CTX_MALFORMED;
	bitmap = (__u32)n.bitmap;
	if (!(bitmap >> part & 1))
		return CTX_NONE;
	if (py_node_pair(mem, at, &n, py_popcount(bitmap & ((1U << part) - 1)), pair))
		return CTX_UNREADABLE;
	*node = pair[1];
	if (!pair[0])
		return CTX_FOUND;
	*ret = pair[1];
	return pair[0] == py->variable ? CTX_FOUND : CTX_NONE;
}

/* The value of the variable in the trie whose root is @node. */
static inline enum ctx_found py_hamt_get(struct ctx_memory *mem, const struct python_info *py,
					 __u64 node, __u64 *ret)
{
	enum ctx_found found = CTX_FOUND;
	__u64 hash = py->hash;

	*ret = 0;
	NO_UNROLL
	for (__u32 level = 0; level < PY_HAMT_LEVELS; level++) {
		found = py_node_step(mem, py, hash & 31, &node, ret);
		if (found != CTX_FOUND || *ret)
			break;
		hash >>= PY_HAMT_BITS;
	}
	return found == CTX_FOUND && !*ret ? CTX_MALFORMED : found;
}

/* --- numbers ---------------------------------------------------------------------------------- */

#define PY_DIGITS_MAX 5

/* A number behind its reference count. */
struct py_long {
	__u64 type;
	__u64 size; /* of digits; from 3.12 on above three bits, before that negative for < 0 */
	__u32 digit[PY_DIGITS_MAX + 1];
};

/* Digits. More than an id can have: it is none, or negative. */
static inline __u64 py_digits(const struct python_info *py, const struct py_long *v)
{
	if (!(py->flags & PYTHON_LONG_TAG))
		return v->size;
	return v->size & 2 ? ~0ULL : v->size >> 3;
}

/* All digits that an id can have at once, but for a number that ends with its page. */
static inline enum ctx_found py_long_fetch(struct ctx_memory *mem, const struct python_info *py,
					   __u64 addr, struct py_long *ret)
{
	__u64 n;

	if (!ctx_read(mem, ret, __builtin_offsetof(struct py_long, digit[PY_DIGITS_MAX]),
		      addr + PY_OB_TYPE))
		return ret->type == py->long_type ? CTX_FOUND : CTX_MALFORMED;
	if (ctx_read(mem, ret, __builtin_offsetof(struct py_long, digit[1]), addr + PY_OB_TYPE))
		return CTX_UNREADABLE;
	n = py_digits(py, ret);
	if (ret->type != py->long_type || n > PY_DIGITS_MAX)
		return CTX_MALFORMED;
	n = (n & 7) * sizeof(ret->digit[0]);
	return n && ctx_read(mem, ret->digit, n, addr + PY_LONG_DIGITS) ? CTX_UNREADABLE
									: CTX_FOUND;
}

/* The number at @addr of up to 128 bits. */
static inline enum ctx_found py_long_read(struct ctx_memory *mem, const struct python_info *py,
					  __u64 addr, __u64 *high, __u64 *low)
{
	struct py_long v = { 0 };
	enum ctx_found found = py_long_fetch(mem, py, addr, &v);
	__u64 n = py_digits(py, &v);

	if (found != CTX_FOUND)
		return found;
	if (n > PY_DIGITS_MAX)
		return CTX_MALFORMED;
	/* What is behind the last one is not the number's. */
	v.digit[0] = n > 0 ? v.digit[0] : 0;
	v.digit[1] = n > 1 ? v.digit[1] : 0;
	v.digit[2] = n > 2 ? v.digit[2] : 0;
	v.digit[3] = n > 3 ? v.digit[3] : 0;
	v.digit[4] = n > 4 ? v.digit[4] : 0;
	if ((v.digit[0] | v.digit[1] | v.digit[2] | v.digit[3] | v.digit[4]) >> PY_DIGIT_BITS)
		return CTX_MALFORMED; /* no number at all */
	*low = (__u64)v.digit[0] | (__u64)v.digit[1] << 30 | (__u64)v.digit[2] << 60;
	*high = (__u64)v.digit[2] >> 4 | (__u64)v.digit[3] << 26 | (__u64)v.digit[4] << 56;
	return v.digit[4] >> 8 ? CTX_MALFORMED : CTX_FOUND;
}

/* --- all of it -------------------------------------------------------------------------------- */

/* The thread state that the thread of @tp has, or 0. */
static inline enum ctx_found py_thread_state(struct ctx_memory *mem, const struct python_info *py,
					     __u64 tp, __u64 *ret)
{
	if (!tp)
		return CTX_NONE;
	if (py_word(mem, tp + py->state, ret))
		return CTX_UNREADABLE;
	if (py->flags & PYTHON_STATE_POINTED && *ret && py_word(mem, *ret + py->pointed, ret))
		return CTX_UNREADABLE;
	return *ret ? CTX_FOUND : CTX_NONE;
}

/* The value of the variable for that thread state. */
static inline enum ctx_found py_variable_get(struct ctx_memory *mem, const struct python_info *py,
					     __u64 state, __u64 *ret)
{
	__u64 context = 0, hamt = 0, root = 0;

	if (py_word(mem, state + py->context, &context))
		return CTX_UNREADABLE;
	if (!context)
		return CTX_NONE;
	if (py_word(mem, context + PY_CONTEXT_VARS, &hamt) || !hamt ||
	    py_word(mem, hamt + PY_HAMT_ROOT, &root))
		return CTX_UNREADABLE;
	return py_hamt_get(mem, py, root, ret);
}

/* The span context of the span at @span, of one of the SDK's types. */
static inline enum ctx_found py_span_context(struct ctx_memory *mem, const struct python_info *py,
					     __u64 span, __u64 *ret)
{
	struct py_head head = { 0 };

	if (py_head_read(mem, py, span, &head))
		return CTX_UNREADABLE;
	if (head.type && head.type == py->spans[0].type)
		return py_attribute(mem, py, span, &head, &py->spans[0], ret);
	if (head.type && head.type == py->spans[1].type)
		return py_attribute(mem, py, span, &head, &py->spans[1], ret);
	return CTX_MALFORMED;
}

/* A tuple behind its reference count, of the SDK's class, and what may be before its items. */
struct py_tuple {
	__u64 type, size, items[4];
};

/* Trace id, span id, is it remote: one of another process is none of this thread's. */
static inline enum ctx_found py_ids(struct ctx_memory *mem, const struct python_info *py,
				    __u64 tuple, struct python_ids *ret)
{
	__u64 high = 0, low = 0, span_high = 0, span = 0;
	struct py_tuple t = { 0 };
	enum ctx_found found;

	if (ctx_read(mem, &t, sizeof(t), tuple + PY_OB_TYPE))
		return CTX_UNREADABLE;
	if (t.type != py->span_context || t.size < 3 || t.size > PY_CONTEXT_ITEMS_MAX)
		return CTX_MALFORMED;
	if (py->tuple_items != PY_TUPLE_ITEMS) {
		t.items[0] = t.items[1];
		t.items[1] = t.items[2];
		t.items[2] = t.items[3];
	}
	if (t.items[2] == py->py_true)
		return CTX_NONE;
	found = py_long_read(mem, py, t.items[0], &high, &low);
	if (found == CTX_FOUND)
		found = py_long_read(mem, py, t.items[1], &span_high, &span);
	if (found != CTX_FOUND)
		return found;
	if (span_high)
		return CTX_MALFORMED;
	if (!span || !(high | low))
		return CTX_NONE; /* the API's INVALID_SPAN */
	ret->trace_id[0] = __builtin_bswap64(high);
	ret->trace_id[1] = __builtin_bswap64(low);
	ret->span_id = __builtin_bswap64(span);
	return CTX_FOUND;
}

/* By way of the dict. */
static inline enum ctx_found py_walk(struct ctx_memory *mem, const struct python_info *py,
				     const struct py_dict *d, struct python_ids *ret)
{
	__u64 span = 0, tuple = 0;
	enum ctx_found found = py_dict_get(mem, py, d, py->span_key, &span);

	if (found == CTX_FOUND)
		found = py_span_context(mem, py, span, &tuple);
	return found == CTX_FOUND ? py_ids(mem, py, tuple, ret) : found;
}

/*
 * Fills *@ret for CTX_FOUND. @seen is what was read of the same address space before; NULL: nothing
 * is remembered.
 */
static inline enum ctx_found python_ctx_read(struct ctx_memory *mem, const struct python_info *py,
					     __u64 tp, struct python_spans *seen,
					     struct python_ids *ret)
{
	struct python_span *last = NULL;
	struct py_dict d = { 0 };
	__u64 state = 0, dict = 0;
	enum ctx_found found = py_thread_state(mem, py, tp, &state);

	if (found == CTX_FOUND)
		found = py_variable_get(mem, py, state, &dict);
	if (found != CTX_FOUND)
		return found;
	if (ctx_read(mem, &d, sizeof(d), dict + PY_DICT_VERSION))
		return CTX_UNREADABLE;
	if (seen && d.version && py->flags & PYTHON_DICT_VERSION) /* 0 is never one */
		last = &seen->span[dict >> 4 & (PYTHON_SPANS - 1)];
	if (last && last->dict == dict && last->version == d.version) {
		*ret = last->ids;
		return CTX_FOUND;
	}
	found = py_walk(mem, py, &d, ret);
	if (last && found == CTX_FOUND) {
		last->dict = dict;
		last->version = d.version;
		last->ids = *ret;
	}
	return found;
}

#endif
