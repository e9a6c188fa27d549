/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbolizer.h"

#include <stdbool.h>
#include <string.h>

#include "elf/debug_link.h"
#include "elf/elf_file.h"
#include "elf/vdso.h"
#include "sym/debug_files.h"
#include "sym/dwarf_names.h"
#include "sym/elf_names.h"
#include "sym/go_names.h"
#include "sym/kallsyms.h"
#include "sym/plt_names.h"
#include "sym/sym_batch.h"

/* Memory for debug information: what is compressed counts unpacked, mapped files do not count. */
#define DEBUG_MEMORY_MAX	(24ULL << 20)
#define DEBUG_MEMORY_MAPPED_MAX (192ULL << 20)

struct symbolizer {
	struct name_table names;
	bool may_map;
	uint64_t debug_left_out;
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

void symbolizer_allow_mapping(struct symbolizer *s)
{
	s->may_map = true;
}

uint64_t symbolizer_debug_left_out(const struct symbolizer *s)
{
	return s->debug_left_out;
}

static void no_names(const uint64_t *addrs, size_t n, struct sym_result *results)
{
	for (size_t i = 0; i < n; i++)
		results[i] = (struct sym_result){ .vaddr = addrs[i] };
}

/* One file with what belongs to it. */
struct file_set {
	struct elf_file *ef;
	struct elf_file *debug; /* NULL: none, or not needed */
	struct elf_file *mini;	/* .gnu_debugdata */
	uint8_t *mini_mem;
};

static void file_set_clear(struct file_set *fs)
{
	elf_file_close(fs->debug);
	elf_file_close(fs->mini);
	free(fs->mini_mem);
}

/* A debug file has all that the small one in .gnu_debugdata has, and more. */
static int file_set_open(struct file_set *fs, const struct sym_file_source *files)
{
	bool few_symbols = elf_names_needs_debug_file(fs->ef);
	int r = 0;

	if (few_symbols || !debug_file_has_dwarf(fs->ef))
		r = debug_files_open_debug(files, fs->ef, &fs->debug);
	if (r == -ENOMEM)
		return r;
	if (few_symbols && (!fs->debug || elf_names_needs_debug_file(fs->debug)))
		r = mini_debug_open(fs->ef, &fs->mini_mem, &fs->mini);
	return r == -ENOMEM ? r : 0;
}

static int name_from_dwarf(struct symbolizer *s, const struct file_set *fs,
			   const struct sym_file_source *files, struct sym_batch *b)
{
	struct debug_budget budget = { .may_map = s->may_map,
				       .left = s->may_map ? DEBUG_MEMORY_MAPPED_MAX
							  : DEBUG_MEMORY_MAX };
	const struct dwarf_names_input in = {
		.code = fs->ef,
		.debug = debug_file_has_dwarf(fs->ef) ? fs->ef : fs->debug,
		.source = files,
		.budget = &budget,
	};
	int r = in.debug ? dwarf_names_answer(&in, b) : 0;

	if (r == -ENOMEM)
		return r;
	s->debug_left_out += r == -EFBIG || r == -EBADMSG;
	return 0;
}

/*
 * Symbols, then what they are silent of: stubs; then DWARF, which knows inlined calls and lines.
 * What Go knows of itself comes last: it is in stripped programs, too.
 */
static int name_from_file(struct symbolizer *s, struct elf_file *ef,
			  const struct sym_file_source *files, struct sym_batch *b)
{
	CLEANUP(file_set_clear) struct file_set fs = { .ef = ef };
	int r = file_set_open(&fs, files);

	if (r == 0)
		r = elf_names_answer(ef, fs.debug, fs.mini, b);
	if (r == 0)
		r = plt_names_answer(ef, b);
	if (r == 0)
		r = name_from_dwarf(s, &fs, files, b);
	if (r == 0)
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

int symbolizer_file(struct symbolizer *s, int fd, const struct sym_file_source *files,
		    const uint64_t *offsets, size_t n, struct sym_result *results)
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
	return name_from_file(s, ef, files, &b);
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
	return elf_names_answer(ef, NULL, NULL, &b);
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
