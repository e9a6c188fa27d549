/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of goroutines, in made-up memory of a Go process. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leak_check.h"
#include "shared/go_ctx.h"

#define BASE   0xc000000000ULL
#define SIZE   8192
#define TP     (BASE + 64)
#define G0     (BASE + 512)
#define M      (BASE + 1024)
#define CURG   (BASE + 2048)
#define LABELS (BASE + 3072) /* the slice's header, or the pointer to the map */
#define LIST   (BASE + 3200) /* pairs, or the map's buckets */
#define TEXT   (BASE + 4608)
#define HMAP   (BASE + 3136)

#define CURG_OFF   184
#define LABELS_OFF 352

struct ctx_memory {
	__u8 bytes[SIZE];
	int n_reads;
};

static struct ctx_memory mem;
static struct ctx_room room;
static size_t text_len;
static int n_labels;

static long ctx_read(struct ctx_memory *m, void *dst, __u32 len, __u64 addr)
{
	m->n_reads++;
	cr_assert(le(u32, len, 512));
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

static void put(__u64 addr, __u64 value)
{
	memcpy(mem.bytes + (addr - BASE), &value, sizeof(value));
}

static void put_string(__u64 addr, const char *s)
{
	put(addr, TEXT + text_len);
	put(addr + 8, strlen(s));
	memcpy(mem.bytes + (TEXT + text_len - BASE), s, strlen(s));
	text_len += strlen(s);
}

/* A thread that runs a goroutine without labels. */
static void set_up(void)
{
	memset(&mem, 0, sizeof(mem));
	memset(&room, 0xa5, sizeof(room));
	text_len = 0;
	n_labels = 0;
	room.tp = TP;
	room.source.go = (struct go_var){
		.g_off = -8, .form = GO_LABELS_SLICE, .curg = CURG_OFF, .labels = LABELS_OFF
	};
	put(TP - 8, G0);
	put(G0 + 48, M);
	put(M + CURG_OFF, CURG);
	put(CURG + 48, M);
}

TestSuite(go_ctx, .init = set_up, .fini = leak_check);

static void add_pair(const char *key, const char *value)
{
	put(CURG + LABELS_OFF, LABELS);
	put(LABELS, LIST);
	put_string(LIST + 32 * n_labels, key);
	put_string(LIST + 32 * n_labels + 16, value);
	put(LABELS + 8, ++n_labels);
}

/* In slot @n of a map of 2^@b buckets. */
static void add_to_map(int b, int n, const char *key, const char *value)
{
	__u64 bucket = LIST + 272 * (n / 8);

	room.source.go.form = GO_LABELS_MAP;
	put(CURG + LABELS_OFF, LABELS);
	put(LABELS, HMAP);
	put(HMAP, ++n_labels);
	put(HMAP + 8, (__u64)b << 8);
	put(HMAP + 16, LIST);
	mem.bytes[bucket - BASE + n % 8] = 77;
	put_string(bucket + 8 + 16 * (n % 8), key);
	put_string(bucket + 136 + 16 * (n % 8), value);
}

static enum ctx_found look(void)
{
	return go_ctx_read(&mem, &room);
}

#define SPAN  "0123456789abcdef"
#define TRACE "00112233445566778899aabbccddeeff"

/* What was collected, as text: key=value; … */
static const char *collected(void)
{
	static char text[4096];
	__u32 at = 0;
	char *out = text;

	*out = '\0';
	while (at < room.len) {
		int key = room.labels[at], value = room.labels[at + 1];

		out += sprintf(out, "%.*s=%.*s; ", key, (char *)&room.labels[at + 2], value,
			       (char *)&room.labels[at + 2 + key]);
		at += 2 + key + value;
	}
	cr_assert(eq(u32, at, room.len));
	return text;
}

static void assert_labels(const char *want)
{
	cr_assert(eq(int, look(), CTX_FOUND));
	cr_assert(eq(str, (char *)collected(), (char *)want));
}

/* --- labels ----------------------------------------------------------------------------------- */

Test(go_ctx, in_a_slice)
{
	add_pair("span_id", SPAN);
	add_pair("span name", "GET /");
	add_pair("empty", "");
	assert_labels("span_id=" SPAN "; span name=GET /; empty=; ");
	cr_assert(zero(int, room.is_cut));
}

Test(go_ctx, in_a_map)
{
	add_to_map(0, 2, "span_id", SPAN);
	add_to_map(0, 7, "trace_id", TRACE);
	assert_labels("span_id=" SPAN "; trace_id=" TRACE "; ");
	set_up();
	add_to_map(1, 3, "zone", "z");
	add_to_map(1, 12, "span_id", SPAN);
	assert_labels("zone=z; span_id=" SPAN "; ");
	cr_assert(zero(int, room.is_cut));
}

Test(go_ctx, no_goroutine_or_one_without_labels)
{
	cr_assert(eq(int, look(), CTX_NONE));
	add_pair("span_id", SPAN);
	put(M + CURG_OFF, 0);
	cr_assert(eq(int, look(), CTX_NONE));
	put(M + CURG_OFF, CURG);
	put(CURG + 48, M + 8); /* is just being taken up by another thread */
	cr_assert(eq(int, look(), CTX_NONE));
	put(CURG + 48, M);
	put(TP - 8, 0); /* a thread of C */
	cr_assert(eq(int, look(), CTX_NONE));
	put(TP - 8, G0);
	cr_assert(eq(int, look(), CTX_FOUND));
	room.tp = 0;
	cr_assert(eq(int, look(), CTX_NONE));
}

/* On aarch64 without cgo; the kernel may not know of a thread pointer, which nobody has set. */
Test(go_ctx, goroutine_by_register)
{
	add_pair("span_id", SPAN);
	put(TP - 8, BASE - 4096);
	room.source.go.g_in_reg = 1;
	room.go_g = G0;
	assert_labels("span_id=" SPAN "; ");
	room.tp = 0;
	assert_labels("span_id=" SPAN "; ");
	room.go_g = CURG; /* in Go code it is the goroutine itself */
	assert_labels("span_id=" SPAN "; ");
	room.go_g = 0; /* a thread that has just been made */
	cr_assert(eq(int, look(), CTX_NONE));
	room.go_g = BASE - 4096; /* used for something else by code that is not Go's */
	cr_assert(eq(int, look(), CTX_UNREADABLE));
	room.go_g = TEXT;
	put(TEXT + 48, HMAP);
	put(HMAP + CURG_OFF, CURG);
	cr_assert(eq(int, look(), CTX_NONE));
}

/* --- limits ----------------------------------------------------------------------------------- */

Test(go_ctx, more_labels_than_are_looked_at)
{
	char key[] = "a";

	for (int i = 0; i < 16; i++, key[0]++)
		add_pair(key, "x");
	assert_labels("a=x; b=x; c=x; d=x; e=x; f=x; g=x; h=x; i=x; j=x; k=x; l=x; m=x; n=x; o=x; "
		      "p=x; ");
	cr_assert(zero(int, room.is_cut));
	add_pair("span_id", SPAN);
	cr_assert(eq(int, look(), CTX_FOUND));
	cr_assert(eq(int, room.is_cut, 1));
	set_up();
	add_to_map(2, 1, "span_id", SPAN);
	cr_assert(eq(int, look(), CTX_NONE));
	cr_assert(eq(int, room.is_cut, 1));
}

#define LONG_KEY "a key of sixty-four bytes is longer than what is taken of a key."

Test(go_ctx, long_keys_are_left_out_and_long_values_shortened)
{
	char value[201] = { 0 }, want[300];

	memset(value, 'v', 200);
	add_pair(LONG_KEY, "x");
	add_pair("kept", value);
	snprintf(want, sizeof(want), "kept=%.127s; ", value);
	assert_labels(want);
	cr_assert(eq(int, room.is_cut, 1));
}

Test(go_ctx, no_more_bytes_than_there_is_room_for)
{
	char key[] = "a", value[128] = { 0 };

	memset(value, 'v', 127);
	for (int i = 0; i < 12; i++, key[0]++)
		add_pair(key, value);
	cr_assert(eq(int, look(), CTX_FOUND));
	cr_assert(eq(u32, room.len, 7 * 130)); /* an eighth might not fit if its key were long */
	cr_assert(eq(int, room.is_cut, 1));
}

/* They are copied in units of eight bytes, of which there must not be as many as there is room. */
Test(go_ctx, most_bytes_that_there_can_be)
{
	char key[64] = { 0 }, value[128] = { 0 };

	memset(key, 'k', 63);
	memset(value, 'v', 127);
	for (int i = 0; i < 4; i++)
		add_pair(key, value);
	add_pair("four", value + 127 - 50);
	add_pair(key, value);
	add_pair("k", "v");
	cr_assert(eq(int, look(), CTX_FOUND));
	cr_assert(eq(u32, room.len, CTX_LABELS_ROOM - 8));
	cr_assert(eq(int, room.is_cut, 1));
}

/* Each pointer on the way leads into memory that is not there. */
Test(go_ctx, what_cannot_be_read)
{
	static const __u64 on_the_way[] = { TP - 8, G0 + 48, M + CURG_OFF, CURG + LABELS_OFF,
					    LABELS };
	static const __u64 bad[] = { 8, BASE - 4096, BASE + SIZE, UINT64_MAX - 4095 };

	for (size_t i = 0; i < sizeof(on_the_way) / sizeof(on_the_way[0]); i++)
		for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			set_up();
			add_pair("span_id", SPAN);
			put(on_the_way[i], bad[j]);
			cr_assert(eq(int, look(), CTX_UNREADABLE), "%zu, %zu", i, j);
			set_up();
			add_to_map(0, 0, "span_id", SPAN);
			put(on_the_way[i], bad[j]);
			cr_assert(eq(int, look(), CTX_UNREADABLE), "map: %zu, %zu", i, j);
		}
	set_up();
	add_pair("span_id", SPAN);
	put(LIST + 16, BASE - 8);
	cr_assert(eq(int, look(), CTX_UNREADABLE), "the value");
	put(LIST, BASE - 8);
	cr_assert(eq(int, look(), CTX_UNREADABLE), "the key");
}

/* Whatever a process has there: a bounded number of reads. */
Test(go_ctx, random_memory)
{
	int found[4] = { 0 };

	srandom(1);
	for (int i = 0; i < 100000; i++) {
		set_up();
		add_pair("span_id", SPAN);
		if (i % 2)
			add_to_map(i % 4 / 2, 3, "trace_id", TRACE);
		for (int n = random() % 4; n >= 0; n--)
			put(BASE + 8 * (random() % (SIZE / 8)),
			    random() % 2 ? BASE + random() % SIZE
					 : (__u64)random() << random() % 34);
		mem.n_reads = 0;
		found[look()]++;
		cr_assert(le(int, mem.n_reads, 8 + 5 * CTX_LABELS_MAX));
		cr_assert(le(u32, room.len, CTX_LABELS_ROOM));
	}
	cr_assert(gt(int, found[CTX_FOUND], 1000));
	cr_assert(gt(int, found[CTX_UNREADABLE], 500));
}
