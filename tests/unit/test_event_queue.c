/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/event_queue.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "leak_check.h"

TestSuite(event_queue, .fini = leak_check);

/* What was handed out, as text: "kind:bytes " each. */
struct log {
	char text[65536];
	size_t len;
	size_t n;
};

static void note(void *ctx, uint16_t kind, const void *buf, size_t len)
{
	struct log *log = ctx;

	cr_assert(zero(uint, (uintptr_t)buf % 8));
	log->n++;
	log->len += snprintf(log->text + log->len, sizeof(log->text) - log->len, "%u:%.*s ", kind,
			     (int)len, (const char *)buf);
}

static void add(struct event_queue *q, uint64_t time_ns, uint16_t kind, const char *text)
{
	cr_assert(zero(int, event_queue_add(q, time_ns, kind, text, strlen(text))));
}

static void assert_flush(struct event_queue *q, uint64_t until, const char *want)
{
	struct log log = { .text = "" };

	cr_assert(zero(int, event_queue_flush(q, until, note, &log)));
	cr_assert(eq(str, log.text, (char *)want));
}

Test(event_queue, order_of_time_then_kind_then_arrival)
{
	struct event_queue q = { 0 };

	add(&q, 30, 0, "e30");
	add(&q, 10, 1, "s10");
	add(&q, 20, 1, "first");
	add(&q, 20, 1, "second");
	add(&q, 20, 0, "third");
	add(&q, 10, 0, "e10");
	assert_flush(&q, 30, "0:e10 1:s10 0:third 1:first 1:second 0:e30 ");
	event_queue_clear(&q);
}

Test(event_queue, later_ones_are_kept_for_their_turn)
{
	struct event_queue q = { 0 };

	add(&q, 11, 0, "c");
	add(&q, 10, 0, "b");
	add(&q, 9, 0, "a");
	assert_flush(&q, 8, "");
	assert_flush(&q, 10, "0:a 0:b ");
	add(&q, 12, 1, "later");
	add(&q, 11, 1, "with c");
	assert_flush(&q, 10, "");
	assert_flush(&q, UINT64_MAX, "0:c 1:with c 1:later ");
	assert_flush(&q, UINT64_MAX, "");
	cr_assert(zero(u64, q.n_late));
	event_queue_clear(&q);
}

Test(event_queue, late_ones_are_counted_and_handed_out_all_the_same)
{
	struct event_queue q = { 0 };

	assert_flush(&q, 100, "");
	add(&q, 101, 0, "in time");
	add(&q, 100, 0, "late");
	add(&q, 1, 0, "very late");
	cr_assert(eq(u64, q.n_late, 2));
	assert_flush(&q, 50, "0:very late ");
	assert_flush(&q, 200, "0:late 0:in time ");
	/* Looking back does not make what was late before be in time. */
	assert_flush(&q, 150, "");
	add(&q, 180, 0, "late");
	cr_assert(eq(u64, q.n_late, 3));
	event_queue_clear(&q);
}

Test(event_queue, lengths_of_all_kinds_are_kept_apart)
{
	struct event_queue q = { 0 };
	char text[40] = "x";
	struct log log = { .text = "" }, want = { .text = "" };

	for (int i = 1; i <= 33; i++) {
		add(&q, 1000 - i, i, text);
		strcat(text, "x");
	}
	cr_assert(zero(int, event_queue_flush(&q, 990, note, &log)));
	cr_assert(zero(int, event_queue_flush(&q, 1000, note, &log)));
	for (int i = 33; i >= 1; i--)
		want.len += snprintf(want.text + want.len, sizeof(want.text) - want.len, "%d:%.*s ",
				     i, i, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	cr_assert(eq(str, log.text, want.text));
	event_queue_clear(&q);
}

struct ordered {
	uint64_t last, n, sum;
};

static void check_order(void *ctx, uint16_t kind, const void *buf, size_t len)
{
	struct ordered *o = ctx;
	uint64_t t;

	memcpy(&t, buf, sizeof(t));
	cr_assert(ge(u64, t, o->last));
	o->last = t;
	o->sum += t;
	o->n++;
}

/* As in use: several sources, each in order, that are read in turns. */
Test(event_queue, many_sources_many_turns)
{
	struct event_queue q = { 0 };
	struct ordered o = { 0 };
	uint64_t sum = 0, n = 0;
	unsigned seed = 1;

	for (uint64_t turn = 1; turn <= 100; turn++) {
		for (int source = 0; source < 8; source++)
			for (uint64_t t = turn * 1000; t < turn * 1000 + 1500; n++) {
				cr_assert(zero(int, event_queue_add(&q, t, source, &t, sizeof(t))));
				sum += t;
				t += 1 + rand_r(&seed) % 200;
			}
		cr_assert(zero(int, event_queue_flush(&q, turn * 1000, check_order, &o)));
	}
	cr_assert(zero(int, event_queue_flush(&q, UINT64_MAX, check_order, &o)));
	cr_assert(eq(u64, o.n, n));
	cr_assert(eq(u64, o.sum, sum));
	cr_assert(zero(u64, q.n_late));
	event_queue_clear(&q);
}

struct nested {
	struct event_queue *q;
	int n;
};

static void add_more(void *ctx, uint16_t kind, const void *buf, size_t len)
{
	struct nested *nested = ctx;
	char before[16];

	memcpy(before, buf, len);
	for (int i = 0; kind == 0 && i < 100; i++)
		add(nested->q, 500 + i, 1, "made later");
	cr_assert(zero(int, memcmp(before, buf, len)));
	nested->n++;
}

Test(event_queue, handlers_may_add)
{
	struct event_queue q = { 0 };
	struct nested nested = { .q = &q };

	add(&q, 1, 0, "a");
	add(&q, 2, 0, "b");
	add(&q, 1000, 2, "kept");
	cr_assert(zero(int, event_queue_flush(&q, 10, add_more, &nested)));
	cr_assert(eq(int, nested.n, 2));
	cr_assert(zero(int, event_queue_flush(&q, 999, add_more, &nested)));
	cr_assert(eq(int, nested.n, 202));
	assert_flush(&q, UINT64_MAX, "2:kept ");
	event_queue_clear(&q);
}

static void ignore(void *ctx, uint16_t kind, const void *buf, size_t len)
{
}

/* A burst is not paid for ever. */
Test(event_queue, room_of_a_burst_is_given_back)
{
	static char large[60000];
	struct event_queue q = { 0 };

	for (int i = 0; i < 200; i++)
		cr_assert(zero(int, event_queue_add(&q, 10, 0, large, sizeof(large))));
	cr_assert(zero(int, event_queue_flush(&q, 10, ignore, NULL)));
	for (int i = 0; i < 3; i++) {
		cr_assert(zero(int, event_queue_add(&q, 20, 0, large, sizeof(large))));
		cr_assert(zero(int, event_queue_flush(&q, 20, ignore, NULL)));
	}
	cr_assert(lt(sz, q.batch.bytes.cap + q.spare.bytes.cap, 1000000));
	event_queue_clear(&q);
}
