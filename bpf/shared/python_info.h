/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a CPython process has what shared/python_ctx.h reads: element of the map `pythons`,
 * whose number is in the process's source. */
#ifndef SHARED_PYTHON_INFO_H
#define SHARED_PYTHON_INFO_H

#include "shared/types.h"

enum python_flag {
	PYTHON_KEYS_NEW = 1 << 0, /* keys of dicts as since 3.11 */
	PYTHON_LONG_TAG = 1 << 1, /* numbers as since 3.12 */
	/* Where objects have their attributes, as since this version; none of these: in a dict. */
	PYTHON_VALUES_3_11 = 1 << 2,
	PYTHON_VALUES_3_12 = 2 << 2,
	PYTHON_VALUES_3_13 = 3 << 2,
	PYTHON_VALUES = 3 << 2,
	PYTHON_STATE_POINTED = 1 << 4, /* one more pointer leads to the thread state (musl) */
	/* Dicts have a version, another one after each change, that no other dict of the
	 * interpreter ever has: PEP 509, up to 3.13. */
	PYTHON_DICT_VERSION = 1 << 5,
};

/* Of a span, as they are in memory: the most significant byte first. */
struct python_ids {
	__u64 trace_id[2];
	__u64 span_id;
};

/*
 * What was read by way of a dict: it holds as long as the dict's version does, as the dict keeps
 * the span, whose ids are for good.
 */
struct python_span {
	__u64 dict; /* 0: there is none */
	__u64 version;
	struct python_ids ids;
};

/* The last ones of an address space, by the dict's address. */
#define PYTHON_SPANS 4

struct python_spans {
	struct python_span span[PYTHON_SPANS];
};

enum python_node { PYTHON_NODE_BITMAP, PYTHON_NODE_ARRAY, PYTHON_NODE_COLLISION, PYTHON_NODES };

/* A class, and the number of the attribute _context in its objects. */
struct python_type {
	__u64 type; /* 0: there is none */
	__u32 slot;
	__u16 basicsize;
	__u16 dictoffset;
};

struct python_info {
	__u64 variable; /* the context variable */
	__u64 span_key; /* of the span, in its value */
	__u64 py_true;
	__u64 long_type;    /* of numbers */
	__u64 span_context; /* the SDK's class of span contexts, which are tuples */
	__u64 node_types[PYTHON_NODES];
	struct python_type spans[2]; /* the SDK's, and that of contexts without recording */
	__u32 hash;		     /* of the variable */
	__s32 state;   /* where a thread has its thread state, from its thread pointer */
	__u16 pointed; /* PYTHON_STATE_POINTED: a pointer is there, and the state as far behind */
	__u16 flags;   /* enum python_flag */
	__u16 context; /* in a thread state */
	__u16 tuple_items;
};

_Static_assert(sizeof(struct python_info) == 112, "map value ABI");

#define PYTHONS_MAX 2048 /* processes at a time */

#endif
