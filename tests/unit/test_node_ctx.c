/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous contexts in made-up memory of V8. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"
#include "shared/node_ctx.h"

#define BASE   0x3986e9200000ULL
#define SIZE   8192
#define VAR    (BASE + 64)
#define SLOT   (BASE + 128)
#define HANDLE (BASE + 136)
#define MAP    (BASE + 256)
#define TABLE  (BASE + 512)
#define OBJECT (BASE + 4096)
#define KEY    (BASE + 5000)
#define RECORD 0x7f0011112222ULL

#define UNDEFINED (BASE + 0x11)
#define HASH	  33639 /* of 8 buckets the last one */
#define BUCKETS	  8
#define TAGGED(p) ((p) | 1)
#define SMALL(n)  ((__u64)(__s64)(n) << 32)

struct ctx_memory {
	__u8 bytes[SIZE];
	int n_reads;
};

static struct ctx_memory mem;

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

static void put_entry(int i, __u64 key, __u64 value, int next)
{
	__u64 at = TABLE + 40 + 8 * (BUCKETS + 3 * i);

	put(at, key);
	put(at + 8, value);
	put(at + 16, SMALL(next));
}

/* Ten entries; ours is the last one of its bucket's chain, behind two others. */
static void set_up(void)
{
	struct node_var v = {
		.slot = SLOT, .handle = HANDLE, .hash = HASH, .record = 32, .undefined = UNDEFINED
	};

	memset(&mem, 0, sizeof(mem));
	memcpy(mem.bytes + (VAR - BASE), &v, sizeof(v));
	put(SLOT, TAGGED(MAP));
	put(HANDLE, TAGGED(KEY));
	put(MAP + 24, TAGGED(TABLE));
	put(TABLE + 16, SMALL(10));
	put(TABLE + 24, SMALL(0));
	put(TABLE + 32, SMALL(BUCKETS));
	for (int i = 0; i < BUCKETS; i++)
		put(TABLE + 40 + 8 * i, SMALL(-1));
	put(TABLE + 40 + 8 * (HASH % BUCKETS), SMALL(9));
	put_entry(9, TAGGED(KEY + 8), TAGGED(OBJECT + 64), 4);
	put_entry(4, TAGGED(KEY + 16), TAGGED(OBJECT + 64), 0);
	put_entry(0, TAGGED(KEY), TAGGED(OBJECT), -1);
	put(OBJECT + 32, RECORD);
}

TestSuite(node_ctx, .init = set_up, .fini = leak_check);

static enum ctx_found look(__u64 *ret)
{
	*ret = 0;
	return node_record(&mem, VAR, ret);
}

static void assert_none(enum ctx_found want)
{
	__u64 record;

	cr_assert(eq(int, look(&record), want));
}

Test(node_ctx, record_of_the_current_context)
{
	__u64 record;

	cr_assert(eq(int, look(&record), CTX_FOUND));
	cr_assert(eq(u64, record, RECORD));
}

Test(node_ctx, no_context)
{
	put(VAR, 0); /* a thread without an isolate of its own */
	assert_none(CTX_NONE);
	set_up();
	put(SLOT, UNDEFINED);
	assert_none(CTX_NONE);
	set_up();
	put(SLOT, SMALL(0));
	assert_none(CTX_NONE);
	set_up();
	put_entry(0, TAGGED(KEY + 24), TAGGED(OBJECT), -1); /* no entry of ours */
	assert_none(CTX_NONE);
	set_up();
	put_entry(0, TAGGED(KEY), UNDEFINED, -1);
	assert_none(CTX_NONE);
	set_up();
	put(OBJECT + 32, 0);
	assert_none(CTX_NONE);
}

/* Objects move: the key is looked up where it is now. */
Test(node_ctx, key_that_has_moved)
{
	__u64 record;

	put(HANDLE, TAGGED(KEY + 512));
	assert_none(CTX_NONE);
	put_entry(0, TAGGED(KEY + 512), TAGGED(OBJECT), -1);
	cr_assert(eq(int, look(&record), CTX_FOUND));
}

Test(node_ctx, tables_that_are_none)
{
	static const struct {
		__u64 elements, deleted, buckets;
	} cases[] = {
		{ SMALL(10), 0, 0 },
		{ SMALL(10), 0, SMALL(7) },
		{ SMALL(10), 0, SMALL(2048) },
		{ SMALL(10), 0, SMALL(-8) },
		{ SMALL(10), SMALL(7), SMALL(8) },
		{ SMALL(-1), 0, SMALL(8) },
		{ SMALL(10), 0, SMALL(8) | 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up();
		put(TABLE + 16, cases[i].elements);
		put(TABLE + 24, cases[i].deleted);
		put(TABLE + 32, cases[i].buckets);
		assert_none(CTX_MALFORMED);
	}
	set_up();
	put_entry(4, TAGGED(KEY + 16), TAGGED(OBJECT), 9); /* round and round */
	assert_none(CTX_MALFORMED);
	cr_assert(le(int, mem.n_reads, 6 + NODE_CHAIN_MAX));
	set_up();
	put_entry(4, TAGGED(KEY + 16), TAGGED(OBJECT), 10); /* behind the last one */
	assert_none(CTX_MALFORMED);
}

/* Older writers left the field 0. */
Test(node_ctx, writers_that_are_not_known)
{
	static const __u8 offsets[] = { 0, 8, 16, 31, 48, 255 };

	for (size_t i = 0; i < sizeof(offsets); i++) {
		set_up();
		mem.bytes[VAR - BASE + 20] = offsets[i];
		assert_none(CTX_MALFORMED);
	}
}

Test(node_ctx, what_cannot_be_read)
{
	static const __u64 on_the_way[] = { VAR, VAR + 8, SLOT, MAP + 24 };

	for (size_t i = 0; i < sizeof(on_the_way) / sizeof(on_the_way[0]); i++) {
		set_up();
		put(on_the_way[i], 4097);
		assert_none(CTX_UNREADABLE);
	}
	set_up();
	put_entry(0, TAGGED(KEY), 4097, -1);
	assert_none(CTX_UNREADABLE);
}

Test(node_ctx, random_memory)
{
	int found[4] = { 0 };
	__u64 record;

	srandom(1);
	for (int i = 0; i < 200000; i++) {
		set_up();
		for (int n = random() % 5; n >= 0; n--)
			put(BASE + 8 * (random() % (n % 2 ? 80 : SIZE / 8)),
			    random() % 2 ? BASE + random() % SIZE : SMALL(random() % 40 - 4));
		mem.n_reads = 0;
		found[look(&record)]++;
		cr_assert(le(int, mem.n_reads, 6 + NODE_CHAIN_MAX));
	}
	cr_assert(gt(int, found[CTX_FOUND], 1000));
	cr_assert(gt(int, found[CTX_MALFORMED], 1000));
}
