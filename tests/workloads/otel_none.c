/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of otel_ctx.h, doing nothing: what a program is linked with that gets its context
 * from an LD_PRELOADed libotelctx.so.
 */
#include "otel_ctx.h"

int otel_process_publish(const struct otel_process *p)
{
	(void)p;
	return 0;
}

int otel_thread_init(enum otel_style style)
{
	(void)style;
	return 0;
}

void otel_thread_exit(void)
{
}

void otel_thread_attach(const uint8_t trace_id[16], const uint8_t span_id[8], const char *name)
{
	(void)trace_id;
	(void)span_id;
	(void)name;
}

void otel_thread_detach(void)
{
}

void otel_thread_second(uint8_t index, const char *value)
{
	(void)index;
	(void)value;
}
