/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ground truth: what a program really did, for tests to hold a profile against. Spans are kept in
 * memory and written as JSON lines at the end, so that inside a span nothing is spent on the log.
 *
 * One line per span, with four times (CLOCK_MONOTONIC, ns) around attaching and detaching:
 *
 *   outer_start < attach < inner_start … inner_end < detach < outer_end
 *
 * A sample between the inner ones must carry the span's id, one outside of the outer ones must not,
 * and the slivers between prove nothing.
 */
#ifndef WORKLOADS_TRUTH_H
#define WORKLOADS_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "otel_ctx.h"

#define TRUTH_FUNCTIONS_MAX 8

struct truth_span {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_id[8]; /* zero: root */
	const char *name;     /* lives until truth_write() */
	uint64_t outer_start, inner_start, inner_end, outer_end;
	uint64_t cpu_ns; /* the thread's CPU time between the inner edges */
	uint64_t work[TRUTH_FUNCTIONS_MAX];
};

/*
 * @names: the functions whose share is known, NULL-terminated, at most TRUTH_FUNCTIONS_MAX. They
 * index the work arrays. @unit says what the numbers there are ("ns" or "steps").
 */
void truth_init(const char *program, const char *unit, const char *const *names, uint64_t seed);

/* Around the life of each thread that has spans. */
void truth_thread_begin(enum otel_style style);
void truth_thread_end(void);

/* A new random trace id. */
void truth_trace_id(uint8_t ret[16]);

/*
 * Enters and leaves span @s of @trace_id on the calling thread. Spans of one thread do not nest.
 * @parent may be NULL. @s is copied to the log by truth_span_end().
 */
void truth_span_begin(struct truth_span *s, const char *name, const uint8_t trace_id[16],
		      const uint8_t *parent_id);
void truth_span_end(struct truth_span *s);

/* Counts work of function @index: of span @s, or outside of any span (NULL). */
void truth_work(struct truth_span *s, unsigned int index, uint64_t amount);

/* Writes everything to @path; no thread may be in a span. 0 or negative errno. */
int truth_write(const char *path);

/* True once SIGTERM or SIGINT came. */
bool truth_stopped(void);

#endif
