/* SPDX-License-Identifier: Apache-2.0 */
#include "app/report_options.h"

#include <string.h>

#include "base/log.h"
#include "base/parse.h"

#define DEFAULT_ROWS	  20
#define DEFAULT_FUNCTIONS 5
#define STOP		  1

struct parse_state {
	struct report_options options;
	const char *format_by; /* the option that said the format; NULL: none yet */
};

static int apply_by(void *state, const char *arg)
{
	struct report_options *o = &((struct parse_state *)state)->options;

	if (view_by_parse(arg, &o->table.by) < 0) {
		log_error("unknown --by '%s': function, line, span, trace, process, thread or "
			  "service",
			  arg);
		return -EINVAL;
	}
	o->by_given = true;
	o->table.select.by_line = o->table.by == VIEW_BY_LINE;
	return 0;
}

static int set_format(struct parse_state *st, const char *option, enum output_format fmt)
{
	if (st->format_by) {
		log_error("%s and %s exclude each other: give one of them", st->format_by, option);
		return -EINVAL;
	}
	st->format_by = option;
	st->options.format = fmt;
	return 0;
}

static int apply_folded(void *state, const char *arg)
{
	return set_format(state, "--folded", OUTPUT_FOLDED);
}

static int apply_text(void *state, const char *arg)
{
	return set_format(state, "--text", OUTPUT_TEXT);
}

static int set_output(struct parse_state *st, const char *path)
{
	if (st->options.output) {
		log_error("output files '%s' and '%s' exclude each other: give one of them",
			  st->options.output, path);
		return -EINVAL;
	}
	if (!path[0]) {
		log_error("the name of the output file is empty; '-' is standard output");
		return -EINVAL;
	}
	st->options.output = path;
	return 0;
}

static int apply_html(void *state, const char *arg)
{
	int r = set_format(state, "--html", OUTPUT_HTML);

	return r < 0 ? r : set_output(state, arg);
}

static int apply_output(void *state, const char *arg)
{
	return set_output(state, arg);
}

static int apply_rows(void *state, const char *arg)
{
	uint64_t n;

	if (parse_u64(arg, 0, INT32_MAX, &n) < 0) {
		log_error("'%s' is no number of rows: -n takes 0 (all) or more", arg);
		return -EINVAL;
	}
	((struct parse_state *)state)->options.table.max_rows = (size_t)n;
	return 0;
}

static int apply_help(void *state, const char *arg)
{
	((struct parse_state *)state)->options.help = true;
	return STOP;
}

static const struct option_def option_defs[] = {
	{ "by", 0, "WHAT",
	  "rows of the table: function, line, span, trace, process, thread or service;\n"
	  "by default span if the profile has spans, else function.\n"
	  "With line, frames of folded stacks and flame graphs have lines, too",
	  apply_by, 0 },
	SELECT_OPTIONS(offsetof(struct parse_state, options.table.select)),
	FRAME_OPTIONS(offsetof(struct parse_state, options.frames)),
	{ "text", 0, NULL, "tables for the terminal (the default)", apply_text, 0 },
	{ "folded", 0, NULL, "folded stacks: process;outermost;...;leaf count", apply_folded, 0 },
	{ "html", 0, "OUT", "an HTML file with flame graph, spans and functions", apply_html, 0 },
	{ "output", 'o', "OUT",
	  "write to this file; without --text or --folded its name says the format:\n"
	  ".pb.gz .pb .folded .html .txt",
	  apply_output, 0 },
	{ "rows", 'n', "N", "rows of the table (default 20; 0: all)", apply_rows, 0 },
	{ "help", 'h', NULL, "show this", apply_help, 0 },
};

static const struct option_table table = {
	"report",
	option_defs,
	sizeof(option_defs) / sizeof(option_defs[0]),
};

void report_options_help(FILE *out)
{
	fputs("Usage: spanprof report [OPTION]... FILE\n"
	      "Shows a recording: the hottest spans and functions, folded stacks or a flame "
	      "graph.\n"
	      "FILE is what 'spanprof record' wrote, or any other pprof profile; '-' is standard "
	      "input.\n\n",
	      out);
	option_table_help(&table, out);
	fputs("\nExit status: 0; 1 if something failed; 2 if the command line is wrong.\n", out);
}

/* Without an option that says it, the format follows from the output's name. */
static int settle_output(struct parse_state *st)
{
	struct report_options *o = &st->options;

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
	struct parse_state st = {
		.options = { .format = OUTPUT_TEXT,
			     .table = { .max_rows = DEFAULT_ROWS,
					.max_functions = DEFAULT_FUNCTIONS } },
	};
	int r = option_table_parse(&table, argc, argv, &st);

	if (r == 0)
		r = profile_input_one_file("report", argc, argv, &st.options.input);
	if (r == 0)
		r = settle_output(&st);
	if (r < 0)
		return r;

	*ret = st.options;
	return 0;
}
