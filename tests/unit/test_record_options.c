/* SPDX-License-Identifier: Apache-2.0 */
#include "app/record_options.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <string.h>

#include "ctx/context_tracker.h"
#include "leak_check.h"

static struct record_options opt;

static void tear_down(void)
{
	record_options_clear(&opt);
	leak_check();
}

TestSuite(record_options, .init = cr_redirect_stderr, .fini = tear_down);

#define ARGS_MAX 32

/* "record" and the words that follow, up to NULL. */
static int parse(const char *const *words)
{
	static char *argv[ARGS_MAX + 2];
	int argc = 0;

	argv[argc++] = (char *)"record";
	while (*words)
		argv[argc++] = (char *)*words++;
	argv[argc] = NULL;
	record_options_clear(&opt);
	return record_options_parse(argc, argv, &opt);
}

#define PARSE(...) parse((const char *const[]){ __VA_ARGS__, NULL })

Test(record_options, defaults)
{
	cr_assert(zero(int, parse((const char *const[]){ NULL })));
	cr_assert(zero(sz, opt.pids.n));
	cr_assert(zero(ptr, (void *)opt.cgroup));
	cr_assert(zero(ptr, opt.command));
	cr_assert(zero(u64, opt.duration_ns));
	cr_assert(eq(uint, opt.frequency, 99));
	cr_assert(eq(sz, opt.unwind_budget, 32u << 20));
	cr_assert(eq(int, opt.event, COLLECTOR_EVENT_AUTO));
	cr_assert(eq(str, (char *)opt.output, "spanprof.pb.gz"));
	cr_assert(eq(int, opt.format, OUTPUT_PPROF_GZ));
	cr_assert(zero(ptr, (void *)opt.push_url));
	cr_assert(zero(ptr, (void *)opt.stats));
	cr_assert(zero(ptr, (void *)opt.dump));
	cr_assert(not(opt.quiet || opt.verbose || opt.help));
}

Test(record_options, each_option_short)
{
	cr_assert(zero(int, PARSE("-a", "-d", "1.5", "-F", "999", "-e", "cycles", "-o", "x.html",
				  "-q", "-v")));
	cr_assert(eq(u64, opt.duration_ns, 1500000000));
	cr_assert(eq(uint, opt.frequency, 999));
	cr_assert(eq(int, opt.event, COLLECTOR_EVENT_CYCLES));
	cr_assert(eq(str, (char *)opt.output, "x.html"));
	cr_assert(eq(int, opt.format, OUTPUT_HTML));
	cr_assert(opt.quiet && opt.verbose);
}

Test(record_options, each_option_long)
{
	cr_assert(zero(int, PARSE("--all-cpus", "--duration=2m", "--freq", "1", "--event=cpu-clock",
				  "--output=-", "--format=folded", "--push", "http://h", "--stats",
				  "s.json", "--dump-samples", "d", "--unwind-memory=128", "--quiet",
				  "--verbose")));
	cr_assert(eq(u64, opt.duration_ns, 120000000000));
	cr_assert(eq(uint, opt.frequency, 1));
	cr_assert(eq(sz, opt.unwind_budget, 128u << 20));
	cr_assert(eq(int, opt.event, COLLECTOR_EVENT_CPU_CLOCK));
	cr_assert(eq(str, (char *)opt.output, "-"));
	cr_assert(eq(int, opt.format, OUTPUT_FOLDED));
	cr_assert(eq(str, (char *)opt.push_url, "http://h"));
	cr_assert(eq(str, (char *)opt.stats, "s.json"));
	cr_assert(eq(str, (char *)opt.dump, "d"));
	cr_assert(opt.quiet && opt.verbose);
}

Test(record_options, trace_context)
{
	cr_assert(zero(int, PARSE("-a")));
	cr_assert(eq(u32, opt.context.formats, CONTEXT_FORMATS_ALL));
	cr_assert(eq(sz, opt.context.max, 20000));
	cr_assert(eq(int, opt.context.scope, SPAN_SCOPE_LEAF));
	record_options_clear(&opt);
	cr_assert(zero(int, PARSE("-a", "--context", "none")));
	cr_assert(zero(u32, opt.context.formats));
	record_options_clear(&opt);
	cr_assert(zero(int, PARSE("--context=go,python", "--service-name", "shop",
				  "--span-scope=local-root", "--label-trace-id", "t",
				  "--label-span-id", "s", "--obi-map", "/m", "--max-contexts=1",
				  "--tls-var", "module=m,symbol=a,type=u64,as=span_id", "--tls-var",
				  "module=m,symbol=b,type=u32,as=label:x", "--push-label", "k",
				  "--push-label=l")));
	cr_assert(eq(u32, opt.context.formats, 1u << CTX_FORMAT_GO | 1u << CTX_FORMAT_PYTHON));
	cr_assert(eq(str, (char *)opt.context.service_name, "shop"));
	cr_assert(eq(int, opt.context.scope, SPAN_SCOPE_LOCAL_ROOT));
	cr_assert(eq(str, (char *)opt.context.trace_id_key, "t"));
	cr_assert(eq(str, (char *)opt.context.span_id_key, "s"));
	cr_assert(eq(str, (char *)opt.context.obi_map, "/m"));
	cr_assert(eq(sz, opt.context.max, 1));
	cr_assert(eq(sz, opt.context.n_variables, 2));
	cr_assert(eq(str, opt.context.variables[1].label, "x"));
	cr_assert(eq(sz, opt.n_push_labels, 2));
	cr_assert(eq(str, (char *)opt.push_labels[1], "l"));
}

Test(record_options, pids)
{
	cr_assert(zero(int, PARSE("-p", "1,22,2147483647", "--pid=4")));
	cr_assert(eq(sz, opt.pids.n, 4));
	cr_assert(opt.pids.data[0] == 1 && opt.pids.data[1] == 22 &&
		  opt.pids.data[2] == 2147483647 && opt.pids.data[3] == 4);
}

Test(record_options, cgroup)
{
	cr_assert(zero(int, PARSE("--cgroup", "/sys/fs/cgroup/x")));
	cr_assert(eq(str, (char *)opt.cgroup, "/sys/fs/cgroup/x"));
}

Test(record_options, command_keeps_its_own_options)
{
	cr_assert(zero(int, PARSE("-q", "--", "ls", "-p", "--", "-o", "x")));
	cr_assert(eq(str, opt.command[0], "ls"));
	cr_assert(eq(str, opt.command[1], "-p"));
	cr_assert(eq(str, opt.command[4], "x"));
	cr_assert(zero(ptr, opt.command[5]));
	cr_assert(eq(str, (char *)opt.output, "spanprof.pb.gz"));
	cr_assert(zero(sz, opt.pids.n));
}

Test(record_options, help_needs_nothing_else_to_be_right)
{
	cr_assert(zero(int, PARSE("-h")));
	cr_assert(opt.help);
	cr_assert(zero(int, PARSE("-o", "x.unknown", "--help")));
	cr_assert(opt.help);
}

Test(record_options, help_names_every_option)
{
	static const char *const names[] = { "-a",
					     "--all-cpus",
					     "-p",
					     "--pid",
					     "--cgroup",
					     "-d",
					     "--duration",
					     "-F",
					     "--freq",
					     "-e",
					     "--event",
					     "-o",
					     "--output",
					     "-f",
					     "--format",
					     "--push",
					     "--stats",
					     "-q",
					     "--quiet",
					     "-v",
					     "--verbose",
					     "-h",
					     "--help",
					     "--unwind-memory",
					     "--context",
					     "--service-name",
					     "--span-scope",
					     "--label-trace-id",
					     "--label-span-id",
					     "--tls-var",
					     "--obi-map",
					     "--max-contexts",
					     "--push-label",
					     "--demangle" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert(ne(ptr, strstr(record_help, names[i]), NULL), "%s", names[i]);
}

Test(record_options, style_of_names)
{
	cr_assert(zero(int, PARSE("-a")));
	cr_assert(eq(int, opt.symbols.demangle, DEMANGLE_FULL));
	cr_assert(zero(int, PARSE("--demangle", "simple")));
	cr_assert(eq(int, opt.symbols.demangle, DEMANGLE_SIMPLE));
}

Test(record_options, format_wins_over_the_name)
{
	static const struct {
		const char *name, *format;
		enum output_format want;
	} cases[] = {
		{ "x.pb.gz", NULL, OUTPUT_PPROF_GZ },	{ "x.pb", NULL, OUTPUT_PPROF },
		{ "x.folded", NULL, OUTPUT_FOLDED },	{ "x.txt", NULL, OUTPUT_TEXT },
		{ "x.html", "pprof", OUTPUT_PPROF_GZ }, { "x", "text", OUTPUT_TEXT },
		{ "-", "html", OUTPUT_HTML },		{ "x.txt", "pprof-raw", OUTPUT_PPROF },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].format)
			cr_assert(zero(int, PARSE("-o", cases[i].name, "-f", cases[i].format)));
		else
			cr_assert(zero(int, PARSE("-o", cases[i].name)));
		cr_assert(eq(int, opt.format, cases[i].want), "%s", cases[i].name);
	}
}

/* --- what is refused -------------------------------------------------------------------------- */

static void assert_refused(const char *const *words, const char *message)
{
	cr_assert(eq(int, parse(words), -EINVAL), "%s %s", words[0], words[1] ? words[1] : "");
	cr_assert_stderr_eq_str(message);
}

/* One test each: the redirected output is read once. */
#define REFUSED(name, message, ...)                                                                \
	Test(record_options, name)                                                                 \
	{                                                                                          \
		assert_refused((const char *const[]){ __VA_ARGS__, NULL },                         \
			       "spanprof: error: " message "\n");                                  \
	}

REFUSED(all_and_pid, "-a, -p, --cgroup and a command exclude one another", "-a", "-p", "1")
REFUSED(all_and_cgroup, "-a, -p, --cgroup and a command exclude one another", "-a", "--cgroup", "x")
REFUSED(all_and_command, "-a, -p, --cgroup and a command exclude one another", "-a", "--", "ls")
REFUSED(pid_and_cgroup, "-a, -p, --cgroup and a command exclude one another", "-p", "1", "--cgroup",
	"x")
REFUSED(pid_and_command, "-a, -p, --cgroup and a command exclude one another", "-p", "1", "--",
	"ls")
REFUSED(cgroup_and_command, "-a, -p, --cgroup and a command exclude one another", "--cgroup", "x",
	"--", "ls")

REFUSED(pid_zero, "-p '0': not a process id", "-p", "0")
REFUSED(pid_negative, "-p '-1': not a process id", "-p", "-1")
REFUSED(pid_name, "-p 'nginx': not a process id", "-p", "1,nginx")
REFUSED(pid_too_large, "-p '2147483648': not a process id", "-p", "2147483648")
REFUSED(pid_none, "-p ',': no process id", "-p", ",")
REFUSED(pid_empty, "-p '': no process id", "-p", "")

REFUSED(freq_zero, "-F '0': not a frequency from 1 to 20000 Hz", "-F", "0")
REFUSED(freq_above, "-F '20001': not a frequency from 1 to 20000 Hz", "-F", "20001")
REFUSED(freq_word, "-F 'fast': not a frequency from 1 to 20000 Hz", "-F", "fast")
REFUSED(freq_fraction, "-F '99.5': not a frequency from 1 to 20000 Hz", "-F", "99.5")

REFUSED(unwind_memory_zero, "--unwind-memory '0': not a size from 1 to 128 MiB", "--unwind-memory",
	"0")
REFUSED(unwind_memory_above, "--unwind-memory '129': not a size from 1 to 128 MiB",
	"--unwind-memory", "129")
REFUSED(unwind_memory_with_unit, "--unwind-memory '32M': not a size from 1 to 128 MiB",
	"--unwind-memory", "32M")

REFUSED(context_word,
	"--context 'php': unknown; all, none, or of otel, nodejs, elastic, go, "
	"custom-labels, python",
	"--context", "go,php")
REFUSED(span_scope_word, "--span-scope 'root': unknown; leaf or local-root", "--span-scope", "root")
REFUSED(max_contexts_zero, "--max-contexts '0': not a number from 1 to 10000000", "--max-contexts",
	"0")
REFUSED(tls_var_short, "--tls-var 'module=m': it needs one of symbol= and offset=", "--tls-var",
	"module=m")

REFUSED(time_zero, "-d '0': not a time; seconds, or with a unit: 500ms, 10s, 2m, 1h", "-d", "0")
REFUSED(time_word, "-d 'long': not a time; seconds, or with a unit: 500ms, 10s, 2m, 1h", "-d",
	"long")
REFUSED(time_negative, "-d '-1': not a time; seconds, or with a unit: 500ms, 10s, 2m, 1h", "-d",
	"-1")
REFUSED(time_too_small,
	"-d '0.0000000001': not a time; seconds, or with a unit: 500ms, 10s, 2m, 1h", "-d",
	"0.0000000001")

REFUSED(event_unknown, "-e 'clicks': unknown event; cycles or cpu-clock", "-e", "clicks")
REFUSED(event_auto, "-e 'auto': unknown event; cycles or cpu-clock", "-e", "auto")
REFUSED(format_unknown, "-f 'svg': unknown format; pprof, pprof-raw, folded, html or text", "-f",
	"svg")
REFUSED(name_without_format,
	"-o 'x.svg': the name says no format; use .pb.gz, .pb, .folded, .html, .txt or -f", "-o",
	"x.svg")

REFUSED(demangle, "--demangle 'x': full, simple or none", "--demangle", "x")
REFUSED(unknown_short, "option '-x' is unknown; see 'spanprof record --help'", "-x")
REFUSED(unknown_in_a_group, "option '-qx' is unknown; see 'spanprof record --help'", "-qx")
REFUSED(unknown_long, "option '--nothing' is unknown; see 'spanprof record --help'", "--nothing")
REFUSED(value_missing, "option '-F' needs a value; see 'spanprof record --help'", "-F")
REFUSED(value_missing_long, "option '--push' needs a value; see 'spanprof record --help'", "--push")
REFUSED(value_too_many, "option '--quiet=1' is unknown; see 'spanprof record --help'", "--quiet=1")
REFUSED(word, "unexpected 'ls'; a command to run goes behind --", "ls")
REFUSED(word_behind_options, "unexpected '99'; a command to run goes behind --", "-q", "99")
REFUSED(no_command, "no command behind --", "--")
REFUSED(no_command_behind_options, "no command behind --", "-q", "--")
/* The value of the last option is not the end of the options. */
REFUSED(word_behind_a_value_that_looks_like_the_end,
	"unexpected 'ls'; a command to run goes behind --", "-o", "--", "-f", "text", "ls")
REFUSED(word_right_behind_such_a_value, "unexpected 'ls'; a command to run goes behind --", "-f",
	"text", "-o", "--", "ls")
