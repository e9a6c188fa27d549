/* SPDX-License-Identifier: Apache-2.0 */
/* A sample on its way into the profile: whose it is, and what it was for. */
#ifndef APP_SAMPLE_COUNT_H
#define APP_SAMPLE_COUNT_H

#include <stdint.h>

#include "app/context_options.h"
#include "app/sample_stack.h"
#include "ctx/context_tracker.h"
#include "ctx/sample_context.h"
#include "meta/filter.h"
#include "meta/identity.h"
#include "profile/profile.h"

/* The context of a sample with @labels, whose process publishes what @finding says. */
void sample_count_decode(const struct context_options *opt, const struct context_finding *finding,
			 const struct sample_record *rec, const void *labels,
			 struct sample_context *ret);

struct counted_sample {
	const struct process *process;
	const struct sample_record *rec;
	const struct sample_stack *stack;
	const struct context_finding *finding;
	const struct sample_context *context;
	const struct identity *identity; /* NULL: not known */
	const struct filter *filter;	 /* which processes are wanted; NULL: all */
};

/*
 * Adds it to @p; @counters[STAT_COUNT] says what was left out. 1: the filter does not want it;
 * -ENOMEM.
 */
int sample_count_add(struct profile *p, const struct context_options *opt,
		     const struct counted_sample *s, uint64_t *counters);

#endif
