/* SPDX-License-Identifier: Apache-2.0 */
/* With otel_ctx.c, in a library for LD_PRELOAD: the main thread is in a span from the start on. */
#include "otel_ctx.h"

__attribute__((constructor)) static void enter(void)
{
	static const uint8_t trace_id[16] = { 1 }, span_id[8] = { 2 };
	static const struct otel_process process = { .service_name = "preloaded",
						     .schema_version = OTEL_SCHEMA_NATIVE };

	if (otel_process_publish(&process) == 0 && otel_thread_init(OTEL_SWAP_POINTER) == 0)
		otel_thread_attach(trace_id, span_id, NULL);
}
