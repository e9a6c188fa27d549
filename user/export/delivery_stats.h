/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What became of the profiles of one endpoint, in numbers: of a fixed size and without pointers, so
 * that it can be in memory that several processes share. Counters only grow. Of an endpoint at rest
 *
 *   found + put = delivered + rejected + expired + damaged + uncertain + queue_samples
 *
 * in samples; to at most one interval if a process that put into it was killed meanwhile.
 */
#ifndef EXPORT_DELIVERY_STATS_H
#define EXPORT_DELIVERY_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define DELIVERY_NAME_MAX	 64 /* with the NUL */
#define DELIVERY_ERROR_MAX	 512
#define DELIVERY_LATENCY_BUCKETS 10

enum delivery_state {
	DELIVERY_UNUSED, /* this place of an array is free */
	DELIVERY_ACTIVE,
	DELIVERY_FAILING, /* what was sent last did not arrive; profiles are kept and tried again */
	DELIVERY_REMOVED, /* no longer configured; its counters remain */
};

/* Of each request one. */
enum delivery_outcome {
	DELIVERY_TAKEN,
	DELIVERY_PARTIAL,   /* taken, and part of it rejected */
	DELIVERY_REFUSED,   /* for good */
	DELIVERY_TOO_LARGE, /* sent again in halves */
	DELIVERY_LATER,	    /* the server is overloaded, or says so */
	/* Address or credentials: 401, 403, 404, a redirect, not this protocol; or by a proxy. */
	DELIVERY_DENIED,
	DELIVERY_UNREACHED, /* not sent: no connection, no name, no TLS */
	DELIVERY_NO_ANSWER, /* sent, or part of it */
	DELIVERY_OUTCOMES,
};

/*
 * What is being noted on disk. Should its process be killed before it is counted, the next one
 * counts it if it has arrived there.
 */
struct delivery_note {
	_Atomic uint32_t fate;	  /* enum spool_fate; SPOOL_BEGUN: there is none */
	_Atomic uint64_t seq;	  /* of the profile */
	_Atomic uint64_t settled; /* samples of the profile that are, once it is on disk */
	_Atomic uint64_t counted; /* what the counter of this fate is then */
};

struct delivery_stats {
	char name[DELIVERY_NAME_MAX];	   /* written before state leaves DELIVERY_UNUSED */
	_Atomic uint32_t state;		   /* enum delivery_state */
	_Atomic uint32_t type;		   /* enum endpoint_type */
	_Atomic uint64_t heartbeat_ns;	   /* CLOCK_MONOTONIC; its thread is stuck if this is old */
	_Atomic uint64_t failing_since_ns; /* CLOCK_REALTIME; 0: what was sent last has arrived */

	/* Samples. */
	_Atomic uint64_t found;	    /* in the queue when the spool was opened */
	_Atomic uint64_t put;	    /* into the queue since */
	_Atomic uint64_t unspooled; /* never entered the queue, for want of a disk; not in put */
	_Atomic uint64_t delivered;
	_Atomic uint64_t rejected;  /* by the server, or larger than it takes */
	_Atomic uint64_t expired;   /* beyond the spool's limits, or to make room on a full disk */
	_Atomic uint64_t damaged;   /* as far as the files' names still tell */
	_Atomic uint64_t uncertain; /* sent without an answer and not repeated */
	struct delivery_note note;

	_Atomic uint64_t requests[DELIVERY_OUTCOMES];
	_Atomic uint64_t bytes_sent;	   /* bodies of requests */
	_Atomic uint64_t profiles;	   /* spooled profiles that are done with */
	_Atomic uint64_t damaged_files;	   /* set aside, foreign ones too */
	_Atomic uint64_t progress_unsaved; /* could not be noted on disk: a restart may repeat */
	_Atomic uint64_t latency_sum_ns;   /* of requests that were sent */
	_Atomic uint64_t latency[DELIVERY_LATENCY_BUCKETS + 1]; /* see below; the last one: above */

	/* The queue as it is. */
	_Atomic uint64_t queue_entries, queue_bytes, queue_samples;
	_Atomic uint64_t queue_oldest_ns; /* CLOCK_REALTIME at which it was put; 0: none */

	_Atomic uint32_t error_version; /* odd while error is being written */
	char error[DELIVERY_ERROR_MAX];
};

/* Upper bounds of the buckets of latency, in ns. */
extern const uint64_t delivery_latency_bounds[DELIVERY_LATENCY_BUCKETS];

/*
 * The place of this name, in use or not, in an array that all processes see; a free one if there is
 * none yet, else one that was DELIVERY_REMOVED, with all counters at 0. NULL: all are taken, or the
 * name is too long. New names come from one process at a time.
 */
struct delivery_stats *delivery_stats_of(struct delivery_stats *all, size_t n, const char *name);

/* Its endpoint is no longer configured: what it was at the end is not what it is. */
void delivery_stats_remove(struct delivery_stats *s);

void delivery_stats_request(struct delivery_stats *s, enum delivery_outcome o, size_t bytes,
			    uint64_t ns);

/* Has one writer; a reader copies, and gets "" if it never caught a quiet moment. */
void delivery_stats_set_error(struct delivery_stats *s, const char *text);
void delivery_stats_error(const struct delivery_stats *s, char ret[DELIVERY_ERROR_MAX]);

/* Relaxed: each number is for itself. @s may be NULL. */
#define delivery_stats_add(s, field, by)                                                           \
	do {                                                                                       \
		if (s)                                                                             \
			atomic_fetch_add_explicit(&(s)->field, (by), memory_order_relaxed);        \
	} while (0)
#define delivery_stats_set(s, field, value)                                                        \
	do {                                                                                       \
		if (s)                                                                             \
			atomic_store_explicit(&(s)->field, (value), memory_order_relaxed);         \
	} while (0)

#endif
