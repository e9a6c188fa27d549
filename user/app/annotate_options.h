/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `spanprof annotate`. */
#ifndef APP_ANNOTATE_OPTIONS_H
#define APP_ANNOTATE_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "app/profile_input.h"
#include "app/source_search.h"
#include "view/annotate.h"

struct annotate_command {
	const char *input; /* "-": standard input */
	struct annotate_options view;
	struct frame_options frames;
	struct source_search sources;
	bool help; /* nothing else counts */
};

/* Strings point into @argv, which is permuted. -EINVAL: said what is wrong. Logs. */
int annotate_options_parse(int argc, char **argv, struct annotate_command *ret);

void annotate_options_help(FILE *out);

#endif
