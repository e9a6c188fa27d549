/* SPDX-License-Identifier: Apache-2.0 */
/* Also that the sink, which other tests trust, refuses what it should. */
#include "export/http.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <time.h>

#include "export/pprof.h"
#include "export/push.pb-c.h"
#include "leak_check.h"
#include "profile_fixture.h"
#include "sink.h"

static struct http *http;

static void setup(void)
{
	setenv("no_proxy", "*", 1);
	cr_assert(zero(int, http_new(&http)));
}

TestSuite(http, .init = setup, .fini = leak_check);

/* The end of each test. */
static void done(struct sink *s)
{
	http_free(http);
	sink_stop(s);
}

#define PATH "/push.v1.PusherService/Push"

static int post(const char *base, const void *body, size_t len, struct http_response *ret)
{
	char url[160];
	struct http_request req = { .url = url,
				    .content_type = "application/proto",
				    .body = body,
				    .len = len,
				    .timeout_ms = 5000 };

	snprintf(url, sizeof(url), "%s" PATH, base);
	return http_post(http, &req, ret);
}

static void assert_answer(const struct sink *s, const void *body, size_t len, long status,
			  const char *words)
{
	CLEANUP(http_response_clear) struct http_response resp = { 0 };

	cr_assert(eq(int, post(s->url, body, len, &resp), 0), "%s", resp.error);
	cr_assert(eq(i64, resp.status, status), "%ld: %s", resp.status, resp.body);
	cr_assert(strstr(resp.body, words) != NULL, "'%s' is missing in '%s'", words, resp.body);
	cr_assert(resp.sent);
}

/* Sends @profile in a series with @n_extra labels beside those that are needed. */
static void assert_push_bytes(const struct sink *s, ProtobufCBinaryData profile, size_t n_extra,
			      long status, const char *words)
{
	enum { MAX = 40 };
	Push__V1__LabelPair labels[MAX], *ptrs[MAX];
	Push__V1__RawSample sample = PUSH__V1__RAW_SAMPLE__INIT, *samples = &sample;
	Push__V1__RawProfileSeries series = PUSH__V1__RAW_PROFILE_SERIES__INIT, *all = &series;
	Push__V1__PushRequest request = PUSH__V1__PUSH_REQUEST__INIT;
	static const char *const needed[] = { "service_name", "x",	   "__name__",
					      "process_cpu",  "__delta__", "false" };
	char names[MAX][32];
	uint8_t *body;
	size_t len;

	for (size_t i = 0; i < 3 + n_extra; i++) {
		snprintf(names[i], sizeof(names[i]), "label%zu", i);
		push__v1__label_pair__init(&labels[i]);
		labels[i].name = i < 3 ? (char *)needed[2 * i] : names[i];
		labels[i].value = i < 3 ? (char *)needed[2 * i + 1] : names[0];
		ptrs[i] = &labels[i];
	}
	series.labels = ptrs;
	series.n_labels = 3 + n_extra;
	sample.raw_profile = profile;
	series.n_samples = request.n_series = 1;
	series.samples = &samples;
	request.series = &all;
	body = malloc(push__v1__push_request__get_packed_size(&request));
	len = push__v1__push_request__pack(&request, body);
	assert_answer(s, body, len, status, words);
	free(body);
}

static void assert_push(const struct sink *s, const struct pprof *p, size_t n_extra, long status,
			const char *words)
{
	ProtobufCBinaryData data;

	cr_assert(zero(int, pprof_encode(p, true, &data.data, &data.len)));
	assert_push_bytes(s, data, n_extra, status, words);
	free(data.data);
}

/* The same with each '@' of it made a byte that is no UTF-8, which we never write ourselves. */
static void assert_push_broken(const struct sink *s, const struct pprof *p, long status,
			       const char *words)
{
	ProtobufCBinaryData data;

	cr_assert(zero(int, pprof_encode(p, false, &data.data, &data.len)));
	for (size_t i = 0; i < data.len; i++)
		if (data.data[i] == '@')
			data.data[i] = 0xff;
	assert_push_bytes(s, data, 0, status, words);
	free(data.data);
}

/* @n samples of one frame, each in a span of its own. */
static struct pprof *spans_profile(size_t n, const char *label, const char *name)
{
	struct pprof_builder *b;
	struct pprof_function f = { .name = name, .system_name = "", .filename = "" };
	struct pprof_line line = { 0 };
	struct pprof_location loc = { .lines = &line, .n_lines = 1 };
	const struct pprof_location *own;
	struct pprof *p;

	cr_assert(zero(int, pprof_builder_new(&b)));
	pprof_builder_sample_type(b, "cpu", "nanoseconds");
	pprof_builder_period(b, "cpu", "nanoseconds", 1);
	pprof_builder_function(b, &f, &line.function);
	pprof_builder_location(b, &loc, &own);
	for (size_t i = 0; i < n; i++) {
		char id[17];
		struct pprof_label l = { .key = label, .str = id };
		struct pprof_sample s = { &own, 1, &(int64_t){ 1 }, &l, 1 };

		snprintf(id, sizeof(id), "%016zx", i);
		pprof_builder_sample(b, &s);
	}
	p = pprof_builder_finish(b);
	pprof_builder_free(b);
	return p;
}

Test(http, sink_refuses_no_messages)
{
	struct sink s = SINK("-prefix", "");

	assert_answer(&s, "", 0, 400, "invalid_argument");
	assert_answer(&s, "\xff\xff\xff", 3, 400, "invalid_argument");
	/* series { labels {…} samples { raw_profile "garbage" } }: its labels come first */
	assert_answer(&s, "\x0a\x0b\x12\x09\x0a\x07garbage", 13, 400, "invalid metric name");
	done(&s);
}

Test(http, sink_refuses_what_the_server_refuses)
{
	struct sink s = SINK("-prefix", "");
	struct pprof *p = spans_profile(16000, "span_id", "f");
	char *long_name = calloc(1, 3 << 20);

	assert_push(&s, p, 0, 200, "");
	assert_push(&s, p, 27, 200, "");
	assert_push(&s, p, 28, 400, "label names");
	p->time_nanos = 1700000000000000000;
	assert_push(&s, p, 0, 400, "outside of ingestion window");
	p->time_nanos = 0;
	p->sample_types[0].type = "cpu-time";
	assert_push(&s, p, 0, 400, "invalid sample type");
	pprof_free(p);

	p = spans_profile(16001, "span_id", "f");
	assert_push(&s, p, 0, 400, "16001 samples");
	pprof_free(p);
	p = spans_profile(1, "span_id", "@");
	assert_push_broken(&s, p, 400, "utf8");
	pprof_free(p);

	memset(long_name, 'x', (3 << 20) - 1);
	p = spans_profile(1, "span_id", long_name);
	assert_push(&s, p, 0, 400, "would be cut");
	pprof_free(p);
	free(long_name);
	p = spans_profile(1, "operation", "f");
	assert_push(&s, p, 0, 400, "would split the series");
	pprof_free(p);
	done(&s);
}

Test(http, sink_counts_bytes_against_the_burst)
{
	struct sink s = SINK("-rate", "1000");
	struct pprof *p = spans_profile(100, "span_id", "f");

	assert_push(&s, p, 0, 429, "push rate limit");
	pprof_free(p);
	done(&s);
}

Test(http, body_is_bounded)
{
	CLEANUP(http_response_clear) struct http_response resp = { 0 };
	struct sink s = SINK("-answer", "flood");

	cr_assert(zero(int, post(s.url, "x", 1, &resp)));
	cr_assert(eq(i64, resp.status, 400));
	cr_assert(eq(sz, resp.body_len, HTTP_BODY_MAX));
	cr_assert(zero(chr, resp.body[HTTP_BODY_MAX]));
	done(&s);
}

Test(http, redirect_is_shown_not_followed)
{
	CLEANUP(http_response_clear) struct http_response resp = { 0 };
	struct sink s = SINK("-answer", "redirect");

	cr_assert(zero(int, post(s.url, "x", 1, &resp)));
	cr_assert(eq(i64, resp.status, 302));
	cr_assert(eq(str, resp.redirect, "http://other.invalid/"));
	cr_assert(eq(sz, sink_requests(&s), 1));
	done(&s);
}

Test(http, connection_is_used_again)
{
	struct sink s = SINK("-answer", "400");
	char *sockets;

	for (int i = 0; i < 3; i++)
		assert_answer(&s, "x", 1, 400, "invalid_argument");
	sockets = command_output("ls -l /proc/%d/fd | grep -c socket", s.pid);
	cr_assert(eq(long, strtol(sockets, NULL, 10), 2)); /* one listens, one is ours */
	free(sockets);
	done(&s);
}

Test(http, errors_and_whether_anything_was_sent)
{
	struct http_response resp;
	struct sink s = SINK("-answer", "close");
	char url[] = "http://127.0.0.1:1";

	cr_assert(eq(int, post(s.url, "x", 1, &resp), -EIO));
	cr_assert(zero(i64, resp.status));
	cr_assert(resp.sent);
	http_response_clear(&resp);

	cr_assert(eq(int, post(url, "x", 1, &resp), -ECONNREFUSED));
	cr_assert(not(resp.sent));
	cr_assert(ne(str, resp.error, ""));
	http_response_clear(&resp);

	cr_assert(eq(int, post("http://no-such-host.invalid", "x", 1, &resp), -EHOSTUNREACH));
	http_response_clear(&resp);
	cr_assert(eq(int, post("file:///etc", "x", 1, &resp), -EIO));
	cr_assert(zero(sz, resp.body_len));
	http_response_clear(&resp);
	done(&s);
}

Test(http, time_limit_and_stop)
{
	struct sink s = SINK("-answer", "hang");
	atomic_int stop = 0;
	char url[160];
	struct http_request req = { .url = url,
				    .content_type = "text/plain",
				    .body = "x",
				    .len = 1,
				    .timeout_ms = 300,
				    .stop = &stop };
	struct http_response resp;

	snprintf(url, sizeof(url), "%s" PATH, s.url);
	cr_assert(eq(int, http_post(http, &req, &resp), -ETIMEDOUT));
	http_response_clear(&resp);
	atomic_store(&stop, 1);
	req.timeout_ms = 60000;
	cr_assert(eq(int, http_post(http, &req, &resp), -ECANCELED));
	http_response_clear(&resp);
	done(&s);
}
