/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cmd_agent.h"
#include "app/cmd_annotate.h"
#include "app/cmd_doctor.h"
#include "app/cmd_record.h"
#include "app/cmd_report.h"
#include "app/courier_office.h"
#include "base/log.h"
#include "sym/demangle_service.h"
#include "sym/names_service.h"
#include "unwind/rows_service.h"
#include "worker/service.h"
#include "worker/worker.h"

#define EXIT_USAGE 2

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *purpose;
};

static const struct command commands[] = {
	{ "record", cmd_record, "sample the system, a process or a command into a file" },
	{ "report", cmd_report, "show a recording: by span, function, process, …; as HTML" },
	{ "annotate", cmd_annotate, "show the source lines of a function with their shares" },
	{ "agent", cmd_agent, "profile the host all the time and deliver to endpoints" },
	{ "doctor", cmd_doctor, "say whether this host, or a process, can be profiled" },
};

static void print_help(FILE *out)
{
	fputs("Usage: spanprof COMMAND [OPTION]...\n"
	      "\n"
	      "Profiles a whole Linux system and says in which trace and span the time was spent.\n"
	      "\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].purpose);
	fputs("\n"
	      "'spanprof COMMAND --help' says more. Try:\n"
	      "  spanprof record -d 10 -o profile.html     10 seconds of everything, as a flame "
	      "graph\n"
	      "  spanprof record -- make                   a command and its children\n"
	      "  spanprof report spanprof.pb.gz --by span  what each span spent its time in\n",
	      out);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* In a process that worker/worker.h has started: does not return. */
static void run_worker(char *const *arguments)
{
	static const struct worker_service services[] = {
		{ WORKER_SERVICE_NAMES, names_service, NULL },
		{ WORKER_SERVICE_ROWS, rows_service, rows_service_tidy },
		{ WORKER_SERVICE_DEMANGLE, demangle_service, NULL },
		{ 0 },
	};

	worker_main(arguments, services);
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc == 2 + WORKER_MORE_ARGUMENTS && strcmp(argv[1], WORKER_ARGUMENT) == 0)
		run_worker(argv + 2);
	if (argc == 2 + COURIER_MORE_ARGUMENTS && strcmp(argv[1], COURIER_ARGUMENT) == 0)
		courier_main(argv + 2);

	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("spanprof " SPANPROF_VERSION);
		return EXIT_SUCCESS;
	}

	command = find_command(argv[1]);
	if (!command) {
		log_error("unknown command '%s'; see 'spanprof --help'", argv[1]);
		return EXIT_USAGE;
	}
	return command->run(argc - 1, argv + 1);
}
