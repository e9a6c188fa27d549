/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings what is in the spool to its endpoints: one thread each, so that none waits for another.
 * What cannot be delivered stays in the spool and is tried again, after 1 s, then twice as long up
 * to 5 minutes, give or take a quarter; not before Retry-After, up to an hour. Where address or
 * credentials are refused (401, 403, 404, a redirect, another protocol; by a proxy, too) the tries
 * begin with a minute: what can be mended there a person mends. Never logs: changes are told by a
 * callback; that another number is in a message is none.
 */
#ifndef EXPORT_DELIVERY_H
#define EXPORT_DELIVERY_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "export/delivery_stats.h"
#include "export/endpoint_options.h"

enum delivery_change {
	DELIVERY_EVENT_FAILING,	  /* once until it recovers, and again in other words */
	DELIVERY_EVENT_RECOVERED, /* @replayed profiles had to wait and are delivered */
	DELIVERY_EVENT_REFUSED,	  /* for good; of a row the first, and again in other words */
	DELIVERY_EVENT_WARNED,	  /* likewise: taken, but the server has something to say */
	DELIVERY_EVENT_UNUSABLE,  /* its options or its queue cannot be used; is tried again */
};

struct delivery_event {
	enum delivery_change change;
	const char *endpoint; /* borrowed, like message, for the time of the call */
	uint64_t since_ns;    /* CLOCK_REALTIME at which profiles began to wait; 0: they did not */
	uint64_t replayed;
	const char *message; /* one line of printable text */
};

/* Called from the endpoints' threads, perhaps from several at once. */
typedef void (*delivery_event_fn)(const struct delivery_event *event, void *arg);

struct delivery_options {
	const char *spool_dir;	      /* copied */
	struct delivery_stats *stats; /* places for endpoints, zeroed at first; may be shared */
	size_t n_stats;
	delivery_event_fn on_event;
	void *arg;
};

/* So long a request that runs may go on when its endpoint is stopped. */
#define DELIVERY_GRACE_MS 5000

struct delivery;

int delivery_new(const struct delivery_options *opt, struct delivery **ret); /* -ENOMEM */

/*
 * Endpoints are started, stopped or, if their options are others than before, started anew; those
 * that stay as they are do not notice. Takes DELIVERY_GRACE_MS and a second where one that is
 * stopped waits for an answer: what was sent without one may count twice or not at all. What is in
 * the queue of one that is gone stays on disk until it is too old, and is sent if one of its name
 * comes back. -EINVAL: two of the same name, or no place in the statistics; -EAGAIN, -ENOMEM: a
 * thread cannot be started, the others run.
 */
int delivery_set(struct delivery *d, const struct endpoint_options *set, size_t n);

/* The spool has something new. */
void delivery_wake(struct delivery *d);

/*
 * Waits up to @flush_ms for the queues of endpoints that do not fail to become empty, then up to
 * @grace_ms for answers to what was sent, ends all threads within about a second and frees @d. NULL
 * is fine.
 */
void delivery_stop(struct delivery *d, unsigned flush_ms, unsigned grace_ms);

#endif
