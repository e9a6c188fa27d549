/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_report.h"

#include <fcntl.h>
#include <string.h>

#include "app/report_options.h"
#include "base/log.h"

#define FILE_MAX   ((size_t)1 << 30)
#define EXIT_USAGE 2

static bool is_stdio(const char *path)
{
	return strcmp(path, "-") == 0;
}

static int complain_decode(int err, const char *path)
{
	if (err == -EBADMSG)
		log_error(
			"'%s' is no pprof profile or is damaged; record it again, or copy it anew "
			"from where it was made",
			path);
	else if (err == -EFBIG)
		log_error("'%s' inflates to more than 1 GiB, which no recording does", path);
	else
		log_error_errno(err, "cannot read '%s'", path);
	return err;
}

static int read_profile(const char *path, struct pprof **ret)
{
	CLEANUP(freep) char *buf = NULL;
	size_t len;
	int r;

	r = is_stdio(path) ? read_whole_fd(STDIN_FILENO, FILE_MAX, &buf, &len)
			   : read_whole_file(path, FILE_MAX, &buf, &len);
	if (r == -ENOENT) {
		log_error("there is no file '%s'; 'spanprof record -o %s' makes one", path, path);
		return r;
	}
	if (r == -EFBIG) {
		log_error("'%s' is longer than 1 GiB, which no recording is", path);
		return r;
	}
	if (r < 0)
		return log_error_errno(r, "cannot read '%s'", path);

	r = pprof_decode(buf, len, ret);
	return r < 0 ? complain_decode(r, path) : 0;
}

static bool selects_anything(const struct view_select *sel, const struct pprof *p)
{
	if (!sel->span_id && !sel->trace_id && !sel->label && !sel->pid)
		return true;
	for (size_t i = 0; i < p->n_samples; i++)
		if (view_select_matches(sel, &p->samples[i]))
			return true;
	return false;
}

/* Which of the conditions is it that nothing meets? */
static void complain_selection(const struct report_options *o, const struct pprof *p)
{
	const struct view_select *sel = &o->table.select;
	struct view_select span = { .span_id = sel->span_id };
	struct view_select trace = { .trace_id = sel->trace_id };
	struct view_select label = { .label = sel->label };
	struct view_select process = { .pid = sel->pid };

	if (!selects_anything(&span, p))
		log_error("no sample of span %s in '%s'; '--by span' lists those that are",
			  sel->span_id, o->input);
	else if (!selects_anything(&trace, p))
		log_error("no sample of trace %s in '%s'; '--by trace' lists those that are",
			  sel->trace_id, o->input);
	else if (!selects_anything(&label, p))
		log_error("no sample with the label %s in '%s'", sel->label, o->input);
	else if (!selects_anything(&process, p))
		log_error("no sample of process %lld in '%s'; '--by process' lists those that are",
			  (long long)sel->pid, o->input);
	else
		log_error("no sample in '%s' meets all of the given conditions at once; leave one "
			  "out",
			  o->input);
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

	r = read_profile(o->input, &p);
	if (r < 0)
		return r;
	if (!selects_anything(&o->table.select, p)) {
		complain_selection(o, p);
		return -ENOENT;
	}
	return write_report(o, p);
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
