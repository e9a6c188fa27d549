/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The current span of a CPython thread, in made-up and random memory. That layouts are those of
 * real interpreters is shown by tests/e2e/test_python.py.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"
#include "shared/python_ctx.h"

#define BASE 0x7f0000000000ULL
#define SIZE 8192

#define TP	(BASE + 64)
#define VALUE	(BASE + 256) /* of the interpreter's pthread key */
#define STATE	(BASE + 512)
#define CONTEXT (BASE + 1024)
#define HAMT	(BASE + 1088)
#define ROOT	(BASE + 1152)
#define NODE	(BASE + 1536)
#define DICT	(BASE + 2048)
#define KEYS	(BASE + 2112)
#define SPAN	(BASE + 2560)
#define ITS_OWN (BASE + 2688) /* the span's dict, before 3.11 */
#define VALUES	(BASE + 2816)
#define TUPLE	(BASE + 2944)
#define TRACE	(BASE + 3072)
#define NUMBER	(BASE + 3136)
#define OTHER	(BASE + 4096) /* a dict */

#define VARIABLE 0x1001
#define SPAN_KEY 0x1002
#define PY_TRUE	 0x1003
#define BITMAP	 0x2001
#define ARRAY	 0x2002
#define COLLIDE	 0x2003
#define SDK_SPAN 0x3001
#define API_SPAN 0x3002
#define SPAN_CTX 0x3003
#define PY_LONG	 0x3004

/* All reads on the way, with one level of the trie. */
#define READS_MAX (41 + 3 * PY_HAMT_LEVELS + PY_COLLISIONS + PY_DICT_LOOKED)

struct ctx_memory {
	uint8_t bytes[SIZE];
	int n_reads;
};

static struct ctx_memory mem;
static struct python_info py;
static struct python_ids ids;
static struct python_spans *seen; /* NULL: nothing is remembered */

static long ctx_read(struct ctx_memory *m, void *dst, __u32 len, __u64 addr)
{
	m->n_reads++;
	memset(dst, 0, len);
	if (addr < BASE || addr - BASE > SIZE - len)
		return -14;
	memcpy(dst, m->bytes + (addr - BASE), len);
	return 0;
}

static void put(__u64 addr, __u64 value)
{
	memcpy(mem.bytes + (addr - BASE), &value, sizeof(value));
}

static void put32(__u64 addr, __u32 value)
{
	memcpy(mem.bytes + (addr - BASE), &value, sizeof(value));
}

static const __u16 versions[] = {
	0,
	PYTHON_KEYS_NEW | PYTHON_VALUES_3_11,
	PYTHON_KEYS_NEW | PYTHON_LONG_TAG | PYTHON_VALUES_3_12,
	PYTHON_KEYS_NEW | PYTHON_LONG_TAG | PYTHON_VALUES_3_13,
};

static void put_long(__u64 addr, int n, const __u32 *digits)
{
	put(addr + 8, PY_LONG);
	put(addr + 16, py.flags & PYTHON_LONG_TAG ? n << 3 : n);
	for (int i = 0; i < n; i++)
		put32(addr + 24 + 4 * i, digits[i]);
}

/* Where a dict's keys have their entry number @i: key, value. */
static __u64 entry(int i)
{
	return py.flags & PYTHON_KEYS_NEW ? KEYS + 32 + 8 + 16 * i : KEYS + 40 + 8 + 24 * i + 8;
}

static void put_dict(void)
{
	put(DICT + 32, KEYS);
	put(DICT + 40, 0);
	if (py.flags & PYTHON_KEYS_NEW) {
		put(KEYS + 8, 3 | 3 << 8 | PY_KEYS_UNICODE << 16);
		put(KEYS + 24, 2);
	} else {
		put(KEYS + 8, 8);
		put(KEYS + 32, 2);
	}
	put(entry(0), 0x4444);
	put(entry(0) + 8, 0x5555);
	put(entry(1), SPAN_KEY);
	put(entry(1) + 8, SPAN);
}

/* Attribute number 2 of the span is @value. */
static void put_attribute(__u64 value)
{
	switch (py.flags & PYTHON_VALUES) {
	case PYTHON_VALUES_3_11:
		put(SPAN - 32, VALUES);
		break;
	case PYTHON_VALUES_3_12:
		put(SPAN - 24, VALUES - 1);
		break;
	case PYTHON_VALUES_3_13:
		put(SPAN + 32, 1 << 24); /* valid */
		put(SPAN + 32 + 8 + 16, value);
		return;
	default:
		put(SPAN + 24, ITS_OWN);
		put(ITS_OWN + 40, VALUES);
	}
	put(VALUES + 16, value);
}

static void put_span(__u64 type)
{
	static const __u32 trace[] = { 0x0a0b0c0d, 0x3fffffff, 1, 0, 0x81 },
			   span[] = { 0x11223344, 0x15, 3 };

	put(SPAN + 8, type);
	put_attribute(TUPLE);
	put(TUPLE + 8, SPAN_CTX);
	put(TUPLE + 16, 6);
	put(TUPLE + py.tuple_items, TRACE);
	put(TUPLE + py.tuple_items + 8, NUMBER);
	put(TUPLE + py.tuple_items + 16, 0x1004); /* False */
	put_long(TRACE, 5, trace);
	put_long(NUMBER, 3, span);
}

/* A bitmap node with the variable at its place and another one below it. */
static void put_bitmap(__u64 at, __u32 part, __u64 key, __u64 value)
{
	put(at + 8, BITMAP);
	put(at + 24, 1U << part | 1);
	put(at + 32, 0x6666);
	put(at + 40, 0x7777);
	put(at + 48, key);
	put(at + 56, value);
}

static void put_all(__u16 flags)
{
	memset(&mem, 0, sizeof(mem));
	memset(&ids, 0, sizeof(ids));
	py = (struct python_info){
		.variable = VARIABLE,
		.span_key = SPAN_KEY,
		.py_true = PY_TRUE,
		.long_type = PY_LONG,
		.span_context = SPAN_CTX,
		.node_types = { BITMAP, ARRAY, COLLIDE },
		.spans = { { SDK_SPAN, 2, 32, 24 }, { API_SPAN, 2, 32, 24 } },
		.hash = 7 | 9 << 5,
		.flags = flags,
		.state = VALUE - TP,
		.context = 208,
		.tuple_items = flags & PYTHON_LONG_TAG ? 32 : 24,
	};
	put(VALUE, STATE);
	put(STATE + 208, CONTEXT);
	put(CONTEXT + 24, HAMT);
	put(HAMT + 16, ROOT);
	put_bitmap(ROOT, 7, VARIABLE, DICT);
	put_dict();
	put_span(SDK_SPAN);
}

static void set_up(void)
{
	put_all(versions[3]);
}

TestSuite(python_ctx, .init = set_up, .fini = leak_check);

static enum ctx_found look(void)
{
	mem.n_reads = 0;
	return python_ctx_read(&mem, &py, TP, seen, &ids);
}

static void assert_ids(void)
{
	/* By Python: sum(d << 30 * i for i, d in enumerate(digits)).to_bytes(16) */
	static const uint8_t trace[] = { 0x81, 0,    0,	   0,	 0,    0,    0,	   0,
					 0x1f, 0xff, 0xff, 0xff, 0xca, 0x0b, 0x0c, 0x0d };
	static const uint8_t span[] = { 0x30, 0, 0, 0x05, 0x51, 0x22, 0x33, 0x44 };

	cr_assert(eq(int, look(), CTX_FOUND));
	cr_assert(zero(int, memcmp(ids.trace_id, trace, 16)));
	cr_assert(zero(int, memcmp(&ids.span_id, span, 8)));
	cr_assert(le(int, mem.n_reads, 15));
}

/* --- what is there ---------------------------------------------------------------------------- */

Test(python_ctx, in_all_layouts)
{
	for (int v = 0; v < 4; v++) {
		put_all(versions[v]);
		assert_ids();
		put_span(API_SPAN);
		assert_ids();
	}
}

/* musl: the thread has a pointer to its values. */
Test(python_ctx, state_that_is_pointed_to)
{
	py.flags |= PYTHON_STATE_POINTED;
	py.state = 128;
	py.pointed = 24;
	put(TP + 128, VALUE - 24);
	assert_ids();
	put(TP + 128, 16);
	cr_assert(eq(int, look(), CTX_UNREADABLE));
	put(TP + 128, 0);
	cr_assert(eq(int, look(), CTX_NONE), "it has no values yet");
	put(TP + 128, VALUE - 16);
	cr_assert(eq(int, look(), CTX_NONE), "nor one of this key");
}

Test(python_ctx, trie_of_two_levels)
{
	put_bitmap(ROOT, 7, 0, NODE); /* no key: a node */
	put_bitmap(NODE, 9, VARIABLE, DICT);
	assert_ids();
	put_bitmap(NODE, 9, VARIABLE + 1, DICT);
	cr_assert(eq(int, look(), CTX_NONE));
	put_bitmap(NODE, 10, VARIABLE, DICT);
	cr_assert(eq(int, look(), CTX_NONE));
}

Test(python_ctx, trie_with_an_array)
{
	put(ROOT + 8, ARRAY);
	put(ROOT + 16 + 8 * 7, NODE);
	put_bitmap(NODE, 9, VARIABLE, DICT);
	assert_ids();
	put(ROOT + 16 + 8 * 7, 0);
	cr_assert(eq(int, look(), CTX_NONE));
}

Test(python_ctx, trie_with_a_collision)
{
	put_bitmap(ROOT, 7, 0, NODE);
	put(NODE + 8, COLLIDE);
	put(NODE + 16, 4);
	put(NODE + 32, VARIABLE + 1);
	put(NODE + 40, 0x9999);
	put(NODE + 48, VARIABLE);
	put(NODE + 56, DICT);
	assert_ids();
	put(NODE + 16, 2);
	cr_assert(eq(int, look(), CTX_NONE));
	put(NODE + 48, 0);
	put(NODE + 16, 1 << 20);
	cr_assert(eq(int, look(), CTX_MALFORMED), "more than are looked through");
}

/* --- what is remembered ----------------------------------------------------------------------- */

/* Reads of state, context, trie and dict. */
#define READS_TO_DICT 6

/* What is behind the dict is not read again, until that has another version. */
Test(python_ctx, remembered_until_the_dict_changes)
{
	for (int v = 0; v < 4; v++) {
		struct python_spans spans = { 0 };

		put_all(versions[v] | PYTHON_DICT_VERSION);
		put(DICT + 24, 77);
		seen = &spans;
		assert_ids();
		cr_expect(gt(int, mem.n_reads, READS_TO_DICT));
		put(TUPLE + 8, 0);
		assert_ids();
		cr_expect(le(int, mem.n_reads, READS_TO_DICT));
		put(DICT + 24, 78);
		cr_expect(eq(int, look(), CTX_MALFORMED));
		put(DICT + 24, 77);
		cr_expect(eq(int, look(), CTX_FOUND), "as versions are never used again");
		seen = NULL;
		cr_expect(eq(int, look(), CTX_MALFORMED));
	}
}

Test(python_ctx, nothing_is_remembered_without_versions)
{
	struct python_spans spans = { 0 };

	seen = &spans;
	put_all(versions[3]);
	put(DICT + 24, 77);
	assert_ids();
	put(TUPLE + 8, 0);
	cr_expect(eq(int, look(), CTX_MALFORMED));
	put_all(versions[3] | PYTHON_DICT_VERSION);
	assert_ids();
	put(TUPLE + 8, 0);
	cr_expect(eq(int, look(), CTX_MALFORMED), "0 is none");
}

/* Another dict, in the same place among those that are remembered. */
Test(python_ctx, remembered_of_one_dict)
{
	struct python_spans spans = { 0 };

	put_all(versions[1] | PYTHON_DICT_VERSION);
	put(DICT + 24, 77);
	seen = &spans;
	assert_ids();
	memcpy(mem.bytes + (OTHER - BASE), mem.bytes + (DICT - BASE), 64);
	put_bitmap(ROOT, 7, VARIABLE, OTHER);
	put(TUPLE + 8, 0);
	cr_expect(eq(int, look(), CTX_MALFORMED));
}

/* --- no span ---------------------------------------------------------------------------------- */

Test(python_ctx, thread_that_is_not_the_interpreters)
{
	cr_assert(eq(int, python_ctx_read(&mem, &py, 0, NULL, &ids), CTX_NONE));
	put(VALUE, 0);
	cr_assert(eq(int, look(), CTX_NONE));
}

Test(python_ctx, no_context_and_no_span_in_it)
{
	put(STATE + 208, 0);
	cr_assert(eq(int, look(), CTX_NONE));
	set_up();
	put(entry(1), SPAN_KEY + 1);
	cr_assert(eq(int, look(), CTX_NONE));
	set_up();
	put_attribute(0);
	cr_assert(eq(int, look(), CTX_NONE));
}

Test(python_ctx, span_of_another_process)
{
	put(TUPLE + py.tuple_items + 16, PY_TRUE);
	cr_assert(eq(int, look(), CTX_NONE));
}

Test(python_ctx, ids_of_zero)
{
	static const __u32 zero[] = { 0 };

	put_long(NUMBER, 0, zero);
	cr_assert(eq(int, look(), CTX_NONE));
	set_up();
	put_long(TRACE, 0, zero);
	cr_assert(eq(int, look(), CTX_NONE));
}

/* --- not as it should be ---------------------------------------------------------------------- */

Test(python_ctx, classes_that_are_not_known)
{
	put(SPAN + 8, 0x3003);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	py.spans[0].type = py.spans[1].type = 0;
	put(SPAN + 8, 0);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	set_up();
	put(ROOT + 8, 0x2004);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	set_up();
	put(TUPLE + 8, SPAN_CTX + 8);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	set_up();
	put(TUPLE + 16, 2); /* items */
	cr_assert(eq(int, look(), CTX_MALFORMED));
	set_up();
	put(TRACE + 8, PY_LONG + 8);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	set_up();
	put(NUMBER + 8, PY_LONG + 8);
	cr_assert(eq(int, look(), CTX_MALFORMED));
}

/* Somebody has asked for its __dict__. */
Test(python_ctx, object_with_a_dict_of_its_own)
{
	static const struct {
		__u64 addr, value;
	} changes[] = {
		{ ITS_OWN + 40, 0 }, { SPAN - 32, 0 }, { SPAN - 24, ITS_OWN }, { SPAN + 32, 0 }
	};

	for (int v = 0; v < 4; v++) {
		put_all(versions[v]);
		put(changes[v].addr, changes[v].value);
		cr_assert(eq(int, look(), CTX_MALFORMED), "%d", v);
	}
}

Test(python_ctx, numbers_that_are_no_ids)
{
	static const __u32 four[] = { 1, 0, 16, 0 }, five[] = { 1, 0, 0, 0, 0x100 };
	__u32 wide[5] = { 1, 1, 1, 1, 1 };

	put_long(NUMBER, 3, four); /* more than 64 bits */
	cr_assert(eq(int, look(), CTX_MALFORMED));
	set_up();
	put_long(TRACE, 5, five); /* more than 128 */
	cr_assert(eq(int, look(), CTX_MALFORMED));
	set_up();
	put(TRACE + 16, 6 << 3);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	put(TRACE + 16, 5 << 3 | 2); /* negative */
	cr_assert(eq(int, look(), CTX_MALFORMED));
	put_all(versions[0]);
	put(TRACE + 16, -5);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	for (int i = 0; i < 5; i++) { /* a digit has 30 bits: these are of something else */
		set_up();
		wide[i] |= 1U << (30 + i % 2);
		put_long(TRACE, 5, wide);
		cr_assert(eq(int, look(), CTX_MALFORMED), "%d", i);
		wide[i] = 1;
	}
}

Test(python_ctx, trie_that_ends_nowhere)
{
	py.hash = 0;
	put(ROOT + 8, ARRAY);
	put(ROOT + 16, ROOT);
	cr_assert(eq(int, look(), CTX_MALFORMED));
	cr_assert(le(int, mem.n_reads, READS_MAX));
}

Test(python_ctx, what_cannot_be_read)
{
	static const __u64 pointers[] = { VALUE,      STATE + 208, CONTEXT + 24,  HAMT + 16,
					  ROOT + 56,  DICT + 32,   KEYS + 8 + 56, TUPLE + 32,
					  TUPLE + 40, SPAN + 56 };

	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		set_up();
		put(pointers[i], 16);
		cr_assert(ne(int, look(), CTX_FOUND), "%zu", i);
		cr_assert(ne(int, look(), CTX_NONE), "%zu", i);
	}
}

Test(python_ctx, random_memory)
{
	int found[4] = { 0 };

	srandom(1);
	for (int i = 0; i < 200000; i++) {
		put_all(versions[i % 4]);
		if (i % 5 == 0) {
			py.flags |= PYTHON_STATE_POINTED;
			py.pointed = 16;
			put(VALUE, VALUE);
			put(VALUE + 16, STATE);
		}
		if (i % 3)
			put(ROOT + 8, i % 3 == 1 ? ARRAY : COLLIDE);
		for (int n = random() % 5; n >= 0; n--)
			put(BASE + 8 * (random() % (3200 / 8)),
			    random() % 2 ? BASE + random() % SIZE
					 : (__u64)random() << random() % 34);
		found[look()]++;
		cr_assert(le(int, mem.n_reads, READS_MAX));
	}
	for (int i = 0; i < 4; i++)
		cr_assert(gt(int, found[i], 100), "%d", i);
}
