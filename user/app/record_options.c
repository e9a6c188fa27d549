/* SPDX-License-Identifier: Apache-2.0 */
#include "app/record_options.h"

#include <getopt.h>
#include <string.h>

#include "app/host_limits.h"
#include "base/log.h"
#include "base/parse.h"

#define DEFAULT_FREQUENCY 99
#define DEFAULT_UNWIND	  32 /* MiB */
#define UNWIND_MAX	  128
#define DEFAULT_OUTPUT	  "spanprof.pb.gz"

const char record_help[] =
	"Usage: spanprof record [OPTION]... [-a | -p PID[,PID]... | --cgroup PATH | -- CMD "
	"[ARG]...]\n"
	"\n"
	"Samples what runs on the CPUs, with the trace and span each thread works for, until "
	"Ctrl-C,\n"
	"-d or the end of CMD, and writes a profile.\n"
	"\n"
	"What to sample:\n"
	"  -a, --all-cpus         the whole system (default)\n"
	"  -p, --pid PID[,PID]... these processes; ends when they have ended\n"
	"      --cgroup PATH      the tasks below this cgroup v2 folder\n"
	"  -- CMD [ARG]...        run CMD; it and its children, from the first instruction on\n"
	"\n"
	"How:\n"
	"  -d, --duration TIME    stop after so many seconds (or 500ms, 2m, 1h)\n"
	"  -F, --freq HZ          samples a second on each CPU, 1 to 20000 (default 99)\n"
	"      --unwind-memory MIB  kernel memory for unwind tables, at most, 1 to 128 (default "
	"32)\n"
	"  -e, --event EVENT      cycles or cpu-clock (default: cycles where the machine counts "
	"them)\n"
	"\n"
	"Trace context:\n"
	"      --context LIST     what is looked for: all (default), none, or of otel, nodejs, "
	"elastic, "
	"go,\n"
	"                         custom-labels, python\n"
	"      --service-name NAME  the service of all that is sampled (default: what each "
	"process\n"
	"                         publishes, else its program's name)\n"
	"      --span-scope SCOPE  span_id is that of the innermost span (leaf, default) or of "
	"the\n"
	"                         first one in the process (local-root), where it is known\n"
	"      --label-trace-id KEY, --label-span-id KEY  labels (of Go, custom labels) that are "
	"ids,\n"
	"                         in hexadecimal; well-known ones are anyway\n"
	"      --tls-var FIELDS   a thread-local variable of a program's own; up to 8, 4 in one "
	"process.\n"
	"                         module=server,symbol=req,path=0:16,type=bytes8,as=span_id\n"
	"      --obi-map FILE     the pinned map of OpenTelemetry eBPF Instrumentation\n"
	"      --elastic-register  tell Elastic APM agents that wait for a profiler that there is "
	"one\n"
	"      --max-contexts N   tell so many spans and labels apart (default 20000)\n"
	"\n"
	"Names:\n"
	"      --demangle STYLE   names of C++, Rust and D: full (default), simple (arguments as "
	"<> "
	"and ())\n"
	"                         or none; a pprof file has the linker's names "
	"besides\n" SYMBOL_OPTIONS_HELP "\n"
	"Where to:\n"
	"  -o, --output FILE      default spanprof.pb.gz; '-' is standard output\n"
	"  -f, --format FORMAT    pprof, pprof-raw, folded, html or text (default: by the name of "
	"FILE:\n"
	"                         .pb.gz .pb .folded .html .txt)\n"
	"      --push URL         send the profile to Grafana Pyroscope at URL as well\n"
	"      --push-label KEY   with this label of samples; each of its values makes a series "
	"there\n"
	"      --stats FILE       write all counters as JSON\n"
	"\n"
	"  -q, --quiet            no progress, no summary\n"
	"  -v, --verbose          say more of what is going on\n"
	"  -h, --help\n"
	"\n"
	"Exit status: that of CMD if there is one; 0: done, also when stopped by SIGINT, SIGTERM "
	"or\n"
	"SIGHUP; 1: failed; 2: wrong usage; 126, 127: CMD cannot be run, is not found.\n";

enum {
	OPT_CGROUP = 256,
	OPT_PUSH,
	OPT_PUSH_LABEL,
	OPT_STATS,
	OPT_DUMP,
	OPT_UNWIND,
	OPT_CONTEXT,
	OPT_SERVICE_NAME,
	OPT_SPAN_SCOPE,
	OPT_LABEL_TRACE_ID,
	OPT_LABEL_SPAN_ID,
	OPT_TLS_VAR,
	OPT_OBI_MAP,
	OPT_ELASTIC_REGISTER,
	OPT_MAX_CONTEXTS,
	OPT_DEMANGLE,
	OPT_DEBUGINFOD,
	OPT_NO_DEBUGINFOD,
	OPT_SYMBOL_CACHE,
};

static const struct option long_options[] = {
	{ "all-cpus", no_argument, NULL, 'a' },
	{ "pid", required_argument, NULL, 'p' },
	{ "cgroup", required_argument, NULL, OPT_CGROUP },
	{ "duration", required_argument, NULL, 'd' },
	{ "freq", required_argument, NULL, 'F' },
	{ "event", required_argument, NULL, 'e' },
	{ "output", required_argument, NULL, 'o' },
	{ "format", required_argument, NULL, 'f' },
	{ "push", required_argument, NULL, OPT_PUSH },
	{ "push-label", required_argument, NULL, OPT_PUSH_LABEL },
	{ "stats", required_argument, NULL, OPT_STATS },
	{ "dump-samples", required_argument, NULL, OPT_DUMP },
	{ "unwind-memory", required_argument, NULL, OPT_UNWIND },
	{ "context", required_argument, NULL, OPT_CONTEXT },
	{ "service-name", required_argument, NULL, OPT_SERVICE_NAME },
	{ "span-scope", required_argument, NULL, OPT_SPAN_SCOPE },
	{ "label-trace-id", required_argument, NULL, OPT_LABEL_TRACE_ID },
	{ "label-span-id", required_argument, NULL, OPT_LABEL_SPAN_ID },
	{ "tls-var", required_argument, NULL, OPT_TLS_VAR },
	{ "obi-map", required_argument, NULL, OPT_OBI_MAP },
	{ "elastic-register", no_argument, NULL, OPT_ELASTIC_REGISTER },
	{ "max-contexts", required_argument, NULL, OPT_MAX_CONTEXTS },
	{ "demangle", required_argument, NULL, OPT_DEMANGLE },
	{ "debuginfod", optional_argument, NULL, OPT_DEBUGINFOD },
	{ "no-debuginfod", no_argument, NULL, OPT_NO_DEBUGINFOD },
	{ "symbol-cache", required_argument, NULL, OPT_SYMBOL_CACHE },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int bad(const char *fmt, const char *what)
{
	log_error(fmt, what);
	return -EINVAL;
}

static int parse_pids(struct record_options *opt, const char *arg)
{
	CLEANUP(freep) char *copy = strdup(arg);
	char *save, *part;

	if (!copy)
		return -ENOMEM;
	for (part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		uint64_t pid;

		if (parse_u64(part, 1, INT32_MAX, &pid) < 0)
			return bad("-p '%s': not a process id", part);
		if (vec_push(&opt->pids, pid) < 0)
			return -ENOMEM;
	}
	return opt->pids.n ? 0 : bad("-p '%s': no process id", arg);
}

static int parse_frequency(struct record_options *opt, const char *arg)
{
	uint64_t hz;

	if (parse_u64(arg, 1, FREQUENCY_MAX, &hz) < 0)
		return bad("-F '%s': not a frequency from 1 to 20000 Hz", arg);
	opt->frequency = hz;
	return 0;
}

static int parse_unwind_memory(struct record_options *opt, const char *arg)
{
	uint64_t mib;

	if (parse_u64(arg, 1, UNWIND_MAX, &mib) < 0)
		return bad("--unwind-memory '%s': not a size from 1 to 128 MiB", arg);
	opt->unwind_budget = (size_t)mib << 20;
	return 0;
}

static int add_push_label(struct record_options *opt, const char *arg)
{
	if (opt->n_push_labels == PYROSCOPE_KEYS_MAX)
		return bad("--push-label '%s': at most 16 of these", arg);
	opt->push_labels[opt->n_push_labels++] = arg;
	return 0;
}

static int parse_duration(struct record_options *opt, const char *arg)
{
	if (parse_duration_ns(arg, &opt->duration_ns) < 0 || !opt->duration_ns)
		return bad("-d '%s': not a time; seconds, or with a unit: 500ms, 10s, 2m, 1h", arg);
	return 0;
}

static int parse_event(struct record_options *opt, const char *arg)
{
	for (int e = COLLECTOR_EVENT_CPU_CLOCK; e <= COLLECTOR_EVENT_CYCLES; e++)
		if (strcmp(arg, collector_event_name(e)) == 0) {
			opt->event = e;
			return 0;
		}
	return bad("-e '%s': unknown event; cycles or cpu-clock", arg);
}

struct parse_state {
	struct record_options *opt;
	bool all, has_format;
};

static int parse_format(struct parse_state *st, const char *arg)
{
	if (output_format_parse(arg, &st->opt->format) < 0)
		return bad("-f '%s': unknown format; " OUTPUT_FORMAT_NAMES, arg);
	st->has_format = true;
	return 0;
}

static int parse_demangle(struct record_options *opt, const char *arg)
{
	if (demangle_style_parse(arg, &opt->symbols.demangle) < 0)
		return bad("--demangle '%s': " DEMANGLE_STYLE_NAMES, arg);
	return 0;
}

/* A plain assignment; NULL if @c is no such option. */
static const char **string_option(struct record_options *opt, int c)
{
	switch (c) {
	case OPT_CGROUP:
		return &opt->cgroup;
	case OPT_PUSH:
		return &opt->push_url;
	case OPT_STATS:
		return &opt->stats;
	case OPT_DUMP:
		return &opt->dump;
	case OPT_SERVICE_NAME:
		return &opt->context.service_name;
	case OPT_LABEL_TRACE_ID:
		return &opt->context.trace_id_key;
	case OPT_LABEL_SPAN_ID:
		return &opt->context.span_id_key;
	case OPT_OBI_MAP:
		return &opt->context.obi_map;
	case OPT_SYMBOL_CACHE:
		return &opt->symbols.cache;
	case 'o':
		return &opt->output;
	default:
		return NULL;
	}
}

static bool *flag_option(struct parse_state *st, int c)
{
	switch (c) {
	case 'a':
		return &st->all;
	case 'q':
		return &st->opt->quiet;
	case 'v':
		return &st->opt->verbose;
	case 'h':
		return &st->opt->help;
	case OPT_ELASTIC_REGISTER:
		return &st->opt->context.elastic_register;
	default:
		return NULL;
	}
}

static int parse_one(struct parse_state *st, int c, const char *arg)
{
	const char **string = string_option(st->opt, c);
	bool *flag = flag_option(st, c);

	if (string)
		*string = arg;
	if (flag)
		*flag = true;
	if (string || flag)
		return 0;
	switch (c) {
	case 'p':
		return parse_pids(st->opt, arg);
	case 'F':
		return parse_frequency(st->opt, arg);
	case 'd':
		return parse_duration(st->opt, arg);
	case 'e':
		return parse_event(st->opt, arg);
	case OPT_CONTEXT:
		return context_options_set_formats(&st->opt->context, arg);
	case OPT_SPAN_SCOPE:
		return context_options_set_scope(&st->opt->context, arg);
	case OPT_TLS_VAR:
		return context_options_add_variable(&st->opt->context, arg);
	case OPT_MAX_CONTEXTS:
		return context_options_set_max(&st->opt->context, arg);
	case OPT_PUSH_LABEL:
		return add_push_label(st->opt, arg);
	case OPT_DEMANGLE:
		return parse_demangle(st->opt, arg);
	case OPT_DEBUGINFOD:
		return symbol_options_set_debuginfod(&st->opt->symbols, arg);
	case OPT_NO_DEBUGINFOD:
		st->opt->symbols.debuginfod = NULL;
		return 0;
	case OPT_UNWIND:
		return parse_unwind_memory(st->opt, arg);
	default:
		return parse_format(st, arg);
	}
}

static int check(const struct parse_state *st)
{
	struct record_options *opt = st->opt;
	int kinds = st->all + (opt->pids.n > 0) + (opt->cgroup != NULL) + (opt->command != NULL);

	if (kinds > 1)
		return bad("%s exclude one another", "-a, -p, --cgroup and a command");
	if (!st->has_format && output_format_of_path(opt->output, &opt->format) < 0)
		return bad(
			"-o '%s': the name says no format; use .pb.gz, .pb, .folded, .html, .txt "
			"or -f",
			opt->output);
	return 0;
}

static int bad_option(int c, char **argv)
{
	const char *what = c == ':' ? "needs a value" : "is unknown";

	log_error("option '%s' %s; see 'spanprof record --help'", argv[optind - 1], what);
	return -EINVAL;
}

int record_options_parse(int argc, char **argv, struct record_options *ret)
{
	struct parse_state st = { .opt = ret };
	int last_option = 1, c, r;
	bool ended; /* by "--", which may also be the value of the last option */

	*ret = (struct record_options){
		.frequency = DEFAULT_FREQUENCY,
		.unwind_budget = (size_t)DEFAULT_UNWIND << 20,
		.context = context_options_default(),
		.symbols = symbol_options_default(),
		.output = DEFAULT_OUTPUT,
	};
	optind = 0; /* glibc: start anew */
	opterr = 0;
	/* '+': the first word that is no option begins the command. */
	while ((c = getopt_long(argc, argv, "+:ap:d:F:e:o:f:qvh", long_options, NULL)) != -1) {
		if (c == '?' || c == ':')
			return bad_option(c, argv);
		r = parse_one(&st, c, optarg);
		if (r < 0)
			return r;
		last_option = optind;
	}

	ended = optind > last_option;
	if (optind < argc && !ended)
		return bad("unexpected '%s'; a command to run goes behind --", argv[optind]);
	if (optind == argc && ended)
		return bad("%s", "no command behind --");
	ret->command = optind < argc ? argv + optind : NULL;
	return ret->help ? 0 : check(&st);
}

void record_options_clear(struct record_options *opt)
{
	vec_free(&opt->pids);
	context_options_clear(&opt->context);
}
