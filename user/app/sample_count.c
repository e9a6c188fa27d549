/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sample_count.h"

#include <string.h>

#include "shared/stat.h"

void sample_count_decode(const struct context_options *opt, const struct context_finding *finding,
			 const struct sample_record *rec, const void *labels,
			 struct sample_context *ret)
{
	const struct process_ctx *pc = finding->process_ctx;
	struct sample_context_names names = {
		.key_map = pc ? pc->key_map : NULL,
		.n_keys = pc ? pc->n_keys : 0,
		.variables = opt->variables,
		.n_variables = opt->n_variables,
		.trace_id_key = opt->trace_id_key,
		.span_id_key = opt->span_id_key,
	};

	sample_context_decode(rec, labels, &names, ret);
}

/* --- its context ------------------------------------------------------------------------------ */

static bool is_empty(const struct sample_context *c)
{
	return !c->n_labels && sample_context_is_zero(c->trace_id, sizeof(c->trace_id)) &&
	       sample_context_is_zero(c->span_id, sizeof(c->span_id));
}

static void count_context(const struct profile_context *want, const struct profile_context *got,
			  uint64_t *counters)
{
	if (got->overflow)
		counters[STAT_CTX_OVERFLOW]++;
	else if (got->n_labels < want->n_labels)
		counters[STAT_CTX_LABELS_DROPPED]++;
}

/* NULL in *@ret: the thread is in none. */
static int get_context(struct profile *p, const struct context_options *opt,
		       const struct sample_context *c, uint64_t *counters,
		       const struct profile_context **ret)
{
	struct profile_label labels[SAMPLE_LABELS_MAX];
	struct profile_context key = { .labels = labels, .n_labels = c->n_labels };
	bool has_root = !sample_context_is_zero(c->local_root_id, sizeof(c->local_root_id));
	int r;

	counters[STAT_CTX_LABELS_MALFORMED] += c->n_malformed;
	counters[STAT_CTX_LABELS_CUT] += c->n_cut;
	*ret = NULL;
	if (is_empty(c))
		return 0;
	for (size_t i = 0; i < c->n_labels; i++)
		labels[i] = (struct profile_label){ c->labels[i].key, c->labels[i].value };
	memcpy(key.trace_id, c->trace_id, sizeof(key.trace_id));
	memcpy(key.span_id, c->span_id, sizeof(key.span_id));
	memcpy(key.local_root_id, c->local_root_id, sizeof(key.local_root_id));
	if (opt->scope == SPAN_SCOPE_LOCAL_ROOT && has_root)
		memcpy(key.span_id, c->local_root_id, sizeof(key.span_id));
	r = profile_get_context(p, &key, ret);
	if (r == 0)
		count_context(&key, *ret, counters);
	return r;
}

static bool is_wanted(const struct counted_sample *s, const char *const *resource)
{
	const struct identity *i = s->identity;
	struct filter_facts facts = {
		.process_name = s->process->comm,
		.cgroup = i ? i->cgroup : NULL,
		.container_id = resource[PROFILE_CONTAINER_ID],
		.service_name = resource[PROFILE_SERVICE_NAME],
		.uid = i ? i->uid : FILTER_ANY_UID,
	};

	return !s->filter || filter_wants(s->filter, &facts);
}

int sample_count_add(struct profile *p, const struct context_options *opt,
		     const struct counted_sample *s, uint64_t *counters)
{
	struct profile_stack_key key = {
		.frames = s->stack->frames,
		.n = s->stack->n,
		.n_kernel = s->rec->n_kernel,
		.end = s->stack->end,
		.kernel_cut = s->rec->flags & SAMPLE_KERNEL_TRUNCATED,
	};
	struct profile_sample sample = { .tid = s->rec->tid };
	struct identity_claims claims = {
		.configured = opt->service_name,
		.finding = s->finding,
		.identity = s->identity,
		.process = s->process,
	};
	const char *resource[PROFILE_RESOURCES];
	int r;

	memcpy(sample.thread, s->rec->comm, sizeof(sample.thread));
	identity_resolve(&claims, resource);
	if (!is_wanted(s, resource))
		return 1;
	r = profile_get_process(p, s->process, resource, &sample.process);
	counters[STAT_VALUES_LEFT_OUT] += p->values_left_out;
	p->values_left_out = 0;
	if (r == 0)
		r = profile_get_stack(p, &key, &sample.stack);
	if (r == 0)
		r = get_context(p, opt, s->context, counters, &sample.context);
	return r == 0 ? profile_add(p, &sample, s->rec->time_ns) : r;
}
