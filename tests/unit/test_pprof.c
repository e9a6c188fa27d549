/* SPDX-License-Identifier: Apache-2.0 */
/* What we write is judged by go tool pprof; what we read comes from Go's runtime and that tool. */
#include "export/pprof.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "base/io.h"
#include "command.h"
#include "leak_check.h"
#include "profile_fixture.h"

TestSuite(pprof, .fini = leak_check);

#define GO_PPROF "PPROF_TMPDIR=/tmp go tool pprof"
#define RAW	 GO_PPROF " -raw '%s' 2>/dev/null"

static void write_profile(const char *path, const struct pprof *p, bool gzip)
{
	uint8_t *buf;
	size_t len;

	cr_assert(zero(int, pprof_encode(p, gzip, &buf, &len)));
	command_write_file(path, buf, len);
	free(buf);
}

static struct pprof *read_profile(const char *path)
{
	struct pprof *p;
	size_t len;
	char *buf;

	cr_assert(zero(int, read_whole_file(path, 1 << 30, &buf, &len)));
	cr_assert(zero(int, pprof_decode(buf, len, &p)));
	free(buf);
	return p;
}

/* Output of go tool pprof for @p; @options hold one %s for the file. */
static char *go_pprof(const struct pprof *p, const char *options)
{
	char *dir = command_make_folder(), *out, *cmd;
	char path[64];

	snprintf(path, sizeof(path), "%s/p.pb.gz", dir);
	write_profile(path, p, true);
	cr_assert(asprintf(&cmd, GO_PPROF " %s '%s' 2>/dev/null", options, path) > 0);
	out = command_output("%s", cmd);
	free(cmd);
	command_remove_folder(dir);
	return out;
}

static void assert_has(const char *text, const char *part)
{
	cr_assert(strstr(text, part) != NULL, "'%s' is missing in:\n%s", part, text);
}

static struct pprof_builder *new_builder(void)
{
	struct pprof_builder *b;

	cr_assert(zero(int, pprof_builder_new(&b)));
	cr_assert(zero(int, pprof_builder_sample_type(b, "samples", "count")));
	cr_assert(zero(int, pprof_builder_sample_type(b, "cpu", "nanoseconds")));
	return b;
}

static struct pprof *finish(struct pprof_builder *b)
{
	struct pprof *p = pprof_builder_finish(b);

	pprof_builder_free(b);
	return p;
}

Test(pprof, builder_makes_equal_things_one)
{
	struct pprof *p = fixture_shop();

	cr_assert(eq(sz, p->n_samples, 8));
	cr_assert(eq(sz, p->n_mappings, 4));
	/* main@shop, pay, validate…, read, sys_read, sign_request, price_cart, [truncated], memcpy,
	 * main@cat, [cat+…], do_idle */
	cr_assert(eq(sz, p->n_locations, 12));
	cr_assert(eq(sz, p->n_functions, 11)); /* main is one function */
	cr_assert(eq(ptr, (void *)p->samples[0].labels, (void *)p->samples[1].labels));
	cr_assert(eq(sz, p->default_value, 1));
	pprof_free(p);
}

Test(pprof, builder_copies_what_it_is_given)
{
	struct pprof_builder *b = new_builder();
	char name[] = "function", key[] = "span_id", id[] = "00f067aa0ba902b7";
	struct pprof_function f = { .name = name, .system_name = name, .filename = NULL };
	struct pprof_line line = { .line = 7 };
	struct pprof_location loc = { .address = 1, .lines = &line, .n_lines = 1 };
	const struct pprof_location *own;
	struct pprof_label label = { .key = key, .str = id };
	int64_t values[] = { 3, 30 };
	struct pprof_sample s = { &own, 1, values, &label, 1 };
	struct pprof *p;

	cr_assert(zero(int, pprof_builder_function(b, &f, &line.function)));
	cr_assert(zero(int, pprof_builder_location(b, &loc, &own)));
	cr_assert(zero(int, pprof_builder_sample(b, &s)));
	memset(name, 'x', strlen(name));
	memset(key, 'x', strlen(key));
	memset(id, 'x', strlen(id));
	values[0] = line.line = 0;
	p = finish(b);

	cr_assert(eq(str, (char *)p->samples[0].locations[0]->lines[0].function->name, "function"));
	cr_assert(eq(str, (char *)p->functions[0]->filename, ""));
	cr_assert(eq(i64, p->locations[0]->lines[0].line, 7));
	cr_assert(eq(i64, p->samples[0].values[0], 3));
	cr_assert(eq(str, (char *)pprof_sample_label(&p->samples[0], "span_id")->str,
		     "00f067aa0ba902b7"));
	cr_assert(eq(ptr, (void *)pprof_sample_label(&p->samples[0], "trace_id"), NULL));
	pprof_free(p);
}

Test(pprof, mapping_gets_the_flags_of_all_its_adders)
{
	struct pprof_builder *b = new_builder();
	struct pprof_mapping m = { .start = 1, .limit = 2, .filename = "a", .build_id = "0f" };
	const struct pprof_mapping *one, *two;

	m.has_functions = true;
	cr_assert(zero(int, pprof_builder_mapping(b, &m, &one)));
	m.has_functions = false;
	m.has_line_numbers = true;
	cr_assert(zero(int, pprof_builder_mapping(b, &m, &two)));
	cr_assert(eq(ptr, (void *)one, (void *)two));
	cr_assert(one->has_functions && one->has_line_numbers && !one->has_filenames);
	pprof_builder_free(b);
}

Test(pprof, files_of_one_name_are_told_apart)
{
	struct pprof_builder *b = new_builder();
	struct pprof_mapping m = { .filename = "a", .htlhash = "0f" };
	const struct pprof_mapping *one, *two, *three;

	cr_assert(zero(int, pprof_builder_mapping(b, &m, &one)));
	m.htlhash = "10";
	cr_assert(zero(int, pprof_builder_mapping(b, &m, &two)));
	m.htlhash = "0f";
	cr_assert(zero(int, pprof_builder_mapping(b, &m, &three)));
	cr_assert(ne(ptr, (void *)one, (void *)two));
	cr_assert(eq(ptr, (void *)one, (void *)three));
	pprof_builder_free(b);
}

Test(pprof, samples_that_differ_in_span_only_stay_two)
{
	struct fixture fx = fixture_new(100);
	struct fixture_sample s = { "main;f", 1, .span = SPAN_CART };
	struct pprof *p;

	fixture_add(&fx, &s);
	s.span = SPAN_PAYMENT;
	fixture_add(&fx, &s);
	s.count = 4;
	fixture_add(&fx, &s);
	p = fixture_finish(&fx);
	cr_assert(eq(sz, p->n_samples, 3));

	cr_assert(zero(int, pprof_merge_samples(p)));
	cr_assert(eq(sz, p->n_samples, 2));
	cr_assert(eq(i64, p->samples[0].values[0], 1));
	cr_assert(eq(i64, p->samples[1].values[0], 5));
	cr_assert(eq(i64, p->samples[1].values[1], 50000000));
	pprof_free(p);
}

Test(pprof, go_reads_every_field)
{
	struct pprof_builder *b = new_builder();
	struct pprof_mapping m = { .start = 0x400000,
				   .limit = 0x500000,
				   .offset = 0x1000,
				   .filename = "/bin/x",
				   .build_id = "abcdef0123",
				   .htlhash = "0123",
				   .has_functions = true,
				   .has_inline_frames = true };
	struct pprof_function inner = { "inner", "_Z5innerv", "in.c", 10 };
	struct pprof_function outer = { "outer", "outer", "out.c", 20 };
	struct pprof_line lines[2] = { { .line = 11 }, { .line = 22 } };
	struct pprof_location loc = { .address = 0x400123, .lines = lines, .n_lines = 2 };
	const struct pprof_location *own;
	struct pprof_label labels[] = {
		{ .key = "span_id", .str = "00f067aa0ba902b7" },
		{ .key = "pid", .num = 4711 },
		{ .key = "size", .num = -5, .num_unit = "bytes" },
		{ .key = "thread.name", .str = "" },
	};
	int64_t values[] = { 2, INT64_MAX };
	struct pprof_sample s = { &own, 1, values, labels, 4 };
	struct pprof *p;
	char *raw;

	cr_assert(zero(int, pprof_builder_period(b, "cpu", "nanoseconds", 10101010)));
	cr_assert(zero(int, pprof_builder_time(b, 1700000000123456789, 2500000000)));
	cr_assert(zero(int, pprof_builder_comment(b, "made by a test")));
	cr_assert(zero(int, pprof_builder_mapping(b, &m, &loc.mapping)));
	cr_assert(zero(int, pprof_builder_function(b, &inner, &lines[0].function)));
	cr_assert(zero(int, pprof_builder_function(b, &outer, &lines[1].function)));
	cr_assert(zero(int, pprof_builder_location(b, &loc, &own)));
	cr_assert(zero(int, pprof_builder_sample(b, &s)));
	p = finish(b);
	raw = go_pprof(p, "-raw");

	assert_has(raw, "made by a test\n");
	assert_has(raw, "PeriodType: cpu nanoseconds\nPeriod: 10101010\n");
	assert_has(raw, "Duration: 2.5s\n");
	assert_has(raw, "samples/count cpu/nanoseconds\n");
	assert_has(raw, "          2 9223372036854775807: 1 \n");
	assert_has(raw, " span_id:[00f067aa0ba902b7]\n");
	assert_has(raw, " pid:[4711] size:[-5 bytes]\n");
	assert_has(raw, " 1: 0x400123 M=1 inner in.c:11:0 s=10(_Z5innerv)\n");
	assert_has(raw, " outer out.c:22:0 s=20\n");
	assert_has(raw, "1: 0x400000/0x500000/0x1000 /bin/x abcdef0123 [FN][IN]\n");
	free(raw);
	pprof_free(p);
}

Test(pprof, empty_label_does_not_become_the_number_0)
{
	struct fixture fx = fixture_new(100);
	struct fixture_sample s = { "main", 1, .service = "x", .thread = "" };
	struct pprof *p, *again;
	uint8_t *buf;
	size_t len;

	fixture_add(&fx, &s);
	p = fixture_finish(&fx);
	cr_assert(zero(int, pprof_encode(p, true, &buf, &len)));
	cr_assert(zero(int, pprof_decode(buf, len, &again)));
	cr_assert(eq(sz, again->samples[0].n_labels, 1));
	cr_assert(eq(str, (char *)again->samples[0].labels[0].str, "x"));
	free(buf);
	pprof_free(p);
	pprof_free(again);
}

Test(pprof, go_sums_functions_and_tags_as_the_fixture_says)
{
	struct pprof *p = fixture_shop();
	char *top = go_pprof(p, "-top -nodecount=100 -unit=ms");
	char *tags = go_pprof(p, "-tags -unit=ms");

	assert_has(top, "Type: cpu\n");
	assert_has(top, "of 1000ms total");
	assert_has(top, "     300ms 30.00% 30.00%      350ms 35.00%  validate_third_party\n");
	assert_has(top, "     150ms 15.00% 70.00%      150ms 15.00%  sign_request\n");
	assert_has(tags, "500ms (50.00%): 00f067aa0ba902b7\n");
	assert_has(tags, "200ms (20.00%): b7ad6b7169203331\n");
	assert_has(tags, "250ms (25.00%): cart\n");
	free(top);
	free(tags);
	pprof_free(p);
}

Test(pprof, go_focuses_on_a_span)
{
	struct pprof *p = fixture_shop();
	char *top = go_pprof(p, "-top -unit=ms -tagfocus=span_id=" SPAN_CART);

	assert_has(top, "Showing nodes accounting for 200ms, 20.00% of 1000ms total");
	assert_has(top, "price_cart");
	cr_assert(eq(ptr, strstr(top, "sign_request"), NULL));
	free(top);
	pprof_free(p);
}

Test(pprof, what_we_wrote_comes_back_byte_for_byte)
{
	struct pprof *p = fixture_shop(), *again;
	uint8_t *first, *second, *gz;
	size_t n_first, n_second, n_gz;

	p->default_value = 0;
	cr_assert(zero(int, pprof_encode(p, false, &first, &n_first)));
	cr_assert(zero(int, pprof_encode(p, true, &gz, &n_gz)));
	cr_assert(lt(sz, n_gz, n_first));
	cr_assert(zero(int, pprof_decode(gz, n_gz, &again)));
	cr_assert(zero(sz, again->default_value));
	cr_assert(zero(int, pprof_encode(again, false, &second, &n_second)));
	cr_assert(eq(sz, n_first, n_second));
	cr_assert(zero(int, memcmp(first, second, n_first)));
	pprof_free(p);
	pprof_free(again);
	free(first);
	free(second);
	free(gz);
}

Test(pprof, subset_of_a_profile_can_be_encoded)
{
	struct pprof *p = fixture_shop(), *again;
	struct pprof some = *p;
	uint8_t *buf;
	size_t len;

	some.samples += 2;
	some.n_samples = 1;
	some.n_locations = some.n_functions = some.n_mappings = 0;
	cr_assert(zero(int, pprof_encode(&some, true, &buf, &len)));
	cr_assert(zero(int, pprof_decode(buf, len, &again)));
	cr_assert(eq(sz, again->n_samples, 1));
	cr_assert(eq(sz, again->n_locations, 3));
	cr_assert(eq(sz, again->n_mappings, 1));
	free(buf);
	pprof_free(p);
	pprof_free(again);
}

/* The listing that go tool pprof makes must not change when we read the file and write it again. */
static void assert_survives(const char *dir, const char *name)
{
	char path[96], copy[96];
	struct pprof *p;
	char *before, *after;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	snprintf(copy, sizeof(copy), "%s/copy.pb.gz", dir);
	p = read_profile(path);
	cr_assert(gt(sz, p->n_samples, 0));
	write_profile(copy, p, true);
	before = command_output(RAW, path);
	after = command_output(RAW, copy);
	cr_assert(eq(str, before, after));
	free(before);
	free(after);
	pprof_free(p);
}

Test(pprof, profiles_of_go_survive)
{
	char *dir = command_make_folder();

	free(command_output("build/sink/goprofile %s/cpu %s/heap", dir, dir));
	free(command_output(GO_PPROF " -proto -output=%s/rewritten %s/cpu 2>&1", dir, dir));
	free(command_output("zcat %s/cpu >%s/plain", dir, dir));
	/* Two members, as of a file that was appended to. */
	free(command_output("(head -c 100 %s/plain | gzip; tail -c +101 %s/plain | gzip) >%s/two",
			    dir, dir, dir));
	assert_survives(dir, "cpu");
	assert_survives(dir, "heap");
	assert_survives(dir, "rewritten");
	assert_survives(dir, "plain");
	assert_survives(dir, "two");
	command_remove_folder(dir);
}

Test(pprof, go_profile_has_the_span_it_was_run_with)
{
	char *dir = command_make_folder(), path[64];
	int64_t in_span = 0, total = 0;
	struct pprof *p;

	free(command_output("build/sink/goprofile %s/cpu %s/heap", dir, dir));
	snprintf(path, sizeof(path), "%s/cpu", dir);
	p = read_profile(path);
	cr_assert(eq(str, (char *)p->sample_types[1].type, "cpu"));
	cr_assert(eq(str, (char *)p->sample_types[1].unit, "nanoseconds"));
	cr_assert(eq(i64, p->period, 10000000));
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct pprof_label *l = pprof_sample_label(&p->samples[i], "span_id");

		total += p->samples[i].values[1];
		if (l && strcmp(l->str, "00f067aa0ba902b7") == 0)
			in_span += p->samples[i].values[1];
	}
	/* Half of the half second of spinning; the machine may be busy. */
	cr_assert(gt(i64, in_span, total / 4));
	cr_assert(lt(i64, in_span, total * 3 / 4));
	pprof_free(p);
	command_remove_folder(dir);
}

Test(pprof, strings_on_the_wire_are_utf8)
{
	struct pprof_value_type bad = { "n\xff\xc3x", "u" };
	struct pprof p = { .sample_types = &bad, .n_sample_types = 1 };
	struct pprof *back;
	uint8_t *buf;
	size_t len;

	cr_assert(zero(int, pprof_encode(&p, true, &buf, &len)));
	cr_assert(zero(int, pprof_decode(buf, len, &back)));
	cr_expect(eq(str, (char *)back->sample_types[0].type, "n??x"));
	pprof_free(back);
	free(buf);
}
