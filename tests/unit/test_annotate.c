/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_annotate.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <sys/stat.h>
#include <utime.h>

#include "app/annotate_options.h"
#include "base/utf8.h"
#include "capture.h"
#include "command.h"
#include "leak_check.h"
#include "lines_fixture.h"
#include "outcome.h"

static char *folder;

static void write_profile(struct pprof *p, const char *name)
{
	uint8_t *bytes;
	size_t n;

	cr_assert(zero(int, pprof_encode(p, true, &bytes, &n)));
	command_write_file(name, bytes, n);
	free(bytes);
	pprof_free(p);
}

/* Of before the recording, 40 lines "line N". */
static void write_source(const char *path, int lines)
{
	struct utimbuf before = { 1600000000, 1600000000 };
	FILE *f = fopen(path, "w");

	cr_assert(f != NULL);
	for (int i = 1; i <= lines; i++)
		fprintf(f, "\tline %d\n", i);
	fclose(f);
	cr_assert(zero(int, utime(path, &before)));
}

static void set_up(void)
{
	char path[128];

	folder = command_make_folder();
	cr_assert(zero(int, chdir(folder)));
	write_source("hot.c", 40);
	snprintf(path, sizeof(path), "%s/hot.c", folder);
	write_profile(lines_profile(path), "p.pb.gz");
}

static void tear_down(void)
{
	cr_assert(zero(int, chdir("/")));
	command_remove_folder(folder);
	leak_check();
}

TestSuite(annotate, .init = set_up, .fini = tear_down, .timeout = 60);
/* .fini = leak_check is part of tear_down. */

#define RUN(...) outcome_of(cmd_annotate, "annotate", (const char *const[]){ __VA_ARGS__, NULL })

/* Succeeds with @want on standard output and @warning (NULL: nothing) beside it. */
static void assert_shows(struct outcome o, const char *want, const char *warning)
{
	cr_expect(zero(int, o.status));
	cr_expect(strstr(o.out, want) != NULL, "no '%s' in: %s", want, o.out);
	if (warning)
		cr_expect(strstr(o.err, warning) != NULL, "no '%s' in: %s", warning, o.err);
	else
		cr_expect(eq(str, o.err, ""));
	outcome_free(&o);
}

/* The same sums as in test_view_lines.c, which go tool pprof confirms. */
Test(annotate, source_with_shares)
{
	assert_shows(RUN("hot", "p.pb.gz", "-C", "1"),
		     "hot [prog]: self 700.0 ms (70.0%), total 700.0 ms (70.0%)\n", NULL);
	assert_shows(RUN("hot", "p.pb.gz", "-C", "1"),
		     "\n   SELF    TOTAL    LINE\n"
		     "                       2          line 2\n"
		     "  50.0%    50.0%       3          line 3\n"
		     "  20.0%    20.0%       4          line 4\n"
		     "                       5          line 5\n",
		     NULL);
	assert_shows(RUN("rec", "p.pb.gz", "-C", "0"),
		     "  20.0%    20.0%      30          line 30\n"
		     "           20.0%      31          line 31\n",
		     NULL);
}

Test(annotate, lines_without_samples_between_are_left_out)
{
	struct fixture fx = fixture_new(100);

	write_source("far.c", 20000);
	lines_add(&fx, "far|far.c:2", 50);
	lines_add(&fx, "far|far.c:6", 25);
	lines_add(&fx, "far|far.c:20000", 25);
	write_profile(fixture_finish(&fx), "far.pb.gz");
	assert_shows(RUN("far", "far.pb.gz", "-C", "2"),
		     "                       1          line 1\n"
		     "  50.0%    50.0%       2          line 2\n"
		     "                       3          line 3\n"
		     "                       4          line 4\n"
		     "                       5          line 5\n"
		     "  25.0%    25.0%       6          line 6\n"
		     "                       7          line 7\n"
		     "                       8          line 8\n"
		     "                       …\n"
		     "                   19998          line 19998\n"
		     "                   19999          line 19999\n"
		     "  25.0%    25.0%   20000          line 20000\n",
		     NULL);
}

Test(annotate, inlined_calls_are_lines_of_their_caller)
{
	assert_shows(RUN("work", "p.pb.gz", "-C", "0"),
		     "           60.0%      12          line 12\n"
		     "                       …\n"
		     "  10.0%    10.0%      14          line 14\n",
		     NULL);
	assert_shows(RUN("work", "p.pb.gz", "-C", "0", "--no-inline"),
		     "  60.0%    60.0%      12          line 12\n"
		     "                       …\n"
		     "  10.0%    10.0%      14          line 14\n",
		     NULL);
	assert_shows(RUN("hot", "p.pb.gz", "-C", "0", "--no-inline"),
		     "  10.0%    10.0%       3          line 3\n", NULL);
}

Test(annotate, without_the_source)
{
	char moved[200];

	assert_shows(RUN("main", "p.pb.gz"),
		     "           70.0%      20\n"
		     "           10.0%      22\n"
		     "           20.0%      23\n",
		     "cannot read source file '/src/main.c': No such file or directory; lines are "
		     "shown without it (--source-dir");
	assert_shows(RUN("main", "p.pb.gz", "--source-map", "/src=/moved"), "      20\n",
		     "cannot read source file '/moved/main.c'");

	free(command_output("mkdir moved"));
	write_source("moved/main.c", 22);
	assert_shows(RUN("main", "p.pb.gz", "--source-dir", "moved", "-C", "0"),
		     "           10.0%      22          line 22\n"
		     "           20.0%      23\n",
		     "has 22 lines, and the samples are of line 23");
	write_source("moved/main.c", 23);
	snprintf(moved, sizeof(moved), "/src=%s/moved", folder);
	assert_shows(RUN("main", "p.pb.gz", "--source-map", moved, "-C", "0"),
		     "           20.0%      23          line 23\n", NULL);
	free(command_output("touch moved/main.c"));
	assert_shows(RUN("main", "p.pb.gz", "--source-map", moved), "line 23",
		     "main.c' has changed since the recording");
}

Test(annotate, source_that_is_no_file)
{
	free(command_output("mkdir dir && mkfifo dir/main.c"));
	assert_shows(RUN("main", "p.pb.gz", "--source-map", "/src=dir"), "      20\n",
		     "source file 'dir/main.c' is no regular file");
	free(command_output("rm dir/main.c && truncate -s 17M dir/main.c"));
	assert_shows(RUN("main", "p.pb.gz", "--source-map", "/src=dir"), "      20\n",
		     "'dir/main.c' is longer than 16 MiB");
}

static void write_several(void)
{
	static const char *const stacks[] = { "sort_a|a.c:1", "sort_b|b.c:2", "sort|c.c:3",
					      "sort|d.c:4", "operator[]|e.c:5" };
	struct fixture fx = fixture_new(100);

	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++)
		lines_add(&fx, stacks[i], 10 + 5 * (int64_t)i);
	write_profile(fixture_finish(&fx), "several.pb.gz");
}

Test(annotate, several_functions_match)
{
	write_several();
	assert_shows(RUN("sort_b", "several.pb.gz"), "\n\nsort_b [prog]: self", "b.c");
	assert_shows(RUN("sort_*", "several.pb.gz"),
		     "2 functions match 'sort_*'; the hottest is shown. The others:\n"
		     "     10.0% self   10.0% total  sort_a [prog]\n\n"
		     "sort_b [prog]: self 150.0 ms (15.0%), total 150.0 ms (15.0%)\n\nb.c\n",
		     "b.c");
	assert_shows(RUN("?ort_a", "several.pb.gz"), "\n\nsort_a [prog]", "a.c");
	assert_shows(RUN("or", "several.pb.gz", "--in", "prog"), "4 functions match 'or'", "d.c");
	assert_shows(RUN("operator[]", "several.pb.gz"), "\n\noperator[] [prog]", "e.c");
	outcome_assert_fails(RUN("sort", "several.pb.gz", "--in", "x.c"), 1,
			     "no function 'sort' in 'x.c' was sampled");
	outcome_assert_fails(RUN("none", "several.pb.gz"), 1, "no function 'none' was sampled");
	outcome_assert_fails(RUN("s*x", "several.pb.gz"), 1, "no function 's*x' was sampled");
}

/* Its lines may come from what it includes; functions of one name in one program look the same. */
Test(annotate, lines_in_several_files)
{
	struct fixture fx = fixture_new(100);
	char stack[64];

	write_several();
	assert_shows(RUN("sort", "several.pb.gz"),
		     "sort [prog]: self 450.0 ms (45.0%), total 450.0 ms (45.0%)\n\nd.c\n"
		     "   SELF    TOTAL    LINE\n"
		     "  25.0%    25.0%       4\n\nc.c\n"
		     "   SELF    TOTAL    LINE\n"
		     "  20.0%    20.0%       3\n",
		     "'c.c'");
	assert_shows(RUN("sort", "several.pb.gz", "--in", "c.c"),
		     "(45.0%)\n\nc.c\n   SELF    TOTAL    LINE\n  20.0%    20.0%       3\n", "c.c");

	for (int i = 1; i < 30; i++) {
		snprintf(stack, sizeof(stack), "many|%d.c:1", i);
		lines_add(&fx, stack, i);
	}
	lines_add(&fx, "many", 1);
	lines_add(&fx, "many|1.c:0", 1);
	lines_add(&fx, "[truncated]", 1);
	write_profile(fixture_finish(&fx), "many.pb.gz");
	assert_shows(RUN("many", "many.pb.gz"), "\n\n… and lines in 22 more files\n", "29.c");
	outcome_assert_fails(RUN("[truncated]", "many.pb.gz"), 1, "no function '[truncated]'");
}

/* Compilers give some instructions no line. */
Test(annotate, lines_that_are_not_known)
{
	struct fixture fx = fixture_new(100);

	lines_add(&fx, "f|f.c:3", 50);
	lines_add(&fx, "f|f.c:0", 30);
	lines_add(&fx, "f", 20);
	write_profile(fixture_finish(&fx), "f.pb.gz");
	assert_shows(RUN("f", "f.pb.gz"),
		     "f [prog]: self 1.00 s (100.0%), total 1.00 s (100.0%)\n\nf.c\n"
		     "   SELF    TOTAL    LINE\n"
		     "  30.0%    30.0%       ?\n"
		     "  50.0%    50.0%       3\n\n(file not known)\n"
		     "   SELF    TOTAL    LINE\n"
		     "  20.0%    20.0%       ?\n",
		     "f.c");
}

Test(annotate, only_some_samples)
{
	struct fixture fx = fixture_new(100);
	struct fixture_sample s = { .stack = "main;f", .count = 1, .span = SPAN_CART, .pid = 7 };

	fixture_add(&fx, &s);
	write_profile(fixture_finish(&fx), "s.pb.gz");
	outcome_assert_fails(RUN("f", "s.pb.gz", "--span-id", SPAN_CART), 1,
			     "no line of 'f' is known: its file had no debug information");
	outcome_assert_fails(RUN("f", "s.pb.gz", "--span-id", SPAN_PAYMENT), 1,
			     "no sample of span " SPAN_PAYMENT " in 's.pb.gz'");
	outcome_assert_fails(RUN("f", "s.pb.gz", "-p", "8"), 1, "no sample of process 8");
	outcome_assert_fails(RUN("f", "s.pb.gz", "--label", "a=b"), 1,
			     "no sample with the label a=b");
	outcome_assert_fails(RUN("f", "none.pb.gz"), 1, "there is no file 'none.pb.gz'");
}

Test(annotate, command_line)
{
	outcome_assert_fails(RUN("f"), 2, "a function and a file are needed");
	outcome_assert_fails(RUN("f", "a", "b"), 2, "a function and a file are needed");
	outcome_assert_fails(RUN("", "a"), 2, "the name of the function is empty");
	outcome_assert_fails(RUN("f", "a", "-C", "x"), 2, "'x' is no number of lines");
	outcome_assert_fails(RUN("f", "a", "--source-map", "x"), 2,
			     "--source-map 'x': not FROM=TO");
	outcome_assert_fails(RUN("f", "a", "--demangle", "x"), 2,
			     "unknown --demangle 'x': full, simple");
	outcome_assert_fails(RUN("f", "a", "--frob"), 2, "see 'spanprof annotate --help'");
	assert_shows(RUN("--help"), "--source-dir DIR[:DIR]  look for", NULL);
}

Test(annotate, help_fits_a_terminal)
{
	char *text = NULL, *rest, *line;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	annotate_options_help(out);
	fclose(out);
	for (rest = text; (line = strsep(&rest, "\n"));)
		cr_expect(le(sz, strlen(line), 100), "%s", line);
	free(text);
}

/* --- hostile ---------------------------------------------------------------------------------- */

static void assert_clean(const char *text)
{
	size_t controls = 0;

	cr_expect(eq(sz, utf8_valid_len(text, strlen(text)), strlen(text)));
	for (const char *c = text; *c; c++)
		controls += ((unsigned char)*c < ' ' && *c != '\n') || *c == 0x7f;
	cr_expect(zero(sz, controls), "%s", text);
}

Test(annotate, hostile_names_and_source)
{
	static const char name[] = "f\x1b[31m\xff\"'</script>\r\n\x7f";
	static const char source[] = "\x1b]0;x\x07 \xff\0 \xe2\x80\xae\n";
	const struct pprof_location *where;
	struct fixture fx = fixture_new(100);
	struct pprof_function f = { name, name, "\x1b[2Jno\xff.c", 0 };
	struct pprof_mapping m = { .limit = 1, .filename = "/m\x1b\xff", .build_id = "" };
	struct pprof_line line = { .line = 1 };
	struct pprof_location loc = { .lines = &line, .n_lines = 1 };
	int64_t values[] = { 1, 1 };
	struct pprof_sample s = { &where, 1, values, NULL, 0 };
	struct outcome o;

	fixture_check(pprof_builder_function(fx.builder, &f, &line.function));
	fixture_check(pprof_builder_mapping(fx.builder, &m, &loc.mapping));
	fixture_check(pprof_builder_location(fx.builder, &loc, &where));
	fixture_check(pprof_builder_sample(fx.builder, &s));
	write_profile(fixture_finish(&fx), "h.pb.gz");

	o = RUN("f*", "h.pb.gz");
	cr_expect(zero(int, o.status));
	cr_expect(strstr(o.err, "source file '\uFFFD[2Jno?.c'") != NULL, "%s", o.err);
	assert_clean(o.out);
	assert_clean(o.err);
	outcome_free(&o);

	/* In the file of a profile names are UTF-8. */
	command_write_file("\x1b[2Jno?.c", source, sizeof(source) - 1);
	o = RUN("f*", "h.pb.gz");
	cr_expect(strstr(o.out, "1  \uFFFD]0;x\uFFFD \uFFFD\uFFFD \uFFFD\n") != NULL, "%s", o.out);
	assert_clean(o.out);
	assert_clean(o.err);
	outcome_free(&o);
}

/* 1 MB in each name, and as the pattern. */
Test(annotate, long_names, .timeout = 20)
{
	static char name[1 << 20], stack[4 << 20];
	struct fixture fx = fixture_new(100);
	struct outcome o;

	memset(name, 'a', sizeof(name) - 1);
	snprintf(stack, sizeof(stack), "%s|%s:7;b%s|x:1", name, name, name);
	lines_add(&fx, stack, 1);
	write_profile(fixture_finish(&fx), "l.pb.gz");
	o = RUN("*a*a*a*a*a*a*", "l.pb.gz");
	cr_expect(zero(int, o.status));
	cr_expect(lt(sz, strlen(o.out), 2000));
	cr_expect(lt(sz, strlen(o.err), 1000));
	cr_expect(strstr(o.out, "2 functions match") != NULL);
	outcome_free(&o);
	o = RUN("*b*a*a*a*a*a*b", "l.pb.gz");
	cr_expect(eq(int, o.status, 1));
	outcome_free(&o);
	o = RUN(name, "l.pb.gz");
	cr_expect(zero(int, o.status));
	cr_expect(lt(sz, strlen(o.out), 2000));
	cr_expect(strstr(o.err, "File name too long") != NULL);
	outcome_free(&o);
}
