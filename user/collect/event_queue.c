/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/event_queue.h"

#include <string.h>

#define ALIGN8(n) (((n) + 7) & ~(size_t)7)

#define KEPT_BYTES (1U << 20) /* that a buffer may have however little of it is used */
#define KEPT_PART  8	      /* of it must have been used otherwise */

static int batch_add(struct event_queue_batch *b, const struct event_queue_entry *e,
		     const void *buf)
{
	struct event_queue_entry copy = *e;
	int r;

	r = vec_reserve(&b->bytes, ALIGN8(e->len));
	if (r < 0)
		return r;
	copy.offset = b->bytes.n;
	r = vec_push(&b->entries, copy);
	if (r < 0)
		return r;
	memcpy(b->bytes.data + b->bytes.n, buf, e->len);
	b->bytes.n += ALIGN8(e->len);
	return 0;
}

int event_queue_add(struct event_queue *q, uint64_t time_ns, uint16_t kind, const void *buf,
		    size_t len)
{
	struct event_queue_entry e = { .time_ns = time_ns, .len = len, .kind = kind };
	int r = batch_add(&q->batch, &e, buf);

	if (r == 0 && time_ns <= q->flushed_ns)
		q->n_late++;
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct event_queue_entry *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void batch_reset(struct event_queue_batch *b)
{
	b->entries.n = 0;
	b->bytes.n = 0;
}

/* A burst may have taken much: it is not kept for ever. */
static void batch_shrink(struct event_queue_batch *b)
{
	if (b->bytes.cap > KEPT_BYTES && b->bytes.n < b->bytes.cap / KEPT_PART) {
		vec_free(&b->bytes);
		vec_free(&b->entries);
	}
	batch_reset(b);
}

/* Copies the entries from @first on to @to. */
static int batch_copy_rest(const struct event_queue_batch *from, size_t first,
			   struct event_queue_batch *to)
{
	for (size_t i = first; i < from->entries.n; i++) {
		const struct event_queue_entry *e = &from->entries.data[i];
		int r = batch_add(to, e, from->bytes.data + e->offset);

		if (r < 0) {
			batch_reset(to);
			return r;
		}
	}
	return 0;
}

static size_t count_until(const struct event_queue_batch *b, uint64_t until_ns)
{
	size_t n = 0;

	while (n < b->entries.n && b->entries.data[n].time_ns <= until_ns)
		n++;
	return n;
}

int event_queue_flush(struct event_queue *q, uint64_t until_ns, event_queue_fn fn, void *ctx)
{
	struct event_queue_batch done;
	size_t n;
	int r;

	if (q->batch.entries.n)
		qsort(q->batch.entries.data, q->batch.entries.n, sizeof(*q->batch.entries.data),
		      compare);
	n = count_until(&q->batch, until_ns);
	r = batch_copy_rest(&q->batch, n, &q->spare);
	if (r < 0)
		return r;

	done = q->batch;
	q->batch = q->spare;
	for (size_t i = 0; i < n; i++) {
		const struct event_queue_entry *e = &done.entries.data[i];

		fn(ctx, e->kind, done.bytes.data + e->offset, e->len);
	}
	batch_shrink(&done);
	q->spare = done;
	if (until_ns > q->flushed_ns)
		q->flushed_ns = until_ns;
	return 0;
}

void event_queue_clear(struct event_queue *q)
{
	vec_free(&q->batch.entries);
	vec_free(&q->batch.bytes);
	vec_free(&q->spare.entries);
	vec_free(&q->spare.bytes);
}
