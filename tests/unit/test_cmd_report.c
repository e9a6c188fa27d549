/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_report.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/io.h"
#include "capture.h"
#include "command.h"
#include "leak_check.h"
#include "lines_fixture.h"
#include "outcome.h"

static char *folder;

static void write_profile(struct pprof *p, const char *name)
{
	char path[128];
	uint8_t *bytes;
	size_t n;

	cr_assert(zero(int, pprof_encode(p, true, &bytes, &n)));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	command_write_file(path, bytes, n);
	free(bytes);
	pprof_free(p);
}

static void set_up(void)
{
	folder = command_make_folder();
	cr_assert(zero(int, chdir(folder)));
	write_profile(fixture_shop(), "shop.pb.gz");
}

static void tear_down(void)
{
	cr_assert(zero(int, chdir("/")));
	command_remove_folder(folder);
	leak_check();
}

TestSuite(cmd_report, .init = set_up, .fini = tear_down, .timeout = 60);
/* .fini = leak_check is part of tear_down. */

#define RUN(...) outcome_of(cmd_report, "report", (const char *const[]){ __VA_ARGS__, NULL })

static void assert_succeeds(struct outcome o, const char *want)
{
	cr_expect(zero(int, o.status));
	cr_expect(eq(str, o.err, ""));
	cr_expect(strstr(o.out, want) != NULL, "no '%s' in: %s", want, o.out);
	outcome_free(&o);
}

Test(cmd_report, spans_come_first_if_there_are_any)
{
	struct fixture fx = fixture_new(100);
	struct fixture_sample s = { .stack = "main", .count = 1, .process = "a" };

	assert_succeeds(RUN("shop.pb.gz"), "\nSPAN ");
	fixture_add(&fx, &s);
	write_profile(fixture_finish(&fx), "plain.pb.gz");
	assert_succeeds(RUN("plain.pb.gz"), "FUNCTION\n");
	assert_succeeds(RUN("shop.pb.gz", "--by", "service"), "\nSERVICE ");
	assert_succeeds(RUN("shop.pb.gz", "--folded", "--span-id", SPAN_CART),
			"shop;main;price_cart;price_cart 20\n");
}

Test(cmd_report, lines_and_inlined_functions)
{
	write_profile(lines_profile("/src/hot.c"), "lines.pb.gz");
	assert_succeeds(RUN("lines.pb.gz", "--by", "line"), "50.0%  hot hot.c:3 [prog]\n");
	assert_succeeds(RUN("lines.pb.gz", "--by", "line", "--folded", "--no-inline"),
			"main main.c:20;work hot.c:12 60\n");
	assert_succeeds(RUN("lines.pb.gz", "--folded", "--inline"), "main;work;hot 60\n");
	assert_succeeds(RUN("lines.pb.gz", "--no-inline", "-o", "less.pb.gz"), "");
	assert_succeeds(RUN("less.pb.gz", "--folded"), "main;work 70\n");
}

static void write_mangled(void)
{
	static const struct pprof_function functions[] = {
		{ "std::max<int>(int, int)", "_ZSt3maxIiET_S0_S0_", "", 0 },
		{ "", "_ZN4core3fmt5write17h0123456789abcdefE", "", 0 },
		{ "main.(*T).F", "main.(*T).F", "", 0 },
	};
	struct fixture fx = fixture_new(100);
	const struct pprof_location *stack[3];
	int64_t values[] = { 1, 10000000 };
	struct pprof_sample s = { stack, 3, values, NULL, 0 };

	for (size_t i = 0; i < 3; i++) {
		struct pprof_line line = { 0 };
		struct pprof_location l = { .lines = &line, .n_lines = 1, .address = i };

		fixture_check(pprof_builder_function(fx.builder, &functions[i], &line.function));
		fixture_check(pprof_builder_location(fx.builder, &l, &stack[i]));
	}
	fixture_check(pprof_builder_sample(fx.builder, &s));
	write_profile(fixture_finish(&fx), "mangled.pb.gz");
}

Test(cmd_report, names_in_each_style)
{
	write_mangled();
	assert_succeeds(RUN("mangled.pb.gz", "--folded"),
			"main.(*T).F;core::fmt::write;std::max<int>(int, int) 1\n");
	assert_succeeds(RUN("mangled.pb.gz", "--folded", "--demangle", "simple"),
			"main.(*T).F;core::fmt::write;std::max<>() 1\n");
	assert_succeeds(RUN("mangled.pb.gz", "--folded", "--demangle", "none"),
			"main.(*T).F;_ZN4core3fmt5write17h0123456789abcdefE;"
			"_ZSt3maxIiET_S0_S0_ 1\n");
	/* And once more, from what was written in another style. */
	assert_succeeds(RUN("mangled.pb.gz", "--demangle", "none", "-o", "none.pb.gz"), "");
	assert_succeeds(RUN("none.pb.gz", "--folded"),
			"main.(*T).F;core::fmt::write;int std::max<int>(int, int) 1\n");
}

Test(cmd_report, help_is_no_failure)
{
	assert_succeeds(RUN("--help"), "Usage: spanprof report");
	outcome_assert_fails(RUN("--frob"), 2, "unknown option '--frob'");
}

Test(cmd_report, input_that_cannot_be_read)
{
	char *bytes;
	size_t len;

	outcome_assert_fails(RUN("none.pb.gz"), 1, "there is no file 'none.pb.gz'");
	outcome_assert_fails(RUN("/"), 1, "cannot read '/': Is a directory");

	command_write_file("text", "hello world\n", 12);
	outcome_assert_fails(RUN("text"), 1, "'text' is no pprof profile or is damaged");
	command_write_file("empty", "", 0);
	outcome_assert_fails(RUN("empty"), 1, "'empty' is");

	cr_assert(zero(int, read_whole_file("shop.pb.gz", 1 << 20, &bytes, &len)));
	command_write_file("half.pb.gz", bytes, len / 2);
	outcome_assert_fails(RUN("half.pb.gz"), 1, "record it again");
	free(bytes);
}

Test(cmd_report, ids_that_are_not_in_the_file)
{
	outcome_assert_fails(RUN("shop.pb.gz", "--span-id", "ffffffffffffffff"), 1,
			     "no sample of span ffffffffffffffff in 'shop.pb.gz'");
	outcome_assert_fails(RUN("shop.pb.gz", "--trace-id", "ffffffffffffffffffffffffffffffff"), 1,
			     "no sample of trace");
	outcome_assert_fails(RUN("shop.pb.gz", "-p", "999"), 1, "no sample of process 999");
	outcome_assert_fails(RUN("shop.pb.gz", "-p", "200", "--span-id", SPAN_CART), 1,
			     "all of the given");
	outcome_assert_fails(RUN("shop.pb.gz", "--span-id", "12"), 2, "no span id");
}

Test(cmd_report, files_are_whole_or_not_there)
{
	struct stat st;

	assert_succeeds(RUN("shop.pb.gz", "--html", "o.html"), "");
	cr_expect(zero(int, stat("o.html", &st)));
	outcome_assert_fails(RUN("shop.pb.gz", "-o", "missing/o.html"), 1, "'missing/o.html'");
	outcome_assert_fails(RUN("half.pb.gz", "-o", "new.html"), 1, "half.pb.gz");
	cr_expect(lt(int, stat("new.html", &st), 0));
	outcome_assert_fails(RUN("shop.pb.gz", "--text", "-o", "/dev/full"), 1,
			     "cannot write '/dev/full': No space left on device");
	free(command_output("test \"$(ls -A | sort | tr '\\n' ' ')\" = 'o.html shop.pb.gz '"));
}

/* One span as a profile of its own, whole for other tools. */
Test(cmd_report, selection_as_pprof)
{
	char *top;

	assert_succeeds(RUN("shop.pb.gz", "--span-id", SPAN_CART, "-o", "cart.pb.gz"), "");
	top = command_output("PPROF_TMPDIR=. go tool pprof -top -unit=ms cart.pb.gz 2>/dev/null");
	cr_expect(strstr(top, "200ms   100%   100%      200ms   100%  price_cart") != NULL, "%s",
		  top);
	cr_expect(strstr(top, "sign_request") == NULL);
	free(top);
}

/* head has seen enough: no message, no failure. */
Test(cmd_report, reader_that_goes_away)
{
	int ends[2], saved = dup(STDOUT_FILENO);
	struct capture err;
	char *said;

	signal(SIGPIPE, SIG_IGN);
	cr_assert(zero(int, pipe(ends)));
	close(ends[0]);
	err = capture_begin(STDERR_FILENO);
	dup2(ends[1], STDOUT_FILENO);
	cr_expect(zero(int,
		       cmd_report(2, (char *[]){ (char *)"report", (char *)"shop.pb.gz", NULL })));
	dup2(saved, STDOUT_FILENO);
	said = capture_end(&err);
	cr_expect(eq(str, said, ""));
	free(said);
	close(ends[1]);
	close(saved);
}

Test(cmd_report, closed_standard_output)
{
	int saved = dup(STDOUT_FILENO), r;
	struct capture err = capture_begin(STDERR_FILENO);
	char *said;

	close(STDOUT_FILENO);
	r = cmd_report(2, (char *[]){ (char *)"report", (char *)"shop.pb.gz", NULL });
	dup2(saved, STDOUT_FILENO);
	close(saved);
	said = capture_end(&err);
	cr_expect(eq(int, r, 1));
	cr_expect(strstr(said, "standard output is closed; name a file with -o") != NULL);
	free(said);
}
