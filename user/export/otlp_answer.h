/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer to an OTLP request means, by the OTLP specification. All of it is foreign:
 * bounded, and its words made fit for a message. Decided here, where the specification leaves room:
 *   - A success whose body is no answer of OTLP is taken, and said: the status is what counts, and
 * to send again what may have been stored counts it twice. A web page is another server's.
 *   - What no other request would fare better with (401, 403, 404, 405, 407, 415, redirects;
 *     UNAUTHENTICATED, PERMISSION_DENIED, UNIMPLEMENTED; no gRPC at all) is VERDICT_HOPELESS.
 *   - 413, and a gRPC status with the words for it, is VERDICT_TOO_LARGE.
 */
#ifndef EXPORT_OTLP_ANSWER_H
#define EXPORT_OTLP_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "export/verdict.h"

struct otlp_http_answer {
	long status;
	int64_t retry_after_s; /* Retry-After in seconds from now; <= 0: none */
	const void *body;      /* gzip'd or not */
	size_t len;
};

/* Headers and trailers are one here, as an answer without a body has all in its headers. */
struct otlp_grpc_answer {
	long http_status;
	const char *status;  /* grpc-status; NULL: there was none */
	const char *message; /* grpc-message, or NULL */
	const char *details; /* grpc-status-details-bin, or NULL */
	const void *body;    /* frame and message */
	size_t len;
};

void otlp_judge_http(const struct otlp_http_answer *a, struct verdict_detail *ret);
void otlp_judge_grpc(const struct otlp_grpc_answer *a, struct verdict_detail *ret);

#endif
