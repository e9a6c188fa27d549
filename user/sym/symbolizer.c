/* SPDX-License-Identifier: Apache-2.0 */
#include "sym/symbolizer.h"

#include <stdbool.h>
#include <string.h>

#include "elf/elf_file.h"
#include "elf/vdso.h"
#include "sym/bad_files.h"
#include "sym/elf_names.h"
#include "sym/file_names.h"
#include "sym/kallsyms.h"
#include "sym/names_client.h"
#include "sym/sym_batch.h"

struct symbolizer {
	struct name_table names;   /* that were read here */
	struct frame_store frames; /* that came from the worker */
	struct worker *worker;	   /* borrowed; NULL: none */
	struct bad_files bad;
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
	frame_store_clear(&s->frames);
	bad_files_clear(&s->bad);
	free(s);
}

void symbolizer_use_worker(struct symbolizer *s, struct worker *w)
{
	s->worker = w;
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

/* --- files ------------------------------------------------------------------------------------ */

static int by_worker(struct symbolizer *s, int fd, const struct sym_file_source *files,
		     const struct names_request *q)
{
	const struct names_client client = { s->worker, files, &s->frames, &s->debug_left_out };
	const struct worker_failure *why = worker_last_failure(s->worker);
	char reason[WORKER_TEXT_MAX];
	int r;

	if (bad_files_find(&s->bad, fd))
		return -EREMOTEIO;
	r = names_client_ask(&client, fd, q);
	/* That it does not start has nothing to do with the file. */
	if (r != -EREMOTEIO || why->kind == WORKER_NOT_STARTED)
		return r;
	worker_failure_print(why, reason);
	return bad_files_add(&s->bad, fd, reason) == -ENOMEM ? -ENOMEM : r;
}

static int in_this_process(struct symbolizer *s, int fd, const struct sym_file_source *files,
			   const struct names_request *q)
{
	const struct file_reader reader = {
		.names = &s->names,
		.files = files,
		.may_map = s->may_map,
		.debug_left_out = &s->debug_left_out,
	};

	return file_names(&reader, fd, q->results, q->n);
}

int symbolizer_file(struct symbolizer *s, int fd, const struct sym_file_source *files,
		    const uint64_t *offsets, size_t n, struct sym_result *results)
{
	const struct names_request q = { offsets, results, n };
	struct stat st;

	no_names(offsets, n, results);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	return s->worker ? by_worker(s, fd, files, &q) : in_this_process(s, fd, files, &q);
}

const struct sym_bad_file *symbolizer_bad_file(const struct symbolizer *s, size_t i)
{
	return bad_files_get(&s->bad, i);
}

const struct sym_bad_file *symbolizer_bad_file_of(const struct symbolizer *s, int fd)
{
	return bad_files_find(&s->bad, fd);
}

/* --- what is the kernel's, and so ours ---------------------------------------------------------
 */

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

	sym_batch_add(&b, ef, results, n);
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
