/* SPDX-License-Identifier: Apache-2.0 */
#include "app/profile_input.h"

#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/parse.h"
#include "export/pprof_edit.h"

#define FILE_MAX       ((size_t)1 << 30)
#define SPAN_ID_BYTES  8
#define TRACE_ID_BYTES 16

/* --- options ---------------------------------------------------------------------------------- */

static int check_id(const char *what, const char *arg, size_t bytes)
{
	uint8_t id[TRACE_ID_BYTES];

	if (parse_hex(arg, id, bytes) == 0)
		return 0;
	log_error("'%s' is no %s id: it takes %zu hex digits", arg, what, 2 * bytes);
	return -EINVAL;
}

int select_set_span_id(void *select, const char *arg)
{
	((struct view_select *)select)->span_id = arg;
	return check_id("span", arg, SPAN_ID_BYTES);
}

int select_set_trace_id(void *select, const char *arg)
{
	((struct view_select *)select)->trace_id = arg;
	return check_id("trace", arg, TRACE_ID_BYTES);
}

int select_set_label(void *select, const char *arg)
{
	((struct view_select *)select)->label = arg;
	if (strchr(arg, '=') && *arg != '=')
		return 0;
	log_error("--label '%s': not KEY=VALUE", arg);
	return -EINVAL;
}

int select_set_pid(void *select, const char *arg)
{
	uint64_t pid;

	if (parse_u64(arg, 1, INT32_MAX, &pid) < 0) {
		log_error("'%s' is no process id: -p takes a number from 1 to %d", arg, INT32_MAX);
		return -EINVAL;
	}
	((struct view_select *)select)->pid = (int64_t)pid;
	return 0;
}

int frame_options_inline(void *options, const char *arg)
{
	((struct frame_options *)options)->no_inline = false;
	return 0;
}

int frame_options_no_inline(void *options, const char *arg)
{
	((struct frame_options *)options)->no_inline = true;
	return 0;
}

int frame_options_demangle(void *options, const char *arg)
{
	if (demangle_style_parse(arg, &((struct frame_options *)options)->demangle) == 0)
		return 0;
	log_error("unknown --demangle '%s': " DEMANGLE_STYLE_NAMES, arg);
	return -EINVAL;
}

int profile_input_one_file(const char *command, int argc, char **argv, const char **ret)
{
	if (optind == argc) {
		log_error("no file given: spanprof %s FILE", command);
		return -EINVAL;
	}
	if (optind + 1 < argc) {
		log_error("one file at a time: '%s' is too many", argv[optind + 1]);
		return -EINVAL;
	}
	*ret = argv[optind];
	return 0;
}

/* --- file ------------------------------------------------------------------------------------- */

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

	r = strcmp(path, "-") == 0 ? read_whole_fd(STDIN_FILENO, FILE_MAX, &buf, &len)
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

/* --- selection -------------------------------------------------------------------------------- */

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
static void complain_selection(const char *path, const struct view_select *sel,
			       const struct pprof *p)
{
	struct view_select span = { .span_id = sel->span_id };
	struct view_select trace = { .trace_id = sel->trace_id };
	struct view_select label = { .label = sel->label };
	struct view_select process = { .pid = sel->pid };

	if (!selects_anything(&span, p))
		log_error("no sample of span %s in '%s'; 'report --by span' lists those that are",
			  sel->span_id, path);
	else if (!selects_anything(&trace, p))
		log_error("no sample of trace %s in '%s'; 'report --by trace' lists those that are",
			  sel->trace_id, path);
	else if (!selects_anything(&label, p))
		log_error("no sample with the label %s in '%s'", sel->label, path);
	else if (!selects_anything(&process, p))
		log_error("no sample of process %lld in '%s'; 'report --by process' lists those "
			  "that are",
			  (long long)sel->pid, path);
	else
		log_error("no sample in '%s' meets all of the given conditions at once; leave one "
			  "out",
			  path);
}

int profile_input_read(const char *path, const struct view_select *sel,
		       const struct frame_options *fo, struct pprof **ret)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	int r = read_profile(path, &p);

	if (r < 0)
		return r;
	if (!selects_anything(sel, p)) {
		complain_selection(path, sel, p);
		return -ENOENT;
	}

	r = pprof_demangle(p, fo->demangle);
	if (r < 0)
		return log_error_errno(r, "cannot read '%s'", path);
	if (fo->no_inline)
		pprof_fold_inlined(p);
	*ret = TAKE_PTR(p);
	return 0;
}
