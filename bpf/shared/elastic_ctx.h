/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The record behind elastic_apm_profiling_correlation_tls_v1 (Elastic APM agents, "universal
 * profiling integration", thread storage). To be read as shared/thread_ctx.h says.
 */
#ifndef SHARED_ELASTIC_CTX_H
#define SHARED_ELASTIC_CTX_H

#include "shared/thread_ctx.h"

struct elastic_ctx {
	__u16 minor_version; /* from 1 on; later ones append */
	__u8 valid;
	__u8 trace_present; /* the thread is in a span of this process */
	__u8 trace_flags;
	__u8 trace_id[TRACE_ID_LEN]; /* W3C byte order */
	__u8 span_id[SPAN_ID_LEN];
	__u8 transaction_id[SPAN_ID_LEN]; /* span id of the local root */
} __attribute__((packed));

_Static_assert(sizeof(struct elastic_ctx) == 37, "thread storage, minor version 1");

static inline enum thread_ctx_state elastic_ctx_check(const struct elastic_ctx *ec)
{
	int no_trace = thread_ctx_is_zero(ec->trace_id, TRACE_ID_LEN);
	int no_span = thread_ctx_is_zero(ec->span_id, SPAN_ID_LEN);

	if (ec->valid == 0)
		return THREAD_CTX_NOT_VALID;
	if (ec->minor_version == 0 || ec->valid != 1 || ec->trace_present > 1)
		return THREAD_CTX_INVALID;
	if (ec->trace_present == 0)
		return THREAD_CTX_NO_IDS;
	return no_trace || no_span ? THREAD_CTX_INVALID : THREAD_CTX_OK;
}

#endif
