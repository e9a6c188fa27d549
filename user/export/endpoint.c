/* SPDX-License-Identifier: Apache-2.0 */
#include "export/endpoint.h"

#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "export/directory.h"
#include "export/endpoint_answer.h"
#include "export/endpoint_request.h"
#include "export/http.h"
#include "export/otlp_body.h"
#include "export/pyroscope_url.h"

#define TIMEOUT_MS   10000
#define HALVINGS_MAX 8 /* a server that says of 1/256 of a request that it is too large lies */

struct endpoint {
	const struct endpoint_options *opt;
	struct delivery_stats *stats;
	struct pyroscope_url url; /* url.shown is that of any type */
	char *otlp_url;
	struct http *http;
	bool must_probe; /* the last request got no answer */
};

/* One profile on its way. */
struct sending {
	struct endpoint *endpoint;
	struct spool_queue *queue;
	struct spool_entry *entry;
	const struct endpoint_stop *stop;
	struct endpoint_requests todo;
	struct verdict_detail *ret;
};

void endpoint_free(struct endpoint *e)
{
	if (!e)
		return;

	http_free(e->http);
	pyroscope_url_clear(&e->url);
	free(e->otlp_url);
	free(e);
}

static bool ends_with(const char *str, const char *end)
{
	size_t len = strlen(str), n = strlen(end);

	return len >= n && strcmp(str + len - n, end) == 0;
}

/* The user may have given the path or not. */
static int make_otlp_url(struct endpoint *e)
{
	const char *path = e->opt->type == ENDPOINT_OTLP_GRPC ? OTLP_GRPC_PATH : OTLP_HTTP_PATH;
	bool whole = ends_with(e->url.shown, path);

	if (asprintf(&e->otlp_url, "%s%s", e->url.shown, whole ? "" : path) >= 0)
		return 0;
	e->otlp_url = NULL;
	return -ENOMEM;
}

static int open_server(struct endpoint *e, char *message, size_t size)
{
	int r;

	if (!e->opt->url) {
		snprintf(message, size, "it has no url");
		return -EINVAL;
	}
	r = pyroscope_url_parse(e->opt->url, &e->url, message, size);
	if (r >= 0 && e->opt->type != ENDPOINT_PYROSCOPE)
		r = make_otlp_url(e);
	return r < 0 ? r : http_new(&e->http);
}

static int open_directory(struct endpoint *e, char *message, size_t size)
{
	if (e->opt->path && e->opt->path[0] == '/')
		return 0;
	snprintf(message, size, "its path is not absolute");
	return -EINVAL;
}

int endpoint_new(const struct endpoint_options *opt, struct delivery_stats *stats,
		 struct endpoint **ret, char *message, size_t size)
{
	CLEANUP(endpoint_freep) struct endpoint *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->opt = opt;
	e->stats = stats;
	r = opt->type == ENDPOINT_DIRECTORY ? open_directory(e, message, size)
					    : open_server(e, message, size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(e);
	return 0;
}

/* --- one request ------------------------------------------------------------------------------ */

static int post(struct sending *s, const void *body, size_t len, struct http_response *ret)
{
	struct endpoint *e = s->endpoint;
	bool grpc = e->opt->type == ENDPOINT_OTLP_GRPC, otlp = e->otlp_url != NULL;
	struct http_request req = {
		.url = otlp ? e->otlp_url : e->url.endpoint,
		.content_type = grpc   ? "application/grpc"
				: otlp ? "application/x-protobuf"
				       : "application/proto",
		.body = body,
		.len = len,
		.timeout_ms = e->opt->timeout_ms ? e->opt->timeout_ms : TIMEOUT_MS,
		/* An empty one changes nothing, whether it is answered or not. */
		.stop = len ? &s->stop->now : &s->stop->asked,
		.stop_unsent = &s->stop->asked,
		.options = e->opt,
		.gzip = otlp,
		.grpc = grpc,
		.once = !otlp,
	};

	return http_post(e->http, &req, ret);
}

/* An empty request is answered by a server that is well, with 400, and changes nothing there. */
static int probe(struct sending *s)
{
	CLEANUP(http_response_clear) struct http_response resp = { 0 };
	struct endpoint *e = s->endpoint;
	uint64_t start = monotonic_ns();
	int r = post(s, "", 0, &resp);

	if (r == -ECANCELED || r == -ENOMEM)
		return r;
	e->must_probe = r < 0;
	if (r < 0) {
		endpoint_judge(e->opt->type, e->url.shown, r, &resp, s->ret);
		delivery_stats_request(e->stats, endpoint_outcome(r, &resp, s->ret), 0,
				       monotonic_ns() - start);
	}
	return 0;
}

/* --- one profile ------------------------------------------------------------------------------ */

static int note(struct sending *s, enum spool_fate fate, const struct endpoint_request *req)
{
	struct spool_record rec = { .fate = fate };

	if (req) {
		rec.n_ranges = req->ranges.n;
		rec.samples = req->samples;
	}
	return spool_queue_note(s->queue, s->entry, &rec, req ? req->ranges.data : NULL);
}

/* 0: there is an answer, or none, in *ret_verdict and s->ret. */
static int exchange(struct sending *s, const struct endpoint_request *req, bool *ret_uncertain)
{
	CLEANUP(http_response_clear) struct http_response resp = { 0 };
	struct endpoint *e = s->endpoint;
	uint64_t start = monotonic_ns();
	int r = post(s, req->body, req->len, &resp);

	endpoint_judge(e->opt->type, e->url.shown, r, &resp, s->ret);
	*ret_uncertain = r < 0 && resp.sent && !e->otlp_url;
	e->must_probe = *ret_uncertain;
	delivery_stats_request(e->stats, endpoint_outcome(r, &resp, s->ret), req->len,
			       monotonic_ns() - start);
	return r == -ECANCELED || r == -ENOMEM ? r : 0;
}

static int add_half(struct sending *s, struct endpoint_request *half, unsigned halvings)
{
	size_t before = s->todo.all.n;
	int r = endpoint_requests_make(s->endpoint->opt, s->entry, half->ranges.data,
				       half->ranges.n, &s->todo);

	for (size_t i = before; i < s->todo.all.n; i++)
		s->todo.all.data[i].halvings = halvings;

	endpoint_request_clear(half);
	return r;
}

/* What a server with lower limits than we know of wants. */
static int halve(struct sending *s, const struct endpoint_request *req)
{
	struct endpoint_request first = { 0 }, second = { 0 };
	int r = endpoint_request_halve(req, &first, &second);
	int r2 = r < 0 ? r : add_half(s, &second, req->halvings + 1);

	if (r2 >= 0)
		r2 = add_half(s, &first, req->halvings + 1);
	endpoint_request_clear(&first);
	endpoint_request_clear(&second);
	return r2;
}

static enum spool_fate fate_of(enum verdict v, bool uncertain)
{
	if (uncertain)
		return SPOOL_UNCERTAIN;
	if (v == VERDICT_TAKEN)
		return SPOOL_TAKEN;
	return v == VERDICT_REFUSED ? SPOOL_REJECTED : SPOOL_BACK;
}

static int note_partial(struct sending *s, const struct endpoint_request *req)
{
	struct endpoint_request rejected = *req, taken = *req;
	int r;

	rejected.samples = endpoint_rejected(s->ret, req->n_profiles, req->samples);
	taken.samples -= rejected.samples;
	r = note(s, SPOOL_TAKEN, &taken);
	return r < 0 ? r : note(s, SPOOL_REJECTED, &rejected);
}

/* OTLP has a request repeated that got no answer, so that of it only the outcome is noted. */
static int note_outcome(struct sending *s, const struct endpoint_request *req, bool uncertain)
{
	enum spool_fate fate = fate_of(s->ret->verdict, uncertain);

	s->ret->refused |= fate == SPOOL_REJECTED || (fate == SPOOL_TAKEN && s->ret->rejected);
	if (!s->endpoint->otlp_url)
		return note(s, fate, NULL);
	if (fate == SPOOL_BACK)
		return 0;
	return s->ret->rejected ? note_partial(s, req) : note(s, fate, req);
}

static int send_request(struct sending *s, const struct endpoint_request *req)
{
	char before[VERDICT_MESSAGE_MAX];
	bool uncertain = false;
	int r, noted;

	if (!req->body) {
		snprintf(s->ret->message, sizeof(s->ret->message),
			 "a stack is larger than the server takes, and was not sent");
		s->ret->refused = true;
		return note(s, SPOOL_REJECTED, req);
	}
	r = s->endpoint->otlp_url ? 0 : note(s, SPOOL_BEGUN, req);
	if (r < 0)
		return r;
	memcpy(before, s->ret->message, sizeof(before));
	r = exchange(s, req, &uncertain);
	if (s->ret->verdict == VERDICT_TOO_LARGE &&
	    (req->n_pprof_samples == 1 || req->halvings == HALVINGS_MAX))
		s->ret->verdict = VERDICT_REFUSED;
	noted = note_outcome(s, req, uncertain);
	if (r >= 0)
		r = noted;
	if (r < 0 || s->ret->verdict != VERDICT_TOO_LARGE)
		return r;
	memcpy(s->ret->message, before, sizeof(before)); /* its halves may be taken */
	return halve(s, req);
}

static bool goes_on(enum verdict v)
{
	return v == VERDICT_TAKEN || v == VERDICT_REFUSED || v == VERDICT_TOO_LARGE;
}

static int send_all(struct sending *s)
{
	int r = endpoint_requests_make(s->endpoint->opt, s->entry, NULL, 0, &s->todo);

	if (r >= 0 && s->endpoint->must_probe)
		r = probe(s);
	while (r >= 0 && s->todo.all.n && goes_on(s->ret->verdict)) {
		CLEANUP(endpoint_request_clear)
		struct endpoint_request req = s->todo.all.data[--s->todo.all.n];

		r = atomic_load(&s->stop->asked) ? -ECANCELED : send_request(s, &req);
	}
	if (r >= 0 && goes_on(s->ret->verdict))
		s->ret->verdict = VERDICT_TAKEN;
	return r;
}

static int send_requests(struct endpoint *e, struct spool_queue *q, struct spool_entry *entry,
			 const struct endpoint_stop *stop, struct verdict_detail *ret)
{
	struct sending s = { .endpoint = e, .queue = q, .entry = entry, .stop = stop, .ret = ret };
	int r = send_all(&s);

	endpoint_requests_clear(&s.todo);
	return r;
}

/* What of it another type of endpoint was sent before is counted. */
static uint64_t samples_left(const struct spool_entry *e)
{
	uint64_t known = e->progress.samples;

	return known < e->header.samples ? e->header.samples - known : 0;
}

/*
 * The same again writes the same file. Other agents may write there, which count theirs as we do;
 * in the order of ours all the same.
 */
static uint64_t file_id(const struct spool_entry *e)
{
	return e->name.seq << 32 | (e->header.id & UINT32_MAX);
}

static int send_directory(struct endpoint *e, struct spool_queue *q, struct spool_entry *entry,
			  struct verdict_detail *ret)
{
	struct spool_record rec = { .fate = SPOOL_TAKEN,
				    .n_ranges = 1,
				    .samples = samples_left(entry) };
	const struct spool_range all = { 0, UINT32_MAX };
	uint64_t start = monotonic_ns();
	int r = directory_put(e->opt, entry->header.time_ns, file_id(entry), entry->pprof,
			      entry->len);

	delivery_stats_request(e->stats, r < 0 ? DELIVERY_LATER : DELIVERY_TAKEN, entry->len,
			       monotonic_ns() - start);
	if (r >= 0)
		return spool_queue_note(q, entry, &rec, &all);
	ret->verdict = VERDICT_RETRY;
	snprintf(ret->message, sizeof(ret->message), "cannot write to '%s': %s", e->opt->path,
		 strerror(-r));
	return 0;
}

int endpoint_send(struct endpoint *e, struct spool_queue *q, struct spool_entry *entry,
		  const struct endpoint_stop *stop, struct verdict_detail *ret)
{
	*ret = (struct verdict_detail){ .verdict = VERDICT_TAKEN };
	if (e->opt->type == ENDPOINT_DIRECTORY)
		return send_directory(e, q, entry, ret);
	return send_requests(e, q, entry, stop, ret);
}
