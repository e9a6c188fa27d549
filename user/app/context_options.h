/* SPDX-License-Identifier: Apache-2.0 */
/* What the user says of trace context: part of the command line of `spanprof record`. */
#ifndef APP_CONTEXT_OPTIONS_H
#define APP_CONTEXT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "ctx/sample_context.h"
#include "ctx/user_variable.h"

/* Which span a sample is filed under. */
enum span_scope { SPAN_SCOPE_LEAF, SPAN_SCOPE_LOCAL_ROOT };

struct context_options {
	uint32_t formats;				   /* --context: bits by enum ctx_format */
	struct user_variable variables[CTX_VARIABLES_MAX]; /* --tls-var */
	size_t n_variables;
	const char *trace_id_key, *span_id_key; /* --label-trace-id, --label-span-id, or NULL */
	const char *service_name;		/* --service-name, or NULL */
	const char *obi_map;			/* --obi-map, or NULL */
	bool elastic_register;			/* --elastic-register */
	enum span_scope scope;			/* --span-scope */
	size_t max;				/* --max-contexts */
};

/* Without any option. */
struct context_options context_options_default(void);

/* -EINVAL: a message has been logged. -ENOMEM. */
int context_options_add_variable(struct context_options *opt, const char *text);
int context_options_set_scope(struct context_options *opt, const char *text);
int context_options_set_max(struct context_options *opt, const char *text);
int context_options_set_formats(struct context_options *opt, const char *text);
void context_options_clear(struct context_options *opt);

#endif
