/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf-PID.map: the names that a runtime writes of the code it makes, a line each, "START SIZE
 * NAME", numbers in hexadecimal. The file grows, so its text comes in parts. Never logs.
 */
#ifndef SYM_PERF_MAP_H
#define SYM_PERF_MAP_H

#include <stdbool.h>

#include "sym/code_names.h"

/* A zeroed one stands at the begin of the file. */
struct perf_map {
	char line[CODE_NAME_MAX + 64]; /* the begin of one whose end has not come yet */
	size_t n;
	uint64_t malformed; /* lines that were skipped */
};

/*
 * Takes the next @len bytes of the text, of which nobody knows more than that they were there at
 * @time_ns. Of a line that is too long, the begin counts. -ENOSPC, -ENOMEM: of code_names_add();
 * the rest of the text is left out.
 */
int perf_map_feed(struct perf_map *m, const char *text, size_t len, uint64_t time_ns,
		  struct code_names *names);

#endif
