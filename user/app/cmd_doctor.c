/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_doctor.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/doctor_host.h"
#include "app/doctor_process.h"
#include "base/log.h"
#include "base/parse.h"

#define EXIT_USAGE 2

static const char doctor_help[] =
	"Usage: spanprof doctor [-p PID [--tls-var FIELDS]...] [-v]\n"
	"\n"
	"Says, a line each, what this host offers for profiling: yes or no, what follows from "
	"\"no\",\n"
	"and how to mend it. \"NO\" in capitals makes profiling impossible.\n"
	"\n"
	"  -p, --pid PID   what would be collected of this process: names, unwind tables, and the\n"
	"                  trace context that it publishes; then looks for a second which spans "
	"its\n"
	"                  threads are in\n"
	"      --tls-var FIELDS  as record takes it\n"
	"  -v, --verbose   show what libbpf and the verifier say\n"
	"  -h, --help\n"
	"\n"
	"Exit status: 0; 1: profiling is impossible; 2: wrong usage.\n";

struct doctor_options {
	uint64_t pid; /* 0: the host */
	struct context_options context;
	bool verbose, help;
};

enum { OPT_TLS_VAR = 256 };

static int parse_one(struct doctor_options *opt, int c, char **argv)
{
	switch (c) {
	case 'v':
		opt->verbose = true;
		return 0;
	case 'h':
		opt->help = true;
		return 0;
	case OPT_TLS_VAR:
		return context_options_add_variable(&opt->context, optarg);
	case 'p':
		if (parse_u64(optarg, 1, INT32_MAX, &opt->pid) == 0)
			return 0;
		log_error("-p '%s': not a process id", optarg);
		return -EINVAL;
	default:
		log_error("option '%s' %s; see 'spanprof doctor --help'", argv[optind - 1],
			  c == ':' ? "needs a value" : "is unknown");
		return -EINVAL;
	}
}

static int parse(int argc, char **argv, struct doctor_options *ret)
{
	static const struct option long_options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "tls-var", required_argument, NULL, OPT_TLS_VAR },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*ret = (struct doctor_options){ .context = context_options_default() };
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":p:vh", long_options, NULL)) != -1) {
		int r = parse_one(ret, c, argv);

		if (r < 0)
			return r;
	}
	if (optind < argc) {
		log_error("unexpected '%s'; see 'spanprof doctor --help'", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static int run(const struct doctor_options *opt)
{
	enum finding_state worst = FINDING_YES;

	if (opt->help) {
		fputs(doctor_help, stdout);
		return EXIT_SUCCESS;
	}
	log_set_level(opt->verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (opt->pid)
		doctor_process(opt->pid, &opt->context, &worst);
	else
		doctor_host(&worst);
	return worst == FINDING_FATAL ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor_options opt;
	int status = parse(argc, argv, &opt) < 0 ? EXIT_USAGE : run(&opt);

	context_options_clear(&opt.context);
	return status;
}
