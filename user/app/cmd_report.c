/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_report.h"

#include <fcntl.h>
#include <string.h>

#include "app/report_options.h"
#include "base/log.h"

#define EXIT_USAGE 2

static bool is_stdio(const char *path)
{
	return strcmp(path, "-") == 0;
}

/* The reader of a pipe may stop when it has enough (head): that is no failure. */
static int write_report(const struct report_options *o, const struct pprof *p)
{
	CLEANUP(atomic_file_closep) struct atomic_file *f = NULL;
	const char *where = is_stdio(o->output) ? "standard output" : o->output;
	struct output_view view = { .table = o->table };
	const char *slash = strrchr(o->input, '/');
	int r;

	view.title = is_stdio(o->input) ? "spanprof" : slash ? slash + 1 : o->input;
	if (!o->by_given)
		view.table.by = output_default_by(p);

	r = atomic_file_open(o->output, &f);
	if (r < 0)
		return log_error_errno(r, "cannot create '%s'", where);
	r = output_write_view(f, o->format, p, &view);
	if (r == 0)
		r = atomic_file_commit(f);
	if (r == -EPIPE && is_stdio(o->output))
		return 0;
	return r < 0 ? log_error_errno(r, "cannot write '%s'", where) : 0;
}

static int report(const struct report_options *o)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	int r;

	/* Else the file to be read would become descriptor 1, and be written. */
	if (is_stdio(o->output) && fcntl(STDOUT_FILENO, F_GETFD) < 0)
		return log_error_errno(-errno, "standard output is closed; name a file with -o");

	r = profile_input_read(o->input, &o->table.select, &o->frames, &p);
	return r < 0 ? r : write_report(o, p);
}

int cmd_report(int argc, char **argv)
{
	struct report_options o;

	if (report_options_parse(argc, argv, &o) < 0)
		return EXIT_USAGE;
	if (o.help) {
		report_options_help(stdout);
		return fflush(stdout) == 0 || errno == EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	return report(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
