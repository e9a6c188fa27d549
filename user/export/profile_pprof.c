/* SPDX-License-Identifier: Apache-2.0 */
#include "export/profile_pprof.h"

#include <string.h>

#include "base/parse.h"
#include "base/vec.h"
#include "export/frame_names.h"
#include "shared/stat.h"

#define OWN_LABELS_MAX (PROFILE_RESOURCES + 8)

struct sample_labels {
	VEC(struct pprof_label) list;
	char span_id[2 * SPAN_ID_LEN + 1];
	char trace_id[2 * TRACE_ID_LEN + 1];
	char local_root_id[2 * SPAN_ID_LEN + 1];
	char thread[COMM_LEN + 1];
};

struct conversion {
	const struct profile *profile;
	struct frame_names names;
	struct pprof_builder *builder;
	const struct pprof_location *truncated;	  /* the frame that says so */
	VEC(const struct pprof_location *) stack; /* of the sample at hand */
	struct sample_labels labels;		  /* likewise */
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

/* There is room. */
static void add_string(struct sample_labels *l, const char *key, const char *str)
{
	if (str)
		l->list.data[l->list.n++] =
			(struct pprof_label){ .key = key, .str = str, .num_unit = "" };
}

static void add_number(struct sample_labels *l, const char *key, int64_t num)
{
	l->list.data[l->list.n++] = (struct pprof_label){ .key = key, .num = num, .num_unit = "" };
}

static void add_id(struct sample_labels *l, const char *key, const uint8_t *id, size_t len,
		   char *text)
{
	static const uint8_t none[TRACE_ID_LEN];

	if (memcmp(id, none, len) == 0)
		return;
	format_hex(id, len, text);
	add_string(l, key, text);
}

static void add_context(struct sample_labels *l, const struct profile_context *c)
{
	add_id(l, PPROF_LABEL_SPAN_ID, c->span_id, SPAN_ID_LEN, l->span_id);
	add_id(l, PPROF_LABEL_TRACE_ID, c->trace_id, TRACE_ID_LEN, l->trace_id);
	add_id(l, PPROF_LABEL_LOCAL_ROOT, c->local_root_id, SPAN_ID_LEN, l->local_root_id);
	if (c->overflow)
		add_string(l, PPROF_LABEL_OVERFLOW, "true");
}

static void add_process(struct sample_labels *l, const struct profile_process *p)
{
	const char *service = p->resource[PROFILE_SERVICE_NAME];

	add_string(l, PPROF_LABEL_SERVICE, service ? service : p->name);
	for (int i = PROFILE_SERVICE_NAME + 1; i < PROFILE_RESOURCES; i++)
		add_string(l, profile_resource_key(i), p->resource[i]);
	add_string(l, PPROF_LABEL_PROCESS, p->name);
}

/* A label of the program's own must not pass for one of ours. */
static bool is_taken(const struct sample_labels *l, size_t n_own, const char *key)
{
	for (size_t i = 0; i < n_own; i++)
		if (strcmp(l->list.data[i].key, key) == 0)
			return true;
	return false;
}

/* Returns how many of its labels there is no room for, by their names. */
static uint64_t add_labels(struct sample_labels *l, const struct profile_context *c)
{
	size_t n_own = l->list.n;
	uint64_t n_taken = 0;

	for (size_t i = 0; i < c->n_labels; i++)
		if (is_taken(l, n_own, c->labels[i].key))
			n_taken++;
		else
			add_string(l, c->labels[i].key, c->labels[i].value);
	return n_taken;
}

static void add_times(struct sample_labels *l, const struct profile_sample *s)
{
	for (size_t i = 0; i < s->times.n; i++)
		l->list.data[l->list.n++] =
			(struct pprof_label){ .key = PPROF_LABEL_TIMESTAMP,
					      .num = (int64_t)s->times.data[i],
					      .num_unit = PPROF_UNIT_TIMESTAMP };
}

static int make_labels(struct conversion *c, const struct profile_sample *s,
		       struct sample_labels *l)
{
	int r;

	l->list.n = 0;
	r = vec_reserve(&l->list,
			OWN_LABELS_MAX + s->times.n + (s->context ? s->context->n_labels : 0));
	if (r < 0)
		return r;
	if (s->context)
		add_context(l, s->context);
	snprintf(l->thread, sizeof(l->thread), "%.*s", COMM_LEN, s->thread);
	add_process(l, s->process);
	add_string(l, PPROF_LABEL_THREAD, l->thread);
	add_number(l, PPROF_LABEL_PID, s->process->pid);
	add_number(l, PPROF_LABEL_TID, s->tid);
	if (s->context)
		c->counters[STAT_CTX_LABELS_CUT] += add_labels(l, s->context) * s->count;
	add_times(l, s);
	return 0;
}

static int add_sample(struct conversion *c, const struct profile_sample *s)
{
	int64_t values[] = { s->count, s->count * c->profile->period_ns };
	bool truncated = is_truncated(c, s->stack);
	struct pprof_sample out;
	int r;

	r = make_stack(c, s->stack, truncated);
	if (r == 0)
		r = make_labels(c, s, &c->labels);
	if (r < 0)
		return r;
	if (truncated)
		c->counters[STAT_SAMPLE_TRUNCATED] += s->count;
	out = (struct pprof_sample){
		.locations = c->stack.data,
		.n_locations = c->stack.n,
		.values = values,
		.labels = c->labels.list.data,
		.n_labels = c->labels.list.n,
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

static int convert(struct conversion *c, const struct name_sources *from)
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
		r = frame_names_resolve(&c->names, from, c->builder, c->counters);
	while (r == 0 && (s = hashmap_next(&c->profile->samples, &pos)))
		r = add_sample(c, s);
	return r;
}

int profile_to_pprof(const struct profile *p, const struct name_sources *from, uint64_t *counters,
		     struct pprof **ret)
{
	CLEANUP(pprof_builder_freep) struct pprof_builder *builder = NULL;
	struct conversion c = { .profile = p, .counters = counters };
	int r;

	r = pprof_builder_new(&builder);
	if (r < 0)
		return r;
	c.builder = builder;
	r = convert(&c, from);
	frame_names_clear(&c.names);
	vec_free(&c.stack);
	vec_free(&c.labels.list);
	if (r == 0)
		*ret = pprof_builder_finish(builder);
	return r;
}
