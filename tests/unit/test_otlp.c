/* SPDX-License-Identifier: Apache-2.0 */
/* tests/e2e/test_otlp.py judges whole requests by the official messages; here are the rules. */
#include "export/otlp.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/parse.h"
#include "export/gunzip.h"
#include "export/otlp.pb-c.h"
#include "export/otlp_body.h"
#include "export/otlp_frame.h"
#include "leak_check.h"
#include "profile_fixture.h"

TestSuite(otlp, .fini = leak_check);

/* What came of one split. */
struct got {
	struct pprof *from;
	size_t n_chunks, n_requests, largest;
	uint64_t count;	     /* as the chunks say */
	uint64_t observed;   /* in the requests */
	uint64_t timestamps; /* likewise */
	size_t n_samples;    /* of the pprof */
	size_t n_wire, n_resources, n_profiles;
	uint8_t seen[1024];	   /* of each sample, how often */
	Otlp__ExportRequest *last; /* to be freed by got_clear() */
};

static void got_clear(struct got *g)
{
	if (g->last)
		otlp__export_request__free_unpacked(g->last, NULL);
	g->last = NULL;
}

static void look_at_sample(struct got *g, const ProtobufCBinaryData *packed)
{
	Otlp__Sample *s = otlp__sample__unpack(NULL, packed->len, packed->data);

	cr_assert(s != NULL);
	for (size_t i = 0; i < s->n_values; i++)
		g->observed += s->values[i];
	g->timestamps += s->n_timestamps_unix_nano;
	cr_assert(eq(sz, s->n_values * s->n_timestamps_unix_nano, 0));
	g->n_wire++;
	otlp__sample__free_unpacked(s, NULL);
}

static void look_at_resource(struct got *g, const ProtobufCBinaryData *packed)
{
	Otlp__ResourceProfiles *r =
		otlp__resource_profiles__unpack(NULL, packed->len, packed->data);
	const Otlp__ScopeProfiles *scope = r->scope_profiles[0];

	cr_assert(eq(sz, r->n_scope_profiles, 1));
	cr_assert(eq(str, scope->scope->name, "spanprof"));
	for (size_t i = 0; i < scope->n_profiles; i++) {
		cr_assert(gt(i64, scope->profiles[i]->period, 0));
		for (size_t j = 0; j < scope->profiles[i]->n_samples; j++)
			look_at_sample(g, &scope->profiles[i]->samples[j]);
	}
	g->n_profiles += scope->n_profiles;
	g->n_resources++;
	otlp__resource_profiles__free_unpacked(r, NULL);
}

static void look_at_request(struct got *g, const struct otlp_chunk *chunk)
{
	Otlp__ExportRequest *req = otlp__export_request__unpack(NULL, chunk->len, chunk->request);
	size_t n_before = g->n_profiles;

	cr_assert(req != NULL);
	for (size_t i = 0; i < req->n_resource_profiles; i++)
		look_at_resource(g, &req->resource_profiles[i]);
	cr_assert(eq(sz, chunk->n_profiles, g->n_profiles - n_before));
	if (chunk->len > g->largest)
		g->largest = chunk->len;
	g->n_requests++;
	got_clear(g);
	g->last = req;
}

static int on_chunk(const struct otlp_chunk *chunk, void *arg)
{
	struct got *g = arg;

	g->n_chunks++;
	g->count += chunk->count;
	g->n_samples += chunk->n_samples;
	for (size_t i = 0; i < chunk->n_samples; i++)
		g->seen[chunk->samples[i]]++;
	if (chunk->request)
		look_at_request(g, chunk);
	return 0;
}

static void split(struct got *g, const struct pprof *p, const struct otlp_options *opt)
{
	cr_assert(zero(int, otlp_split(p, opt, on_chunk, g)));
	cr_assert(eq(u64, g->observed + g->timestamps, g->count));
}

static const struct otlp_options defaults;

Test(otlp, shop_in_one_request)
{
	struct pprof *p = fixture_shop();
	struct got g = { 0 };

	split(&g, p, &defaults);
	cr_assert(eq(sz, g.n_requests, 1));
	cr_assert(eq(u64, g.observed, 100));
	/* shop as payment, as cart and as itself, cat, swapper */
	cr_assert(eq(sz, g.n_resources, 5));
	cr_assert(eq(sz, g.n_samples, 8));
	got_clear(&g);
	pprof_free(p);
}

/* --- times --- */

struct timed {
	int64_t count;
	size_t n_times;
	const char *span, *trace;
};

#define TIMED(count, n_times)                                                                      \
	{                                                                                          \
		count, n_times, NULL, NULL                                                         \
	}

static struct pprof *timed_profile(const struct timed *t, size_t n)
{
	struct fixture fx = fixture_new(100);
	const struct pprof_location *stack[1] = { fixture_location(&fx, "f", "/bin/a") };

	for (size_t i = 0; i < n; i++) {
		struct pprof_label labels[64] = { { .key = PPROF_LABEL_PID, .num = 7 } };
		int64_t values[] = { t[i].count, t[i].count * fx.period };
		struct pprof_sample s = { .locations = stack,
					  .n_locations = 1,
					  .values = values,
					  .labels = labels,
					  .n_labels = 1 };

		if (t[i].span)
			labels[s.n_labels++] = (struct pprof_label){ .key = PPROF_LABEL_SPAN_ID,
								     .str = t[i].span };
		if (t[i].trace)
			labels[s.n_labels++] = (struct pprof_label){ .key = PPROF_LABEL_TRACE_ID,
								     .str = t[i].trace };
		for (size_t j = 0; j < t[i].n_times; j++)
			labels[s.n_labels++] = (struct pprof_label){
				.key = PPROF_LABEL_TIMESTAMP,
				.num = 1700000000000000000 + (int64_t)(100 * i + j),
				.num_unit = PPROF_UNIT_TIMESTAMP,
			};
		fixture_check(pprof_builder_sample(fx.builder, &s));
	}
	return fixture_finish(&fx);
}

static struct got split_timed(const struct timed *t, size_t n, const struct otlp_options *opt)
{
	struct pprof *p = timed_profile(t, n);
	struct got g = { 0 };

	split(&g, p, opt);
	pprof_free(p);
	return g;
}

Test(otlp, timestamps_alone_when_all_are_known)
{
	const struct timed t[] = { TIMED(3, 3), { 2, 2, SPAN_CART, SHOP_TRACE } };
	struct got g = split_timed(t, 2, &defaults);

	cr_assert(eq(u64, g.timestamps, 5));
	cr_assert(eq(u64, g.observed, 0));
	cr_assert(eq(sz, g.n_profiles, 1));
	got_clear(&g);
}

Test(otlp, cut_timestamps_lose_no_count)
{
	const struct timed t[] = { TIMED(10, 4), { 2, 2, SPAN_CART, SHOP_TRACE } };
	struct got g = split_timed(t, 2, &defaults);

	cr_assert(eq(u64, g.timestamps, 6));
	cr_assert(eq(u64, g.observed, 6));
	cr_assert(eq(u64, g.count, 12));
	cr_assert(eq(sz, g.n_profiles, 2));
	got_clear(&g);
}

Test(otlp, timestamps_beyond_the_count_do_not_count)
{
	const struct timed t[] = { TIMED(2, 5) };
	struct got g = split_timed(t, 1, &defaults);

	cr_assert(eq(u64, g.timestamps, 2));
	cr_assert(eq(u64, g.count, 2));
	got_clear(&g);
}

Test(otlp, samples_that_are_the_same_to_otlp_become_one)
{
	/* Ids of no span: the labels differ, but not in what is sent. */
	const struct timed t[] = { TIMED(2, 2),
				   { 3, 3, "0000000000000000", NULL },
				   { 4, 4, "xyz", NULL } };
	struct got g = split_timed(t, 3, &defaults);

	cr_assert(eq(sz, g.n_samples, 3));
	cr_assert(eq(sz, g.n_wire, 1));
	cr_assert(eq(u64, g.timestamps, 9));
	got_clear(&g);
}

Test(otlp, sample_too_large_goes_without_its_times)
{
	const struct timed t[] = { TIMED(60, 60) };
	struct got g = split_timed(t, 1, &(struct otlp_options){ .max_bytes = 800 });

	cr_assert(eq(sz, g.n_requests, 1));
	cr_assert(eq(u64, g.timestamps, 0));
	cr_assert(eq(u64, g.observed, 60));
	got_clear(&g);
}

Test(otlp, sample_too_large_at_all_is_told)
{
	const struct timed t[] = { TIMED(5, 0) };
	struct pprof *p = timed_profile(t, 1);
	struct got g = { 0 };

	cr_assert(
		zero(int, otlp_split(p, &(struct otlp_options){ .max_bytes = 20 }, on_chunk, &g)));
	cr_assert(eq(sz, g.n_chunks, 1));
	cr_assert(eq(sz, g.n_requests, 0));
	cr_assert(eq(u64, g.count, 5));
	cr_assert(eq(sz, g.n_samples, 1));
	pprof_free(p);
}

/* --- links --- */

static size_t n_links(const struct got *g)
{
	return g->last->dictionary->n_link_table - 1;
}

static bool has_string(const struct got *g, const char *str)
{
	const Otlp__Dictionary *d = g->last->dictionary;

	for (size_t i = 0; i < d->n_string_table; i++)
		if (d->string_table[i].len == strlen(str) &&
		    memcmp(d->string_table[i].data, str, strlen(str)) == 0)
			return true;
	return false;
}

Test(otlp, link_has_both_ids)
{
	struct got g = split_timed(&(struct timed){ 1, 0, SPAN_CART, SHOP_TRACE }, 1, &defaults);

	cr_assert(eq(sz, n_links(&g), 1));
	cr_assert(not(has_string(&g, "span_id")));
	got_clear(&g);
}

Test(otlp, half_a_link_is_an_attribute)
{
	struct got g = split_timed(&(struct timed){ 1, 0, SPAN_CART, NULL }, 1, &defaults);

	cr_assert(zero(sz, n_links(&g)));
	cr_assert(has_string(&g, "span_id"));
	got_clear(&g);
	g = split_timed(&(struct timed){ 1, 0, NULL, SHOP_TRACE }, 1, &defaults);
	cr_assert(zero(sz, n_links(&g)));
	cr_assert(has_string(&g, "trace_id"));
	got_clear(&g);
	g = split_timed(&(struct timed){ 1, 0, "0000000000000000", SHOP_TRACE }, 1, &defaults);
	cr_assert(zero(sz, n_links(&g)));
	cr_assert(not(has_string(&g, "span_id")));
	got_clear(&g);
}

/* --- chunks --- */

static struct pprof *many(size_t n)
{
	struct fixture fx = fixture_new(100);
	char stack[64];

	for (size_t i = 0; i < n; i++) {
		struct fixture_sample s = { .stack = stack,
					    .count = 1 + (int64_t)(i % 3),
					    .process = "p",
					    .pid = 1 + (int64_t)(i % 7) };

		snprintf(stack, sizeof(stack), "main@/bin/a;function_%zu@/bin/a", i % 50);
		fixture_add(&fx, &s);
	}
	return fixture_finish(&fx);
}

static void assert_each_once(const struct got *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cr_assert(eq(u8, g->seen[i], 1), "sample %zu: %d times", i, g->seen[i]);
}

Test(otlp, requests_have_at_most_so_many_bytes)
{
	struct pprof *p = many(700);

	for (size_t max = 600; max < 20000; max += 777) {
		struct got g = { 0 };

		split(&g, p, &(struct otlp_options){ .max_bytes = max });
		cr_assert(le(sz, g.largest, max));
		/* They are filled: the estimate is not far off. */
		cr_assert(g.n_requests == 1 || g.largest > max / 4, "%zu of %zu", g.largest, max);
		cr_assert(eq(u64, g.count, 699 + 700));
		assert_each_once(&g, 700);
		got_clear(&g);
	}
	pprof_free(p);
}

Test(otlp, requests_have_at_most_so_many_samples)
{
	struct pprof *p = many(100);
	struct got g = { 0 };

	split(&g, p, &(struct otlp_options){ .max_samples = 30 });
	cr_assert(eq(sz, g.n_requests, 4));
	assert_each_once(&g, 100);
	got_clear(&g);
	pprof_free(p);
}

Test(otlp, skipped_samples_are_left_out)
{
	struct pprof *p = many(100);
	uint8_t skip[13] = { 0xff, 0x01 };
	struct got g = { 0 };

	split(&g, p, &(struct otlp_options){ .skip = skip });
	cr_assert(eq(sz, g.n_samples, 91));
	for (size_t i = 0; i < 100; i++)
		cr_assert(eq(u8, g.seen[i], i >= 9));
	got_clear(&g);

	g = (struct got){ 0 };
	memset(skip, 0xff, sizeof(skip));
	split(&g, p, &(struct otlp_options){ .skip = skip });
	cr_assert(zero(sz, g.n_chunks));
	pprof_free(p);
}

static int refuse(const struct otlp_chunk *chunk, void *arg)
{
	return -ECANCELED;
}

Test(otlp, callback_can_end_it)
{
	struct pprof *p = many(10);

	cr_assert(eq(int, otlp_split(p, &defaults, refuse, NULL), -ECANCELED));
	pprof_free(p);
}

struct copy {
	uint8_t *buf[2];
	size_t len[2];
};

static int keep(const struct otlp_chunk *chunk, void *arg)
{
	struct copy *c = arg;
	int i = c->buf[0] != NULL;

	c->buf[i] = malloc(chunk->len);
	memcpy(c->buf[i], chunk->request, chunk->len);
	c->len[i] = chunk->len;
	return 0;
}

Test(otlp, same_profile_same_bytes)
{
	struct pprof *p = many(500);
	struct copy c = { 0 };

	cr_assert(zero(int, otlp_split(p, &defaults, keep, &c)));
	cr_assert(zero(int, otlp_split(p, &defaults, keep, &c)));
	cr_assert(eq(sz, c.len[0], c.len[1]));
	cr_assert(zero(int, memcmp(c.buf[0], c.buf[1], c.len[0])));
	free(c.buf[0]);
	free(c.buf[1]);
	pprof_free(p);
}

Test(otlp, other_profiles_are_refused)
{
	struct pprof *p = fixture_shop();
	struct got g = { 0 };

	p->period = 0;
	cr_assert(eq(int, otlp_split(p, &defaults, on_chunk, &g), -EINVAL));
	p->period = 1;
	p->sample_types[0].type = "events";
	cr_assert(eq(int, otlp_split(p, &defaults, on_chunk, &g), -EINVAL));
	p->sample_types[0].type = "samples";
	p->period_type.unit = "cycles";
	cr_assert(eq(int, otlp_split(p, &defaults, on_chunk, &g), -EINVAL));
	pprof_free(p);
}

Test(otlp, what_counts_nothing_is_not_sent)
{
	const struct timed t[] = { TIMED(0, 0), TIMED(-4, 1), TIMED(3, 0) };
	struct got g = split_timed(t, 3, &defaults);

	cr_assert(eq(u64, g.count, 3));
	cr_assert(eq(sz, g.n_samples, 1));
	got_clear(&g);
}

/* --- frames --- */

static const char *type_of(const char *mapping, const char *file, const char *name)
{
	struct pprof_mapping m = { .filename = mapping, .build_id = "" };
	struct pprof_function f = { .name = name, .system_name = name, .filename = file };
	struct pprof_line line = { .function = &f };
	struct pprof_location l = { .mapping = *mapping ? &m : NULL, .lines = &line, .n_lines = 1 };
	const char *type = otlp_frame_type(&l);

	return type ? type : "";
}

#define assert_type(mapping, file, name, want)                                                     \
	cr_assert(eq(str, (char *)type_of(mapping, file, name), (char *)(want)))

Test(otlp, frame_types)
{
	assert_type("[kernel.kallsyms]", "", "do_idle", "kernel");
	assert_type("[vdso]", "", "__vdso_gettimeofday", "native");
	assert_type("/bin/a", "/src/a.c", "main", "native");
	assert_type("/bin/a", "", "[a+0x12]", "native");
	assert_type("/bin/a", "/usr/lib/go/src/runtime/proc.go", "runtime.main", "go");
	assert_type("/bin/a", "src/main.rs", "a::main", "rust");
	assert_type("/bin/a", "", "_ZN1a4main17h0123456789abcdefE", "rust");
	assert_type("/bin/a", "", "_RNvC1a4main", "rust");
	assert_type("/bin/a", "", "_ZN1a4mainEv", "native");
	/* Code that a runtime has made, where it says so. */
	assert_type("//anon", "", "py::walk:/src/walk.py", "cpython");
	assert_type("//anon", "", "LazyCompile:*walk /src/walk.js:3", "v8js");
	assert_type("//anon", "Walk.java", "Walk.main", "jvm");
	assert_type("//anon", "", "[anon+0x12]", "");
	/* A library that has such a name is machine code nevertheless. */
	assert_type("/lib/x.so", "/src/x.py", "main", "native");
	assert_type("", "", PPROF_FRAME_TRUNCATED, "");
}

Test(otlp, build_ids)
{
	cr_assert(eq(str, (char *)otlp_build_id_key("00aB"), "process.executable.build_id.gnu"));
	cr_assert(
		eq(str, (char *)otlp_build_id_key("xY_/a/b/c-"), "process.executable.build_id.go"));
	cr_assert(otlp_build_id_key("") == NULL);
	cr_assert(otlp_build_id_key("unknown") == NULL);
}

/* --- the body --- */

Test(otlp, body_in_each_encoding)
{
	static const char text[] = "a request, a request, a request, a request, a request";
	uint8_t *buf, *plain;
	size_t len, n;

	for (int i = 0; i < 4; i++) {
		struct otlp_encoding e = { .gzip = i & 1, .grpc = i & 2 };
		size_t prefix = e.grpc ? 5 : 0;

		cr_assert(zero(int, otlp_body(&e, text, sizeof(text), &buf, &len)));
		if (e.grpc) {
			cr_assert(eq(int, buf[0], e.gzip));
			cr_assert(zero(int, buf[1] | buf[2] | buf[3]));
			cr_assert(eq(sz, buf[4], len - 5));
		}
		if (e.gzip) {
			cr_assert(zero(int, gunzip(buf + prefix, len - prefix, 1000, &plain, &n)));
			cr_assert(eq(sz, n, sizeof(text)));
			cr_assert(zero(int, memcmp(plain, text, n)));
			free(plain);
		} else {
			cr_assert(eq(sz, len, prefix + sizeof(text)));
			cr_assert(zero(int, memcmp(buf + prefix, text, sizeof(text))));
		}
		free(buf);
	}
	cr_assert(
		zero(int, otlp_body(&(struct otlp_encoding){ .grpc = true }, NULL, 0, &buf, &len)));
	cr_assert(eq(sz, len, 5));
	free(buf);
	cr_assert(eq(int, otlp_body(&(struct otlp_encoding){ 0 }, text, 1ul << 33, &buf, &len),
		     -EFBIG));
}
