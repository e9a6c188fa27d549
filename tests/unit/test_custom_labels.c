/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of custom labels, and the user's variables, in made-up and random memory. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"
#include "shared/ctx_variable.h"
#include "shared/custom_labels.h"

#define BASE 0x7f0000000000ULL
#define SIZE 4096
#define SET  (BASE + 64)
#define LIST (BASE + 256)
#define TEXT (BASE + 2048)

struct ctx_memory {
	uint8_t bytes[SIZE];
	int n_reads;
};

static struct ctx_memory mem;
static struct ctx_room room;
static size_t text_len;

static long ctx_read(struct ctx_memory *m, void *dst, __u32 len, __u64 addr)
{
	m->n_reads++;
	memset(dst, 0, len);
	if (addr < BASE || addr - BASE > SIZE - len)
		return -14;
	memcpy(dst, m->bytes + (addr - BASE), len);
	return 0;
}

static int ctx_label(struct ctx_memory *m, struct ctx_room *r)
{
	return ctx_label_add(m, r);
}

static void set_up(void)
{
	memset(&mem, 0, sizeof(mem));
	memset(&room, 0xa5, sizeof(room));
	text_len = 0;
}

TestSuite(custom_labels, .init = set_up, .fini = leak_check);

static void put(__u64 addr, __u64 value)
{
	memcpy(mem.bytes + (addr - BASE), &value, sizeof(value));
}

static __u64 put_text(const char *s)
{
	__u64 at = TEXT + text_len;

	memcpy(mem.bytes + (at - BASE), s, strlen(s));
	text_len += strlen(s);
	return at;
}

/* @key NULL: an empty slot. */
static void put_label(int i, const char *key, const char *value)
{
	__u64 at = LIST + 32 * i;

	put(SET, LIST);
	put(SET + 8, i + 1);
	put(SET + 16, 9999); /* capacity: of no meaning */
	put(at, key ? strlen(key) : 5);
	put(at + 8, key ? put_text(key) : 0);
	put(at + 16, strlen(value));
	put(at + 24, put_text(value));
}

static void assert_bytes(const char *want, size_t len)
{
	cr_assert(eq(u32, room.len, len));
	cr_assert(zero(int, memcmp(room.labels, want, len)));
}

/* --- sets ------------------------------------------------------------------------------------- */

Test(custom_labels, set_with_an_empty_slot)
{
	put_label(0, "span_id", "x");
	put_label(1, NULL, "gone");
	put_label(2, "b", "");
	cr_assert(eq(int, custom_labels_read(&mem, SET, &room), CTX_FOUND));
	assert_bytes("\7\1span_idx\1\0b", 13);
	cr_assert(zero(int, room.is_cut));
}

Test(custom_labels, empty_set)
{
	cr_assert(eq(int, custom_labels_read(&mem, SET, &room), CTX_NONE));
}

Test(custom_labels, set_of_too_many)
{
	for (int i = 0; i < 17; i++)
		put_label(i, "k", "v");
	cr_assert(eq(int, custom_labels_read(&mem, SET, &room), CTX_FOUND));
	cr_assert(eq(u32, room.len, 16 * 4));
	cr_assert(eq(int, room.is_cut, 1));
}

Test(custom_labels, what_cannot_be_read)
{
	static const __u64 pointers[] = { SET, LIST + 8, LIST + 24 };

	cr_assert(eq(int, custom_labels_read(&mem, BASE - 8, &room), CTX_UNREADABLE));
	for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
		set_up();
		put_label(0, "k", "v");
		put(pointers[i], 8);
		cr_assert(eq(int, custom_labels_read(&mem, SET, &room), CTX_UNREADABLE), "%zu", i);
	}
}

static void scribble(void)
{
	for (int n = random() % 6; n >= 0; n--)
		put(BASE + 8 * (random() % (SIZE / 8)),
		    random() % 2 ? BASE + random() % SIZE : (__u64)random() << random() % 34);
}

Test(custom_labels, random_memory)
{
	int found[4] = { 0 };

	srandom(1);
	for (int i = 0; i < 50000; i++) {
		set_up();
		for (int n = random() % 20; n >= 0; n--)
			put_label(n, "key", "value");
		scribble();
		found[custom_labels_read(&mem, SET, &room)]++;
		cr_assert(le(int, mem.n_reads, 1 + 3 * CTX_LABELS_MAX));
		cr_assert(le(u32, room.len, CTX_LABELS_ROOM));
	}
	cr_assert(gt(int, found[CTX_FOUND], 1000));
	cr_assert(gt(int, found[CTX_UNREADABLE], 100));
}

/* --- the user's variables --------------------------------------------------------------------- */

static enum ctx_found read_variable(const struct ctx_variable *v)
{
	room.len = 0;
	room.addr = BASE + 512;
	return ctx_variable_read(&mem, v, 3, &room);
}

Test(custom_labels, variable_behind_pointers)
{
	struct ctx_variable v = { .n_steps = 0, .len = 8, .off = { 16, -8, 24, 0, 4 } };

	put(BASE + 528, BASE + 1024);
	put(BASE + 1016, BASE + 1500);
	put(BASE + 1524, BASE + 1600);
	put(BASE + 1600, BASE + 1700);
	put(BASE + 1704, 0x1122334455667788);
	cr_assert(eq(int, read_variable(&v), CTX_FOUND));
	assert_bytes("\3\10\0\4\0\0\0\x7f\0\0", 10);
	v.n_steps = 4;
	cr_assert(eq(int, read_variable(&v), CTX_FOUND));
	assert_bytes("\3\10\x88\x77\x66\x55\x44\x33\x22\x11", 10);
	put(BASE + 1600, 0);
	cr_assert(eq(int, read_variable(&v), CTX_NONE));
	put(BASE + 1600, 5000);
	cr_assert(eq(int, read_variable(&v), CTX_UNREADABLE));
	put(BASE + 1016, 1);
	cr_assert(eq(int, read_variable(&v), CTX_UNREADABLE));
}

/* The page behind a short string need not be there. */
Test(custom_labels, variable_at_the_end_of_memory)
{
	struct ctx_variable v = { .len = 63, .off = { SIZE - 512 - 4 } };

	memcpy(mem.bytes + SIZE - 4, "end", 4);
	cr_assert(eq(int, read_variable(&v), CTX_FOUND));
	assert_bytes("\3\4end\0", 6);
	v.off[0] += 4;
	cr_assert(eq(int, read_variable(&v), CTX_UNREADABLE));
}

Test(custom_labels, variables_of_random_memory)
{
	srandom(1);
	for (int i = 0; i < 50000; i++) {
		struct ctx_variable v = { .n_steps = random() % 5, .len = 1 + random() % 63 };

		set_up();
		for (int n = 0; n < 5; n++)
			v.off[n] = random() % 3 ? random() % 64 : (__s32)random();
		put(BASE + 512 + 8 * (random() % 8), BASE + random() % SIZE);
		scribble();
		if (read_variable(&v) == CTX_FOUND)
			cr_assert(le(u32, room.len, 2 + v.len));
		cr_assert(le(int, mem.n_reads, 6));
	}
}
