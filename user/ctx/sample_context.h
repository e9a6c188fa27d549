/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sample says of its thread's context: ids, and labels with their names. The kernel side
 * copies bytes; which of them are ids, and what keys they have, is decided here. The bytes are
 * foreign. Never logs.
 */
#ifndef CTX_SAMPLE_CONTEXT_H
#define CTX_SAMPLE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctx/user_variable.h"
#include "shared/ctx_room.h"
#include "shared/record.h"

#define SAMPLE_LABELS_MAX 32 /* those above are counted as cut */

/* UTF-8 without NUL, never empty keys. */
struct sample_label {
	const char *key, *value;
};

struct sample_context {
	/* Zeroes: not known. */
	uint8_t trace_id[TRACE_ID_LEN];
	uint8_t span_id[SPAN_ID_LEN];
	uint8_t local_root_id[SPAN_ID_LEN];

	struct sample_label labels[SAMPLE_LABELS_MAX]; /* by key, each key once */
	size_t n_labels;

	bool has_unknown_key; /* an attribute whose number the key map has not got (yet) */
	unsigned n_malformed; /* ids and labels that are none */
	unsigned n_cut;

	char text[4 * CTX_LABELS_ROOM]; /* of labels */
	size_t text_len;
};

/* What names are looked up in; all may be empty. */
struct sample_context_names {
	char *const *key_map; /* of the process context; borrowed, as long as the labels */
	size_t n_keys;
	const struct user_variable *variables; /* likewise */
	size_t n_variables;
	const char *trace_id_key, *span_id_key; /* labels that the user says are ids; NULL: none */
};

/*
 * Fills *@ret from @rec and the rec->labels_len bytes at @labels. Labels that tracing libraries use
 * for ids become these:
 *   span_id, profile_id (Grafana)   16 hexadecimal digits
 *   span id, local root span id     decimal (Datadog)
 *   trace_id, otel.traceid          32 hexadecimal digits (Grafana, Polar Signals)
 *   datadog.local_root_span_id      16 hexadecimal digits
 */
void sample_context_decode(const struct sample_record *rec, const void *labels,
			   const struct sample_context_names *names, struct sample_context *ret);

bool sample_context_is_zero(const uint8_t *id, size_t len);

#endif
