/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `spanprof agent`. */
#ifndef APP_AGENT_OPTIONS_H
#define APP_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "app/agent_config.h"

struct agent_options {
	struct agent_sources sources; /* points into argv */
	bool check, print, help;
};

/* argv[0] is "agent". -EINVAL: a message has been logged. */
int agent_options_parse(int argc, char **argv, char **environment, struct agent_options *ret);

void agent_options_help(FILE *out);

#endif
