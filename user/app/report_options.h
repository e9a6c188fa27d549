/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `spanprof report`. */
#ifndef APP_REPORT_OPTIONS_H
#define APP_REPORT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "app/output.h"
#include "app/profile_input.h"

struct report_options {
	const char *input;  /* "-": standard input */
	const char *output; /* "-": standard output */
	enum output_format format;
	bool by_given; /* table.by was asked for; else it follows from the profile */
	bool help;     /* nothing else counts */
	struct view_table_options table;
	struct frame_options frames;
};

/* Strings point into @argv, which is permuted. -EINVAL: said what is wrong. Logs. */
int report_options_parse(int argc, char **argv, struct report_options *ret);

void report_options_help(FILE *out);

#endif
