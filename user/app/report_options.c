/* SPDX-License-Identifier: Apache-2.0 */
#include "app/report_options.h"

#include <getopt.h>
#include <string.h>

#include "base/log.h"
#include "base/parse.h"

#define SPAN_ID_BYTES	  8
#define TRACE_ID_BYTES	  16
#define DEFAULT_ROWS	  20
#define DEFAULT_FUNCTIONS 5
#define HELP_COLUMN	  22

struct parse_state {
	struct report_options *options;
	const char *format_by; /* the option that said the format; NULL: none yet */
};

struct option_def {
	const char *name; /* long form; NULL: none */
	char letter;	  /* 0: none */
	const char *arg;  /* what it takes; NULL: nothing */
	const char *help;
	int (*apply)(struct parse_state *st, const struct option_def *def, const char *arg);
};

static int apply_by(struct parse_state *st, const struct option_def *def, const char *arg)
{
	if (view_by_parse(arg, &st->options->table.by) < 0) {
		log_error("unknown --by '%s': function, span, trace, process, thread or service",
			  arg);
		return -EINVAL;
	}
	st->options->by_given = true;
	return 0;
}

static int check_id(const char *what, const char *arg, size_t bytes)
{
	uint8_t id[TRACE_ID_BYTES];

	if (parse_hex(arg, id, bytes) == 0)
		return 0;
	log_error("'%s' is no %s id: it takes %zu hex digits", arg, what, 2 * bytes);
	return -EINVAL;
}

static int apply_span_id(struct parse_state *st, const struct option_def *def, const char *arg)
{
	st->options->table.select.span_id = arg;
	return check_id("span", arg, SPAN_ID_BYTES);
}

static int apply_label(struct parse_state *st, const struct option_def *def, const char *arg)
{
	st->options->table.select.label = arg;
	if (strchr(arg, '=') && *arg != '=')
		return 0;
	log_error("--label '%s': not KEY=VALUE", arg);
	return -EINVAL;
}

static int apply_trace_id(struct parse_state *st, const struct option_def *def, const char *arg)
{
	st->options->table.select.trace_id = arg;
	return check_id("trace", arg, TRACE_ID_BYTES);
}

static int apply_pid(struct parse_state *st, const struct option_def *def, const char *arg)
{
	uint64_t pid;

	if (parse_u64(arg, 1, INT32_MAX, &pid) < 0) {
		log_error("'%s' is no process id: -p takes a number from 1 to %d", arg, INT32_MAX);
		return -EINVAL;
	}
	st->options->table.select.pid = (int64_t)pid;
	return 0;
}

static int set_format(struct parse_state *st, const char *option, enum output_format fmt)
{
	if (st->format_by) {
		log_error("%s and %s exclude each other: give one of them", st->format_by, option);
		return -EINVAL;
	}
	st->format_by = option;
	st->options->format = fmt;
	return 0;
}

static int apply_folded(struct parse_state *st, const struct option_def *def, const char *arg)
{
	return set_format(st, "--folded", OUTPUT_FOLDED);
}

static int apply_text(struct parse_state *st, const struct option_def *def, const char *arg)
{
	return set_format(st, "--text", OUTPUT_TEXT);
}

static int set_output(struct parse_state *st, const char *path)
{
	if (st->options->output) {
		log_error("output files '%s' and '%s' exclude each other: give one of them",
			  st->options->output, path);
		return -EINVAL;
	}
	if (!path[0]) {
		log_error("the name of the output file is empty; '-' is standard output");
		return -EINVAL;
	}
	st->options->output = path;
	return 0;
}

static int apply_html(struct parse_state *st, const struct option_def *def, const char *arg)
{
	int r = set_format(st, "--html", OUTPUT_HTML);

	return r < 0 ? r : set_output(st, arg);
}

static int apply_output(struct parse_state *st, const struct option_def *def, const char *arg)
{
	return set_output(st, arg);
}

static int apply_rows(struct parse_state *st, const struct option_def *def, const char *arg)
{
	uint64_t n;

	if (parse_u64(arg, 0, INT32_MAX, &n) < 0) {
		log_error("'%s' is no number of rows: -n takes 0 (all) or more", arg);
		return -EINVAL;
	}
	st->options->table.max_rows = (size_t)n;
	return 0;
}

static int apply_help(struct parse_state *st, const struct option_def *def, const char *arg)
{
	st->options->help = true;
	return 0;
}

static const struct option_def option_defs[] = {
	{ "by", 0, "WHAT",
	  "rows of the table: function, span, trace, process, thread or service;\n"
	  "by default span if the profile has spans, else function",
	  apply_by },
	{ "span-id", 0, "HEX", "only samples of this span (16 hex digits)", apply_span_id },
	{ "trace-id", 0, "HEX", "only samples of this trace (32 hex digits)", apply_trace_id },
	{ "label", 0, "KEY=VALUE", "only samples with this label", apply_label },
	{ "pid", 'p', "PID", "only samples of this process", apply_pid },
	{ "text", 0, NULL, "tables for the terminal (the default)", apply_text },
	{ "folded", 0, NULL, "folded stacks: process;outermost;...;leaf count", apply_folded },
	{ "html", 0, "OUT", "an HTML file with flame graph, spans and functions", apply_html },
	{ "output", 'o', "OUT",
	  "write to this file; without --text or --folded its name says the format:\n"
	  ".pb.gz .pb .folded .html .txt",
	  apply_output },
	{ "rows", 'n', "N", "rows of the table (default 20; 0: all)", apply_rows },
	{ "help", 'h', NULL, "show this", apply_help },
};

#define N_OPTIONS (sizeof(option_defs) / sizeof(option_defs[0]))

/* Behind the spellings of an option its text, each line at the same column. */
static void print_option(FILE *out, const struct option_def *def)
{
	char left[64];
	const char *line = def->help, *end;
	bool first = true;

	snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", def->letter ? '-' : ' ',
		 def->letter ? def->letter : ' ', def->letter ? ", " : "  ", def->name,
		 def->arg ? " " : "", def->arg ? def->arg : "");
	for (; *line; line = *end ? end + 1 : end, first = false) {
		end = strchrnul(line, '\n');
		fprintf(out, "%-*s%.*s\n", HELP_COLUMN, first ? left : "", (int)(end - line), line);
	}
}

void report_options_help(FILE *out)
{
	fputs("Usage: spanprof report [OPTION]... FILE\n"
	      "Shows a recording: the hottest spans and functions, folded stacks or a flame "
	      "graph.\n"
	      "FILE is what 'spanprof record' wrote, or any other pprof profile; '-' is standard "
	      "input.\n\n",
	      out);
	for (size_t i = 0; i < N_OPTIONS; i++)
		print_option(out, &option_defs[i]);
	fputs("\nExit status: 0; 1 if something failed; 2 if the command line is wrong.\n", out);
}

/* getopt_long() returns the place in the table, + 1, of either spelling. */
static void fill_getopt(struct option *longs, char *shorts)
{
	char *s = shorts;

	/* Own messages; and a missing argument is told apart from an unknown option. */
	*s++ = ':';
	for (size_t i = 0; i < N_OPTIONS; i++) {
		longs[i] = (struct option){ option_defs[i].name,
					    option_defs[i].arg ? required_argument : no_argument,
					    NULL, (int)i + 1 };
		if (!option_defs[i].letter)
			continue;
		*s++ = option_defs[i].letter;
		if (option_defs[i].arg)
			*s++ = ':';
	}
	longs[N_OPTIONS] = (struct option){ 0 };
	*s = '\0';
}

static const struct option_def *find_option(int value)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (value == (int)i + 1 ||
		    (option_defs[i].letter && value == option_defs[i].letter))
			return &option_defs[i];
	return NULL;
}

static int complain(int c, char **argv)
{
	const struct option_def *def = find_option(optopt);
	char letter[] = { '-', (char)optopt, '\0' };
	/* In a cluster of letters ("-xz") optind is not behind the word yet. */
	bool is_letter = optopt > (int)N_OPTIONS;
	const char *given = is_letter ? letter : argv[optind - 1];

	if (c == ':')
		log_error("option '%s' needs a value; see 'spanprof report --help'", given);
	else if (def)
		log_error("option '--%s' takes no value; see 'spanprof report --help'", def->name);
	else
		log_error("unknown option '%s'; see 'spanprof report --help'", given);
	return -EINVAL;
}

static int parse_options(int argc, char **argv, struct parse_state *st)
{
	struct option longs[N_OPTIONS + 1];
	char shorts[2 * N_OPTIONS + 2];

	fill_getopt(longs, shorts);
	opterr = 0;
	optind = 0; /* glibc: start anew, also in a second call */
	while (!st->options->help) {
		int c = getopt_long(argc, argv, shorts, longs, NULL), r;
		const struct option_def *def;

		if (c == -1)
			break;
		if (c == '?' || c == ':')
			return complain(c, argv);
		def = find_option(c);
		r = def->apply(st, def, optarg);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_input(int argc, char **argv, struct report_options *o)
{
	if (optind == argc) {
		log_error("no file given: spanprof report FILE");
		return -EINVAL;
	}
	if (optind + 1 < argc) {
		log_error("one file at a time: '%s' is too many", argv[optind + 1]);
		return -EINVAL;
	}
	o->input = argv[optind];
	return 0;
}

/* Without an option that says it, the format follows from the output's name. */
static int settle_output(struct parse_state *st)
{
	struct report_options *o = st->options;

	if (!o->output)
		o->output = "-";
	if (st->format_by || strcmp(o->output, "-") == 0)
		return 0;
	if (output_format_of_path(o->output, &o->format) == 0)
		return 0;
	log_error("cannot tell the format from the name '%s': let it end in .pb.gz, .pb, .folded, "
		  ".html or .txt, or give --text or --folded",
		  o->output);
	return -EINVAL;
}

int report_options_parse(int argc, char **argv, struct report_options *ret)
{
	struct report_options o = {
		.format = OUTPUT_TEXT,
		.table = { .max_rows = DEFAULT_ROWS, .max_functions = DEFAULT_FUNCTIONS },
	};
	struct parse_state st = { &o, NULL };
	int r;

	r = parse_options(argc, argv, &st);
	if (r == 0 && !o.help)
		r = parse_input(argc, argv, &o);
	if (r == 0 && !o.help)
		r = settle_output(&st);
	if (r < 0)
		return r;

	*ret = o;
	return 0;
}
