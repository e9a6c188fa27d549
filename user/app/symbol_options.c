/* SPDX-License-Identifier: Apache-2.0 */
#include "app/symbol_options.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

struct symbol_options symbol_options_default(void)
{
	return (struct symbol_options){ .debuginfod = variable("DEBUGINFOD_URLS") };
}

int symbol_options_set_debuginfod(struct symbol_options *opt, const char *urls)
{
	opt->debuginfod = urls && *urls ? urls : variable("DEBUGINFOD_URLS");
	if (opt->debuginfod)
		return 0;
	log_error("--debuginfod: no server; give its URL (--debuginfod=https://…) or set "
		  "DEBUGINFOD_URLS");
	return -EINVAL;
}

const char *symbol_options_debuginfod_folder(void)
{
	const char *folder = variable("DEBUGINFOD_CACHE_PATH");

	return folder ? folder : "/var/cache/spanprof/debuginfod";
}
