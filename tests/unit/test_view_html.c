/* SPDX-License-Identifier: Apache-2.0 */
/* What the page would show is counted by the page's own model.js, under node. */
#include "view/html.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <strings.h>

#include "command.h"
#include "leak_check.h"
#include "profile_fixture.h"

TestSuite(view_html, .fini = leak_check, .timeout = 60);

static char *render(const struct pprof *p, const struct view_select *sel, const char *title)
{
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	cr_assert(zero(int, view_html(p, sel, title, out)));
	fclose(out);
	return text;
}

/* Facts of view_html.js, one a line; @p is freed. */
static char *facts_of(struct pprof *p, const struct view_select *sel, const char *link)
{
	char *html = render(p, sel, "a title"), *dir = command_make_folder(), path[80], *facts;

	snprintf(path, sizeof(path), "%s/p.html", dir);
	command_write_file(path, html, strlen(html));
	facts = command_output("node tests/unit/view_html.js %s '%s'", path, link);
	command_remove_folder(dir);
	free(html);
	pprof_free(p);
	return facts;
}

/* "name json" must be one of the lines. */
static void assert_fact(const char *facts, const char *want)
{
	const char *at = strstr(facts, want);

	cr_expect(at && (at == facts || at[-1] == '\n') && at[strlen(want)] == '\n',
		  "no line '%s' in\n%s", want, facts);
}

Test(view_html, sums_of_all)
{
	struct view_select sel = { 0 };
	char *facts = facts_of(fixture_shop(), &sel, "");

	assert_fact(facts, "title \"a title\"");
	assert_fact(facts, "total 1000");
	assert_fact(facts, "count 100");
	assert_fact(facts, "truncated 10");
	assert_fact(facts, "spans {\"" SPAN_PAYMENT "\":500,\"" SPAN_CART "\":200,\"" SPAN_OTHER
			   "\":50,\"none\":250}");
	assert_fact(facts, "traces {\"" SHOP_TRACE "\":700,\"" SHOP_OTHER "\":50,\"none\":250}");
	assert_fact(facts, "services {\"payment\":500,\"cart\":250,\"none\":250}");
	assert_fact(facts, "processes {\"shop\":850,\"cat\":100,\"swapper\":50}");
	assert_fact(facts, "kinds {\"program\":700,\"library\":100,\"kernel\":100,"
			   "\"unresolved\":100}");
	assert_fact(facts, "boxes [\"shop 850\",\"cat 100\",\"swapper 50\"]");
	assert_fact(facts, "first_by_total \"main 0 750\"");
	free(facts);
}

/* The same as in the table, which go tool pprof has confirmed. */
Test(view_html, a_link_opens_exactly_one_span)
{
	struct view_select sel = { 0 };
	char *facts = facts_of(fixture_shop(), &sel, "#span=00F067AA0BA902B7");

	assert_fact(facts, "total 500");
	assert_fact(facts, "count 50");
	assert_fact(facts, "self [\"validate_third_party 300 350\",\"sign_request 150 150\","
			   "\"sys_read 50 50\",\"main 0 500\",\"pay 0 500\",\"read 0 50\"]");
	assert_fact(facts, "nodes [\"shop;main;pay;sign_request 150\","
			   "\"shop;main;pay;validate_third_party 300\","
			   "\"shop;main;pay;validate_third_party;read;sys_read 50\"]");
	assert_fact(facts, "hash \"span=" SPAN_PAYMENT "&trace=" SHOP_TRACE "\"");
	free(facts);
}

Test(view_html, links_by_other_labels)
{
	struct view_select sel = { 0 };
	char *facts = facts_of(fixture_shop(), &sel, "#tid=102&trace=" SHOP_TRACE);

	assert_fact(facts, "total 200");
	assert_fact(facts, "self [\"price_cart 200 200\",\"main 0 200\"]");
	free(facts);
	facts = facts_of(fixture_shop(), &sel, "#span=none&pid=200");
	assert_fact(facts, "total 100");
	free(facts);
	facts = facts_of(fixture_shop(), &sel, "#span=ffffffffffffffff&%E0=%E0&__proto__=1");
	assert_fact(facts, "missing [\"span\"]");
	assert_fact(facts, "total 1000");
	free(facts);
}

Test(view_html, search_counts_nested_matches_once)
{
	struct view_select sel = { 0 };
	char *facts = facts_of(fixture_shop(), &sel, "#q=^price_|LIBC");

	assert_fact(facts, "matched 400");
	free(facts);
	facts = facts_of(fixture_shop(), &sel, "#q=[cat%2B");
	assert_fact(facts, "matched 100");
	free(facts);
}

/* Who gets the file of one span does not get the names of the others. */
Test(view_html, selection_leaves_nothing_of_the_rest)
{
	struct view_select sel = { .span_id = SPAN_CART };
	struct pprof *p = fixture_shop();
	char *html = render(p, &sel, "cart"), *facts;

	cr_expect(strstr(html, "price_cart") != NULL);
	cr_expect(strstr(html, "sign_request") == NULL);
	cr_expect(strstr(html, SPAN_PAYMENT) == NULL);
	free(html);
	facts = facts_of(p, &sel, "");
	assert_fact(facts, "spans {\"" SPAN_CART "\":200}");
	free(facts);
}

Test(view_html, empty_profile)
{
	struct view_select sel = { 0 };
	struct fixture fx = fixture_new(100);
	char *facts = facts_of(fixture_finish(&fx), &sel, "");

	assert_fact(facts, "total 0");
	assert_fact(facts, "nodes []");
	free(facts);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (; *text; text++)
		n += strncasecmp(text, what, strlen(what)) == 0;
	return n;
}

static const char *const hostile[] = {
	"</script><script>alert(1)</script>",
	"<!--<script>",
	"-->",
	"]]>",
	"\"});alert(1);//",
	"'\"`\\",
	"\\u003c/script\\u003e",
	"&lt;img src=x onerror=alert(1)&gt;",
	"a\xe2\x80\xa8"
	"b\xe2\x80\xa9"
	"c",
	"x\x01\x02\x1b[31m\x7f",
	"bad\xff\xc0\xaf\xed\xa0\x80",
	"__proto__",
	"constructor",
	"{{data}}",
	"\xf0\x9f\x94\xa5",
};

#define N_HOSTILE (sizeof(hostile) / sizeof(hostile[0]))

/* The name as that of a source file and of the linker, of inlined code. */
static const struct pprof_location *hostile_location(struct fixture *fx, const char *name)
{
	struct pprof_function f = { name, name, name, -1 };
	struct pprof_line lines[] = { { .line = 1 }, { .line = INT64_MAX } };
	struct pprof_location l = { .lines = lines, .n_lines = 2 };
	const struct pprof_location *ret;

	fixture_check(pprof_builder_function(fx->builder, &f, &lines[0].function));
	lines[1].function = lines[0].function;
	fixture_check(pprof_builder_location(fx->builder, &l, &ret));
	return ret;
}

/* Each name as function, module, source file, label and title. */
static struct pprof *hostile_profile(bool harmless)
{
	struct fixture fx = fixture_new(100);

	for (size_t i = 0; i < N_HOSTILE; i++) {
		const char *name = harmless ? "x" : hostile[i];
		struct fixture_sample s = { .span = name,
					    .trace = name,
					    .service = name,
					    .process = name,
					    .thread = name };
		const struct pprof_location *stack[] = { fixture_location(&fx, name, name),
							 hostile_location(&fx, name) };
		struct pprof_label labels[FIXTURE_LABELS_MAX];
		int64_t values[] = { 1, 10000000 };
		struct pprof_sample sample = { .locations = stack,
					       .n_locations = 2,
					       .values = values,
					       .labels = labels,
					       .n_labels = fixture_labels(&s, labels) };

		fixture_check(pprof_builder_sample(fx.builder, &sample));
	}
	return fixture_finish(&fx);
}

/* Elements begin and end as often as in a page of harmless names. */
Test(view_html, hostile_names_do_not_break_out)
{
	static const char *const marks[] = {
		"<script", "</script", "<!--", "-->", "<img", "<", ">"
	};
	struct view_select sel = { .by_line = true };
	struct pprof *good = hostile_profile(true), *bad = hostile_profile(false);

	for (size_t i = 0; i < N_HOSTILE; i++) {
		char *want = render(good, &sel, "x"), *have = render(bad, &sel, hostile[i]);
		size_t controls = 0;

		for (size_t k = 0; k < sizeof(marks) / sizeof(marks[0]); k++)
			cr_expect(eq(sz, count(have, marks[k]), count(want, marks[k])), "%s by %s",
				  marks[k], hostile[i]);
		for (const char *c = have; *c; c++)
			controls += (unsigned char)*c < ' ' && *c != '\n' && *c != '\t';
		cr_expect(zero(sz, controls));
		cr_expect(strstr(have, "\xe2\x80\xa8") == NULL);
		free(want);
		free(have);
	}
	pprof_free(good);
	pprof_free(bad);
}

Test(view_html, long_names, .timeout = 20)
{
	static char name[1 << 20];
	struct view_select sel = { .by_line = true };
	struct fixture fx = fixture_new(100);
	const struct pprof_location *stack[1];
	int64_t values[] = { 1, 10000000 };
	struct pprof_sample sample = { stack, 1, values, NULL, 0 };
	struct pprof *p;
	char *html;

	memset(name, '<', sizeof(name) - 1);
	stack[0] = hostile_location(&fx, name);
	fixture_check(pprof_builder_sample(fx.builder, &sample));
	p = fixture_finish(&fx);
	html = render(p, &sel, name);
	cr_expect(lt(sz, strlen(html), 24 << 20));
	cr_expect(strstr(html, "<<") == NULL);
	free(html);
	pprof_free(p);
}

Test(view_html, hostile_names_are_shown_as_they_are)
{
	struct view_select sel = { 0 };
	char *facts = facts_of(hostile_profile(false), &sel, "");

	assert_fact(facts, "count 15");
	cr_expect(strstr(facts, "</script><script>alert(1)</script>") != NULL);
	cr_expect(strstr(facts, "bad\uFFFD\uFFFD\uFFFD") != NULL);
	cr_expect(strstr(facts, "x\uFFFD\uFFFD\uFFFD[31m\uFFFD") != NULL);
	cr_expect(strstr(facts, "\"a b c\"") != NULL);
	cr_expect(strstr(facts, "\xf0\x9f\x94\xa5") != NULL);
	cr_expect(strstr(facts, "{{data}}") != NULL);
	cr_expect(strstr(facts, "\"__proto__\"") != NULL);
	free(facts);
}

/* All the page may do is run its own scripts: nothing is loaded. */
Test(view_html, no_network)
{
	static const char *const loads[] = { "http:",	  "https:",    "src=",	 "href=",
					     "url(",	  "@import",   "fetch(", "XMLHttpRequest",
					     "WebSocket", "sendBeacon" };
	struct view_select sel = { 0 };
	struct pprof *p = fixture_shop();
	char *html = render(p, &sel, "x"), *again = render(p, &sel, "x"), *nonce;

	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
		cr_expect(strstr(html, loads[i]) == NULL, "%s", loads[i]);
	cr_expect(strstr(html, "default-src 'none'; script-src 'nonce-") != NULL);
	cr_expect(eq(sz, count(html, "<script"), count(html, "<script nonce=") + 1));

	/* Another one in each file, or whoever saw one could write scripts that run. */
	nonce = strndup(strstr(html, "'nonce-"), 40);
	cr_expect(strstr(again, nonce) == NULL);
	free(nonce);
	free(html);
	free(again);
	pprof_free(p);
}

Test(view_html, failing_output_is_an_error)
{
	struct view_select sel = { 0 };
	struct pprof *p = fixture_shop();
	FILE *out = fopen("/dev/full", "w");

	cr_assert(out != NULL);
	cr_expect(eq(int, view_html(p, &sel, "x", out), -EIO));
	fclose(out);
	pprof_free(p);
}
