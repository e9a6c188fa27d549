/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One perf event of one CPU with its ring buffer (perf_event_open(2)): the source of process
 * events.
 */
#ifndef COLLECT_PERF_RING_H
#define COLLECT_PERF_RING_H

#include <linux/perf_event.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"

struct perf_ring {
	int fd;
	struct perf_event_mmap_page *page; /* header page; data behind it */
	size_t data_size;		   /* bytes, a power of two */
	VEC(uint64_t) whole;		   /* a record that wraps around the end, put together */
};

/* glibc has no wrapper. The descriptor, or a negative errno. */
int perf_event_open_cpu(struct perf_event_attr *attr, int cpu);

/*
 * Opens an event of all processes on @cpu that reports exec, fork, exit, names and executable
 * mappings, stamped with CLOCK_MONOTONIC, and switches it on. @data_size is a power of two of at
 * least a page.
 */
int perf_ring_open(int cpu, size_t data_size, struct perf_ring *ret);
void perf_ring_close(struct perf_ring *ring);

/*
 * How long the event has been on. It stands still once the CPU has gone offline, also when that is
 * online again: the event does not come back with it. 0: not readable.
 */
uint64_t perf_ring_enabled_ns(const struct perf_ring *ring);

/* Hands every whole record to @fn, aligned to 8. A record is valid only during the call. */
typedef void (*perf_ring_fn)(void *ctx, const void *record, size_t len);
int perf_ring_drain(struct perf_ring *ring, perf_ring_fn fn, void *ctx);

#endif
