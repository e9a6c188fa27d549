/* SPDX-License-Identifier: Apache-2.0 */
/* Against the sink of tests/sink, which has the official messages and the server's limits. */
#include "export/pyroscope.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/io.h"
#include "command.h"
#include "leak_check.h"
#include "profile_fixture.h"
#include "sink.h"

static void no_proxy(void)
{
	setenv("no_proxy", "*", 1);
}

TestSuite(pyroscope, .init = no_proxy, .fini = leak_check);

/* A member of N.KIND.json, to be freed by json_decref(). */
static json_t *sink_json(const struct sink *s, int n, const char *kind)
{
	char path[128];
	json_t *json;

	snprintf(path, sizeof(path), "%s/%d.%s.json", s->dir, n, kind);
	json = json_load_file(path, 0, NULL);
	cr_assert(json != NULL, "%s is missing or no JSON", path);
	return json;
}

static void assert_member(const json_t *json, const char *key, const char *want)
{
	const char *got = json_string_value(json_object_get(json, key));

	cr_assert(got != NULL, "%s is missing", key);
	cr_assert(eq(str, (char *)got, (char *)want));
}

static struct pprof *received(const struct sink *s, int n)
{
	char path[128], *buf;
	struct pprof *p;
	size_t len;

	snprintf(path, sizeof(path), "%s/%d.pb.gz", s->dir, n);
	cr_assert(zero(int, read_whole_file(path, 1 << 24, &buf, &len)));
	cr_assert(zero(int, pprof_decode(buf, len, &p)));
	free(buf);
	return p;
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct pprof *shop_now(void)
{
	struct pprof *p = fixture_shop();

	p->time_nanos = now_ns(CLOCK_REALTIME) - p->duration_nanos;
	return p;
}

static int push(const char *url, unsigned timeout_ms, const struct pprof *p,
		struct pyroscope_result *ret)
{
	struct pyroscope_options opt = { .url = url, .timeout_ms = timeout_ms };

	memset(ret, 0xa5, sizeof(*ret)); /* it is to be filled in any case */
	return pyroscope_push(&opt, p, ret);
}

static void assert_says(const struct pyroscope_result *res, const char *part)
{
	cr_assert(strstr(res->message, part) != NULL, "'%s' is missing in '%s'", part,
		  res->message);
}

static int64_t cpu_of_span(const struct pprof *p, const char *service, const char *span)
{
	int64_t sum = 0;

	for (size_t i = 0; i < p->n_samples; i++) {
		const struct pprof_label *own = pprof_sample_label(&p->samples[i], "service.name");
		const struct pprof_label *id = pprof_sample_label(&p->samples[i], "span_id");

		if (own && strcmp(own->str, service) == 0 && id && strcmp(id->str, span) == 0)
			sum += p->samples[i].values[1];
	}
	return sum;
}

Test(pyroscope, shop_arrives_by_service_and_span)
{
	/* By name: the label service.name, else the executable's. */
	static const char *const services[] = { "cart", "cat", "payment", "shop", "swapper" };
	struct sink s = SINK("-prefix", "");
	struct pprof *p = shop_now();
	struct pyroscope_result res;
	json_t *spans, *labels;

	cr_assert(eq(int, push(s.url, 10000, p, &res), 0), "%s", res.message);
	cr_assert(eq(sz, res.series, 5));
	cr_assert(eq(u64, res.samples_sent, 100));
	cr_assert(zero(u64, res.samples_failed));
	cr_assert(eq(str, res.message, ""));
	for (int i = 0; i < 5; i++) {
		labels = sink_json(&s, i + 1, "labels");
		cr_assert(eq(sz, json_object_size(labels), 3));
		assert_member(labels, "service_name", services[i]);
		assert_member(labels, "__name__", "process_cpu");
		assert_member(labels, "__delta__", "false");
		json_decref(labels);
	}

	spans = sink_json(&s, 3, "spans");
	cr_assert(eq(sz, json_object_size(spans), 1));
	cr_assert(eq(i64, json_integer_value(json_object_get(spans, SPAN_PAYMENT)),
		     cpu_of_span(p, "payment", SPAN_PAYMENT)));
	json_decref(spans);
	spans = sink_json(&s, 1, "spans");
	cr_assert(eq(sz, json_object_size(spans), 2));
	cr_assert(eq(i64, json_integer_value(json_object_get(spans, SPAN_CART)), 200000000));
	cr_assert(eq(i64, json_integer_value(json_object_get(spans, SPAN_OTHER)), 50000000));
	json_decref(spans);
	pprof_free(p);
	sink_stop(&s);
}

Test(pyroscope, what_is_uploaded)
{
	struct sink s = SINK("-prefix", "");
	struct pprof *p = shop_now(), *got;
	struct pyroscope_result res;
	const struct pprof_sample *first;

	cr_assert(zero(int, push(s.url, 10000, p, &res)));
	got = received(&s, 3); /* payment */
	cr_assert(eq(sz, got->n_samples, 3));
	cr_assert(eq(sz, got->n_sample_types, 1));
	cr_assert(eq(i64, got->period, p->period));
	cr_assert(eq(i64, got->time_nanos, p->time_nanos));
	cr_assert(eq(i64, got->duration_nanos, p->duration_nanos));
	first = &got->samples[0];
	cr_assert(eq(i64, first->values[0], 300000000));
	cr_assert(eq(sz, first->n_locations, 3));
	cr_assert(eq(str, (char *)first->locations[0]->lines[0].function->name,
		     "validate_third_party"));
	cr_assert(eq(str, (char *)first->locations[2]->lines[0].function->name, "main"));
	cr_assert(eq(sz, first->n_labels, 4));
	cr_assert(eq(str, (char *)pprof_sample_label(first, "trace_id")->str, SHOP_TRACE));
	cr_assert(eq(i64, pprof_sample_label(first, "pid")->num, 100));
	cr_assert(eq(i64, pprof_sample_label(first, "tid")->num, 101));
	/* Of functions of other services nothing is told. */
	for (size_t i = 0; i < got->n_functions; i++)
		cr_assert(ne(str, (char *)got->functions[i]->name, "price_cart"));
	pprof_free(got);
	pprof_free(p);
	sink_stop(&s);
}

/* Each value of a label that is asked for makes a series of its own. */
Test(pyroscope, labels_that_are_asked_for)
{
	static const char *const keys[] = { "thread.name", "none" };
	struct sink s = SINK("-labels", "thread_name");
	struct pyroscope_options opt = { s.url, .timeout_ms = 10000, .labels = { keys, 2 } };
	struct fixture fx = fixture_new(100);
	struct fixture_sample sample = { "main;f", 1, .service = "x", .thread = "one" };
	struct pyroscope_result res;
	struct pprof *p, *got;

	fixture_add(&fx, &sample);
	sample.thread = "two";
	fixture_add(&fx, &sample);
	p = fixture_finish(&fx);
	p->time_nanos = 0;
	cr_assert(eq(int, pyroscope_push(&opt, p, &res), 0), "%s", res.message);
	got = received(&s, 1);
	cr_assert(eq(sz, got->n_samples, 2));
	cr_assert(eq(str, (char *)pprof_sample_label(&got->samples[0], "thread_name")->str, "one"));
	cr_assert(eq(str, (char *)pprof_sample_label(&got->samples[1], "thread_name")->str, "two"));
	cr_assert(zero(ptr, (void *)pprof_sample_label(&got->samples[0], "none")));
	pprof_free(got);
	pprof_free(p);
	sink_stop(&s);
}

Test(pyroscope, samples_equal_but_for_dropped_labels_are_merged)
{
	struct sink s = SINK("-prefix", "");
	struct fixture fx = fixture_new(100);
	struct fixture_sample sample = { "main;f", 1, .service = "x", .tid = 7 };
	struct pyroscope_result res;
	struct pprof *p, *got;

	sample.thread = "before";
	fixture_add(&fx, &sample);
	sample.thread = "renamed";
	fixture_add(&fx, &sample);
	sample.span = "no hex digits xx"; /* is none to the server: then not sent at all */
	fixture_add(&fx, &sample);
	sample.span = SPAN_CART;
	fixture_add(&fx, &sample);
	p = fixture_finish(&fx);
	p->time_nanos = 0;

	cr_assert(eq(int, push(s.url, 10000, p, &res), 0), "%s", res.message);
	got = received(&s, 1);
	cr_assert(eq(sz, got->n_samples, 2));
	cr_assert(eq(i64, got->samples[0].values[0], 30000000));
	cr_assert(eq(i64, got->samples[1].values[0], 10000000));
	pprof_free(got);
	pprof_free(p);
	sink_stop(&s);
}

/* Bytes of a symbol table need not be UTF-8, nor stacks shallow; a location may have no function.
 */
Test(pyroscope, unusual_profile_is_made_acceptable)
{
	enum { DEPTH = 1500, LONG = 70000 };
	struct sink s = SINK("-prefix", "");
	struct pyroscope_result res;
	struct pprof_builder *b;
	char *name = malloc(LONG + 1);
	struct pprof_mapping m = { .start = 0x1000,
				   .limit = 0x9000,
				   .offset = 0x400,
				   .filename = "/usr/lib/lib\xff.so",
				   .htlhash = "0f" };
	struct pprof_function f = { .name = "bad\xc3(\xff", .system_name = name, .filename = "" };
	struct pprof_line line = { .line = 1 };
	struct pprof_location named = { .lines = &line, .n_lines = 1 };
	struct pprof_location bare = { .address = 0x1234 };
	const struct pprof_location *locs[DEPTH];
	int64_t value = 1000;
	struct pprof_sample sample = { locs, DEPTH, &value, NULL, 0 };
	struct pprof *p, *got;

	memset(name, 'n', LONG);
	name[LONG] = '\0';
	cr_assert(zero(int, pprof_builder_new(&b)));
	pprof_builder_sample_type(b, "cpu", "nanoseconds");
	pprof_builder_period(b, "cpu", "nanoseconds", 1000);
	pprof_builder_mapping(b, &m, &bare.mapping);
	pprof_builder_function(b, &f, &line.function);
	pprof_builder_location(b, &bare, &locs[0]);
	for (size_t i = 1; i < DEPTH; i++) {
		named.address = i;
		pprof_builder_location(b, &named, &locs[i]);
	}
	pprof_builder_sample(b, &sample);
	p = pprof_builder_finish(b);
	pprof_builder_free(b);

	cr_assert(eq(int, push(s.url, 10000, p, &res), 0), "%s", res.message);
	cr_assert(eq(u64, res.samples_sent, 1));
	got = received(&s, 1);
	cr_assert(eq(sz, got->samples[0].n_locations, 1000));
	cr_assert(eq(str, (char *)got->samples[0].locations[0]->mapping->htlhash, ""));
	cr_assert(eq(str, (char *)got->samples[0].locations[0]->lines[0].function->name,
		     "[lib?.so+0x634]"));
	cr_assert(eq(str, (char *)got->samples[0].locations[1]->lines[0].function->name, "bad?(?"));
	cr_assert(eq(str, (char *)got->samples[0].locations[999]->lines[0].function->name,
		     "[truncated]"));
	pprof_free(got);
	pprof_free(p);
	free(name);
	sink_stop(&s);
}

/* @n samples of @depth random frames, four to a span. */
static struct pprof *huge_profile(size_t n, size_t depth)
{
	enum { LOCATIONS = 2048 };
	const struct pprof_location *locs[LOCATIONS], *stack[FIXTURE_DEPTH_MAX];
	struct fixture fx = fixture_new(100);
	unsigned seed = 1;

	for (size_t i = 0; i < LOCATIONS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "a_function_with_a_longish_name_%zu", i);
		locs[i] = fixture_location(&fx, name, "/usr/lib/libhuge.so");
	}
	for (size_t i = 0; i < n; i++) {
		char span[17];
		struct pprof_label label = { .key = "span_id", .str = span };
		int64_t values[] = { 1, fx.period };
		struct pprof_sample s = { stack, depth, values, &label, 1 };

		snprintf(span, sizeof(span), "%016zx", i / 4 + 1);
		for (size_t k = 0; k < depth; k++)
			stack[k] = locs[(seed = seed * 1103515245 + 12345) >> 8 & 2047];
		fixture_check(pprof_builder_sample(fx.builder, &s));
	}
	return fixture_finish(&fx);
}

/* Sums of all that was kept, by span. */
static json_t *sink_spans(const struct sink *s)
{
	json_t *all = json_object();

	for (size_t n = 1; n <= sink_requests(s); n++) {
		char path[128];
		json_t *spans, *sum, *old;
		const char *id;

		snprintf(path, sizeof(path), "%s/%zu.pb.gz", s->dir, n);
		if (access(path, F_OK) != 0) /* was answered 429 */
			continue;
		spans = sink_json(s, n, "spans");
		json_object_foreach(spans, id, sum)
		{
			old = json_object_get(all, id);
			json_object_set_new(
				all, id,
				json_integer(json_integer_value(old) + json_integer_value(sum)));
		}
		json_decref(spans);
	}
	return all;
}

static void assert_split(size_t n, size_t depth, size_t min_series)
{
	struct sink s = SINK("-prefix", "");
	struct pprof *p = huge_profile(n, depth);
	struct pyroscope_result res;
	json_t *spans;

	p->time_nanos = 0;
	cr_assert(eq(int, push(s.url, 60000, p, &res), 0), "%s", res.message);
	cr_assert(eq(u64, res.samples_sent, n));
	cr_assert(ge(sz, res.series, min_series));
	cr_assert(le(sz, res.series, 2 * min_series));

	spans = sink_spans(&s);
	cr_assert(eq(sz, json_object_size(spans), n / 4));
	for (size_t i = 0; i < n / 4; i++) {
		char span[17];

		snprintf(span, sizeof(span), "%016zx", i + 1);
		cr_assert(eq(i64, json_integer_value(json_object_get(spans, span)), 40000000));
	}
	json_decref(spans);
	pprof_free(p);
	sink_stop(&s);
}

/* 5.6 MB in fewer than 16,000 samples; the rate limit asks for patience, too. */
Test(pyroscope, too_many_bytes_are_split_and_complete)
{
	assert_split(14000, 200, 4);
}

Test(pyroscope, too_many_samples_are_split_and_complete)
{
	assert_split(32000, 1, 2);
}

Test(pyroscope, credentials_and_prefix)
{
	struct sink s = SINK("-prefix", "/pyro");
	struct pprof *p = shop_now();
	struct pyroscope_result res;
	json_t *request;
	char url[160];

	snprintf(url, sizeof(url), "http://user:p%%40ss@%s/pyro/", s.address);
	cr_assert(eq(int, push(url, 10000, p, &res), 0), "%s", res.message);
	request = sink_json(&s, 1, "request");
	assert_member(request, "authorization", "Basic dXNlcjpwQHNz"); /* base64 of user:p@ss */
	assert_member(request, "content_type", "application/proto");
	assert_member(request, "path", "/pyro/push.v1.PusherService/Push");
	assert_member(request, "user_agent", "spanprof/" SPANPROF_VERSION);
	json_decref(request);

	/* The whole address of the call will do as well. */
	snprintf(url, sizeof(url), "%s/pyro/push.v1.PusherService/Push", s.url);
	cr_assert(eq(int, push(url, 10000, p, &res), 0), "%s", res.message);

	/* Without the prefix nothing is there; the password is in no message. */
	snprintf(url, sizeof(url), "http://user:sesame@%s", s.address);
	cr_assert(eq(int, push(url, 10000, p, &res), -EIO));
	cr_assert(eq(i64, res.http_status, 404));
	assert_says(&res, s.url);
	assert_says(&res, "prefix");
	cr_assert(eq(ptr, strstr(res.message, "sesame"), NULL));
	pprof_free(p);
	sink_stop(&s);
}

/* Pushes the shop to a sink that always gives this answer; returns the number of requests. */
static size_t push_to(const char *answer, unsigned timeout_ms, struct pyroscope_result *ret)
{
	struct sink s = SINK("-answer", answer);
	struct pprof *p = shop_now();
	size_t requests;

	cr_assert(eq(int, push(s.url, timeout_ms, p, ret), -EIO));
	cr_assert(zero(sz, ret->series));
	cr_assert(zero(u64, ret->samples_sent));
	cr_assert(eq(u64, ret->samples_failed, 100));
	requests = sink_requests(&s);
	pprof_free(p);
	sink_stop(&s);
	return requests;
}

Test(pyroscope, bad_profile_is_not_repeated_but_the_others_are_tried)
{
	struct pyroscope_result res;

	cr_assert(eq(sz, push_to("400", 5000, &res), 5));
	cr_assert(eq(i64, res.http_status, 400));
	assert_says(&res, "400 invalid_argument: profile with timestamp 1970 is outside of "
			  "ingestion window");

	cr_assert(eq(sz, push_to("500", 5000, &res), 5));
	cr_assert(eq(i64, res.http_status, 500));
	assert_says(&res, "500 unknown: failed to parse profile");
}

Test(pyroscope, refusal_of_the_sender_ends_the_push)
{
	struct pyroscope_result res;

	cr_assert(eq(sz, push_to("401", 5000, &res), 1));
	cr_assert(eq(i64, res.http_status, 401));
	assert_says(&res, "no org id");
	assert_says(&res, "or a tenant");
	cr_assert(eq(sz, push_to("403", 5000, &res), 1));
	cr_assert(eq(sz, push_to("html", 5000, &res), 1));
	cr_assert(eq(i64, res.http_status, 200));
	assert_says(&res, "not how Pyroscope answers");
	cr_assert(eq(sz, push_to("redirect", 5000, &res), 1));
	assert_says(&res, "redirects to http://other.invalid/");
}

Test(pyroscope, answers_that_pass_are_retried_in_time)
{
	struct pyroscope_result res;
	int64_t start = now_ns(CLOCK_MONOTONIC);

	/* Tries at 0, 0.5 and 1.5 s; the next would be at 3.5 s. */
	cr_assert(eq(sz, push_to("429", 3000, &res), 3));
	cr_assert(eq(i64, res.http_status, 429));
	assert_says(&res, "push rate limit (4.0 MiB) exceeded");
	assert_says(&res, "send less often");
	cr_assert(eq(sz, push_to("503", 1000, &res), 2));
	cr_assert(eq(i64, res.http_status, 503));
	cr_assert(lt(i64, now_ns(CLOCK_MONOTONIC) - start, 5000000000));
}

Test(pyroscope, server_that_recovers_gets_everything_once)
{
	static const char *const answers[] = { "429", "503" };

	for (size_t i = 0; i < 2; i++) {
		struct sink s = SINK("-answer", answers[i], "-answer-times", "2");
		struct pprof *p = shop_now();
		struct pyroscope_result res;

		cr_assert(eq(int, push(s.url, 20000, p, &res), 0), "%s", res.message);
		cr_assert(eq(u64, res.samples_sent, 100));
		cr_assert(eq(sz, sink_requests(&s), 7));
		pprof_free(p);
		sink_stop(&s);
	}
}

/* Five requests of 2 s each: the limit is one of a request, not of all. */
Test(pyroscope, many_slow_answers_may_take_longer_than_the_limit)
{
	struct sink s = SINK("-answer", "slow");
	struct pprof *p = shop_now();
	struct pyroscope_result res;

	cr_assert(eq(int, push(s.url, 3500, p, &res), 0), "%s", res.message);
	cr_assert(eq(sz, sink_requests(&s), 5));
	pprof_free(p);
	sink_stop(&s);
}

Test(pyroscope, slow_server_is_waited_for)
{
	struct sink s = SINK("-answer", "slow", "-answer-times", "1");
	struct pprof *p = shop_now();
	struct pyroscope_result res;

	cr_assert(eq(int, push(s.url, 20000, p, &res), 0), "%s", res.message);
	cr_assert(eq(sz, sink_requests(&s), 5));
	pprof_free(p);
	sink_stop(&s);
}

Test(pyroscope, hanging_server_is_bounded)
{
	struct pyroscope_result res;
	int64_t start = now_ns(CLOCK_MONOTONIC);

	cr_assert(eq(sz, push_to("hang", 1500, &res), 1));
	cr_assert(lt(i64, now_ns(CLOCK_MONOTONIC) - start, 4000000000));
	cr_assert(zero(i64, res.http_status));
	assert_says(&res, "no answer from http://127.0.0.1:");
}

Test(pyroscope, request_that_may_have_been_counted_is_not_repeated)
{
	struct pyroscope_result res;

	cr_assert(eq(sz, push_to("close", 5000, &res), 1));
	cr_assert(zero(i64, res.http_status));
	assert_says(&res, "may have been counted");
}

Test(pyroscope, endless_rude_answer_is_bounded_and_cleaned)
{
	struct pyroscope_result res;
	int64_t start = now_ns(CLOCK_MONOTONIC);

	cr_assert(eq(sz, push_to("flood", 20000, &res), 5));
	cr_assert(lt(i64, now_ns(CLOCK_MONOTONIC) - start, 10000000000));
	cr_assert(eq(i64, res.http_status, 400));
	assert_says(&res, "red");
	for (const char *c = res.message; *c; c++)
		cr_assert(ge(chr, *c, ' '), "%s", res.message); /* no byte above 0x7f either */
}

/* A port of 127.0.0.1 that nobody listens on: bound, not listening. */
static int dead_port(char *url, size_t size)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(zero(int, bind(fd, (struct sockaddr *)&addr, len)));
	cr_assert(zero(int, getsockname(fd, (struct sockaddr *)&addr, &len)));
	snprintf(url, size, "http://user:sesame@127.0.0.1:%d", ntohs(addr.sin_port));
	return fd;
}

Test(pyroscope, nobody_there)
{
	struct pprof *p = shop_now();
	struct pyroscope_result res;
	char url[96], where[96];
	int64_t start = now_ns(CLOCK_MONOTONIC);
	int fd = dead_port(url, sizeof(url));

	cr_assert(eq(int, push(url, 30000, p, &res), -EIO));
	cr_assert(lt(i64, now_ns(CLOCK_MONOTONIC) - start, 4000000000));
	cr_assert(zero(i64, res.http_status));
	cr_assert(eq(u64, res.samples_failed, 100));
	snprintf(where, sizeof(where), "is the server running at http://%s?", strchr(url, '@') + 1);
	assert_says(&res, where);
	cr_assert(eq(ptr, strstr(res.message, "sesame"), NULL));

	cr_assert(eq(int, push("http://no-such-host.invalid:4040", 30000, p, &res), -EIO));
	assert_says(&res, "no-such-host.invalid");
	assert_says(&res, "is the address");
	close(fd);
	pprof_free(p);
}

static atomic_int stop_flag;

/* Backing off, the push sleeps from 1.5 to 3.5 s, and from then to 7.5 s. */
static void *raise_stop(void *arg)
{
	usleep(3700 * 1000);
	atomic_store(&stop_flag, 1);
	return NULL;
}

Test(pyroscope, stop_flag_ends_waiting_and_backing_off)
{
	static const char *const answers[] = { "hang", "429" };

	for (size_t i = 0; i < 2; i++) {
		struct sink s = SINK("-answer", answers[i]);
		struct pyroscope_options opt = { s.url, 60000, .stop = &stop_flag };
		int64_t start = now_ns(CLOCK_MONOTONIC);
		struct pprof *p = shop_now();
		struct pyroscope_result res;
		pthread_t thread;

		atomic_store(&stop_flag, 0);
		cr_assert(zero(int, pthread_create(&thread, NULL, raise_stop, NULL)));
		cr_assert(eq(int, pyroscope_push(&opt, p, &res), -EIO));
		cr_assert(lt(i64, now_ns(CLOCK_MONOTONIC) - start, 7000000000));
		pthread_join(thread, NULL);
		pprof_free(p);
		sink_stop(&s);
	}
}

Test(pyroscope, bad_urls_are_refused_with_a_remedy)
{
	static const char *const urls[] = {
		"",
		"localhost:4040",
		"ftp://localhost",
		"file:///etc/passwd",
		"http://",
		"http://:4040",
		"http://user:sesame@host:99999",
		"http://user:sesame@ho st",
		"http://host/?x=sesame@1",
		"http://host/#a",
		"http://host\n",
	};
	struct pprof *p = shop_now();
	struct pyroscope_result res;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		memset(&res, 0xa5, sizeof(res));
		cr_assert(eq(int, pyroscope_check_url(urls[i], &res), -EINVAL), "%s", urls[i]);
		cr_assert(ne(str, res.message, ""));
		cr_assert(eq(ptr, strstr(res.message, "user"), NULL));
		cr_assert(eq(ptr, strstr(res.message, "sesame"), NULL));
		cr_assert(zero(sz, res.series));

		cr_assert(eq(int, push(urls[i], 5000, p, &res), -EINVAL));
		cr_assert(ne(str, res.message, ""));
		cr_assert(eq(u64, res.samples_failed, 100));
	}
	cr_assert(zero(int, pyroscope_check_url("https://user:p@[::1]:4040/a/", &res)));
	cr_assert(eq(str, res.message, ""));
	pprof_free(p);
}

Test(pyroscope, profile_without_cpu_time_is_refused)
{
	struct pprof *p = shop_now();
	struct pyroscope_result res;

	p->sample_types[1].type = "alloc_space";
	cr_assert(eq(int, push("http://127.0.0.1:1", 5000, p, &res), -EINVAL));
	assert_says(&res, "cpu/nanoseconds");
	pprof_free(p);
}

Test(pyroscope, long_recording_is_dated_by_its_end)
{
	struct sink s = SINK("-prefix", "");
	struct pprof *p = shop_now();
	struct pyroscope_result res;

	p->duration_nanos = 3 * 3600 * 1000000000LL;
	p->time_nanos = now_ns(CLOCK_REALTIME) - p->duration_nanos;
	cr_assert(eq(int, push(s.url, 10000, p, &res), 0), "%s", res.message);

	p->time_nanos -= p->duration_nanos; /* of this morning */
	cr_assert(eq(int, push(s.url, 10000, p, &res), -EIO));
	assert_says(&res, "outside of ingestion window");
	pprof_free(p);
	sink_stop(&s);
}
