/* SPDX-License-Identifier: Apache-2.0 */
#include "export/profile_pprof.h"

#include <string.h>

#include "base/parse.h"
#include "base/vec.h"
#include "export/frame_names.h"
#include "shared/stat.h"

#define LABELS_MAX 7

struct conversion {
	const struct profile *profile;
	struct frame_names names;
	struct pprof_builder *builder;
	const struct pprof_location *truncated;	  /* the frame that says so */
	VEC(const struct pprof_location *) stack; /* of the sample at hand */
	uint64_t *counters;
};

static int add_truncated_location(struct conversion *c)
{
	struct pprof_function f = {
		.name = PPROF_FRAME_TRUNCATED,
		.system_name = PPROF_FRAME_TRUNCATED,
		.filename = "",
	};
	struct pprof_line line = { 0 };
	struct pprof_location l = { .lines = &line, .n_lines = 1 };
	int r = pprof_builder_function(c->builder, &f, &line.function);

	return r < 0 ? r : pprof_builder_location(c->builder, &l, &c->truncated);
}

/* Broken off while it was taken, or ended where no process or thread begins. */
static bool is_truncated(const struct conversion *c, const struct profile_stack *stack)
{
	const struct frame_name *outermost;

	if (stack->end != PROFILE_STACK_MAYBE_WHOLE)
		return stack->end == PROFILE_STACK_TRUNCATED;
	outermost = frame_names_find(&c->names, &stack->frames[stack->n - 1]);
	return !outermost->is_entry;
}

static int push_frames(struct conversion *c, const struct profile_stack *stack, uint32_t from,
		       uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		const struct frame_name *name = frame_names_find(&c->names, &stack->frames[i]);
		int r = vec_push(&c->stack, name->location);

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_stack(struct conversion *c, const struct profile_stack *stack, bool truncated)
{
	int r;

	c->stack.n = 0;
	r = push_frames(c, stack, 0, stack->n_kernel);
	if (r == 0 && stack->kernel_cut)
		r = vec_push(&c->stack, c->truncated);
	if (r == 0)
		r = push_frames(c, stack, stack->n_kernel, stack->n);
	if (r == 0 && truncated)
		r = vec_push(&c->stack, c->truncated);
	return r;
}

struct sample_labels {
	struct pprof_label labels[LABELS_MAX];
	size_t n;
	char span_id[2 * SPAN_ID_LEN + 1];
	char trace_id[2 * TRACE_ID_LEN + 1];
	char thread[COMM_LEN + 1];
};

static void add_string(struct sample_labels *l, const char *key, const char *str)
{
	l->labels[l->n++] = (struct pprof_label){ .key = key, .str = str, .num_unit = "" };
}

static void add_number(struct sample_labels *l, const char *key, int64_t num)
{
	l->labels[l->n++] = (struct pprof_label){ .key = key, .num = num, .num_unit = "" };
}

static bool is_zero(const uint8_t *p, size_t len)
{
	while (len && !p[len - 1])
		len--;
	return len == 0;
}

static void make_labels(const struct profile_sample *s, struct sample_labels *l)
{
	const struct profile_process *process = s->process;

	l->n = 0;
	if (s->has_context) {
		format_hex(s->span_id, sizeof(s->span_id), l->span_id);
		format_hex(s->trace_id, sizeof(s->trace_id), l->trace_id);
		add_string(l, PPROF_LABEL_SPAN_ID, l->span_id);
		if (!is_zero(s->trace_id,
			     sizeof(s->trace_id))) /* some writers know of spans only */
			add_string(l, PPROF_LABEL_TRACE_ID, l->trace_id);
	}
	snprintf(l->thread, sizeof(l->thread), "%.*s", COMM_LEN, s->thread);
	add_string(l, PPROF_LABEL_SERVICE, process->service ? process->service : process->name);
	add_string(l, PPROF_LABEL_PROCESS, process->name);
	add_string(l, PPROF_LABEL_THREAD, l->thread);
	add_number(l, PPROF_LABEL_PID, process->pid);
	add_number(l, PPROF_LABEL_TID, s->tid);
}

static int add_sample(struct conversion *c, const struct profile_sample *s)
{
	int64_t values[] = { s->count, s->count * c->profile->period_ns };
	bool truncated = is_truncated(c, s->stack);
	struct sample_labels l;
	struct pprof_sample out;
	int r;

	r = make_stack(c, s->stack, truncated);
	if (r < 0)
		return r;
	make_labels(s, &l);
	if (truncated)
		c->counters[STAT_SAMPLE_TRUNCATED] += s->count;
	out = (struct pprof_sample){
		.locations = c->stack.data,
		.n_locations = c->stack.n,
		.values = values,
		.labels = l.labels,
		.n_labels = l.n,
	};
	return pprof_builder_sample(c->builder, &out);
}

static int add_header(struct conversion *c)
{
	const struct profile *p = c->profile;
	int r;

	r = pprof_builder_sample_type(c->builder, "samples", "count");
	if (r == 0)
		r = pprof_builder_sample_type(c->builder, "cpu", "nanoseconds");
	if (r == 0)
		r = pprof_builder_period(c->builder, "cpu", "nanoseconds", p->period_ns);
	if (r == 0)
		r = pprof_builder_time(c->builder, p->start_realtime_ns, p->duration_ns);
	return r;
}

static int convert(struct conversion *c, const struct dso_table *dsos, struct symbolizer *sym)
{
	const struct profile_sample *s;
	size_t pos = 0;
	int r;

	r = add_header(c);
	if (r == 0)
		r = add_truncated_location(c);
	if (r == 0)
		r = frame_names_collect(&c->names, c->profile);
	if (r == 0)
		r = frame_names_resolve(&c->names, dsos, sym, c->builder, c->counters);
	while (r == 0 && (s = hashmap_next(&c->profile->samples, &pos)))
		r = add_sample(c, s);
	return r;
}

int profile_to_pprof(const struct profile *p, const struct dso_table *dsos, struct symbolizer *sym,
		     uint64_t *counters, struct pprof **ret)
{
	CLEANUP(pprof_builder_freep) struct pprof_builder *builder = NULL;
	struct conversion c = { .profile = p, .counters = counters };
	int r;

	r = pprof_builder_new(&builder);
	if (r < 0)
		return r;
	c.builder = builder;
	r = convert(&c, dsos, sym);
	frame_names_clear(&c.names);
	vec_free(&c.stack);
	if (r == 0)
		*ret = pprof_builder_finish(builder);
	return r;
}
