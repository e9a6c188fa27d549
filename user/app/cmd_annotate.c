/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cmd_annotate.h"

#include <errno.h>
#include <string.h>

#include "app/annotate_options.h"
#include "base/log.h"
#include "view/text.h"

#define EXIT_USAGE 2
#define NAME_WIDTH 200 /* of a foreign name in a message */

/* A foreign name for a message: fresh text (the caller frees), NULL without memory. */
static char *shown(const char *foreign)
{
	CLEANUP(freep) char *clean = NULL;
	char *text = NULL;
	size_t n;
	FILE *mem;

	if (text_clean(foreign, &clean) < 0)
		return NULL;
	mem = open_memstream(&text, &n);
	if (!mem)
		return NULL;
	text_write_cut(mem, clean, NAME_WIDTH, TEXT_CUT_MIDDLE);
	fclose(mem);
	return text;
}

static int complain_function(const struct annotate_command *c)
{
	if (c->view.in)
		log_error("no function '%s' in '%s' was sampled; 'report --by function' lists "
			  "those that were",
			  c->view.function, c->view.in);
	else
		log_error("no function '%s' was sampled; 'report --by function' lists those that "
			  "were",
			  c->view.function);
	return -ENOENT;
}

static int complain_lines(const struct annotation *a)
{
	CLEANUP(freep) char *name = shown(annotation_function(a));

	log_error("no line of '%s' is known: its file had no debug information when it was "
		  "recorded (compile with -g)",
		  name ? name : "");
	return -ENODATA;
}

static void warn_missing(const struct annotate_command *c, const char *file, int err)
{
	static const char remedy[] = "lines are shown without it (--source-dir, --source-map)";
	CLEANUP(freep) char *path = NULL;
	CLEANUP(freep) char *name = NULL;

	name = shown(source_search_path(&c->sources, file, &path) < 0 ? file : path);

	if (!name || !*name)
		return;
	if (err == -ENOTSUP)
		log_warning("source file '%s' is no regular file; %s", name, remedy);
	else if (err == -EFBIG)
		log_warning("source file '%s' is longer than 16 MiB; %s", name, remedy);
	else
		log_warning("cannot read source file '%s': %s; %s", name, strerror(-err), remedy);
}

/* A file that has changed since would put shares beside the wrong lines. */
static void warn_changed(const struct annotation *a, size_t i, const struct pprof *p,
			 const struct source_text *st)
{
	CLEANUP(freep) char *name = shown(annotation_file(a, i));

	if (annotation_last_line(a, i) > source_text_lines(st))
		log_warning("'%s' has %u lines, and the samples are of line %u: it is not the file "
			    "that was compiled",
			    name ? name : "", source_text_lines(st), annotation_last_line(a, i));
	else if (p->time_nanos > 0 && source_text_time(st) > p->time_nanos)
		log_warning("'%s' has changed since the recording: lines may have moved",
			    name ? name : "");
}

/* Is the line of any sample known? */
static bool has_lines(const struct annotation *a)
{
	for (size_t i = 0; i < annotation_files(a); i++)
		if (annotation_last_line(a, i))
			return true;
	return false;
}

/* The reader of a pipe may stop when it has enough: that is no failure. */
static int write_annotation(const struct annotation *a, struct source_text *const *sources)
{
	int r = annotation_write(a, sources, stdout);

	if (r == -EIO && errno == EPIPE)
		return 0;
	return r < 0 ? log_error_errno(r, "cannot write standard output") : 0;
}

static int annotate_with_source(const struct annotate_command *c, const struct annotation *a,
				const struct pprof *p)
{
	struct source_text *sources[ANNOTATION_FILES_MAX] = { 0 };
	int r;

	for (size_t i = 0; i < annotation_files(a); i++) {
		r = source_search_open(&c->sources, annotation_file(a, i), &sources[i]);
		if (r < 0)
			warn_missing(c, annotation_file(a, i), r);
		else
			warn_changed(a, i, p, sources[i]);
	}
	r = write_annotation(a, sources);
	for (size_t i = 0; i < annotation_files(a); i++)
		source_text_free(sources[i]);
	return r;
}

static int annotate(const struct annotate_command *c)
{
	CLEANUP(annotation_freep) struct annotation *a = NULL;
	CLEANUP(pprof_freep) struct pprof *p = NULL;
	int r = profile_input_read(c->input, &c->view.select, &c->frames, &p);

	if (r < 0)
		return r;
	r = annotation_new(p, &c->view, &a);
	if (r == -ENOENT)
		return complain_function(c);
	if (r < 0)
		return log_error_errno(r, "cannot annotate '%s'", c->view.function);
	return has_lines(a) ? annotate_with_source(c, a, p) : complain_lines(a);
}

int cmd_annotate(int argc, char **argv)
{
	struct annotate_command c;

	if (annotate_options_parse(argc, argv, &c) < 0)
		return EXIT_USAGE;
	if (c.help) {
		annotate_options_help(stdout);
		return fflush(stdout) == 0 || errno == EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
	}
	return annotate(&c) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
