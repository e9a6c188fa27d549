/* SPDX-License-Identifier: Apache-2.0 */
#include "app/naming.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "sym/debuginfod_files.h"
#include "sym/symbolizer.h"

static int open_servers(const struct symbol_options *opt, struct naming *n)
{
	const char *folder = symbol_options_debuginfod_folder();
	int r;

	if (!opt->debuginfod)
		return 0;
	r = debuginfod_files_new(opt->debuginfod, folder, &DEBUGINFOD_LIMITS_DEFAULT, &n->servers);
	return r < 0 ? log_error_errno(r,
				       "cannot use '%s' for files of debuginfod; "
				       "DEBUGINFOD_CACHE_PATH names another folder",
				       folder)
		     : 0;
}

int naming_open(const struct symbol_options *opt, struct naming **ret)
{
	CLEANUP(naming_closep) struct naming *n = calloc(1, sizeof(*n));
	int r = n ? symbolizer_new(&n->sym) : -ENOMEM;

	if (r < 0)
		return log_error_errno(r, "cannot name the functions");
	r = open_servers(opt, n);
	if (r == 0)
		*ret = TAKE_PTR(n);
	return r;
}

void naming_close(struct naming *n)
{
	if (!n)
		return;
	symbolizer_free(n->sym);
	debuginfod_files_free(n->servers);
	free(n);
}

void naming_report(const struct naming *n)
{
	struct debuginfod_totals t;

	if (!n->servers)
		return;
	t = debuginfod_files_totals(n->servers);
	if (t.failed)
		log_warning("debuginfod: %" PRIu64 " debug files could not be fetched (%s); there "
			    "are no lines, and fewer names, for these",
			    t.failed, strerror(-t.error));
	log_info("debuginfod: %" PRIu64 " debug files, %" PRIu64 " that no server has", t.found,
		 t.missing);
}
