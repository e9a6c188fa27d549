/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbolizer.h"

#include <stdbool.h>
#include <string.h>

#include "elf/debug_file.h"
#include "elf/elf_file.h"
#include "elf/vdso.h"
#include "sym/dwarf_names.h"
#include "sym/elf_names.h"
#include "sym/go_names.h"
#include "sym/kallsyms.h"
#include "sym/plt_names.h"
#include "sym/sym_batch.h"

struct symbolizer {
	struct name_table names;
};

int symbolizer_new(struct symbolizer **ret)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	name_table_clear(&s->names);
	free(s);
}

static void no_names(const uint64_t *addrs, size_t n, struct sym_result *results)
{
	for (size_t i = 0; i < n; i++)
		results[i] = (struct sym_result){ .vaddr = addrs[i] };
}

/*
 * Where the debug file stands in the line: its symbols, then DWARF of the file, then of it. What
 * Go knows of itself comes last: it is in stripped programs, too.
 */
static int name_from_file(struct elf_file *ef, const char *path, struct sym_batch *b)
{
	CLEANUP(elf_file_closep) struct elf_file *debug = NULL;
	int r;

	if (elf_names_needs_debug_file(ef) && debug_file_open(ef, path, &debug) < 0)
		debug = NULL;
	r = elf_names_answer(ef, debug, b);
	if (r == 0)
		r = plt_names_answer(ef, b);
	if (r < 0)
		return r;

	r = dwarf_names_answer(ef, b);
	if (r == -ENODATA && (debug || debug_file_open(ef, path, &debug) == 0))
		r = dwarf_names_answer(debug, b);
	if (r < 0 && r != -ENODATA)
		return r;

	r = go_names_answer(ef, b);
	return r == -ENODATA ? 0 : r;
}

/* Queries for those results whose offset (left in vaddr) is in a segment of @ef. */
static void add_queries(struct elf_file *ef, struct sym_result *results, size_t n,
			struct sym_batch *b)
{
	for (size_t i = 0; i < n; i++) {
		if (elf_file_offset_to_vaddr(ef, results[i].vaddr, &results[i].vaddr) < 0)
			continue;
		b->queries[b->n++] =
			(struct sym_query){ .vaddr = results[i].vaddr, .res = &results[i] };
	}
	sym_batch_sort(b);
}

int symbolizer_file(struct symbolizer *s, int fd, const char *path, const uint64_t *offsets,
		    size_t n, struct sym_result *results)
{
	CLEANUP(sym_batch_clear) struct sym_batch b = { 0 };
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r;

	no_names(offsets, n, results);
	r = elf_file_open_fd(fd, &ef);
	if (r == 0)
		r = sym_batch_init(&b, &s->names, n);
	if (r < 0)
		return r;

	add_queries(ef, results, n, &b);
	return name_from_file(ef, path, &b);
}

int symbolizer_vdso(struct symbolizer *s, const uint64_t *offsets, size_t n,
		    struct sym_result *results)
{
	CLEANUP(sym_batch_clear) struct sym_batch b = { 0 };
	CLEANUP(elf_file_closep) struct elf_file *ef = NULL;
	int r;

	no_names(offsets, n, results);
	r = vdso_open(&ef);
	if (r == 0)
		r = sym_batch_init(&b, &s->names, n);
	if (r < 0)
		return r;

	add_queries(ef, results, n, &b);
	return elf_names_answer(ef, NULL, &b);
}

int symbolizer_kernel(struct symbolizer *s, const uint64_t *addrs, size_t n,
		      struct sym_result *results)
{
	CLEANUP(sym_batch_clear) struct sym_batch b = { 0 };
	CLEANUP(fclosep) FILE *f = NULL;
	int r;

	no_names(addrs, n, results);
	f = fopen("/proc/kallsyms", "re");
	if (!f)
		return -errno;
	r = sym_batch_init(&b, &s->names, n);
	if (r < 0)
		return r;

	for (size_t i = 0; i < n; i++)
		b.queries[b.n++] = (struct sym_query){ .vaddr = addrs[i], .res = &results[i] };
	sym_batch_sort(&b);
	return kallsyms_answer(f, &b);
}
