/* SPDX-License-Identifier: Apache-2.0 */
#include "export/endpoint_request.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "export/otlp.h"
#include "export/otlp_body.h"
#include "export/pprof.h"
#include "export/pyroscope_body.h"

/* Decoded, a profile is many times as large as on disk. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

/* Part of a profile, as a profile that borrows. */
struct part {
	struct pprof pprof;
	uint32_t *index; /* of its samples, in the whole */
};

struct maker {
	const struct endpoint_options *opt;
	struct part part;
	struct endpoint_requests *ret;
};

void endpoint_request_clear(struct endpoint_request *r)
{
	free(r->body);
	vec_free(&r->ranges);
	*r = (struct endpoint_request){ 0 };
}

void endpoint_requests_clear(struct endpoint_requests *r)
{
	for (size_t i = 0; i < r->all.n; i++)
		endpoint_request_clear(&r->all.data[i]);
	vec_free(&r->all);
}

static void part_clear(struct part *p)
{
	free(p->pprof.samples);
	free(p->index);
}

static void mark(bool *flags, size_t n, const struct spool_range *ranges, size_t n_ranges,
		 bool value)
{
	for (size_t i = 0; i < n_ranges; i++)
		for (size_t k = ranges[i].from; k < ranges[i].to && k < n; k++)
			flags[k] = value;
}

static int choose(const struct pprof *p, const bool *wanted, struct part *ret)
{
	size_t n = 0;

	ret->pprof = *p;
	ret->pprof.samples = calloc(p->n_samples + 1, sizeof(*p->samples));
	ret->index = calloc(p->n_samples + 1, sizeof(*ret->index));
	if (!ret->pprof.samples || !ret->index)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++) {
		if (!wanted[i])
			continue;
		ret->pprof.samples[n] = p->samples[i];
		ret->index[n++] = i;
	}
	ret->pprof.n_samples = n;
	return 0;
}

static int select_part(const struct pprof *p, const struct spool_entry *entry,
		       const struct spool_range *only, size_t n_only, struct part *ret)
{
	CLEANUP(freep) bool *wanted = calloc(p->n_samples + 1, sizeof(*wanted));
	const struct spool_range all = { 0, p->n_samples };

	if (!wanted)
		return -ENOMEM;
	mark(wanted, p->n_samples, only ? only : &all, only ? n_only : 1, true);
	mark(wanted, p->n_samples, entry->progress.settled.data, entry->progress.settled.n, false);
	return choose(p, wanted, ret);
}

static int by_number(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;

	return (a > b) - (a < b);
}

static int make_ranges(const struct part *part, const uint32_t *samples, size_t n,
		       struct endpoint_request *ret)
{
	CLEANUP(freep) uint32_t *sorted = calloc(n + 1, sizeof(*sorted));
	int r = sorted ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		sorted[i] = part->index[samples[i]];
	qsort(sorted, n, sizeof(*sorted), by_number);
	for (size_t i = 0; i < n && r == 0; i++) {
		if (ret->ranges.n && ret->ranges.data[ret->ranges.n - 1].to == sorted[i])
			ret->ranges.data[ret->ranges.n - 1].to++;
		else
			r = vec_push(&ret->ranges,
				     (struct spool_range){ sorted[i], sorted[i] + 1 });
	}
	return r;
}

static int on_chunk(const struct pyroscope_chunk *chunk, void *arg)
{
	struct maker *m = arg;
	CLEANUP(endpoint_request_clear)
	struct endpoint_request req = { .samples = chunk->count,
					.n_pprof_samples = chunk->n_samples };
	int r = make_ranges(&m->part, chunk->samples, chunk->n_samples, &req);

	if (r >= 0 && chunk->pprof)
		r = pyroscope_pack(chunk, &req.body, &req.len);
	if (r >= 0)
		r = vec_push(&m->ret->all, req);
	if (r >= 0)
		req = (struct endpoint_request){ 0 };
	return r;
}

static int on_otlp_chunk(const struct otlp_chunk *chunk, void *arg)
{
	struct maker *m = arg;
	const struct otlp_encoding encoding = { .gzip = true,
						.grpc = m->opt->type == ENDPOINT_OTLP_GRPC };
	CLEANUP(endpoint_request_clear)
	struct endpoint_request req = { .samples = chunk->count,
					.n_pprof_samples = chunk->n_samples };
	int r = make_ranges(&m->part, chunk->samples, chunk->n_samples, &req);

	if (r >= 0 && chunk->request) {
		req.n_profiles = chunk->n_profiles;
		r = otlp_body(&encoding, chunk->request, chunk->len, &req.body, &req.len);
	}
	if (r >= 0)
		r = vec_push(&m->ret->all, req);
	if (r >= 0)
		req = (struct endpoint_request){ 0 };
	return r;
}

static int split(struct maker *m)
{
	struct pyroscope_keys keys = { m->opt->series_labels, m->opt->n_series_labels };
	const struct otlp_options otlp = { 0 };

	if (m->opt->type == ENDPOINT_PYROSCOPE)
		return pyroscope_split(&m->part.pprof, &keys, on_chunk, m);
	return otlp_split(&m->part.pprof, &otlp, on_otlp_chunk, m);
}

static int make(const struct endpoint_options *opt, const struct spool_entry *entry,
		const struct spool_range *only, size_t n_only, struct endpoint_requests *ret)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	struct maker m = { .opt = opt, .ret = ret };
	int r = pprof_decode(entry->pprof, entry->len, &p);

	if (r == -EFBIG)
		return -EBADMSG;
	if (r >= 0)
		r = select_part(p, entry, only, n_only, &m.part);
	if (r >= 0)
		r = split(&m);
	part_clear(&m.part);
	return r == -EINVAL ? -EBADMSG : r;
}

int endpoint_requests_make(const struct endpoint_options *opt, const struct spool_entry *entry,
			   const struct spool_range *only, size_t n_only,
			   struct endpoint_requests *ret)
{
	int r;

	pthread_mutex_lock(&one_at_a_time);
	r = make(opt, entry, only, n_only, ret);
	pthread_mutex_unlock(&one_at_a_time);
	return r;
}

int endpoint_request_halve(const struct endpoint_request *req, struct endpoint_request *ret_first,
			   struct endpoint_request *ret_second)
{
	size_t left = req->n_pprof_samples / 2;
	int r = 0;

	for (size_t i = 0; i < req->ranges.n && r == 0; i++) {
		struct spool_range a = req->ranges.data[i], b = a;
		size_t n = a.to - a.from < left ? a.to - a.from : left;

		a.to = b.from = a.from + n;
		left -= n;
		if (a.from < a.to)
			r = vec_push(&ret_first->ranges, a);
		if (r == 0 && b.from < b.to)
			r = vec_push(&ret_second->ranges, b);
	}
	return r;
}
