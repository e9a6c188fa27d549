/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The record behind otel_thread_ctx_v1 (OpenTelemetry OTEP 4947, "thread context"): what a thread
 * publishes of its active span. Written by compiler-ordered stores only, so it is to be read while
 * the thread is interrupted on its own CPU.
 */
#ifndef SHARED_THREAD_CTX_H
#define SHARED_THREAD_CTX_H

#include "shared/record.h"

#define THREAD_CTX_ATTRS_MAX 612 /* record of at most 640 bytes */

struct thread_ctx {
	__u8 trace_id[TRACE_ID_LEN]; /* W3C byte order */
	__u8 span_id[SPAN_ID_LEN];
	__u8 valid; /* exactly 1 when it may be used */
	__u8 trace_flags;
	__u16 attrs_len; /* bytes of attributes that follow */
} __attribute__((packed));

_Static_assert(sizeof(struct thread_ctx) == 28, "OTEP 4947");

enum thread_ctx_state {
	THREAD_CTX_OK,
	THREAD_CTX_NOT_VALID, /* withdrawn, or the writer is at it */
	THREAD_CTX_NO_IDS,    /* both ids zero: carries attributes only */
	THREAD_CTX_INVALID,   /* not of the specified form */
};

static inline int thread_ctx_is_zero(const __u8 *p, int len)
{
	__u8 any = 0;

	for (int i = 0; i < len; i++)
		any |= p[i];
	return any == 0;
}

/* A wrong span id is worse than none: whatever is not exactly as specified is refused. */
static inline enum thread_ctx_state thread_ctx_check(const struct thread_ctx *tc)
{
	int no_trace = thread_ctx_is_zero(tc->trace_id, TRACE_ID_LEN);
	int no_span = thread_ctx_is_zero(tc->span_id, SPAN_ID_LEN);

	if (tc->valid == 0)
		return THREAD_CTX_NOT_VALID;
	if (tc->valid != 1 || tc->attrs_len > THREAD_CTX_ATTRS_MAX)
		return THREAD_CTX_INVALID;
	if (no_trace && no_span)
		return THREAD_CTX_NO_IDS;
	if (no_trace || no_span)
		return THREAD_CTX_INVALID;
	return THREAD_CTX_OK;
}

#endif
