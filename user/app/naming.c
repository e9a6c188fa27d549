/* SPDX-License-Identifier: Apache-2.0 */
#include "app/naming.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "sym/debuginfod_files.h"
#include "sym/symbolizer.h"
#include "worker/worker.h"

#define BAD_FILES_SHOWN 10

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

	if (r == 0)
		r = worker_new(NULL, &n->worker);
	if (r < 0)
		return log_error_errno(r, "cannot name the functions");
	symbolizer_use_worker(n->sym, n->worker);
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
	worker_free(n->worker);
	debuginfod_files_free(n->servers);
	free(n);
}

/* What went wrong with the reading of strangers' files. */
static void report_files(const struct symbolizer *sym, const struct worker *worker)
{
	const struct worker_failure *last = worker_last_failure(worker);
	const struct sym_bad_file *bad;
	char text[WORKER_TEXT_MAX];
	size_t i;

	worker_gaps_print(worker, text);
	if (text[0])
		log_warning("ELF files are read in a process with less protection than meant: %s",
			    text);
	if (last->kind == WORKER_NOT_STARTED) {
		worker_failure_print(last, text);
		log_warning("cannot read ELF files, functions show as [file+0x…]: %s", text);
	}
	for (i = 0; i < BAD_FILES_SHOWN && (bad = symbolizer_bad_file(sym, i)); i++)
		log_warning("cannot name functions of '%s', which show as [file+0x…]: %s",
			    bad->path, bad->reason);
	if (i == BAD_FILES_SHOWN && symbolizer_bad_file(sym, i))
		log_warning("the same with other files; symbol_worker_failed counts them");
}

static void report_servers(const struct debuginfod_files *servers)
{
	struct debuginfod_totals t = debuginfod_files_totals(servers);

	if (t.failed)
		log_warning("debuginfod: %" PRIu64 " debug files could not be fetched (%s); there "
			    "are no lines, and fewer names, for these",
			    t.failed, strerror(-t.error));
	log_info("debuginfod: %" PRIu64 " debug files, %" PRIu64 " that no server has", t.found,
		 t.missing);
}

void naming_report(const struct naming *n)
{
	report_files(n->sym, n->worker);
	if (n->servers)
		report_servers(n->servers);
}
