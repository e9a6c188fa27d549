/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of any content are shown: tables keep to their lines and width, HTML to its elements. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "export/pprof_edit.h"
#include "view/annotate.h"
#include "view/html_data.h"
#include "view/table.h"
#include "view/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WIDTH 100

static void check(int ok)
{
	if (!ok)
		abort();
}

static void check_lines(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		check(text_width(line) <= WIDTH);
		for (const char *c = line; *c; c++)
			check((unsigned char)*c >= ' ' && *c != 0x7f);
	}
}

static void show_tables(const struct pprof *p)
{
	for (int by = VIEW_BY_FUNCTION; by <= VIEW_BY_SERVICE; by++) {
		struct view_table_options opt = { .by = by, .max_rows = 50, .max_functions = 5 };
		CLEANUP(freep) char *text = NULL;
		size_t n;
		FILE *out = open_memstream(&text, &n);

		check(view_table(p, &opt, out) == 0);
		fclose(out);
		check(strlen(text) == n);
		check_lines(text);
	}
}

static void show_html(const struct pprof *p)
{
	struct view_select sel = { 0 };
	CLEANUP(freep) char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	check(html_data_write(p, &sel, "title", out) == 0);
	fclose(out);
	check(strlen(text) == n && strpbrk(text, "<>&") == NULL);
	for (const char *c = text; *c; c++)
		check(*c == '\n' || (*c >= ' ' && *c < 0x7f));
}

static void show_folded(const struct pprof *p, bool by_line)
{
	struct view_select sel = { .by_line = by_line };
	CLEANUP(freep) char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	check(view_folded(p, &sel, out) == 0);
	fclose(out);
}

/* The hottest of all functions, without its source. */
static void show_annotation(const struct pprof *p)
{
	struct source_text *sources[ANNOTATION_FILES_MAX] = { 0 };
	struct annotate_options opt = { .function = "*", .context = 2 };
	CLEANUP(annotation_freep) struct annotation *a = NULL;
	CLEANUP(freep) char *text = NULL;
	size_t n;
	FILE *out;

	if (annotation_new(p, &opt, &a) < 0)
		return;
	out = open_memstream(&text, &n);
	check(annotation_write(a, sources, out) == 0);
	fclose(out);
	check(strlen(text) == n);
	for (const char *c = text; *c; c++)
		check(*c == '\n' || ((unsigned char)*c >= ' ' && *c != 0x7f));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(pprof_freep) struct pprof *p = NULL;

	if (pprof_decode(data, size, &p) < 0)
		return 0;

	show_tables(p);
	show_html(p);
	show_folded(p, false);
	show_folded(p, true);
	show_annotation(p);
	check(pprof_demangle(p, DEMANGLE_SIMPLE) == 0);
	pprof_fold_inlined(p);
	show_tables(p);
	return 0;
}
