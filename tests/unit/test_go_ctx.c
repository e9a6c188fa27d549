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
static struct go_room room;
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

static int go_label(struct ctx_memory *m, struct go_room *r)
{
	return go_take_label(m, r);
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
	room.var = (struct go_var){
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

	room.var.form = GO_LABELS_MAP;
	put(CURG + LABELS_OFF, LABELS);
	put(LABELS, HMAP);
	put(HMAP, ++n_labels);
	put(HMAP + 8, (__u64)b << 8);
	put(HMAP + 16, LIST);
	mem.bytes[bucket - BASE + n % 8] = 77;
	put_string(bucket + 8 + 16 * (n % 8), key);
	put_string(bucket + 136 + 16 * (n % 8), value);
}

static enum go_found look(void)
{
	return go_ctx_read(&mem, &room);
}

static const __u8 span_id[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
static const __u8 trace_id[] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
				 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };

#define SPAN  "0123456789abcdef"
#define TRACE "00112233445566778899aabbccddeeff"

static void assert_ids(int with_trace)
{
	static const __u8 none[TRACE_ID_LEN];

	cr_assert(eq(int, look(), GO_FOUND));
	cr_assert(zero(int, memcmp(room.span_id, span_id, SPAN_ID_LEN)));
	cr_assert(zero(int, memcmp(room.trace_id, with_trace ? trace_id : none, TRACE_ID_LEN)));
}

/* --- ids -------------------------------------------------------------------------------------- */

Test(go_ctx, of_otel_profiling_go)
{
	add_pair("span_id", SPAN);
	add_pair("span_name", "GET /");
	add_pair("trace_id", TRACE);
	assert_ids(1);
}

Test(go_ctx, other_spellings)
{
	static const struct {
		const char *key, *value;
		int trace;
	} cases[] = {
		{ "profile_id", SPAN, 0 },
		{ "span id", "81985529216486895", 0 }, /* 0x0123456789abcdef */
		{ "span_id", "0123456789ABCDEF", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up();
		add_pair("trace endpoint", "GET /");
		add_pair(cases[i].key, cases[i].value);
		assert_ids(0);
	}
	set_up();
	add_pair("otel.traceid", TRACE);
	add_pair("span_id", SPAN);
	assert_ids(1);
}

Test(go_ctx, largest_number)
{
	add_pair("span id", "18446744073709551615");
	cr_assert(eq(int, look(), GO_FOUND));
	for (int i = 0; i < SPAN_ID_LEN; i++)
		cr_assert(eq(u8, room.span_id[i], 0xff));
}

Test(go_ctx, in_a_map)
{
	add_to_map(0, 2, "span_id", SPAN);
	add_to_map(0, 7, "trace_id", TRACE);
	assert_ids(1);
	set_up();
	add_to_map(1, 3, "zone", "z");
	add_to_map(1, 12, "span_id", SPAN);
	assert_ids(0);
}

/* --- no ids ----------------------------------------------------------------------------------- */

Test(go_ctx, goroutine_without_labels)
{
	cr_assert(eq(int, look(), GO_NO_LABELS));
	add_pair("handler", "checkout");
	add_pair("span_idx", SPAN);
	add_pair("Span_id", SPAN);
	cr_assert(eq(int, look(), GO_NO_LABELS));
	set_up();
	add_to_map(0, 0, "handler", "checkout");
	cr_assert(eq(int, look(), GO_NO_LABELS));
	add_pair("trace_id", TRACE); /* of no use without a span */
	room.var.form = GO_LABELS_SLICE;
	cr_assert(eq(int, look(), GO_NO_LABELS));
}

Test(go_ctx, no_goroutine)
{
	add_pair("span_id", SPAN);
	put(M + CURG_OFF, 0);
	cr_assert(eq(int, look(), GO_NO_LABELS));
	put(M + CURG_OFF, CURG);
	put(CURG + 48, M + 8); /* is just being taken up by another thread */
	cr_assert(eq(int, look(), GO_NO_LABELS));
	put(CURG + 48, M);
	put(TP - 8, 0); /* a thread of C */
	cr_assert(eq(int, look(), GO_NO_LABELS));
	room.tp = 0;
	cr_assert(eq(int, look(), GO_NO_LABELS));
}

Test(go_ctx, values_that_are_no_ids)
{
	static const char *const cases[][2] = {
		{ "span_id", "0123456789abcde" },
		{ "span_id", "0123456789abcdef0" },
		{ "span_id", "0123456789abcdeg" },
		{ "span_id", "0000000000000000" },
		{ "span_id", "" },
		{ "span id", "12a" },
		{ "span id", "0" },
		{ "span id", "184467440737095516150" },
		{ "trace_id", SPAN },
		{ "trace_id", TRACE "0" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up();
		add_pair(cases[i][0], cases[i][1]);
		if (strncmp(cases[i][0], "trace", 5) == 0)
			add_pair("span_id", SPAN);
		cr_assert(eq(int, look(), GO_MALFORMED), "%s=%s", cases[i][0], cases[i][1]);
	}
}

Test(go_ctx, more_labels_than_are_looked_at)
{
	char key[] = "label a";

	for (int i = 0; i < 16; i++, key[6]++)
		add_pair(key, "x");
	cr_assert(eq(int, look(), GO_NO_LABELS));
	add_pair("span_id", SPAN);
	cr_assert(eq(int, look(), GO_TOO_MANY));
	set_up();
	add_to_map(2, 1, "span_id", SPAN);
	cr_assert(eq(int, look(), GO_TOO_MANY));
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
			cr_assert(eq(int, look(), GO_UNREADABLE), "%zu, %zu", i, j);
			set_up();
			add_to_map(0, 0, "span_id", SPAN);
			put(on_the_way[i], bad[j]);
			cr_assert(eq(int, look(), GO_UNREADABLE), "map: %zu, %zu", i, j);
		}
	set_up();
	add_pair("span_id", SPAN);
	put(LIST + 16, BASE - 8);
	cr_assert(eq(int, look(), GO_UNREADABLE), "the value");
	put(LIST, BASE - 8);
	cr_assert(eq(int, look(), GO_UNREADABLE), "the key");
}

/* Whatever a process has there: a bounded number of reads. */
Test(go_ctx, random_memory)
{
	int found[5] = { 0 };

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
		cr_assert(le(int, mem.n_reads, 8 + 5 * GO_LABELS_MAX));
	}
	cr_assert(gt(int, found[GO_FOUND], 1000));
	cr_assert(gt(int, found[GO_UNREADABLE], 500));
}
