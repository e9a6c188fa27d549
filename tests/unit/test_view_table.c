/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of a profile of known split; sums are also compared with what go tool pprof says. */
#include "view/table.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "command.h"
#include "leak_check.h"
#include "profile_fixture.h"
#include "view/text.h"

TestSuite(view_table, .fini = leak_check);

static char *render(const struct pprof *p, const struct view_table_options *opt)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	cr_assert(zero(int, view_table(p, opt, out)));
	fclose(out);
	return text;
}

static char *render_shop(const struct view_table_options *opt)
{
	struct pprof *p = fixture_shop();
	char *text = render(p, opt);

	pprof_free(p);
	return text;
}

/* The line with @what, with each run of spaces made one; the caller frees. */
static char *line_with(const char *text, const char *what)
{
	const char *at = strstr(text, what), *end;
	char *line, *to;

	cr_assert(at != NULL, "no '%s' in\n%s", what, text);
	while (at > text && at[-1] != '\n')
		at--;
	end = strchrnul(at, '\n');
	line = to = calloc(1, (size_t)(end - at) + 1);
	for (; at < end; at++)
		if (*at != ' ' || (to > line && to[-1] != ' '))
			*to++ = *at;
	return line;
}

static void assert_line(const char *text, const char *what, const char *want)
{
	char *line = line_with(text, what);

	cr_expect(eq(str, line, (char *)want));
	free(line);
}

static void assert_before(const char *text, const char *first, const char *second)
{
	const char *a = strstr(text, first), *b = strstr(text, second);

	cr_assert(a && b, "'%s' or '%s' is missing in\n%s", first, second, text);
	cr_expect(a < b, "'%s' is not before '%s' in\n%s", first, second, text);
}

Test(view_table, names_of_rows)
{
	enum view_by by = VIEW_BY_FUNCTION;

	cr_expect(zero(int, view_by_parse("service", &by)));
	cr_expect(eq(int, by, VIEW_BY_SERVICE));
	cr_expect(eq(int, view_by_parse("spans", &by), -EINVAL));
	cr_expect(eq(int, view_by_parse("", &by), -EINVAL));
	cr_expect(eq(int, by, VIEW_BY_SERVICE));
}

Test(view_table, first_lines_say_what_it_is_of)
{
	struct view_table_options opt = { .by = VIEW_BY_SPAN };
	char *text = render_shop(&opt);

	assert_line(text, "CPU time",
		    "CPU time 1.00 s, 100 samples over 10.0 s at 100 Hz, 2023-11-14 22:13:20 UTC");
	assert_line(text, "3 spans",
		    "3 spans, with 75.0% of the CPU time; 25.0% is outside of spans");
	assert_line(text, "10.0% of the samples",
		    "10.0% of the samples are [truncated]: their outermost callers are missing");
	free(text);
}

Test(view_table, spans_with_their_functions)
{
	struct view_table_options opt = { .by = VIEW_BY_SPAN, .max_functions = 2 };
	char *text = render_shop(&opt);

	assert_line(text, SPAN_PAYMENT,
		    SPAN_PAYMENT " " SHOP_TRACE " payment shop 500.0 ms 50 50.0%");
	assert_line(text, "validate_third_party",
		    "60.0% self 70.0% total validate_third_party [shop]");
	assert_line(text, "sign_request", "30.0% self 30.0% total sign_request [shop]");
	assert_line(text, SPAN_CART, SPAN_CART " " SHOP_TRACE " cart shop 200.0 ms 20 20.0%");
	assert_line(text, "price_cart", "100.0% self 100.0% total price_cart [shop]");
	assert_line(text, "(no span)", "(no span) (several) 250.0 ms 25 25.0%");
	assert_before(text, SPAN_PAYMENT, SPAN_CART);
	assert_before(text, SPAN_CART, SPAN_OTHER);
	assert_before(text, SPAN_OTHER, "(no span)");
	cr_expect(strstr(text, "sys_read") == NULL);
	free(text);
}

/* Of five: at most three by their own time, then the callers of what was hot. */
Test(view_table, callers_near_to_hot_functions_are_listed)
{
	static const struct fixture_sample samples[] = {
		{ "start;worker;payment;validate;verify;modexp", 60, .span = SPAN_CART },
		{ "start;worker;payment;sign;hmac", 20, .span = SPAN_CART },
		{ "start;worker;payment;sign;lock", 11, .span = SPAN_CART },
		{ "start;worker;payment;sign;free", 9, .span = SPAN_CART },
	};
	struct view_table_options opt = { .by = VIEW_BY_SPAN, .max_functions = 5 };
	struct fixture fx = fixture_new(100);
	struct pprof *p;
	char *text;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		fixture_add(&fx, &samples[i]);
	p = fixture_finish(&fx);
	text = render(p, &opt);
	assert_line(text, "verify", "0.0% self 60.0% total verify");
	assert_line(text, "sign", "0.0% self 40.0% total sign");
	assert_before(text, "hmac", "lock");
	assert_before(text, "lock", "verify");
	assert_before(text, "verify", "sign");
	cr_expect(strstr(text, "free") == NULL);
	cr_expect(strstr(text, "start") == NULL);
	free(text);
	pprof_free(p);
}

Test(view_table, rows_that_are_left_out_are_summed)
{
	struct view_table_options opt = { .by = VIEW_BY_SPAN, .max_rows = 1 };
	char *text = render_shop(&opt);

	cr_expect(strstr(text, SPAN_CART) == NULL);
	assert_line(text, "more", "… 2 more spans with 250.0 ms (25.0%)");
	assert_before(text, "more spans", "(no span)");
	free(text);
}

Test(view_table, recursion_counts_once_a_stack)
{
	struct view_table_options opt = { .by = VIEW_BY_FUNCTION };
	char *text = render_shop(&opt);

	assert_line(text, "price_cart", "250.0 ms 25.0% 250.0 ms 25.0% price_cart [shop]");
	assert_line(text, "main [shop]", "0 s 0.0% 750.0 ms 75.0% main [shop]");
	assert_line(text, "main [cat]", "0 s 0.0% 100.0 ms 10.0% main [cat]");
	assert_line(text, "cat+0x1234", "100.0 ms 10.0% 100.0 ms 10.0% [cat+0x1234]");
	assert_line(text, "do_idle", "50.00 ms 5.0% 50.00 ms 5.0% do_idle [kernel.kallsyms]");
	free(text);
}

Test(view_table, other_rows)
{
	struct view_table_options opt = { .by = VIEW_BY_TRACE };
	char *text = render_shop(&opt);

	assert_line(text, SHOP_TRACE, SHOP_TRACE " cart, … shop 700.0 ms 70 70.0%");
	free(text);
	opt.by = VIEW_BY_PROCESS;
	text = render_shop(&opt);
	assert_line(text, "shop", "shop 100 cart, … 850.0 ms 85 85.0%");
	free(text);
	opt.by = VIEW_BY_THREAD;
	text = render_shop(&opt);
	assert_line(text, " 102 ", "worker 102 shop 100 250.0 ms 25 25.0%");
	assert_line(text, "(no thread)", "(no thread) swapper 50.00 ms 5 5.0%");
	free(text);
	opt.by = VIEW_BY_SERVICE;
	text = render_shop(&opt);
	assert_line(text, "payment", "payment 500.0 ms 50 50.0%");
	free(text);
}

/* Percents are of what is selected. */
Test(view_table, selection)
{
	struct view_table_options opt = { .by = VIEW_BY_FUNCTION,
					  .select.span_id = "00F067AA0BA902B7" };
	char *text = render_shop(&opt);

	assert_line(text, "Only", "Only span 00F067AA0BA902B7, 50.0% of 1.00 s");
	assert_line(text, "validate_third_party",
		    "300.0 ms 60.0% 350.0 ms 70.0% validate_third_party [shop]");
	cr_expect(strstr(text, "price_cart") == NULL);
	free(text);

	opt.select = (struct view_select){ .trace_id = SHOP_TRACE, .pid = 100 };
	text = render_shop(&opt);
	assert_line(text, "Only", "Only trace " SHOP_TRACE ", process 100, 70.0% of 1.00 s");
	free(text);
	opt.select = (struct view_select){ .label = "thread.name=cat" };
	text = render_shop(&opt);
	assert_line(text, "Only", "Only label thread.name=cat, 10.0% of 1.00 s");
	free(text);
	for (int i = 0; i < 4; i++) {
		static const char *const none[] = { "thread.name=ca", "thread.nam=cat",
						    "thread.name", "pid=200" };

		opt.select = (struct view_select){ .label = none[i] };
		text = render_shop(&opt);
		cr_expect(strstr(text, "CPU time 0 s") != NULL, "%s", none[i]);
		free(text);
	}
	opt.select = (struct view_select){ .pid = 999 };
	text = render_shop(&opt);
	assert_line(text, "CPU time 0 s",
		    "CPU time 0 s, 0 samples over 10.0 s at 100 Hz, "
		    "2023-11-14 22:13:20 UTC");
	free(text);
}

/* Flat and cumulative weights in ms of @function, from go tool pprof -top. */
static void pprof_top(const char *options, const char *function, double *ret_flat, double *ret_cum)
{
	struct pprof *p = fixture_shop();
	char *dir = command_make_folder(), path[80], *out, *line;
	uint8_t *bytes;
	size_t n;

	snprintf(path, sizeof(path), "%s/p.pb.gz", dir);
	cr_assert(zero(int, pprof_encode(p, true, &bytes, &n)));
	command_write_file(path, bytes, n);
	out = command_output("PPROF_TMPDIR=%s go tool pprof -top -unit=ms -nodefraction=0 %s %s "
			     "2>/dev/null",
			     dir, options, path);
	line = line_with(out, function);
	cr_assert(eq(int, sscanf(line, "%lfms %*s %*s %lfms", ret_flat, ret_cum), 2), "%s", line);
	free(line);
	free(out);
	free(bytes);
	command_remove_folder(dir);
	pprof_free(p);
}

static void assert_same_as_pprof(const char *span, const char *function)
{
	struct view_table_options opt = { .by = VIEW_BY_FUNCTION, .select.span_id = span };
	double flat, cum, self, total;
	char focus[64] = "", name[64], *text = render_shop(&opt), *line;

	if (span)
		snprintf(focus, sizeof(focus), "-tagfocus=span_id=%s", span);
	pprof_top(focus, function, &flat, &cum);
	snprintf(name, sizeof(name), "%s [shop]", function);
	line = line_with(text, name);
	cr_assert(eq(int, sscanf(line, "%lf %*s %*s %lf", &self, &total), 2), "%s", line);
	cr_expect(epsilon_eq(dbl, self, flat, 0.01), "%s", line);
	cr_expect(epsilon_eq(dbl, total, cum, 0.01), "%s", line);
	free(line);
	free(text);
}

Test(view_table, sums_are_those_of_go_tool_pprof, .timeout = 60)
{
	assert_same_as_pprof(NULL, "price_cart");
	assert_same_as_pprof(NULL, "validate_third_party");
	assert_same_as_pprof(SPAN_PAYMENT, "sign_request");
	assert_same_as_pprof(SPAN_CART, "price_cart");
}

/* 100 columns, whatever the names; no control character of a name. */
Test(view_table, hostile_names_stay_in_their_line)
{
	static const enum view_by all[] = { VIEW_BY_FUNCTION, VIEW_BY_SPAN,    VIEW_BY_TRACE,
					    VIEW_BY_PROCESS,  VIEW_BY_SERVICE, VIEW_BY_THREAD };
	char longest[3001];
	struct fixture_sample s = { .stack = longest,
				    .count = 1,
				    .span = SPAN_CART,
				    .trace = SHOP_TRACE,
				    .service = longest,
				    .process = "a\033[2Jb\nc\xff",
				    .thread = longest,
				    .pid = INT64_MAX,
				    .tid = INT64_MIN };
	struct fixture fx = fixture_new(100);
	struct pprof *p;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	fixture_add(&fx, &s);
	s.stack = "a\nb\033[31m\xe2\x80\xae";
	fixture_add(&fx, &s);
	s.span = s.trace = longest;
	s.count = INT64_MAX / fx.period;
	fixture_add(&fx, &s);
	p = fixture_finish(&fx);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct view_table_options opt = { .by = all[i], .max_functions = 5 };
		char *text = render(p, &opt), *rest = text, *line;

		cr_expect(strchr(text, '\033') == NULL);
		while ((line = strsep(&rest, "\n")))
			cr_expect(le(u32, text_width(line), 100), "%s", line);
		free(text);
	}
	pprof_free(p);
}

Test(view_table, ids_are_whole_beside_long_names)
{
	struct fixture_sample s = { .stack = "main",
				    .count = 1000000,
				    .span = SPAN_CART,
				    .trace = SHOP_TRACE,
				    .service = "a-service-with-quite-a-long-name",
				    .process = "a-process-with-quite-a-long-name" };
	struct view_table_options opt = { .by = VIEW_BY_SPAN };
	struct fixture fx = fixture_new(100);
	struct pprof *p;
	char *text;

	fixture_add(&fx, &s);
	p = fixture_finish(&fx);
	text = render(p, &opt);
	assert_line(text, SPAN_CART,
		    SPAN_CART " " SHOP_TRACE " a-servic… a-proces… 10000.0 s "
			      "1000000 100.0%");
	free(text);
	pprof_free(p);
}

/* A heap profile of Go's runtime has neither cpu nor samples. */
Test(view_table, foreign_types)
{
	struct pprof_builder *b;
	struct view_table_options opt = { .by = VIEW_BY_FUNCTION };
	struct fixture fx = { 0 };
	int64_t values[] = { 7, 3670016 };
	const struct pprof_location *stack[2];
	struct pprof_sample s = { .locations = stack, .values = values };
	struct pprof *p;
	char *text;

	cr_assert(zero(int, pprof_builder_new(&b)));
	cr_assert(zero(int, pprof_builder_sample_type(b, "inuse_objects", "count")));
	cr_assert(zero(int, pprof_builder_sample_type(b, "inuse_space", "bytes")));
	fx.builder = b;
	s.n_locations = fixture_stack(&fx, "main;alloc", stack);
	cr_assert(zero(int, pprof_builder_sample(b, &s)));
	p = fixture_finish(&fx);
	text = render(p, &opt);
	assert_line(text, "inuse_space", "inuse_space 3.50 MiB, 1 samples");
	assert_line(text, "alloc", "3.50 MiB 100.0% 3.50 MiB 100.0% alloc");
	free(text);
	pprof_free(p);
}

Test(view_table, failing_output_is_an_error)
{
	struct view_table_options opt = { .by = VIEW_BY_FUNCTION };
	struct pprof *p = fixture_shop();
	FILE *out = fopen("/dev/full", "w");

	cr_assert(out != NULL);
	cr_expect(eq(int, view_table(p, &opt, out), -EIO));
	fclose(out);
	pprof_free(p);
}
