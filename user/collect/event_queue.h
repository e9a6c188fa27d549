/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts what comes from many buffers, each nearly in order, into one order of time. Records are
 * copied in; those up to a time that no buffer can be behind any more are handed out.
 */
#ifndef COLLECT_EVENT_QUEUE_H
#define COLLECT_EVENT_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct event_queue_entry {
	uint64_t time_ns;
	size_t offset; /* in bytes */
	uint32_t len;
	uint16_t kind; /* the caller's; of two at one time the smaller kind comes first */
};

struct event_queue_batch {
	VEC(struct event_queue_entry) entries;
	VEC(uint8_t) bytes;
};

/* A zeroed struct is an empty queue. */
struct event_queue {
	struct event_queue_batch batch;
	struct event_queue_batch spare; /* empty, keeps its memory for the next turn */
	uint64_t flushed_ns;		/* everything up to here has been handed out */
	uint64_t n_late;		/* records that came behind that */
};

typedef void (*event_queue_fn)(void *ctx, uint16_t kind, const void *buf, size_t len);

/* Copies the record; it will be aligned to 8. -ENOMEM. */
int event_queue_add(struct event_queue *q, uint64_t time_ns, uint16_t kind, const void *buf,
		    size_t len);

/* Hands out all up to @until_ns in order and keeps the rest. -ENOMEM: nothing was handed out. */
int event_queue_flush(struct event_queue *q, uint64_t until_ns, event_queue_fn fn, void *ctx);

void event_queue_clear(struct event_queue *q);

#endif
