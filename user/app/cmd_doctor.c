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
	"Usage: spanprof doctor [-p PID] [-v]\n"
	"\n"
	"Says, a line each, what this host offers for profiling: yes or no, what follows from "
	"\"no\",\n"
	"and how to mend it. \"NO\" in capitals makes profiling impossible.\n"
	"\n"
	"  -p, --pid PID   what would be collected of this process: names, unwind tables, and the\n"
	"                  trace context that it publishes\n"
	"  -v, --verbose   show what libbpf and the verifier say\n"
	"  -h, --help\n"
	"\n"
	"Exit status: 0; 1: profiling is impossible; 2: wrong usage.\n";

struct doctor_options {
	uint64_t pid; /* 0: the host */
	bool verbose, help;
};

static int parse(int argc, char **argv, struct doctor_options *ret)
{
	static const struct option long_options[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*ret = (struct doctor_options){ 0 };
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":p:vh", long_options, NULL)) != -1) {
		if (c == 'v') {
			ret->verbose = true;
		} else if (c == 'h') {
			ret->help = true;
		} else if (c != 'p') {
			log_error("option '%s' %s; see 'spanprof doctor --help'", argv[optind - 1],
				  c == ':' ? "needs a value" : "is unknown");
			return -EINVAL;
		} else if (parse_u64(optarg, 1, INT32_MAX, &ret->pid) < 0) {
			log_error("-p '%s': not a process id", optarg);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		log_error("unexpected '%s'; see 'spanprof doctor --help'", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

int cmd_doctor(int argc, char **argv)
{
	enum finding_state worst = FINDING_YES;
	struct doctor_options opt;

	if (parse(argc, argv, &opt) < 0)
		return EXIT_USAGE;
	if (opt.help) {
		fputs(doctor_help, stdout);
		return EXIT_SUCCESS;
	}
	log_set_level(opt.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (opt.pid)
		doctor_process(opt.pid, &worst);
	else
		doctor_host(&worst);
	return worst == FINDING_FATAL ? EXIT_FAILURE : EXIT_SUCCESS;
}
