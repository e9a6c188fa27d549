/* SPDX-License-Identifier: Apache-2.0 */
#include "app/output.h"

#include <string.h>

#include "view/html.h"

#define FUNCTIONS_PER_ROW 5

struct format_name {
	const char *name;
	enum output_format fmt;
};

int output_format_parse(const char *name, enum output_format *ret)
{
	static const struct format_name names[] = {
		{ "pprof", OUTPUT_PPROF_GZ },  { "pb.gz", OUTPUT_PPROF_GZ },
		{ "pprof-raw", OUTPUT_PPROF }, { "pb", OUTPUT_PPROF },
		{ "folded", OUTPUT_FOLDED },   { "html", OUTPUT_HTML },
		{ "text", OUTPUT_TEXT },       { "txt", OUTPUT_TEXT },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name) != 0)
			continue;
		*ret = names[i].fmt;
		return 0;
	}
	return -EINVAL;
}

static bool ends_with(const char *str, const char *end)
{
	size_t n = strlen(str), m = strlen(end);

	return n >= m && strcmp(str + n - m, end) == 0;
}

int output_format_of_path(const char *path, enum output_format *ret)
{
	static const struct format_name suffixes[] = {
		{ ".pb.gz", OUTPUT_PPROF_GZ }, { ".pprof", OUTPUT_PPROF_GZ },
		{ ".pb", OUTPUT_PPROF },       { ".folded", OUTPUT_FOLDED },
		{ ".html", OUTPUT_HTML },      { ".htm", OUTPUT_HTML },
		{ ".txt", OUTPUT_TEXT },
	};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (!ends_with(path, suffixes[i].name))
			continue;
		*ret = suffixes[i].fmt;
		return 0;
	}
	return -EINVAL;
}

enum view_by output_default_by(const struct pprof *p)
{
	for (size_t i = 0; i < p->n_samples; i++)
		if (pprof_sample_label(&p->samples[i], PPROF_LABEL_SPAN_ID))
			return VIEW_BY_SPAN;
	return VIEW_BY_FUNCTION;
}

/* Everything else is shared with @p, which must outlive the copy; the caller frees the samples. */
static int pprof_of_selected(const struct pprof *p, const struct view_select *sel,
			     struct pprof *ret)
{
	struct pprof_sample *samples = calloc(p->n_samples + 1, sizeof(*samples));
	size_t n = 0;

	if (!samples)
		return -ENOMEM;

	for (size_t i = 0; i < p->n_samples; i++)
		if (view_select_matches(sel, &p->samples[i]))
			samples[n++] = p->samples[i];
	*ret = *p;
	ret->samples = samples;
	ret->n_samples = n;
	return 0;
}

static int write_pprof(struct atomic_file *f, const struct pprof *p, const struct view_select *sel,
		       bool gzip)
{
	CLEANUP(freep) struct pprof_sample *samples = NULL;
	CLEANUP(freep) uint8_t *bytes = NULL;
	struct pprof part;
	size_t len;
	int r;

	r = pprof_of_selected(p, sel, &part);
	if (r < 0)
		return r;
	samples = part.samples;

	r = pprof_encode(&part, gzip, &bytes, &len);
	if (r < 0)
		return r;
	return atomic_file_write(f, bytes, len);
}

/* A stream into an atomic_file, which remembers what went wrong: stdio only says that it did. */
struct sink {
	struct atomic_file *file;
	int error;
};

static ssize_t sink_write(void *cookie, const char *buf, size_t len)
{
	struct sink *sink = cookie;

	if (!sink->error)
		sink->error = atomic_file_write(sink->file, buf, len);
	return sink->error ? 0 : (ssize_t)len;
}

static int render(enum output_format fmt, const struct pprof *p, const struct output_view *view,
		  FILE *out)
{
	switch (fmt) {
	case OUTPUT_FOLDED:
		return view_folded(p, &view->table.select, out);
	case OUTPUT_HTML:
		return view_html(p, &view->table.select, view->title, out);
	default:
		return view_table(p, &view->table, out);
	}
}

int output_write_view(struct atomic_file *f, enum output_format fmt, const struct pprof *p,
		      const struct output_view *view)
{
	cookie_io_functions_t io = { .write = sink_write };
	struct sink sink = { f, 0 };
	FILE *out;
	int r;

	if (fmt == OUTPUT_PPROF || fmt == OUTPUT_PPROF_GZ)
		return write_pprof(f, p, &view->table.select, fmt == OUTPUT_PPROF_GZ);

	out = fopencookie(&sink, "w", io);
	if (!out)
		return -ENOMEM;
	r = render(fmt, p, view, out);
	if (fclose(out) != 0 && r == 0)
		r = -EIO;
	return sink.error ? sink.error : r;
}

int output_write(struct atomic_file *f, enum output_format fmt, const struct pprof *p,
		 const char *title)
{
	struct output_view view = {
		.title = title,
		.table = { .by = output_default_by(p), .max_functions = FUNCTIONS_PER_ROW },
	};

	return output_write_view(f, fmt, p, &view);
}
