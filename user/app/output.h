/* SPDX-License-Identifier: Apache-2.0 */
/* The formats that a profile is written in, by `record` and by `report`. */
#ifndef APP_OUTPUT_H
#define APP_OUTPUT_H

#include "base/io.h"
#include "export/pprof.h"
#include "view/table.h"

enum output_format {
	OUTPUT_PPROF_GZ,
	OUTPUT_PPROF,
	OUTPUT_FOLDED,
	OUTPUT_HTML,
	OUTPUT_TEXT,
};

/* What -f takes, for messages and help. */
#define OUTPUT_FORMAT_NAMES "pprof, pprof-raw, folded, html or text"

/* Name to format: "pprof" (gzip'd), "pprof-raw", "folded", "html", "text", or a suffix without its
 * dot ("pb.gz", "pb", "txt"). -EINVAL. */
int output_format_parse(const char *name, enum output_format *ret);

/* By the end of the name: .pb.gz .pprof .pb .folded .html .htm .txt. -EINVAL if it says nothing. */
int output_format_of_path(const char *path, enum output_format *ret);

/* How to show a profile: by span if it has spans, else by function. */
enum view_by output_default_by(const struct pprof *p);

/*
 * Writes all of @p (commit is the caller's). @title: heading of the HTML file. What
 * atomic_file_write() says, or -ENOMEM.
 */
int output_write(struct atomic_file *f, enum output_format fmt, const struct pprof *p,
		 const char *title);

struct output_view {
	const char *title;
	struct view_table_options table; /* table.select counts for all formats */
};

/* The same of a part of the profile, and with a table of the caller's choice. */
int output_write_view(struct atomic_file *f, enum output_format fmt, const struct pprof *p,
		      const struct output_view *view);

#endif
