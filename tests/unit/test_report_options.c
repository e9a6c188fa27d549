/* SPDX-License-Identifier: Apache-2.0 */
#include "app/report_options.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#include "capture.h"
#include "leak_check.h"

TestSuite(report_options, .fini = leak_check);

#define ARGS_MAX 16

static int parse(struct report_options *ret, const char *const *args)
{
	char *argv[ARGS_MAX + 1] = { strdup("report") };
	int argc = 1, r;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	r = report_options_parse(argc, argv, ret);
	for (int i = 0; i < argc; i++) /* strings of the result are those of @args */
		if (strcmp(argv[i], "report") == 0)
			free(argv[i]);
	return r;
}

#define PARSE(ret, ...) parse(ret, (const char *const[]){ __VA_ARGS__, NULL })

/* Refused, with a message that says all of @want (separated by '|'). */
static void assert_refused(const char *want, const char *const *args)
{
	struct report_options o = { .input = "untouched" };
	struct capture c = capture_begin(STDERR_FILENO);
	int r = parse(&o, args);
	char *said = capture_end(&c), *list = strdup(want), *rest = list, *part;

	cr_expect(eq(int, r, -EINVAL), "%s", want);
	cr_expect(eq(str, (char *)o.input, "untouched"));
	while ((part = strsep(&rest, "|")))
		cr_expect(strstr(said, part) != NULL, "no '%s' in: %s", part, said);
	cr_expect(strchr(said, '\n') == said + strlen(said) - 1, "one line: %s", said);
	free(list);
	free(said);
}

#define REFUSED(want, ...) assert_refused(want, (const char *const[]){ __VA_ARGS__, NULL })

Test(report_options, defaults)
{
	struct report_options o;

	cr_assert(zero(int, PARSE(&o, "a.pb.gz")));
	cr_expect(eq(str, (char *)o.input, "a.pb.gz"));
	cr_expect(eq(str, (char *)o.output, "-"));
	cr_expect(eq(int, o.format, OUTPUT_TEXT));
	cr_expect(eq(int, o.by_given, false));
	cr_expect(eq(sz, o.table.max_rows, 20));
	cr_expect(eq(sz, o.table.max_functions, 5));
	cr_expect(o.table.select.span_id == NULL);
}

/* In any order, and a second time: getopt keeps a state. */
Test(report_options, all_are_taken)
{
	struct report_options o;

	for (int i = 0; i < 2; i++) {
		cr_assert(zero(int,
			       PARSE(&o, "--by", "thread", "a.pb.gz", "-p", "42", "--span-id",
				     "00F067aa0ba902b7", "-n0", "--trace-id",
				     "4bf92f3577b34da6a3ce929d0e0e4736", "--folded", "-o", "out")));
		cr_expect(eq(int, o.table.by, VIEW_BY_THREAD));
		cr_expect(eq(int, o.by_given, true));
		cr_expect(eq(i64, o.table.select.pid, 42));
		cr_expect(eq(str, (char *)o.table.select.span_id, "00F067aa0ba902b7"));
		cr_expect(eq(sz, o.table.max_rows, 0));
		cr_expect(eq(int, o.format, OUTPUT_FOLDED));
		cr_expect(eq(str, (char *)o.output, "out"));
		cr_expect(eq(str, (char *)o.input, "a.pb.gz"));
	}
}

Test(report_options, format_follows_from_the_name)
{
	struct report_options o;

	cr_assert(zero(int, PARSE(&o, "a", "--html", "x")));
	cr_expect(eq(int, o.format, OUTPUT_HTML));
	cr_expect(eq(str, (char *)o.output, "x"));
	cr_assert(zero(int, PARSE(&o, "a", "-o", "x.html")));
	cr_expect(eq(int, o.format, OUTPUT_HTML));
	cr_assert(zero(int, PARSE(&o, "a", "-o", "x.pb")));
	cr_expect(eq(int, o.format, OUTPUT_PPROF));
	cr_assert(zero(int, PARSE(&o, "a", "-o", "x.html", "--text")));
	cr_expect(eq(int, o.format, OUTPUT_TEXT));
}

Test(report_options, what_is_wrong_is_named_with_the_remedy)
{
	REFUSED("unknown --by 'foo': function, line, span, trace, process, thread or service",
		"--by", "foo", "a");
	REFUSED("'123' is no span id|16 hex digits", "--span-id", "123", "a");
	REFUSED("'00f067aa0ba902bg' is no span id", "--span-id", "00f067aa0ba902bg", "a");
	REFUSED("no trace id|32 hex digits", "--trace-id", "00f067aa0ba902b7", "a");
	REFUSED("--label 'route': not KEY=VALUE", "--label", "route", "a");
	REFUSED("--label '=x': not KEY=VALUE", "--label", "=x", "a");
	REFUSED("'x' is no process id|number", "-p", "x", "a");
	REFUSED("unknown --demangle 'x': full, simple or none", "--demangle", "x", "a");
	REFUSED("'0' is no process id", "-p0", "a");
	REFUSED("'-1' is no number of rows", "-n", "-1", "a");
	REFUSED("unknown option '--frob'|--help", "--frob", "a");
	REFUSED("unknown option '-x'|--help", "-x", "a");
	REFUSED("option '--by' needs a value", "a", "--by");
	REFUSED("option '-o' needs a value", "a", "-o");
	REFUSED("option '--text' takes no value", "--text=1", "a");
	REFUSED("no file given", "--text");
	REFUSED("one file at a time|'b'", "a", "b");
	REFUSED("--text and --folded exclude each other", "--text", "--folded", "a");
	REFUSED("--folded and --html exclude each other", "--folded", "--html", "x", "a");
	REFUSED("'x' and 'y' exclude each other", "--html", "x", "-o", "y", "a");
	REFUSED("cannot tell the format from the name 'x.xyz'|.html|--folded", "-o", "x.xyz", "a");
	REFUSED("name of the output file is empty", "-o", "", "a");
}

Test(report_options, frames)
{
	struct report_options o;

	cr_assert(zero(int, PARSE(&o, "a")));
	cr_expect(not(o.frames.no_inline || o.table.select.by_line));
	cr_expect(eq(int, o.frames.demangle, DEMANGLE_FULL));
	cr_assert(zero(int, PARSE(&o, "a", "--no-inline", "--by", "line", "--demangle", "none")));
	cr_expect(eq(int, o.frames.no_inline, true));
	cr_expect(eq(int, o.frames.demangle, DEMANGLE_NONE));
	cr_expect(eq(int, o.table.by, VIEW_BY_LINE));
	cr_expect(eq(int, o.table.select.by_line, true));
	cr_assert(zero(int,
		       PARSE(&o, "a", "--no-inline", "--inline", "--by", "line", "--by", "span")));
	cr_expect(not(o.frames.no_inline || o.table.select.by_line));
}

/* Each option that can be given stands there, none wider than a terminal; all texts in a column. */
Test(report_options, help)
{
	static const char *const options[] = { "--by",	     "--span-id", "--trace-id",
					       "--label",    "-p, --pid", "--text",
					       "--folded",   "--html",	  "-o, --output",
					       "-n, --rows", "--inline",  "--no-inline",
					       "--demangle" };
	struct report_options o;
	char *text = NULL, *rest, *line;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	cr_assert(zero(int, PARSE(&o, "--help")));
	cr_expect(eq(int, o.help, true));
	report_options_help(out);
	fclose(out);
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		cr_expect(strstr(text, options[i]) != NULL, "%s", options[i]);
	cr_expect(strstr(text, "--label KEY=VALUE  only samples") != NULL);
	for (rest = text; (line = strsep(&rest, "\n"));) {
		const char *gap = line[0] == ' ' ? strstr(line + 6, "  ") : NULL;

		cr_expect(le(sz, strlen(line), 100), "%s", line);
		if (gap && strncmp(line, "      ", 6) != 0)
			cr_expect(eq(sz, gap + strspn(gap, " ") - line, 25), "%s", line);
	}
	free(text);
}
