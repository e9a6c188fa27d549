/* SPDX-License-Identifier: Apache-2.0 */
#include "app/agent_ctl.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "app/agent_config.h"
#include "app/control.h"
#include "app/host_limits.h"
#include "app/option_table.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "shared/focus.h"

#define EXIT_USAGE	  2
#define FREQUENCY_DEFAULT 999
#define SECONDS_DEFAULT	  30

struct ctl_options {
	const char *socket;
	uint64_t frequency, seconds;
	char focus[64]; /* as the request has it */
	bool help;
};

static int set_socket(void *target, const char *arg)
{
	((struct ctl_options *)target)->socket = arg;
	return 0;
}

static int set_frequency(void *target, const char *arg)
{
	struct ctl_options *opt = target;

	if (parse_u64(arg, 1, FREQUENCY_MAX, &opt->frequency) == 0)
		return 0;
	log_error("-F '%s': not a number from 1 to %d", arg, FREQUENCY_MAX);
	return -EINVAL;
}

static int set_duration(void *target, const char *arg)
{
	struct ctl_options *opt = target;
	uint64_t ns;

	if (parse_duration_ns(arg, &ns) == 0 && ns >= NSEC_PER_SEC &&
	    ns <= RAISE_SECONDS_MAX * NSEC_PER_SEC) {
		opt->seconds = ns / NSEC_PER_SEC;
		return 0;
	}
	log_error("-d '%s': not a duration from 1s to 1h", arg);
	return -EINVAL;
}

static int set_focus(struct ctl_options *opt, const char *kind, const char *arg)
{
	if (*opt->focus) {
		log_error("-p and --trace-id: one of them, once");
		return -EINVAL;
	}
	snprintf(opt->focus, sizeof(opt->focus), " %s %s", kind, arg);
	return 0;
}

static int set_pid(void *target, const char *arg)
{
	uint64_t pid;

	if (parse_u64(arg, 1, INT32_MAX, &pid) < 0) {
		log_error("-p '%s': not a process id", arg);
		return -EINVAL;
	}
	return set_focus(target, "pid", arg);
}

static int set_trace(void *target, const char *arg)
{
	uint8_t id[FOCUS_TRACE_LEN];

	if (parse_hex(arg, id, sizeof(id)) < 0) {
		log_error("--trace-id '%s': not 32 hexadecimal digits", arg);
		return -EINVAL;
	}
	return set_focus(target, "trace", arg);
}

static int set_help(void *target, const char *arg)
{
	((struct ctl_options *)target)->help = true;
	return 1; /* the rest does not count */
}

static const struct option_def defs[] = {
	{ "freq", 'F', "HZ", "of raise: samples a second on each CPU (default 999)", set_frequency,
	  0 },
	{ "duration", 'd', "TIME", "of raise: how long, 1s to 1h (default 30s)", set_duration, 0 },
	{ "pid", 'p', "PID", "of raise: only this process, all others as before", set_pid, 0 },
	{ "trace-id", 0, "ID", "of raise: only spans of this trace", set_trace, 0 },
	{ "socket", 0, "PATH", "the agent's control_socket (default " AGENT_CONTROL_SOCKET ")",
	  set_socket, 0 },
	{ "help", 'h', NULL, "show this", set_help, 0 },
};

static const struct option_table table = { "agent ctl", defs, sizeof(defs) / sizeof(defs[0]) };

static void print_help(void)
{
	fputs("Usage: spanprof agent ctl status|raise [OPTION]...\n"
	      "\n"
	      "Asks the agent that runs on this host: 'status' prints its numbers and how its "
	      "endpoints\n"
	      "are, 'raise' makes it sample the host, one process or one trace more often for a "
	      "while.\n"
	      "Its profiles go where they always go; what is sampled more often than the rest is "
	      "in\n"
	      "profiles of its own.\n"
	      "\n",
	      stdout);
	option_table_help(&table, stdout);
}

static int ask(const struct ctl_options *opt, const char *request)
{
	CLEANUP(freep) char *answer = NULL;
	int r = control_ask(opt->socket, request, &answer);

	if (r == -ENOENT || r == -ECONNREFUSED)
		log_error("no agent listens on '%s'; --socket names its control_socket",
			  opt->socket);
	else if (r < 0)
		log_error_errno(r, "cannot ask the agent on '%s'", opt->socket);
	if (r < 0)
		return EXIT_FAILURE;
	if (strncmp(answer, "error: ", 7) == 0) {
		log_error("%.*s", (int)strcspn(answer + 7, "\n"), answer + 7);
		return EXIT_FAILURE;
	}
	fputs(answer, stdout);
	return *answer ? EXIT_SUCCESS : EXIT_FAILURE;
}

int agent_ctl(int argc, char **argv)
{
	struct ctl_options opt = { .socket = AGENT_CONTROL_SOCKET,
				   .frequency = FREQUENCY_DEFAULT,
				   .seconds = SECONDS_DEFAULT };
	const char *command;
	char request[128];

	if (option_table_parse(&table, argc, argv, &opt) < 0)
		return EXIT_USAGE;
	if (opt.help) {
		print_help();
		return EXIT_SUCCESS;
	}
	command = optind + 1 == argc ? argv[optind] : "";
	if (strcmp(command, "status") == 0)
		return ask(&opt, "status");
	if (strcmp(command, "raise") == 0) {
		snprintf(request, sizeof(request), "raise %" PRIu64 " %" PRIu64 "%s", opt.frequency,
			 opt.seconds, opt.focus);
		return ask(&opt, request);
	}
	log_error("agent ctl: 'status' or 'raise' is wanted; see 'spanprof agent ctl --help'");
	return EXIT_USAGE;
}
