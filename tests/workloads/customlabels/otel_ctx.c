/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of otel_ctx.h over Polar Signals' custom labels: with the crate's customlabels.cpp
 * it makes libcustomlabels.so.
 */
#include "../otel_ctx.h"

#include <errno.h>
#include <string.h>

#include "customlabels.h"

#define LABELS 3

static __thread custom_labels_labelset_t *own;

static custom_labels_string_t string(const void *bytes, size_t len)
{
	return (custom_labels_string_t){ .len = len, .buf = bytes };
}

static int set(const char *key, const void *value, size_t len)
{
	return custom_labels_set(own, string(key, strlen(key)), string(value, len), NULL);
}

int otel_process_publish(const struct otel_process *p)
{
	(void)p;
	return 0;
}

int otel_thread_init(enum otel_style style)
{
	(void)style;
	own = custom_labels_new(LABELS);
	return own ? 0 : -ENOMEM;
}

void otel_thread_exit(void)
{
	custom_labels_free(own);
}

static void format_hex(const uint8_t *bytes, size_t len, char *ret)
{
	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
		ret[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
	}
}

/* While the set is not installed its labels change at leisure. */
void otel_thread_attach(const uint8_t trace_id[16], const uint8_t span_id[8], const char *name)
{
	char trace[32], span[16];

	format_hex(trace_id, 16, trace);
	format_hex(span_id, 8, span);
	if (set("request.trace", trace, sizeof(trace)) || set("request.span", span, sizeof(span)) ||
	    set("request.name", name, strlen(name)))
		__builtin_trap();
	custom_labels_replace(own);
}

void otel_thread_detach(void)
{
	custom_labels_replace(NULL);
}

void otel_thread_second(uint8_t index, const char *value)
{
	(void)index;
	(void)value;
}
