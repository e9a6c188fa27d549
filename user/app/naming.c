/* SPDX-License-Identifier: Apache-2.0 */
#include "app/naming.h"

#include <inttypes.h>
#include <string.h>

#include "app/worker_report.h"
#include "base/log.h"
#include "export/pprof_edit.h"
#include "sym/debuginfod_files.h"
#include "sym/demangle_client.h"
#include "sym/symbol_cache.h"
#include "sym/symbolizer.h"
#include "worker/worker.h"

#define BAD_FILES_SHOWN 10

/* Samples have been taken by now: whatever cannot be had, they must not be lost for it. */
static void open_servers(const struct symbol_options *opt, struct naming *n)
{
	const char *folder = symbol_options_debuginfod_folder();
	int r;

	if (!opt->debuginfod)
		return;
	r = debuginfod_files_new(opt->debuginfod, folder, &DEBUGINFOD_LIMITS_DEFAULT, &n->servers);
	if (r == -ENOPKG)
		log_warning("cannot load libdebuginfod.so.1, nothing is fetched; "
			    "install libdebuginfod1");
	else if (r < 0)
		log_warning("cannot keep files of debuginfod in '%s', nothing is fetched: %s; "
			    "DEBUGINFOD_CACHE_PATH names another folder",
			    folder, strerror(-r));
}

static void open_cache(const struct symbol_options *opt, struct naming *n)
{
	int r;

	if (!opt->cache && !opt->again)
		return;
	n->cache_folder = opt->cache;
	r = symbol_cache_new(opt->cache, &SYMBOL_CACHE_LIMITS_DEFAULT, &n->cache);
	if (r == -EPERM)
		log_warning("--symbol-cache '%s' is not used: others than its owner, which must be "
			    "us, could choose names there; chmod go-w or another folder helps",
			    opt->cache);
	else if (r < 0 && opt->cache)
		log_warning("--symbol-cache '%s' is not used: %s", opt->cache, strerror(-r));
	if (r < 0 && opt->cache && opt->again)
		r = symbol_cache_new(NULL, &SYMBOL_CACHE_LIMITS_DEFAULT, &n->cache);
	if (r == 0)
		symbolizer_use_cache(n->sym, n->cache);
}

int naming_open(const struct symbol_options *opt, struct naming **ret)
{
	CLEANUP(naming_closep) struct naming *n = calloc(1, sizeof(*n));
	int r = n ? symbolizer_new(&n->sym) : -ENOMEM;

	if (r == 0)
		r = worker_new(NULL, &n->worker);
	if (r < 0)
		return log_error_errno(r, "cannot name the functions");
	n->demangle = opt->demangle;
	symbolizer_use_worker(n->sym, n->worker);
	open_servers(opt, n);
	open_cache(opt, n);
	*ret = TAKE_PTR(n);
	return 0;
}

void naming_close(struct naming *n)
{
	if (!n)
		return;
	symbolizer_free(n->sym);
	symbol_cache_free(n->cache);
	worker_free(n->worker);
	debuginfod_files_free(n->servers);
	free(n);
}

static int read_by_worker(void *worker, enum demangle_style style, const char *const *names,
			  size_t n, struct arena *memory, const char **ret)
{
	return demangle_client_ask(worker, style, names, n, memory, ret);
}

int naming_demangle(struct naming *n, struct pprof *p)
{
	int r = pprof_demangle_by(p, n->demangle, read_by_worker, n->worker);
	char text[WORKER_TEXT_MAX];

	if (r != -EREMOTEIO)
		return r;
	worker_failure_print(worker_last_failure(n->worker), text);
	log_warning("cannot demangle some names: %s; they are shown as the linker has them", text);
	return 0;
}

static void tell_of_kernel(struct naming *n)
{
	int r = symbolizer_kernel_error(n->sym);

	if (r == 0 || n->kernel_told)
		return;
	n->kernel_told = true;
	log_warning(
		"functions of the kernel have no names: /proc/kallsyms %s; kernel.kptr_restrict "
		"must be 0 or 1, with CAP_SYSLOG, and ProtectKernelTunables= of systemd off",
		r == -EPERM ? "shows no addresses" : strerror(-r));
}

void naming_tell_troubles(struct naming *n)
{
	const struct bad_file *bad;

	tell_of_kernel(n);
	for (; (bad = symbolizer_bad_file(n->sym, n->n_bad_told)); n->n_bad_told++) {
		if (n->n_bad_told < BAD_FILES_SHOWN)
			log_warning("cannot read '%s': %s; its functions %s", bad->path,
				    bad->reason,
				    bad->hopeless ? "show as [file+0x…]"
						  : "have names from its symbol tables at most");
		else if (n->n_bad_told == BAD_FILES_SHOWN)
			log_warning("the same with other files; symbol_worker_failed counts them");
	}
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

static void report_cache(const struct symbol_cache *cache, const char *folder)
{
	struct symbol_cache_totals t = symbol_cache_totals(cache);

	if (t.failed)
		log_warning("--symbol-cache: %" PRIu64 " files could not be written to '%s': %s",
			    t.failed, folder, strerror(-t.error));
	if (t.rejected)
		log_warning("--symbol-cache: %" PRIu64 " files in '%s' were damaged or not ours, "
			    "and did not count",
			    t.rejected, folder);
	log_info("symbol cache: %" PRIu64 " files read, %" PRIu64 " written", t.loaded, t.saved);
}

void naming_finish(struct naming *n)
{
	if (n->cache) {
		symbol_cache_save(n->cache);
		if (n->cache_folder)
			report_cache(n->cache, n->cache_folder);
	}
	worker_report(n->worker, "ELF files", "functions show as [file+0x…]");
	naming_tell_troubles(n);
	if (n->servers)
		report_servers(n->servers);
}
