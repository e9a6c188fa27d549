/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_agent.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/agent.h"
#include "app/agent_ctl.h"
#include "app/agent_options.h"
#include "app/host_limits.h"
#include "base/core_dump.h"
#include "base/log.h"
#include "base/memory.h"

#define EXIT_USAGE 2

static int load(const struct agent_options *opt, struct agent_config **ret)
{
	CLEANUP(config_problems_clear) struct config_problems problems = { 0 };
	int r = agent_config_load(&opt->sources, &problems, ret);

	config_problems_log(&problems);
	return r == -ENOMEM ? log_error_errno(r, "cannot read the configuration") : r;
}

static int print_status(int r)
{
	if (r == 0)
		return EXIT_SUCCESS;
	log_error_errno(r, "cannot write the configuration");
	return EXIT_FAILURE;
}

int cmd_agent(int argc, char **argv)
{
	CLEANUP(agent_config_freep) struct agent_config *config = NULL;
	struct agent_options opt;

	if (argc > 1 && strcmp(argv[1], "ctl") == 0)
		return agent_ctl(argc - 1, argv + 1);
	if (agent_options_parse(argc, argv, environ, &opt) < 0)
		return EXIT_USAGE;
	if (opt.help) {
		agent_options_help(stdout);
		return fflush(stdout) == 0 || errno == EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	core_dump_refuse(); /* before there is what the configuration and strangers' memory hold */
	memory_stay_small();
	if (load(&opt, &config) < 0)
		return EXIT_FAILURE;
	if (opt.print)
		return print_status(agent_config_print(config, stdout));
	if (!config->n_endpoints) {
		log_error("no endpoints: name one with --endpoint pyroscope+http://HOST:4040, or "
			  "in the configuration");
		return EXIT_FAILURE;
	}
	if (opt.check)
		return host_limits_check_frequency("frequency", config->frequency) < 0
			       ? EXIT_FAILURE
			       : EXIT_SUCCESS;
	return agent_run(&opt.sources, TAKE_PTR(config)) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
