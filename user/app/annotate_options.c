/* SPDX-License-Identifier: Apache-2.0 */
#include "app/annotate_options.h"

#include <errno.h>
#include <getopt.h>

#include "base/log.h"
#include "base/parse.h"

#define DEFAULT_CONTEXT 5
#define CONTEXT_MAX	10000
#define STOP		1

static int apply_in(void *state, const char *arg)
{
	((struct annotate_command *)state)->view.in = arg;
	return 0;
}

static int apply_context(void *state, const char *arg)
{
	uint64_t n;

	if (parse_u64(arg, 0, CONTEXT_MAX, &n) < 0) {
		log_error("'%s' is no number of lines: -C takes 0 to %d", arg, CONTEXT_MAX);
		return -EINVAL;
	}
	((struct annotate_command *)state)->view.context = (unsigned)n;
	return 0;
}

static int apply_source_dir(void *state, const char *arg)
{
	((struct annotate_command *)state)->sources.dirs = arg;
	return 0;
}

static int apply_source_map(void *state, const char *arg)
{
	int r = source_search_add_map(&((struct annotate_command *)state)->sources, arg);

	if (r == -ENOSPC)
		log_error("--source-map '%s': at most %d of these", arg, SOURCE_MAPS_MAX);
	else if (r < 0)
		log_error("--source-map '%s': not FROM=TO", arg);
	return r < 0 ? -EINVAL : 0;
}

static int apply_help(void *state, const char *arg)
{
	((struct annotate_command *)state)->help = true;
	return STOP;
}

static const struct option_def option_defs[] = {
	{ "in", 0, "NAME", "only a function of this program, library or source file", apply_in, 0 },
	SELECT_OPTIONS(offsetof(struct annotate_command, view.select)),
	FRAME_OPTIONS(offsetof(struct annotate_command, frames)),
	{ "source-dir", 0, "DIR[:DIR]", "look for source files below these folders first",
	  apply_source_dir, 0 },
	{ "source-map", 0, "FROM=TO", "paths of source files that begin with FROM begin with TO",
	  apply_source_map, 0 },
	{ "context", 'C', "N", "lines shown around those with samples (default 5)", apply_context,
	  0 },
	{ "help", 'h', NULL, "show this", apply_help, 0 },
};

static const struct option_table table = {
	"annotate",
	option_defs,
	sizeof(option_defs) / sizeof(option_defs[0]),
};

void annotate_options_help(FILE *out)
{
	fputs("Usage: spanprof annotate [OPTION]... FUNCTION FILE\n"
	      "Shows the source lines of a function with their share of all samples: self, and "
	      "total "
	      "with what\n"
	      "they call. FUNCTION is its name, a pattern with * and ?, or a part of the name; of "
	      "several it is\n"
	      "the hottest one. FILE is what 'spanprof record' wrote, or any other pprof profile; "
	      "'-' "
	      "is standard\n"
	      "input.\n\n",
	      out);
	option_table_help(&table, out);
	fputs("\nExit status: 0; 1 if something failed; 2 if the command line is wrong.\n", out);
}

static int parse_words(int argc, char **argv, struct annotate_command *c)
{
	if (optind + 2 != argc) {
		log_error("a function and a file are needed: spanprof annotate FUNCTION FILE");
		return -EINVAL;
	}
	c->view.function = argv[optind];
	c->input = argv[optind + 1];
	if (c->view.function[0])
		return 0;
	log_error("the name of the function is empty");
	return -EINVAL;
}

int annotate_options_parse(int argc, char **argv, struct annotate_command *ret)
{
	struct annotate_command c = { .view.context = DEFAULT_CONTEXT };
	int r = option_table_parse(&table, argc, argv, &c);

	if (r == 0)
		r = parse_words(argc, argv, &c);
	if (r < 0)
		return r;

	*ret = c;
	return 0;
}
