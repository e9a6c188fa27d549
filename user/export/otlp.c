/* SPDX-License-Identifier: Apache-2.0 */
#include "export/otlp.h"

#include <string.h>

#include "export/otlp_request.h"

#define NO_TYPE SIZE_MAX

struct item {
	int64_t pid; /* samples of a process stay together, as they share a resource */
	uint32_t index;
};

struct split {
	const struct pprof *src;
	size_t max_bytes, max_samples;
	size_t count; /* index into values */
	const uint32_t *order;
	size_t n;
	otlp_chunk_fn fn;
	void *arg;
};

/* Of split.order. */
struct range {
	size_t from, to;
};

static const struct pprof_sample *sample_at(const struct split *s, size_t i)
{
	return &s->src->samples[s->order[i]];
}

static uint64_t count_at(const struct split *s, size_t i)
{
	return sample_at(s, i)->values[s->count];
}

static int add_at(const struct split *s, struct otlp_request *req, size_t i, bool times)
{
	return otlp_request_add(req, sample_at(s, i), count_at(s, i), times);
}

static int call(const struct split *s, struct otlp_request *req, const struct range *range)
{
	CLEANUP(freep) uint8_t *buf = NULL;
	struct otlp_chunk chunk = { .samples = &s->order[range->from] };

	chunk.n_samples = range->to - range->from;
	for (size_t i = range->from; i < range->to; i++)
		chunk.count += count_at(s, i);
	if (req && otlp_request_pack(req, &buf, &chunk.len) < 0)
		return -ENOMEM;
	chunk.request = buf;
	chunk.n_profiles = req ? otlp_request_profiles(req) : 0;
	return s->fn(&chunk, s->arg);
}

/* A single sample, which may not fit. */
static int deliver_one(const struct split *s, const struct range *range)
{
	for (int times = 1; times >= 0; times--) {
		CLEANUP(otlp_request_freep) struct otlp_request *req = NULL;
		int r = otlp_request_new(s->src, &req);

		if (r == 0)
			r = add_at(s, req, range->from, times);
		if (r < 0)
			return r;
		if (otlp_request_size(req) <= s->max_bytes)
			return call(s, req, range);
	}
	return call(s, NULL, range);
}

static int deliver_many(const struct split *s, const struct range *range)
{
	CLEANUP(otlp_request_freep) struct otlp_request *req = NULL;
	int r = otlp_request_new(s->src, &req);

	for (size_t i = range->from; i < range->to && r == 0; i++)
		r = add_at(s, req, i, true);
	return r < 0 ? r : call(s, req, range);
}

/* Several are known to fit. */
static int deliver(const struct split *s, const struct range *range)
{
	return range->to - range->from == 1 ? deliver_one(s, range) : deliver_many(s, range);
}

/* How far a request can go that begins with @from: at least one sample. */
static int find_end(const struct split *s, size_t from, size_t *ret)
{
	CLEANUP(otlp_request_freep) struct otlp_request *req = NULL;
	int r = otlp_request_new(s->src, &req);
	size_t i;

	for (i = from; r == 0 && i < s->n && i - from < s->max_samples; i++) {
		r = add_at(s, req, i, true);
		if (r == 0 && otlp_request_size(req) > s->max_bytes)
			break;
	}
	*ret = i > from ? i : from + 1;
	return r;
}

static int split_all(const struct split *s)
{
	for (size_t from = 0, to; from < s->n; from = to) {
		int r = find_end(s, from, &to);

		if (r == 0)
			r = deliver(s, &(struct range){ from, to });
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- order ------------------------------------------------------------------------------------ */

static int by_pid(const void *x, const void *y)
{
	const struct item *a = x, *b = y;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

static bool is_wanted(const struct split *s, const uint8_t *skip, size_t i)
{
	if (skip && (skip[i / 8] >> (i % 8)) & 1)
		return false;
	return s->src->samples[i].values[s->count] > 0;
}

/* The samples that are wanted, in @ret, which has room for all. */
static size_t put_in_order(const struct split *s, const uint8_t *skip, struct item *items,
			   uint32_t *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < s->src->n_samples; i++) {
		const struct pprof_sample *sample = &s->src->samples[i];
		const struct pprof_label *pid;

		if (!is_wanted(s, skip, i))
			continue;
		pid = pprof_sample_label(sample, PPROF_LABEL_PID);
		items[n++] = (struct item){ pid && !pid->str ? pid->num : 0, i };
	}
	qsort(items, n, sizeof(*items), by_pid);
	for (size_t i = 0; i < n; i++)
		ret[i] = items[i].index;
	return n;
}

static bool is_type(const struct pprof_value_type *t, const char *type, const char *unit)
{
	return strcmp(t->type, type) == 0 && strcmp(t->unit, unit) == 0;
}

static size_t find_count(const struct pprof *p)
{
	if (p->period <= 0 || p->n_samples > UINT32_MAX ||
	    !is_type(&p->period_type, "cpu", "nanoseconds"))
		return NO_TYPE;
	for (size_t i = 0; i < p->n_sample_types; i++)
		if (is_type(&p->sample_types[i], "samples", "count"))
			return i;
	return NO_TYPE;
}

int otlp_split(const struct pprof *p, const struct otlp_options *opt, otlp_chunk_fn fn, void *arg)
{
	CLEANUP(freep) struct item *items = calloc(p->n_samples + 1, sizeof(*items));
	CLEANUP(freep) uint32_t *order = calloc(p->n_samples + 1, sizeof(*order));
	struct split s = {
		.src = p,
		.max_bytes = opt->max_bytes ? opt->max_bytes : OTLP_REQUEST_MAX,
		.max_samples = opt->max_samples ? opt->max_samples : OTLP_SAMPLES_MAX,
		.count = find_count(p),
		.order = order,
		.fn = fn,
		.arg = arg,
	};

	if (!items || !order)
		return -ENOMEM;
	if (s.count == NO_TYPE)
		return -EINVAL;
	s.n = put_in_order(&s, opt->skip, items, order);
	free(TAKE_PTR(items));
	return split_all(&s);
}
