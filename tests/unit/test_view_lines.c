/* SPDX-License-Identifier: Apache-2.0 */
/* Lines and inlined calls in every view; sums are also those that go tool pprof says. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "command.h"
#include "export/pprof_edit.h"
#include "leak_check.h"
#include "lines_fixture.h"
#include "view/html.h"
#include "view/table.h"

TestSuite(view_lines, .fini = leak_check, .timeout = 60);

static char *table_of(const struct pprof *p, enum view_by by)
{
	struct view_table_options opt = { .by = by };
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	cr_assert(zero(int, view_table(p, &opt, out)));
	fclose(out);
	return text;
}

static char *folded_of(const struct pprof *p, bool by_line)
{
	struct view_select sel = { .by_line = by_line };
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	cr_assert(zero(int, view_folded(p, &sel, out)));
	fclose(out);
	return text;
}

static void assert_has(const char *text, const char *want)
{
	cr_expect(strstr(text, want) != NULL, "no '%s' in\n%s", want, text);
}

Test(view_lines, table_by_line)
{
	struct pprof *p = lines_profile("/src/hot.c");
	char *text = table_of(p, VIEW_BY_LINE);

	assert_has(text, "LINE\n500.0 ms  50.0%  500.0 ms   50.0%  hot hot.c:3 [prog]\n"
			 "200.0 ms  20.0%  200.0 ms   20.0%  hot hot.c:4 [prog]\n"
			 "200.0 ms  20.0%  200.0 ms   20.0%  rec hot.c:30 [prog]\n"
			 "100.0 ms  10.0%  100.0 ms   10.0%  work hot.c:14 [prog]\n"
			 "     0 s   0.0%  700.0 ms   70.0%  main main.c:20 [prog]\n"
			 "     0 s   0.0%  600.0 ms   60.0%  work hot.c:12 [prog]\n"
			 "     0 s   0.0%  200.0 ms   20.0%  main main.c:23 [prog]\n"
			 "     0 s   0.0%  200.0 ms   20.0%  rec hot.c:31 [prog]\n"
			 "     0 s   0.0%  100.0 ms   10.0%  main main.c:22 [prog]\n");
	free(text);
	pprof_free(p);
}

Test(view_lines, inlined_functions_are_frames_of_their_own)
{
	struct pprof *p = lines_profile("/src/hot.c");
	char *text = table_of(p, VIEW_BY_FUNCTION);

	assert_has(text, "700.0 ms  70.0%  700.0 ms   70.0%  hot [prog]\n");
	assert_has(text, "100.0 ms  10.0%  700.0 ms   70.0%  work [prog]\n");
	free(text);
	text = folded_of(p, false);
	cr_expect(eq(str, text,
		     (char *)"main;hot 10\nmain;rec;rec;rec 20\nmain;work 10\nmain;work;hot 60\n"));
	free(text);
	pprof_free(p);
}

Test(view_lines, inlined_functions_become_part_of_others)
{
	struct pprof *p = lines_profile("/src/hot.c");
	char *text;

	pprof_fold_inlined(p);
	text = table_of(p, VIEW_BY_FUNCTION);
	assert_has(text, "700.0 ms  70.0%  700.0 ms   70.0%  work [prog]\n");
	assert_has(text, "100.0 ms  10.0%  100.0 ms   10.0%  hot [prog]\n");
	free(text);
	text = table_of(p, VIEW_BY_LINE);
	assert_has(text, "600.0 ms  60.0%  600.0 ms   60.0%  work hot.c:12 [prog]\n");
	free(text);
	text = folded_of(p, false);
	cr_expect(eq(str, text, (char *)"main;hot 10\nmain;rec;rec;rec 20\nmain;work 70\n"));
	free(text);
	pprof_free(p);
}

Test(view_lines, folded_by_line)
{
	struct pprof *p = lines_profile("/src/hot.c");
	char *text = folded_of(p, true);

	cr_expect(eq(str, text,
		     (char *)"main main.c:20;work hot.c:12;hot hot.c:3 40\n"
			     "main main.c:20;work hot.c:12;hot hot.c:4 20\n"
			     "main main.c:20;work hot.c:14 10\n"
			     "main main.c:22;hot hot.c:3 10\n"
			     "main main.c:23;rec hot.c:31;rec hot.c:31;rec hot.c:30 20\n"));
	free(text);
	pprof_free(p);
}

/* Lines of go tool pprof -top: flat, flat%, sum%, cum, cum%, name. */
static void assert_as_pprof(const char *options, const char *const *want)
{
	char *dir = command_make_folder(), path[80], *top;
	struct pprof *p = lines_profile("/src/hot.c");
	uint8_t *bytes;
	size_t n;

	cr_assert(zero(int, pprof_encode(p, true, &bytes, &n)));
	snprintf(path, sizeof(path), "%s/p.pb.gz", dir);
	command_write_file(path, bytes, n);
	top = command_output("PPROF_TMPDIR=%s go tool pprof -top -unit=ms %s %s 2>/dev/null", dir,
			     options, path);
	for (; *want; want++)
		assert_has(top, *want);
	free(top);
	free(bytes);
	pprof_free(p);
	command_remove_folder(dir);
}

Test(view_lines, sums_are_those_of_another_tool)
{
	assert_as_pprof("-lines",
			(const char *const[]){
				"500ms 50.00% 50.00%      500ms 50.00%  hot /src/hot.c:3",
				"0     0%   100%      600ms 60.00%  work /src/hot.c:12",
				"0     0%   100%      700ms 70.00%  main /src/main.c:20",
				"0     0%   100%      200ms 20.00%  rec /src/hot.c:31", NULL });
	assert_as_pprof("-noinlines", (const char *const[]){
					      "700ms 70.00% 70.00%      700ms 70.00%  work",
					      "100ms 10.00%   100%      100ms 10.00%  hot", NULL });
}

/* --- the page --------------------------------------------------------------------------------- */

static char *facts_of(bool by_line, const char *link)
{
	struct view_select sel = { .by_line = by_line };
	struct pprof *p = lines_profile("/src/hot.c");
	char *dir = command_make_folder(), path[80], *html = NULL, *facts;
	size_t n;
	FILE *out = open_memstream(&html, &n);

	cr_assert(zero(int, view_html(p, &sel, "x", out)));
	fclose(out);
	snprintf(path, sizeof(path), "%s/p.html", dir);
	command_write_file(path, html, n);
	facts = command_output("node tests/unit/view_html.js %s '%s'", path, link);
	command_remove_folder(dir);
	free(html);
	pprof_free(p);
	return facts;
}

Test(view_lines, boxes_of_the_page_are_functions)
{
	char *facts = facts_of(false, "");

	assert_has(facts,
		   "self [\"hot 700 700\",\"rec 200 200\",\"work 100 700\",\"main 0 1000\"]\n");
	assert_has(facts, "nodes [\"main;hot 100\",\"main;rec;rec;rec 200\",\"main;work 100\","
			  "\"main;work;hot 600\"]\n");
	free(facts);
}

/* What a tooltip says of a function: its lines, and that it was inlined there. */
Test(view_lines, the_page_knows_the_lines_of_a_box)
{
	char *facts = facts_of(false, "");

	assert_has(facts, "details {\"main\":\"20 700,23 200,22 100\","
			  "\"main;work\":\"12 600,14 100\","
			  "\"main;work;hot\":\"3 400,4 200 inlined 600\","
			  "\"main;hot\":\"3 100\",");
	free(facts);
}

Test(view_lines, boxes_of_the_page_are_lines)
{
	char *facts = facts_of(true, ""), *linked = facts_of(false, "#detail=line");

	assert_has(facts, "self [\"hot hot.c:3 500 500\",\"hot hot.c:4 200 200\","
			  "\"rec hot.c:30 200 200\",\"work hot.c:14 100 100\","
			  "\"main main.c:20 0 700\",\"work hot.c:12 0 600\",");
	cr_expect(eq(str, facts, linked));
	free(linked);
	linked = facts_of(true, "#detail=function");
	assert_has(linked, "self [\"hot 700 700\",");
	free(linked);
	free(facts);
}

/* A function is one, whichever files its lines are in, or whether they are known. */
Test(view_lines, functions_with_lines_in_several_files)
{
	struct view_select sel = { 0 };
	struct fixture fx = fixture_new(100);
	char *dir = command_make_folder(), path[80], *text, *facts;
	struct pprof *p;
	size_t n;
	FILE *out;

	lines_add(&fx, "f", 20);
	lines_add(&fx, "f|f.c:3", 50);
	lines_add(&fx, "f|f.h:7", 30);
	p = fixture_finish(&fx);
	text = table_of(p, VIEW_BY_FUNCTION);
	assert_has(text, "1.00 s  100.0%  1.00 s  100.0%  f [prog]\n");
	free(text);
	out = open_memstream(&text, &n);
	cr_assert(zero(int, view_html(p, &sel, "x", out)));
	fclose(out);
	snprintf(path, sizeof(path), "%s/p.html", dir);
	command_write_file(path, text, n);
	facts = command_output("node tests/unit/view_html.js %s", path);
	assert_has(facts, "self [\"f 1000 1000\"]\n");
	assert_has(facts, "details {\"f\":\"3 500,7 300,0 200\"}\n");
	command_remove_folder(dir);
	free(facts);
	free(text);
	pprof_free(p);
}

/* --- hostile ---------------------------------------------------------------------------------- */

static const char *const lines_out_of_range[] = { "-1", "0", "2147483648", "9223372036854775807" };

Test(view_lines, lines_that_no_file_has_are_not_known)
{
	for (size_t i = 0; i < sizeof(lines_out_of_range) / sizeof(lines_out_of_range[0]); i++) {
		struct fixture fx = fixture_new(100);
		char stack[64], *text;
		struct pprof *p;

		snprintf(stack, sizeof(stack), "f|a.c:%s", lines_out_of_range[i]);
		lines_add(&fx, stack, 1);
		p = fixture_finish(&fx);
		text = folded_of(p, true);
		cr_expect(eq(str, text, (char *)"f 1\n"));
		free(text);
		pprof_free(p);
	}
}
