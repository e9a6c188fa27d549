/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of `spanprof record`. */
#ifndef APP_RECORD_OPTIONS_H
#define APP_RECORD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "app/context_options.h"
#include "app/output.h"
#include "app/symbol_options.h"
#include "base/vec.h"
#include "collect/collector.h"
#include "export/pyroscope_split.h"
#include "sym/demangle.h"

struct record_options {
	VEC(pid_t) pids;      /* -p */
	const char *cgroup;   /* --cgroup, or NULL */
	char **command;	      /* behind --, or NULL */
	uint64_t duration_ns; /* 0: until it is stopped */
	unsigned frequency;
	size_t unwind_budget; /* bytes */
	enum collector_event event;
	const char *output;
	enum output_format format;
	struct context_options context;
	struct symbol_options symbols;
	const char *push_url; /* NULL: none */
	const char *push_labels[PYROSCOPE_KEYS_MAX];
	size_t n_push_labels;
	const char *stats; /* NULL: none */
	const char *dump;  /* NULL: none */
	bool quiet, verbose, help;
};

/*
 * Fills *ret, which points into @argv; argv[0] is "record". -EINVAL: a message has been logged.
 * record_options_clear() in either case.
 */
int record_options_parse(int argc, char **argv, struct record_options *ret);
void record_options_clear(struct record_options *opt);

/* Text of `record --help`. */
extern const char record_help[];

#endif
